from __future__ import annotations

from mlconnector.systems.business_central import SYSTEM
from mlconnector.systems.business_central.dialects import V2
from mlconnector.systems.business_central.fields import CUSTOMER, VENDOR


def test_fields_are_named_as_their_key() -> None:
    for fields in (CUSTOMER, VENDOR):
        assert all(name == info.name for name, info in fields.items())


def test_a_customer_has_its_balance_behind_a_navigation_and_a_vendor_has_not() -> None:
    assert "balance" not in CUSTOMER
    assert "customerFinancialDetail.balance" in CUSTOMER
    assert "balance" in VENDOR
    assert "customerFinancialDetail.balance" not in VENDOR


def test_what_stands_before_a_dot_can_be_expanded() -> None:
    common = {"currency", "paymentTerm", "paymentMethod"}
    assert set(V2.navigations("vendor")) == common
    assert set(V2.navigations("customer")) == common | {"shipmentMethod", "customerFinancialDetail"}


def test_the_entities_know_their_fields() -> None:
    assert SYSTEM.entities["customer"].fields is CUSTOMER
    assert SYSTEM.entities["vendor"].fields is VENDOR
