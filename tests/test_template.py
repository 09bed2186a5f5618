from __future__ import annotations

import re
from pathlib import Path

from mlconnector.config import load_connection
from mlconnector.flows import FLOWS
from mlconnector.template import PAIRS, template
from mlconnector.yamlfile import read_document


def test_the_file_that_init_writes_loads_and_holds_the_whole_default_mappings(tmp_path: Path) -> None:
    file = tmp_path / "nordkran.yaml"
    for pair, flows in PAIRS.items():
        file.write_text(template(pair), "utf-8")
        connection = load_connection(file)
        assert tuple(bound.flow.name for bound in connection.flows) == flows
        written = read_document(file).data["flows"]
        for flow in flows:
            assert written[flow]["map"] == FLOWS[flow].default_map


def test_every_line_behind_a_comment_sign_may_be_used(tmp_path: Path) -> None:
    file = tmp_path / "nordkran.yaml"
    file.write_text(re.sub(r"(?m)^( *)# (\w+: )", r"\1\2", template().replace("# secret ", "#")), "utf-8")
    for bound in load_connection(file).flows:
        kind = FLOWS[bound.kind]
        assert bound.rules == {**kind.default_map, **kind.optional_map}
        assert bound.when == {"blocked": {"is": " "}}
        assert bound.options.tags == kind.options(audience="A").tags


def test_answers_are_quoted_where_yaml_would_take_them_for_something_else(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    answers = {
        "tenant": "010",
        "client_id": "null",
        "company": 'Nord: "kran" #1 & söner',
        "environment": "NO",
    }
    file.write_text(
        template(name="n1", settings={"erp": answers}, options={"customers_to_members": {"audience": "yes"}}),
        "utf-8",
    )
    connection = load_connection(file)
    settings = connection.systems["erp"].settings
    assert {name: getattr(settings, name) for name in answers} == answers
    assert connection.name == "n1"
    assert connection.flows[0].options.audience == "yes"


def test_no_line_is_too_long_to_read() -> None:
    assert max(map(len, template().splitlines())) <= 120
