"""Who is hurt by a new version: every fails and every blind by team and field, and nothing that is invented."""

import datetime as dt
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from busline.contract.evolution.hurt import check_readers
from busline.contract.evolution.readers import Answer, Reader, readers_of, verdict
from busline.contract.evolution.recipe import Recipe, recipes
from busline.contract.finding import Finding, Severity
from busline.contract.model import (
    Acceptance,
    Audience,
    Contract,
    FieldUse,
    Grant,
    Publication,
    ServiceSpec,
    Source,
    Subscription,
    TeamSpec,
    Version,
)
from busline.contract.schema import parse
from busline.contract.workspace import Workspace
from busline.names import ContractName, Group, Service, Team

TODAY = dt.date(2026, 11, 24)
NAME = ContractName("orders.order-placed")
TEAMS = ("orders", "billing", "shop", "analytics", "stock", "fraud", "growth")


def field(name: str, type: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": type, **more}


def record(*fields: dict[str, Any], name: str = "orders.OrderPlaced") -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields)}


ADDRESS = record(field("street", "string"), field("zip", "string", default=""), name="orders.Address")
LINE = record(field("sku", "string"), field("price", "double"), name="orders.Line")
STATE = {"type": "enum", "name": "orders.State", "symbols": ["NEW", "PAID"]}
KIND = {"type": "enum", "name": "orders.Kind", "symbols": ["WEB", "OTHER"], "default": "OTHER"}
CENTS = {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}
ORDER = {
    "order_id": field("order_id", "string"),
    "total": field("total", "double"),
    "coupon": field("coupon", ["null", "string"], default=None),
    "count": field("count", "int"),
    "state": field("state", STATE),
    "kind": field("kind", KIND),
    "address": field("address", ADDRESS),
    "lines": field("lines", {"type": "array", "items": LINE}),
    "tax": field("tax", CENTS),
    "placed": field("placed", {"type": "long", "logicalType": "timestamp-millis"}),
}
READERS = {
    "billing/invoicing": "order_id total",
    "billing/dunning": "order_id total? tax",
    "shop/emails": "order_id coupon? address",
    "shop/history": "order_id state lines",
    "analytics/counting": "order_id",
    "analytics/everything": "",
    "stock/reserving": "order_id lines count",
    "fraud/scoring": "order_id state? kind",
    "fraud/velocity": "order_id placed",
    "growth/coupons": "coupon",
    "growth/regions": "address",
    "orders/archive": "order_id total count",
}


def versions(*schemas: dict[str, Any]) -> tuple[Version, ...]:
    return tuple(
        Version(number=n, schema=parse(schema), source=Source(file=f"orders/order-placed/{n}.avsc"))
        for n, schema in enumerate(schemas, 1)
    )


def service(name: str, fields: str, accepts: tuple[Acceptance, ...] = (), version: int = 1) -> ServiceSpec:
    uses = tuple(FieldUse(name=f.rstrip("?"), optional=f.endswith("?")) for f in fields.split())
    place = Source(file=f"{name}.service.yaml", line=4)
    said = Subscription(contract=NAME, version=version, fields=uses, source=place)
    return ServiceSpec(name=Service(name), subscribes=(said,), accepts=accepts, source=replace(place, line=1))


def workspace(*schemas: dict[str, Any], services: tuple[ServiceSpec, ...] = (), **more: Any) -> Workspace:
    contract = Contract(name=NAME, key=("order_id",), versions=versions(*schemas), **more)
    checkout = ServiceSpec(
        name=Service("orders/checkout"),
        publishes=(Publication(contract=NAME, version=1, source=Source(file="orders/checkout.service.yaml", line=2)),),
    )
    found = services or tuple(service(name, fields) for name, fields in READERS.items())
    return Workspace(
        path=Path("schemas"),
        company="acme",
        environments={},
        teams={Team(t): TeamSpec(name=Team(t), chat=f"#{t}") for t in TEAMS},
        services={s.name: s for s in (checkout, *found)},
        contracts={NAME: contract},
    )


def changed(**fields: dict[str, Any] | None) -> dict[str, Any]:
    """The order with some fields put in the place of others; None: without it."""
    return record(*(f for f in (ORDER | fields).values() if f is not None))


FIRST = changed()


def found(new: Workspace, base: Workspace | None, severity: Severity = Severity.ERROR) -> list[Finding]:
    return [f for f in check_readers(new, base, TODAY) if f.severity is severity]


def hurt(*schemas: dict[str, Any]) -> set[tuple[str, str, str]]:
    """Reader, what becomes of it, and the first field, for each error."""
    new, base = workspace(*schemas), workspace(*schemas[:1])
    return {(f.what.split()[0], f.rule.removeprefix("reader-"), f.key) for f in found(new, base)}


EVOLUTIONS: dict[str, tuple[dict[str, dict[str, Any] | None], set[tuple[str, str, str]]]] = {
    "a field more": ({"note": field("note", "string")}, set()),
    "an optional field more": ({"note": field("note", ["null", "string"], default=None)}, set()),
    "a doc": ({"total": field("total", "double", doc="Net.")}, set()),
    "a required field goes": (
        {"total": None},
        {
            ("billing/invoicing", "fails", "total"),
            ("billing/dunning", "blind", "total"),
            ("orders/archive", "fails", "total"),
            ("analytics/everything", "fails", "total"),
        },
    ),
    "a field with a default goes": (
        {"coupon": None},
        {
            ("shop/emails", "blind", "coupon"),
            ("growth/coupons", "blind", "coupon"),
            ("analytics/everything", "blind", "coupon"),
        },
    ),
    "a field is renamed, and its alias helps only who has it": (
        {"total": field("amount", "double", aliases=["total"])},
        {
            ("billing/invoicing", "fails", "total"),
            ("billing/dunning", "blind", "total"),
            ("orders/archive", "fails", "total"),
            ("analytics/everything", "fails", "total"),
        },
    ),
    "an int becomes a long": (
        {"count": field("count", "long")},
        {
            ("stock/reserving", "fails", "count"),
            ("orders/archive", "fails", "count"),
            ("analytics/everything", "fails", "count"),
        },
    ),
    "a double becomes a float, which a double takes": ({"total": field("total", "float")}, set()),
    "a symbol more, without a default": (
        {"state": field("state", STATE | {"symbols": ["NEW", "PAID", "SHIPPED"]})},
        {
            ("shop/history", "fails", "state"),
            ("fraud/scoring", "fails", "state"),
            ("analytics/everything", "fails", "state"),
        },
    ),
    "a symbol more, with a default": ({"kind": field("kind", KIND | {"symbols": ["WEB", "OTHER", "APP"]})}, set()),
    "a field of a nested record goes": (
        {"address": field("address", record(ADDRESS["fields"][0], name="orders.Address"))},
        {
            ("shop/emails", "blind", "address.zip"),
            ("growth/regions", "blind", "address.zip"),
            ("analytics/everything", "blind", "address.zip"),
        },
    ),
    "a field of a list's record goes": (
        {"lines": field("lines", {"type": "array", "items": record(LINE["fields"][0], name="orders.Line")})},
        {
            ("shop/history", "fails", "lines[].price"),
            ("stock/reserving", "fails", "lines[].price"),
            ("analytics/everything", "fails", "lines[].price"),
        },
    ),
    "the scale of a decimal changes": (
        {"tax": field("tax", CENTS | {"scale": 3})},
        {("billing/dunning", "fails", "tax"), ("analytics/everything", "fails", "tax")},
    ),
    "the unit of a time gets finer": (
        {"placed": field("placed", {"type": "long", "logicalType": "timestamp-micros"})},
        {("fraud/velocity", "fails", "placed"), ("analytics/everything", "fails", "placed")},
    ),
}


@pytest.mark.parametrize("name", EVOLUTIONS)
def test_every_reader_that_is_hurt_is_named_with_its_field_and_no_other(name: str) -> None:
    fields, expected = EVOLUTIONS[name]
    assert hurt(FIRST, changed(**fields)) == expected


def test_a_finding_says_who_where_and_whom_to_ask() -> None:
    finding = next(f for f in found(workspace(FIRST, changed(total=None)), workspace(FIRST)) if "invoicing" in f.what)
    assert (finding.file, finding.rule, finding.key) == ("orders/order-placed/2.avsc", "reader-fails", "total")
    assert "billing/invoicing (billing/invoicing.service.yaml:4)" in finding.what
    assert "`total` is gone" in finding.what
    assert "Ask #billing" in finding.fix


def test_a_contract_that_did_not_change_hurts_nobody() -> None:
    assert check_readers(workspace(FIRST, changed(total=None)), workspace(FIRST, changed(total=None)), TODAY) == []


def test_without_a_base_every_current_version_is_judged() -> None:
    new = workspace(FIRST, changed(total=None))
    assert {f.what.split()[0] for f in found(new, None)} == {
        "billing/invoicing",
        "billing/dunning",
        "orders/archive",
        "analytics/everything",
    }


def test_a_new_subscription_to_an_old_version_is_judged_by_what_is_written_now() -> None:
    schemas = FIRST, changed(total=None)
    base = workspace(*schemas, services=(service("billing/invoicing", "order_id", version=2),))
    new = workspace(*schemas, services=(service("billing/invoicing", "order_id total", version=1),))
    assert [(f.rule, f.key) for f in found(new, base)] == [("reader-fails", "total")]


def test_a_contract_that_is_new_as_a_whole_hurts_no_reader_of_its_later_versions() -> None:
    only = (service("billing/invoicing", "order_id note", version=2),)
    new = workspace(FIRST, changed(note=field("note", "string")), services=only)
    assert found(new, replace(new, contracts={})) == []


def test_a_reader_that_moved_on_is_fine() -> None:
    amount = field("amount", "double", default=0.0)
    schemas = FIRST, changed(amount=amount), changed(amount=amount, total=None)
    moved = service("billing/invoicing", "order_id amount", version=2)
    assert found(workspace(*schemas, services=(moved,)), workspace(*schemas[:2], services=(moved,))) == []


def test_an_older_version_is_never_blinding_since_the_field_was_not_there_yet() -> None:
    contract = workspace(FIRST, changed(note=field("note", "string", default=""))).contracts[NAME]
    reader = Reader(
        service=Service("a/b"),
        group=Group.of(Service("a/b")),
        contract=NAME,
        version=2,
        fields=(FieldUse(name="note"),),
    )
    assert verdict(reader, contract, contract.versions[0]).answer is Answer.FINE


def test_types_of_one_simple_name_in_two_namespaces_are_judged_too() -> None:
    one, other = ({"type": "record", "name": f"{space}.Place", "fields": [field("x", "int")]} for space in "ab")
    first = record(field("here", one), field("there", other), field("note", "string"), field("id", "string"))
    second = record(field("here", one), field("there", other), field("id", "long"))
    only = (service("billing/invoicing", "here there note? id"),)
    new, base = workspace(first, second, services=only), workspace(first, services=only)
    [finding] = found(new, base)
    assert (finding.rule, finding.key) == ("reader-fails", "id")
    assert "`note` is gone, and its default stands in" in finding.what


def test_people_are_told_and_never_block() -> None:
    grants = (Grant(to="growth/people"), Grant(to="shop"), Grant(to="everyone"))
    new, base = (
        workspace(*s, services=(service("a/b", "state"),), grants=grants)
        for s in ((FIRST, changed(total=None)), (FIRST,))
    )
    assert found(new, base) == []
    notes = [f.what for f in found(new, base, Severity.NOTE) if f.rule == "reader-told"]
    assert notes == [f"growth/people and shop/people may read every field, and version 2 of {NAME} changes total"]


def test_another_name_of_the_record_is_told_in_words() -> None:
    grants = (Grant(to="growth/people"),)
    new, base = (
        workspace(*s, services=(service("a/b", "state"),), grants=grants)
        for s in ((FIRST, FIRST | {"name": "orders.Taken"}), (FIRST,))
    )
    [note] = [f.what for f in found(new, base, Severity.NOTE) if f.rule == "reader-told"]
    assert note.endswith("changes the record itself")


def test_readers_are_what_is_declared_and_who_is_granted() -> None:
    new = workspace(FIRST, grants=(Grant(to="growth/people"),))
    found = readers_of(new.contracts[NAME], new.services.values())
    assert [str(reader.service) for reader in found] == [*READERS, "growth/people"]
    assert [reader.is_told for reader in found] == [False] * len(READERS) + [True]


# consent


def accepts(version: int = 2, until: str = "2026-12-31") -> tuple[Acceptance, ...]:
    until_day = dt.date.fromisoformat(until)
    return (
        Acceptance(contract=NAME, version=version, why="we move in December", until=until_day, source=Source(file="x")),
    )


def consenting(said: tuple[Acceptance, ...], *more: dict[str, Any]) -> tuple[Workspace, Workspace]:
    services = (service("billing/invoicing", "order_id total", said),)
    schemas = FIRST, changed(total=None), *more
    return workspace(*schemas, services=services), workspace(*schemas[:-1], services=services)


def test_a_hurt_reader_that_agrees_in_its_own_file_passes() -> None:
    new, base = consenting(accepts())
    assert found(new, base) == []
    assert [f.rule for f in found(new, base, Severity.NOTE) if "accepts it until 2026-12-31" in f.what] == [
        "reader-accepted"
    ]


def test_an_acceptance_holds_through_its_last_day_and_fails_after_it() -> None:
    assert found(*consenting(accepts(until="2026-11-24"))) == []
    rules = {f.rule for f in found(*consenting(accepts(until="2026-11-23")))}
    assert rules == {"reader-fails", "accepts-expired"}


def test_an_acceptance_covers_a_later_version_that_does_the_same_and_nothing_more() -> None:
    assert found(*consenting(accepts(), changed(total=None, note=field("note", "string")))) == []
    worse = record(*(f for name, f in ORDER.items() if name not in ("total", "order_id")))
    assert [f.key for f in found(*consenting(accepts(), worse))] == ["order_id"]


def test_an_acceptance_of_another_version_or_another_service_covers_nothing() -> None:
    new, base = consenting(accepts(version=1))
    assert [f.rule for f in found(new, base)] == ["reader-fails"]
    assert [f.rule for f in found(new, base, Severity.WARNING) if f.rule.startswith("accepts")] == ["accepts-unused"]
    other = (service("billing/dunning", "order_id", accepts()), service("billing/invoicing", "order_id total"))
    assert [
        f.what.split()[0] for f in found(workspace(FIRST, changed(total=None), services=other), workspace(FIRST))
    ] == ["billing/invoicing"]


def test_consent_may_come_before_the_version() -> None:
    services = (service("billing/invoicing", "order_id total", accepts(version=2)),)
    new = workspace(FIRST, services=services)
    assert [(f.rule, f.severity) for f in check_readers(new, None, TODAY)] == [("accepts-unused", Severity.NOTE)]


# publishers


def test_publishers_of_an_older_version_are_told_and_warned_when_they_could_not_fill_the_new_one() -> None:
    new, base = workspace(FIRST, changed(note=field("note", "string"))), workspace(FIRST)
    warning = next(iter(found(new, base, Severity.WARNING)))
    assert (warning.file, warning.line, warning.rule) == ("orders/checkout.service.yaml", 2, "publisher-cannot-fill")
    assert "it lacks note" in warning.what
    new = workspace(FIRST, changed(note=field("note", "string", default="")))
    assert [f.rule for f in check_readers(new, base, TODAY)] == ["publisher-behind"]


# recipes


def recipe(**fields: dict[str, Any] | None) -> Recipe:
    only = (service("billing/invoicing", "order_id total state tax address"),)
    made = recipes(workspace(FIRST, changed(**fields), services=only), workspace(FIRST, services=only), TODAY)
    assert len(made) == 1
    return made[0]


def test_a_rename_takes_three_merges() -> None:
    made = recipe(total=field("amount", CENTS))
    assert made.summary == (
        "3 merges: add amount and deprecate total (orders); billing reads amount; drop total (orders)"
    )
    text = "\n".join(made.lines)
    assert "fields: {total: {deprecated: {since: 2026-11-24, use: amount}}}" in text
    assert text.index("deploy orders/checkout") < text.index("deploy billing/invoicing") < text.index("version 3: drop")


@pytest.mark.parametrize(
    ("fields", "summary"),
    [
        ({"total": None}, "3 merges: deprecate total (orders); billing stops reading total; drop total (orders)"),
        (
            {"total": field("total", CENTS)},
            "3 merges: add total_decimal and deprecate total (orders); billing reads total_decimal;"
            " drop total (orders)",
        ),
        (
            {"tax": field("tax", CENTS | {"scale": 4})},
            "3 merges: add tax_decimal and deprecate tax (orders); billing reads tax_decimal; drop tax (orders)",
        ),
        (
            {"state": field("state", STATE | {"symbols": ["NEW", "PAID", "SHIPPED"]})},
            "3 merges: give state a default symbol (orders); billing takes the default of state;"
            " add the symbols to state (orders)",
        ),
        (
            {"address": field("address", ADDRESS | {"name": "orders.Place"})},
            "1 merge: keep the type's name at address (orders)",
        ),
        (
            {"address": field("address", record(ADDRESS["fields"][0], name="orders.Address"))},
            "3 merges: deprecate address.zip (orders); billing stops reading address.zip; drop address.zip (orders)",
        ),
        (
            {"note": field("note", "string")},
            "2 merges: add note with a default (orders); orders fills note",
        ),
    ],
)
def test_each_break_has_a_recipe(fields: dict[str, Any], summary: str) -> None:
    assert recipe(**fields).summary == summary


def test_a_field_that_says_by_its_alias_what_it_was_takes_over_from_nothing_else() -> None:
    client = field("client", "string", aliases=["order_id"])
    made = recipes(workspace(FIRST, changed(coupon=None, client=client)), workspace(FIRST), TODAY)
    assert {(change.path, change.use) for change in made[0].changes} == {("coupon", "")}


def test_a_record_that_changes_nothing_but_its_name_keeps_it() -> None:
    made = recipes(workspace(FIRST, FIRST | {"name": "orders.Taken"}), workspace(FIRST), TODAY)
    assert made[0].summary == "1 merge: keep the record's name orders.OrderPlaced (orders)"


def test_a_key_is_kept_as_it_is_and_the_rest_goes_its_way() -> None:
    summary = recipe(order_id=None).summary
    assert summary == "1 merge: keep the key order_id (orders)"
    assert recipe(order_id=field("order_id", "long"), total=None).summary == (
        "3 merges: deprecate total and keep the key order_id (orders); billing stops reading total; drop total (orders)"
    )


def test_a_types_name_is_kept_and_the_rest_goes_its_way() -> None:
    made = recipe(address=field("address", ADDRESS | {"name": "orders.Place"}), total=None)
    assert made.summary == (
        "3 merges: deprecate total and keep the type's name at address (orders); billing stops reading total;"
        " drop total (orders)"
    )


def test_what_outsiders_may_read_is_never_dropped_but_replaced_as_a_whole() -> None:
    def made(**fields: Any) -> str:
        services = (service("billing/invoicing", "total coupon"),)
        new, base = (
            workspace(*s, services=services, audience=Audience.PARTNER) for s in ((FIRST, changed(**fields)), (FIRST,))
        )
        return recipes(new, base, TODAY)[0].summary

    assert made(total=None) == (
        "3 merges: add orders.order-placed-v2 and deprecate orders.order-placed (orders);"
        " billing moves to orders.order-placed-v2; retire orders.order-placed (orders)"
    )
    assert made(coupon=None).endswith("drop coupon (orders)"), "a default stands in, for those nobody knows too"


def test_a_record_that_is_another_is_a_new_contract() -> None:
    made = recipes(workspace(FIRST, record(field("x", "string"), name="orders.Taken")), workspace(FIRST), TODAY)
    assert made[0].summary.startswith("9 merges: add orders.order-placed-v2 and deprecate orders.order-placed")


def test_each_team_that_has_to_move_has_a_merge_of_its_own() -> None:
    made = recipes(workspace(FIRST, changed(coupon=None)), workspace(FIRST), TODAY)
    assert made[0].summary == (
        "5 merges: deprecate coupon (orders); analytics stops reading coupon; growth stops reading coupon;"
        " shop stops reading coupon; drop coupon (orders)"
    )


def test_what_everybody_agreed_to_needs_no_recipe() -> None:
    assert [r for r in recipes(*consenting(accepts()), TODAY) if r.changes] == []


def test_a_recipe_followed_to_its_end_hurts_nobody() -> None:
    """Each merge is checked against the one before, as the gate does it."""
    amount = field("amount", "double", default=0.0)
    added, dropped = changed(amount=amount), changed(amount=amount, total=None)
    old, moved = (
        service("billing/invoicing", "order_id total"),
        service("billing/invoicing", "order_id amount", version=2),
    )
    merges = [
        workspace(FIRST, services=(old,)),
        workspace(FIRST, added, services=(old,)),
        workspace(FIRST, added, services=(moved,)),
        workspace(FIRST, added, dropped, services=(moved,)),
    ]
    for base, new in pairwise(merges):
        assert found(new, base) == []
