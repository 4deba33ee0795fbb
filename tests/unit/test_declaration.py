"""A service's models as workspace files: new versions, pins that hold, and what people wrote stays."""

from typing import Any

import pytest
from pydantic import BaseModel

from busline.contract.declaration import Declared, declare, schema_text, stale
from busline.contract.event import Event, State
from busline.contract.model import Contract, Kind, Version
from busline.contract.schema import parse
from busline.errors import ContractMismatch, ContractUnknown, WorkspaceInvalid
from busline.names import ContractName, Service

PATH = "orders/checkout.service.yaml"


class Line(BaseModel):
    sku: str


class OrderPlaced(Event, contract="orders.order-placed", key="order_id"):
    """An order was accepted.

    Once per order.
    """

    order_id: str
    lines: list[Line]
    coupon: str | None = None


class InvoiceSent(Event, contract="billing.invoice-sent", key="order_id"):
    order_id: str


class UserStats(State, contract="orders.user-stats", key=("user", "region")):
    user: str
    region: str


def service(publishes: Any = (), subscribes: Any = ()) -> Declared:
    return Declared(service=Service("orders/checkout"), publishes=publishes, subscribes=subscribes)


def contract(name: str, *versions: str, key: tuple[str, ...] = ("order_id",), **more: Any) -> Contract:
    numbered = tuple(Version(number=i, schema=parse(text)) for i, text in enumerate(versions, 1))
    return Contract(name=ContractName(name), key=key, versions=numbered, **more)


def workspace(*contracts: Contract) -> dict[ContractName, Contract]:
    return {c.name: c for c in contracts}


def invoice(*fields: str) -> str:
    given = ", ".join(f'{{"name": "{f}", "type": "string"}}' for f in fields)
    return f'{{"type": "record", "name": "billing.InvoiceSent", "fields": [{given}]}}'


PUBLISHED = schema_text(OrderPlaced.__busline__.schema)


def test_a_new_contract_gets_its_three_lines_and_version_1() -> None:
    files = declare(service([OrderPlaced]), {}, {})
    assert files["orders/order-placed/contract.yaml"] == (
        "description: An order was accepted.\nkey: order_id\naccess: {subscribe: []}\n"
    )
    assert parse(files["orders/order-placed/1.avsc"]).canonical == OrderPlaced.__busline__.schema.canonical
    assert files["orders/order-placed/1.avsc"].startswith('{\n  "type": "record",\n')
    assert "publishes:\n  orders.order-placed: 1\n" in files[PATH]


def test_a_state_says_its_kind_and_all_its_key() -> None:
    files = declare(service([UserStats]), {}, {})
    assert files["orders/user-stats/contract.yaml"] == (
        "description: User stats.\nkind: state\nkey: [user, region]\naccess: {subscribe: []}\n"
    )


def test_a_model_that_is_published_already_makes_nothing_new() -> None:
    files = declare(service([OrderPlaced]), workspace(contract("orders.order-placed", PUBLISHED)), {})
    assert list(files) == [PATH]


def test_a_changed_model_makes_the_next_version_under_the_published_names() -> None:
    first = PUBLISHED.replace('"Lines"', '"Item"').replace('"coupon"', '"voucher"')
    files = declare(service([OrderPlaced]), workspace(contract("orders.order-placed", first)), {})
    assert sorted(files) == [PATH, "orders/order-placed/2.avsc"]
    assert '"name": "Item"' in files["orders/order-placed/2.avsc"]
    assert "orders.order-placed: 2\n" in files[PATH]


def test_a_model_of_an_older_version_is_pinned_to_it() -> None:
    newer = PUBLISHED.replace('"coupon"', '"voucher"')
    files = declare(service([OrderPlaced]), workspace(contract("orders.order-placed", PUBLISHED, newer)), {})
    assert list(files) == [PATH]
    assert "orders.order-placed: 1\n" in files[PATH]


def test_a_subscription_lists_the_fields_that_it_reads_and_marks_what_it_can_do_without() -> None:
    files = declare(service(subscribes=[OrderPlaced]), workspace(contract("orders.order-placed", PUBLISHED)), {})
    expected = "  orders.order-placed: {version: 1, fields: [order_id, lines, coupon?], start: earliest}\n"
    assert expected in files[PATH]


def test_what_people_wrote_stays_with_its_comments() -> None:
    before = (
        "description: Takes orders.\n"
        "subscribes:\n"
        '  orders.order-placed: {version: 1, fields: [order_id], start: "2025-01-01T00:00:00Z"}\n'
        "# Agreed on the phone.\n"
        "accepts:\n"
        "- {contract: orders.order-placed, version: 2, why: not read, until: 2026-01-01}  # soon\n"
    )
    contracts = workspace(contract("orders.order-placed", PUBLISHED))
    files = declare(service(subscribes=[OrderPlaced]), contracts, {PATH: before})
    assert 'start: "2025-01-01T00:00:00Z"}' in files[PATH]
    assert "description: Takes orders.\n# Agreed on the phone.\naccepts:\n- {contract" in files[PATH]
    assert "# soon\n" in files[PATH]
    assert declare(service(subscribes=[OrderPlaced]), contracts, files) == files


def test_a_pin_that_still_holds_stays_when_the_owner_publishes_more() -> None:
    contracts = workspace(contract("billing.invoice-sent", invoice("order_id"), invoice("order_id", "at")))
    before = "subscribes:\n  billing.invoice-sent: {version: 1}\n"
    kept = declare(service(subscribes=[InvoiceSent]), contracts, {PATH: before})
    assert "billing.invoice-sent: {version: 1, fields" in kept[PATH]
    fresh = declare(service(subscribes=[InvoiceSent]), contracts, {})
    assert "billing.invoice-sent: {version: 2, fields" in fresh[PATH]


def test_another_teams_contract_is_published_in_the_highest_version_that_is_filled() -> None:
    contracts = workspace(contract("billing.invoice-sent", invoice("order_id"), invoice("order_id", "at")))
    files = declare(service([InvoiceSent]), contracts, {})
    assert "publishes:\n  billing.invoice-sent: 1\n" in files[PATH]
    assert list(files) == [PATH]
    with pytest.raises(ContractMismatch, match="fills no version"):
        declare(service([InvoiceSent]), workspace(contract("billing.invoice-sent", invoice("at"))), {})


def test_an_unknown_contract_of_another_team_is_refused_with_whom_to_ask() -> None:
    for wish in (service([InvoiceSent]), service(subscribes=[InvoiceSent])):
        with pytest.raises(ContractUnknown, match="team billing"):
            declare(wish, {}, {})


def test_a_model_that_contradicts_key_or_kind_is_refused() -> None:
    for other in (contract("orders.order-placed", key=("id",)), contract("orders.order-placed", kind=Kind.STATE)):
        with pytest.raises(ContractMismatch, match=r"key|kind|state"):
            declare(service([OrderPlaced]), workspace(other), {})


def test_a_subscriber_of_fields_that_no_version_has_is_refused() -> None:
    with pytest.raises(ContractMismatch, match="no version"):
        declare(service(subscribes=[InvoiceSent]), workspace(contract("billing.invoice-sent", invoice("id"))), {})


def test_a_broken_service_file_is_reported_by_line() -> None:
    with pytest.raises(WorkspaceInvalid, match=PATH):
        declare(service(), {}, {PATH: "publishes: {a: 1\n"})


def test_stale_names_what_is_missing_or_different() -> None:
    files = declare(service([OrderPlaced]), {}, {})
    assert stale(files, files) == []
    assert stale(files, {**files, PATH: "publishes: {}\n"}) == [PATH]
    assert stale(files, {}) == sorted(files)
