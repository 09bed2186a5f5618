"""The next step for a record that waits, by the code it waits with: one sentence each, for the person who reads it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from shlex import quote

_BY_ITSELF = "Nothing to do: it is sent again by itself."
_LOOKS = "Nothing to do: {when} looks for it, and makes no second one."
NEXT_RUN = "the next run"

REMEDIES = {
    # what a flow leaves out
    "missing-email": "Give it an e-mail address in the source, or leave such records out with `when`.",
    "invalid-email": "Correct its e-mail address in the source.",
    "several-addresses": "Leave one address in the source, or set several_addresses: first.",
    "excluded": "Nothing to do: `when` in the connection file leaves it out.",
    "forgotten": "Nothing to do; if the person wants to be back: mlconnector forget --undo {key}",
    "missing-name": "Give it a name in the source.",
    "missing-code": "Give the product its code in Pipedrive if it should be an item.",
    "code-too-long": "Shorten the product's code in Pipedrive; it is then sent by itself.",
    "missing-price": "Give the product a price in the flow's currency, or see the option missing_price.",
    "without-company": "Put the person into an organization, or set without_company: contact.",
    # why a deal has no document
    "won-before": "Nothing to do; or set an earlier won_since, then: mlconnector sync --full",
    "not-won": "Nothing to do: it becomes a document once it is won.",
    "no-lines": "Nothing to do, or set recurring: first_period.",
    "missing-organization": "Give the deal its organization in Pipedrive; it is then sent by itself.",
    "missing-reference": "Fill in the field that `reference` names, or name another one in `map`; then: {replay}",
    "missing-date": "Fill in the field that `date` names, or name another one in `map`; then: {replay}",
    "missing-currency": "Give the deal its currency in Pipedrive; it is then sent by itself.",
    "reference-too-long": "Shorten what `reference` names, or reference_prefix; then: {replay}",
    "several-currencies": "Give all lines of the deal its currency in Pipedrive; it is then sent by itself.",
    "no-products": "Add products to the deal in Pipedrive, or set without_products; then: {replay}",
    "unknown-product": "Give the product its code in Pipedrive, or set unknown_product; then: {replay}",
    "variation": "Decide for an item by hand, or set variations: item; then: {replay}",
    "recurring-line": "Set recurring: first_period or leave_out, or make the line one-time; then: {replay}",
    "bad-amount": "Correct the number in Pipedrive; it is then sent by itself.",
    "discount-out-of-range": "Correct the discount in Pipedrive; it is then sent by itself.",
    "total-differs": "Make the deal's lines and value agree in Pipedrive, or set rounding; then: {replay}",
    # what deciding settles
    "key-taken": "Give one of the two another address in the source, and it is sent by itself; if both are one record"
    " under an old and a new number: mlconnector sync --full",
    "gone": "Nothing to do: it was deleted in the source (see on_delete).",
    "left-over": "See with mlconnector explain {id} what is left over. If the two were merged, merge it there too; if"
    " not, delete or block it there by hand, or leave it.",
    "waits-for-reference": "Nothing to do: it is sent as soon as the record it refers to was sent.",
    "reference-left-out": "Settle that one first; this one follows by itself.",
    "reference-taken": "Give one of the two another reference in the source; it is then sent by itself.",
    "key-released": "Nothing to do: the next run sends it.",
    "ambiguous-match": "Say which one it is: mlconnector link {flow} {id} TARGET (or --new); or merge them there.",
    "may-be-there": "Look for it there; then say which it is: mlconnector link {flow} {id} TARGET (or --new).",
    "contradicting-match": "Say which one it is: mlconnector link {flow} {id} TARGET (or --new); or correct what is"
    " wrong, then: {replay}",
    "match-taken": "Merge the two, or say that it is another one: mlconnector link {flow} {id} --new",
    "counterpart-gone": "If it was merged there with one that another record is linked with, merge the two records in"
    " the source as well; if the one that is left is linked with none: mlconnector link {flow} {id} TARGET; if it was"
    " deleted, delete this one too, or leave it.",
    "no-match": "Nothing to do: the next sync creates it.",
    "linked-by-hand": "Nothing to do: the next run writes what differs.",
    "link-taken": "Nothing to do: the next run looks for another one that matches.",
    "made-by-hand": "Nothing to do: the next run creates it.",
    "in-step": "Nothing to do: what changed came from its counterpart.",
    "no-counterpart": "Nothing to do; or set new: create, or: mlconnector link {flow} {id} TARGET",
    "mapping-error": "Correct the mapping (or report it, with: mlconnector sync --record {id} -v), then: {replay}",
    "unreadable-record": "Open and save it in the source; if it stays so, report the request id to the vendor.",
    # what a run leaves over
    "interrupted": _LOOKS,
    "later": "Nothing to do: it is sent again by itself when its time has come.",
    "stopped": "Nothing to do: the next run sends it.",
    "no-answer": _LOOKS,
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
    "waits-for-decision": "Say what the other record is (mlconnector link with its flow); this one follows by itself.",
    "waits-for-another": "Nothing to do: the same run, or one of the next, finds it out.",
    "found-elsewhere": "Nothing to do: the same run, or the next one, goes on there.",
    "already-away": "Nothing to do: it was gone before.",
    # records that are kept in step by pairs
    "conflict": "Give both sides one value, or set conflict: source, target or newest; then: {replay}",
    "conflict-kept": "Nothing to do: what was changed in the target meanwhile stands (see conflict).",
    "changed-meanwhile": _BY_ITSELF,
    # what Business Central takes in another way, or not
    "clipped": "Shorten the value in the source; what does not fit is cut.",
    "cleaned": "Correct the value in the source; what cannot be used in it was left out.",
    "unknown-country": "Correct the country in the source, or add it to Countries/Regions; then: {replay}",
    "address-in-one-line": "Choose the address in Pipedrive from what it proposes, so that it knows the parts; or write"
    " it in Business Central by hand.",
    "unknown-currency": "Correct the currency in the source, or add it to Currencies; then: {replay}",
    "unknown-reference": "Add the code that is named to Business Central, or correct it in the source; then: {replay}",
    "too-long": "Shorten the value in the source (or set too_long: clip); it is then sent by itself.",
    "missing-field": "Fill the field in the source; it is then sent by itself.",
    "read-only-field": "Take the field out of `map`.",
    "business-rule": "Read the reason; correct the record in the source or the set-up there, then: {replay}",
    "key-exists": _LOOKS,
    "number-taken": "Let the flow match by number, or take number out of `map`; then: {replay}",
    "no-company-contact": "Read the reason; make the contact in Business Central, then: {replay}",
    "stays-there": "Nothing to do; delete or block it in Business Central by hand if it should go.",
    # what becomes of documents
    "no-item": "Give the product a code or a default item, then: {replay}",
    "currency-differs": "Change the currency of the deal or of the customer (or see currency_differs), then: {replay}",
    "document-released": "Change the document in Business Central by hand, or reopen it there, then: {replay}",
    "document-posted": "Correct or credit the invoice in Business Central by hand.",
    "document-not-ours": "Make the document in Business Central and the deal say the same, then: {replay}",
    "document-gone": "Nothing to do: somebody deleted it, and no other is made; if one is wanted after all, make it by"
    " hand in Business Central.",
    "document-touched": "Finish the draft in Business Central by hand: post it there, or delete it.",
    "excluded-now": "Post or delete the draft in Business Central by hand, or let `when` take the deal in again.",
    "not-won-any-more": "Delete the draft in Business Central by hand, or set on_unwon: delete; then: {replay}",
    "nothing-to-post": "Give the document lines with a quantity in Business Central, then: {replay}",
    "posting-refused": "Read the reason; complete the set-up in Business Central, then: {replay}",
    "partly-posted": "Post the rest of the order in Business Central by hand.",
    "invoice-not-found": "Nothing to do: the next run looks for the invoice again.",
    # what Pipedrive takes in another way, or not
    "unknown-option": "Add the option in Pipedrive, or a `lookup` to the line in `map`, then: {replay}",
    "wrong-type": "Correct the value in the source, or its line in `map`; it is then sent by itself.",
    "invalid-value": "Read the reason; correct the value in the source or its line in `map`, then: {replay}",
    "plan-limit": "Delete what is not needed in Pipedrive, or take a larger plan, then: {replay}",
    "forbidden": "Give the user of the token the right to edit it in Pipedrive, then: {replay}",
    "record-deleted": "Take it out of the bin in Pipedrive if it should be kept up to date, then: {replay}",
    "not-visible": "Let the user of the token see the deal in Pipedrive; if it is gone, remove its document by hand.",
    "feature-off": "Switch the feature on in Pipedrive, or take the field out of `map`, then: {replay}",
}
"""By code. Filled in are `{id}`, `{flow}`, `{key}` (by which a person is forgotten), `{when}` (which run) and
`{replay}` (the command that sends it again)."""

_BY_STATUS = {
    "unknown": _LOOKS,
    "sending": _LOOKS,
    "held": "Nothing to do: it is taken up again by itself.",
    "failed": "It waits for a change in the source, or: {replay}",
    "skipped": "See: mlconnector explain {id}",
}


@dataclass(frozen=True, slots=True)
class Naming:
    """How commands call the records of a flow.

    `by_number`: people call them by a number that only one has; otherwise it is the id. `entity` is given where a
    person is forgotten by a key such as `person:7`, and not by an address. What got no clear answer is looked for once
    `settle` has passed.
    """

    flow: str
    by_number: bool = False
    entity: str = ""
    settle: timedelta = timedelta(0)

    def record(self, source_id: str, name: str) -> str:
        """One that only one record has."""
        return name if self.by_number and name else source_id

    def remedy(self, code: str, status: str, source_id: str, name: str = "") -> str:
        """The next step for this record."""
        key = f"{self.entity}:{source_id}" if self.entity else "E-MAIL"
        minutes = round(self.settle.total_seconds() / 60)
        when = f"the first run {minutes} minutes after it was sent" if minutes else NEXT_RUN
        sentence = remedy(code, status, self.flow, self.record(source_id, name), key)
        return sentence.replace(_LOOKS.replace("{when}", NEXT_RUN), _LOOKS.replace("{when}", when))


def remedy(code: str, status: str, flow: str = "FLOW", record: str = "ID", key: str = "E-MAIL") -> str:
    """The next step; what is known of the code first, then what holds for the status."""
    sentence = REMEDIES.get(code) or _BY_STATUS.get(status, "")
    record = quote(record)
    replay = f"mlconnector replay --record {record} --flow {flow}"
    sentence = sentence.replace("{replay}", replay).replace("{id}", record).replace("{flow}", flow)
    return sentence.replace("{key}", quote(key)).replace("{when}", NEXT_RUN)
