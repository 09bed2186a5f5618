"""The settings of the flows between Pipedrive and Business Central, as the connection file has them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from mlconnector.explain import Problem

LONGEST_REFERENCE = 35
"""Characters of externalDocumentNumber (Business Central, sheet 2.9)."""

Conflict = Annotated[
    Literal["source", "target", "newest", "hold"],
    Meta(
        description="which side keeps a field that was changed on both since the last sync of the two;"
        " hold: the record waits for a person"
    ),
]
TooLong = Annotated[
    Literal["clip", "hold"],
    Meta(description="what to do with a text that is longer than its field in Business Central"),
]
New = Annotated[
    Literal["ignore", "create"],
    Meta(description="what to do with a record that has no counterpart in Pipedrive"),
]
Currency = Annotated[
    str,
    Meta(
        pattern=r"^[A-Z0-9]{3,10}$(?!\n)",
        description="the currency of the items' prices: the local currency of the company, such as EUR",
    ),
]


class CustomerOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of organizations that become customers."""

    match: Annotated[
        tuple[Literal["number", "tax", "email", "name"], ...],
        Meta(
            description="by what an organization is matched with a customer that is there; the first decides"
        ),
    ] = ("number", "tax", "email", "name")
    conflict: Conflict = "source"
    too_long: TooLong = "clip"


class ContactOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of persons that become contacts."""

    match: Annotated[
        tuple[Literal["email", "name"], ...],
        Meta(
            description="by what a person is matched with a contact that is there; the first decides."
            " A name matches within the same company only, or among those without one"
        ),
    ] = ("email", "name")
    without_company: Annotated[
        Literal["contact", "skip"],
        Meta(description="a person without organization becomes a contact without company, or none"),
    ] = "contact"
    conflict: Conflict = "source"
    too_long: TooLong = "clip"


class ItemOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of products that become items."""

    currency: Currency
    missing_price: Annotated[
        Literal["leave_out", "zero", "hold"],
        Meta(description="what to do with a product that has no price in this currency"),
    ] = "leave_out"
    conflict: Conflict = "source"
    too_long: TooLong = "clip"


class DocumentOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of won deals that become sales documents."""

    won_since: Annotated[
        date,
        Meta(
            description="deals that were won before this day make no document: the day from which this connection"
            " takes over from whoever typed them in"
        ),
    ]
    document: Annotated[
        Literal["order", "invoice"], Meta(description="what a won deal becomes: a draft of which document")
    ] = "order"
    post: Annotated[
        bool, Meta(description="true: the draft is posted as well (an order is shipped and invoiced)")
    ] = False
    reference_prefix: Annotated[
        str,
        Meta(
            description="stands before `reference` in the document's external number; keep it once it is in use"
        ),
    ] = "PD-"
    on_unwon: Annotated[
        Literal["flag", "delete"],
        Meta(
            description="what happens to the draft when its deal is not won any more; posted ones are flagged"
        ),
    ] = "flag"
    without_products: Annotated[
        Literal["hold", "item", "comment"],
        Meta(description="a deal without products waits, has one line with default_item, or a comment only"),
    ] = "hold"
    unknown_product: Annotated[
        Literal["hold", "default_item"],
        Meta(
            description="what to do with a line whose product has no code, and so no item (to make items of products is"
            " what products_to_items does); default_item: also where that flow is off and the product is not linked"
        ),
    ] = "hold"
    default_item: Annotated[
        str, Meta(max_length=20, description="number of the item that stands for what has none of its own")
    ] = ""
    recurring: Annotated[
        Literal["hold", "first_period", "leave_out"],
        Meta(description="what to do with a line that is billed again and again"),
    ] = "hold"
    variations: Annotated[
        Literal["item", "hold"],
        Meta(description="a line with a variation takes the product's item and names it, or the deal waits"),
    ] = "item"
    currency_differs: Annotated[
        Literal["hold", "deal"],
        Meta(description="the deal's currency is not the customer's: the deal waits, or its currency holds"),
    ] = "hold"
    rounding: Annotated[
        Decimal, Meta(description="by how much the document's total may differ from the deal's value")
    ] = Decimal("0.05")
    too_long: TooLong = "clip"


class OrganizationOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of customers that go back to organizations."""

    match: Annotated[
        tuple[Literal["number", "name"], ...],
        Meta(
            description="by what a customer is matched with an organization that is there; the first decides"
        ),
    ] = ("number", "name")
    new: New = "ignore"
    conflict: Conflict = "target"


class ProductOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of items that go back to products."""

    currency: Currency
    match: Annotated[
        tuple[Literal["code", "name"], ...],
        Meta(description="by what an item is matched with a product that is there; the first decides"),
    ] = ("code",)
    new: New = "ignore"
    conflict: Conflict = "target"


def check_documents(options: DocumentOptions) -> Iterator[Problem]:
    """Settings that would refuse every deal, or some deal for ever."""
    if len(options.reference_prefix) >= LONGEST_REFERENCE:
        yield Problem(
            ("reference_prefix",),
            f"leaves no room: Business Central takes {LONGEST_REFERENCE} characters with what stands behind it",
        )
    for name, chosen in (("without_products", "item"), ("unknown_product", "default_item")):
        if getattr(options, name) == chosen and not options.default_item.strip():
            yield Problem(("default_item",), f"is needed with {name}: {chosen}")
    if not options.rounding.is_finite() or options.rounding < 0:
        yield Problem(("rounding",), "is an amount such as 0.05, and not below 0")
