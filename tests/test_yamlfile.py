from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlconnector.errors import ConfigError
from mlconnector.explain import Problem
from mlconnector.yamlfile import Place, read_document


def written(folder: Path, content: str | bytes) -> Path:
    file = folder / "c.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def test_text_stays_text(tmp_path: Path) -> None:
    text = "a: NO\nb: 010\nc: 12:30:00\nd: yes\ne: 2026-01-02\nf: 1e5\ng: '5'\nh: 0x1F\ni: 1_000\n"
    data = read_document(written(tmp_path, text)).data
    assert [*data.values()] == ["NO", "010", "12:30:00", "yes", "2026-01-02", "1e5", "5", "0x1F", "1_000"]


def test_true_false_null_and_decimal_numbers_are_more_than_text(tmp_path: Path) -> None:
    data = read_document(written(tmp_path, "[true, False, null, ~, 12, -3, 1.5, ]")).data
    assert data == [True, False, None, None, 12, -3, 1.5]


def test_keys_are_text(tmp_path: Path) -> None:
    assert read_document(written(tmp_path, "{010: a, true: b, NO: c}")).data == {
        "010": "a",
        "true": "b",
        "NO": "c",
    }


def test_places_are_those_of_keys_and_items(tmp_path: Path) -> None:
    document = read_document(written(tmp_path, "a:\n  b: [x,\n      y]\n"))
    assert document.place(("a", "b")) == Place(2, 3)
    assert document.place(("a", "b", 1)) == Place(3, 7)
    assert document.place(("a", "c", "d")) == Place(1, 1)


def test_a_key_that_stands_twice_is_a_problem_at_the_second(tmp_path: Path) -> None:
    document = read_document(written(tmp_path, "a: 1\nb: 2\na: 3\n"))
    assert document.problems == [Problem(("a",), "stands here twice, first in line 1")]
    assert document.place(("a",)).line == 3


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "the file is empty"),
        ("# only a comment\n", "the file is empty"),
        ("a: [1", ":2:1: this is not YAML"),
        ("a: b: c", ":1:5: this is not YAML"),
        ("a: \x01", "characters that YAML does not allow"),
        (b"a: 1\nb: \xff", ":2: is not UTF-8 text"),
        ("a: &x 1\nb: *x", ":1:4: anchors and aliases"),
        ("a: !!python/object:os.system x", ":1:4: tags (!)"),
        ("a: 1\n---\nb: 2", ":2:1: the file holds a second document"),
        ("- " * 1000, "more than 30 levels deep"),
        ("[" * 100_000, "more than 30 levels deep"),
        ("? [a]\n: b", ":1:3: a name was expected here"),
        ("a: " + "x" * 1_000_000, "is over 1 MB"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_sentence(tmp_path: Path, content: str | bytes, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_document(written(tmp_path, content))
    assert says in caught.value.message
    assert str(tmp_path) in caught.value.message
    assert "\n" not in caught.value.message


def test_a_missing_file_and_a_folder_are_said_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        read_document(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_document(tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(ConfigError, match="is a named pipe") as caught:
        read_document(tmp_path / "pipe.yaml")
    assert caught.value.hint == "name an ordinary file"


@pytest.mark.parametrize(
    ("content", "step"),
    [
        (b"company: M\xfcller", "iconv -f WINDOWS-1252 -t UTF-8"),
        ("company: Nordkran: Main", "stands in quotes, such as company: 'Nordkran: Main'"),
        ("a:\n  b: 1\n\tc: 2\n", "put blanks in place of the tab"),
        ("a:\n  b: 1\n   c: 2\n", "this line begins with 3 blanks, line 2 above it with 2"),
        ("a:\n  b: 1\n # no\n c: 2\n", "this line begins with 1 blanks, line 2 above it with 2"),
        ('a:\n  b: "1\n  c: 2\n', 'close it with " in the same line'),
        ("a:\n  b: 'EUR   # a product's\n  c: 2\n", "that opens in column 6 ends before this"),
    ],
)
def test_what_is_usually_wrong_with_a_text_is_told_with_its_remedy(
    tmp_path: Path, content: str | bytes, step: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read_document(written(tmp_path, content))
    assert step in caught.value.hint


@pytest.mark.parametrize(
    "text", ['a: 1\nb: "2\nc: 3\n', "a: 1 # don't\nb: '2\nc: [3\n", "a: ''\nb: 'it''s\n"]
)
def test_a_quote_that_is_not_closed_is_told_where_it_opens(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r":2:4: a quote \(.\) opens here and is not closed"):
        read_document(written(tmp_path, text))
