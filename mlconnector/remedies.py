"""The next step for a record that waits, by the code it waits with: one sentence each, for the person who reads it."""

from __future__ import annotations

_BY_ITSELF = "Nothing to do: it is sent again by itself."

REMEDIES = {
    # what a flow leaves out
    "missing-email": "Give it an e-mail address in the source, or leave such records out with `when`.",
    "invalid-email": "Correct its e-mail address in the source.",
    "several-addresses": "Leave one address in the source, or set several_addresses: first.",
    "excluded": "Nothing to do: `when` in the connection file leaves it out.",
    "forgotten": "Nothing to do; if the person wants to be back: mlconnector forget --undo E-MAIL",
    # what deciding settles
    "key-taken": "Give one of the two another address in the source; it is then sent by itself.",
    "gone": "Nothing to do: it was deleted in the source (see on_delete).",
    "waits-for-reference": "Nothing to do: it goes out once the record it refers to has.",
    "key-released": "Nothing to do: it goes out with the next run.",
    "ambiguous-match": "Say which one it is: mlconnector link {flow} {id} TARGET (or --new); or merge them there.",
    "match-taken": "Merge the two, or say that it is another one: mlconnector link {flow} {id} --new",
    "counterpart-gone": "It is not made anew; link it with another one: mlconnector link {flow} {id} TARGET",
    "no-match": "Nothing to do: the next sync makes it new.",
    "linked-by-hand": "Nothing to do: the next run brings the two in step.",
    "link-taken": "Nothing to do: the next run looks for another one that matches.",
    "made-by-hand": "Nothing to do: the next run makes it.",
    "in-step": "Nothing to do: what changed came from its counterpart.",
    "mapping-error": "Correct the mapping (or report it, with: mlconnector sync --record {id} -v), then: {replay}",
    "unreadable-record": "Open and save it in the source; if it stays so, report the request id to the vendor.",
    # what a run leaves over
    "interrupted": "Nothing to do: the next run finds out, and makes no second one.",
    "later": "Nothing to do: it is sent again by itself when its time has come.",
    "stopped": "Nothing to do: it goes out with the next run.",
    "no-answer": "Nothing to do: the next run finds out, and makes no second one.",
    "not-applied": _BY_ITSELF,
    # what a target says of an address
    "compliance-state": "Only the person can come back, through a sign-up form of the audience.",
    "forgotten-address": "Only the person can come back, through a sign-up form of the audience.",
    "archived": "Unarchive the member in the target if it should be kept up to date, then: {replay}",
    "fake-address": "Correct its e-mail address in the source.",
    "invalid-address": "Correct its e-mail address in the source.",
    "too-many-signups": "Nothing to do: the address joined many lists today and is tried again tomorrow.",
    "address-taken": "Look whether both addresses are one person's; the records go on with the new one.",
    "address-not-changed": "Change the address of the member in the target by hand, then: {replay}",
    # what a target says of the rest
    "bad-merge-value": "Correct the value in the source, or its line in `map`; it is then sent by itself.",
    "incomplete-address": "Complete its postal address in the source, or take ADDRESS out of `map`.",
    "invalid-body": "Correct the value in the source, or its line in `map`; then: {replay}",
    "not-found": "Look whether its member and the audience are still there in the target, then: {replay}",
    "refused": "Read the reason; correct the record in the source or its line in `map`, then: {replay}",
    "not-removable": "Nothing to do: the target keeps such members; archive it there by hand if you must.",
    "waits-for-confirmation": "Nothing to do: it is archived once the person confirmed; or archive it there by hand.",
    "member-gone": "Nothing to do; add the person in the target by hand if they want to be there again.",
    "address-changed-there": "Take the new address over into the source, where it is still the old one.",
    "refused-together": "Nothing to do: the next runs find out which record is meant and send the others.",
    "other-audience": "Nothing to do; archive it in the other audience by hand if it should not stay there.",
    "waits-for-another": "Nothing to do: the same run, or one of the next, finds it out.",
    "found-elsewhere": "Nothing to do: the same run, or the next one, goes on there.",
    "already-away": "Nothing to do: it was archived before.",
}
"""By code. `{id}`, `{flow}` and `{replay}` (the command that sends it again) are filled in."""

_BY_STATUS = {
    "unknown": "Nothing to do: the next run finds out, and makes no second one.",
    "sending": "Nothing to do: the next run finds out, and makes no second one.",
    "held": "Nothing to do: it is taken up again by itself.",
    "failed": "It waits for a change in the source, or: {replay}",
    "skipped": "See: mlconnector explain {id}",
}


def remedy(code: str, status: str, flow: str = "FLOW", record: str = "ID") -> str:
    """The next step; what is known of the code first, then what holds for the status."""
    sentence = REMEDIES.get(code) or _BY_STATUS.get(status, "")
    replay = f"mlconnector replay --record {record} --flow {flow}"
    return sentence.replace("{replay}", replay).replace("{id}", record).replace("{flow}", flow)
