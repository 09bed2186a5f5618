"""The next step for a record that waits, by the code it waits with: one sentence each, for the person who reads it."""

from __future__ import annotations

REMEDIES = {
    "missing-email": "Give it an e-mail address in the source, or leave such records out with `when`.",
    "invalid-email": "Correct its e-mail address in the source.",
    "several-addresses": "Leave one address in the source, or set several_addresses: first.",
    "excluded": "Nothing to do: `when` in the connection file leaves it out.",
    "key-taken": "Give one of the two another key in the source, or delete the duplicate there.",
    "gone": "Nothing to do: it was deleted in the source (on_delete says what becomes of its counterpart).",
    "waits-for-reference": "Nothing to do: it goes out once the record it refers to has.",
    "key-released": "Nothing to do: it goes out with the next run.",
    "ambiguous-match": "Merge the duplicates in the target, then replay it.",
    "mapping-error": "Look at its fields with explain -v and correct the mapping.",
    "interrupted": "Nothing to do: the next run looks it up before anything is sent again.",
    "later": "Nothing to do: it is sent again by itself when its time has come.",
    "stopped": "Nothing to do: it goes out with the next run.",
}

_BY_STATUS = {
    "unknown": "Nothing to do: the next run looks it up before anything is sent again.",
    "held": "Nothing to do: it is taken up again by itself.",
    "sending": "Nothing to do: the next run looks it up before anything is sent again.",
    "failed": "It waits for a change in the source, or: mlconnector replay --record {id} --flow {flow}",
    "skipped": "See: mlconnector explain {id}",
}


def remedy(code: str, status: str, flow: str = "", record: str = "") -> str:
    """The next step; what is known of the code first, then what holds for the status."""
    sentence = REMEDIES.get(code) or _BY_STATUS.get(status, "")
    return sentence.format(id=record or "ID", flow=flow or "FLOW")
