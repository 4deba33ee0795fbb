"""What apply changed is told as events, once, in the transaction that makes it so; refusals as audit found them."""

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from busline.bus.stretch import Span, read_stretch
from busline.codec.codec import Codec
from busline.codec.framing import split
from busline.contract.entries import Catalog, entries
from busline.contract.event import Event
from busline.contract.model import (
    Contract,
    Deprecation,
    Grant,
    Publication,
    ServiceSpec,
    Source,
    Subscription,
    TeamSpec,
    Version,
)
from busline.contract.own_contracts import own_contracts
from busline.contract.schema import parse
from busline.errors import ContractUnknown
from busline.governance.apply.announce import Announcer, denials
from busline.governance.apply.apply import apply
from busline.governance.plan.plan import Goal, plan_changes
from busline.names import CONTRACT_LOG, ContractName, Service, Team
from busline.platform import AccessChanged, AccessDenied, ContractChanged
from busline.record import Position, Record
from busline.testing.applying import Vault
from busline.testing.engines import opened
from busline.testing.guarded_memory import GuardedMemory
from busline.transport.base import Unreadable
from busline.transport.guard import Acl

ORDERS = ContractName("orders.order-placed")
CHECKOUT, INVOICING, REPORTS = (Service(n) for n in ("orders/checkout", "billing/invoicing", "billing/reports"))
TELLER = Announcer(environment="prod", by="busline/apply")
TODAY = dt.date(2026, 11, 24)
NOW = dt.datetime(2026, 11, 24, 12, 0, tzinfo=dt.UTC)


def schema(*fields: str) -> Any:
    given = [{"name": f, "type": "string"} | ({} if f == "id" else {"default": ""}) for f in fields]
    return parse({"type": "record", "name": "Order", "fields": given})


def contract(*to: str, **changes: Any) -> Contract:
    grants = tuple(Grant(to=one, source=Source(file="orders/order-placed/contract.yaml", line=3)) for one in to)
    made = Contract(name=ORDERS, key=("id",), grants=grants, versions=(Version(number=1, schema=schema("id")),))
    return replace(made, **changes)


def goal(made: Contract | None, *readers: Service, **changes: Any) -> Goal:
    services = {CHECKOUT: ServiceSpec(name=CHECKOUT, publishes=(Publication(contract=ORDERS, version=1),))}
    for name in readers:
        services[name] = ServiceSpec(name=name, subscribes=(Subscription(contract=ORDERS, version=1),))
    given = Goal(
        contracts={made.name: made} if made else {},
        services=services,
        teams={Team(team): TeamSpec(name=Team(team)) for team in ("orders", "billing")},
        own=own_contracts(),
        enforce="deny",
        today=TODAY,
        commit="c0ffee",
    )
    return replace(given, **changes)


BEFORE, AFTER = goal(contract("billing/invoicing"), INVOICING), goal(contract("billing/reports"), REPORTS)


class Stopped(Exception):
    """The process ends here."""


class Mortal(GuardedMemory):
    """Ends at its n-th step. `wrote`: the topics of each."""

    left = 10**9

    def __init__(self, name: str = "") -> None:
        super().__init__(name)
        self.wrote: list[set[str]] = []

    def did(self, step: str) -> None:
        super().did(step)
        self.left -= 1
        if self.left < 0:
            raise Stopped

    async def publish_atomically(self, records: Sequence[Record], transaction: str) -> list[Position]:
        done = await super().publish_atomically(records, transaction)
        self.wrote.append({record.topic for record in records})
        self.did("transaction")
        return done


@pytest.fixture
async def engine(unique: str) -> AsyncIterator[Mortal]:
    async with opened(Mortal(unique)) as transport:
        yield transport


async def brought(engine: Mortal, wanted: Goal, teller: Announcer | None = TELLER) -> None:
    await apply(await plan_changes(wanted, engine), engine, secrets=Vault(), announcer=teller)


async def told(engine: GuardedMemory, model: type[Event]) -> list[Any]:
    """All events on a contract, as a subscriber reads them."""
    made = own_contracts()[model.__busline__.name]
    assert made.current is not None
    codec = Codec(made.current.schema, model)
    if made.topic not in await engine.topics():
        return []
    spans = {p: Span(first, end) for p, (first, end) in (await engine.bounds(made.topic)).items() if first < end}
    found = []
    async for item in read_stretch(engine, made.topic, spans):
        assert not isinstance(item, Unreadable)
        found += [codec.decode(split(record.value)[1]) for record in item.records if record.value is not None]
    return found


def rights(acls: frozenset[Acl]) -> set[tuple[str, str, str, str, bool]]:
    return {(a.user or "", a.operation, a.resource.replace("-", "_"), a.name, a.prefixed) for a in acls}


def added_up(events: Sequence[AccessChanged]) -> tuple[set[tuple[str, str, str, str, bool]], set[str]]:
    """The rights and users that there are, for one who knows the events alone."""
    held: set[tuple[str, str, str, str, bool]] = set()
    users: set[str] = set()
    for e in events:
        gives = e.change.value == "GRANTED"
        if e.operation == "LOGIN":
            users = users | {e.service} if gives else users - {e.service}
        else:
            one = (e.service, e.operation.lower(), e.resource_kind.lower(), e.resource_name, e.prefixed)
            held = held | {one} if gives else held - {one}
    return held, users


async def test_each_right_is_told_with_its_reason(engine: Mortal) -> None:
    await brought(engine, BEFORE)
    (granted,) = [e for e in await told(engine, AccessChanged) if e.contract == ORDERS and e.service == INVOICING]
    assert granted.model_dump(exclude={"applied_at", "plan"}, mode="json") == {
        "service": "billing/invoicing",
        "change": "GRANTED",
        "operation": "READ",
        "resource_kind": "TOPIC",
        "resource_name": ORDERS,
        "prefixed": False,
        "contract": ORDERS,
        "why": "billing/invoicing subscribes",
        "source": "orders/order-placed/contract.yaml:3",
        "commit": "c0ffee",
        "applied_by": "busline/apply",
        "environment": "prod",
    }
    assert added_up(await told(engine, AccessChanged)) == (rights(engine.rights), set(engine.secrets))


async def test_what_is_told_is_told_in_the_transaction_of_the_state(engine: Mortal) -> None:
    await brought(engine, BEFORE)
    assert engine.wrote[-1] == {CONTRACT_LOG, "busline.access-changed", "busline.contract-changed"}
    assert all(topics == {CONTRACT_LOG} for topics in engine.wrote[:-1])


async def test_one_who_hears_everything_knows_who_may_do_what_whenever_apply_was_stopped(unique: str) -> None:
    """Nothing is told before it is so, and nothing that is so stays untold, after a crash at any step."""
    whole = Mortal(f"{unique}-whole")
    await whole.start()
    await brought(whole, BEFORE)
    await brought(whole, AFTER)
    for stop in range(len(whole.steps)):
        engine = Mortal(f"{unique}-{stop}")
        await engine.start()
        engine.left = stop
        for wanted in (BEFORE, AFTER):
            try:
                await brought(engine, wanted)
            except Stopped:
                engine.left = 10**9
                await brought(engine, wanted)
        events = await told(engine, AccessChanged)
        assert added_up(events) == (rights(engine.rights), set(engine.secrets)), engine.steps[stop]
        once = [(e.plan, e.change, e.service, e.operation, e.resource_kind, e.resource_name) for e in events]
        assert len(once) == len(set(once))
        await engine.aclose()
    await whole.aclose()


async def test_a_second_apply_tells_nothing(engine: Mortal) -> None:
    await brought(engine, BEFORE)
    before = len(await told(engine, AccessChanged)), len(await told(engine, ContractChanged))
    await brought(engine, BEFORE)
    assert (len(await told(engine, AccessChanged)), len(await told(engine, ContractChanged))) == before


LATER = (Version(number=1, schema=schema("id")), Version(number=2, schema=schema("id", "coupon")))


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (contract("billing"), ("SETTINGS_CHANGED", None, ("access",))),
        (contract("billing/invoicing", tags=("y",)), ("SETTINGS_CHANGED", None, ("tags",))),
        (contract("billing/invoicing", pii=frozenset({"id"})), ("SETTINGS_CHANGED", None, ("fields",))),
        (contract("billing/invoicing", versions=LATER), ("VERSION_ADDED", 2, ())),
        (contract("billing/invoicing", deprecation=Deprecation(since=TODAY)), ("DEPRECATED", None, ())),
    ],
)  # fmt: skip
async def test_each_change_of_a_contract_is_told(engine: Mortal, now: Contract, said: tuple[Any, ...]) -> None:
    await brought(engine, BEFORE)
    first = await told(engine, ContractChanged)
    assert [(e.contract, e.change, e.version) for e in first if e.contract == ORDERS] == [(ORDERS, "CREATED", 1)]
    await brought(engine, replace(goal(now, INVOICING)))
    (event,) = (await told(engine, ContractChanged))[len(first) :]
    assert (event.contract, event.change.value, event.version, event.settings) == (ORDERS, *said)


async def test_lines_that_moved_are_no_change(engine: Mortal) -> None:
    await brought(engine, BEFORE)
    moved = contract(source=Source(file="orders/order-placed/contract.yaml", line=9))
    grants = (Grant(to="billing/invoicing", source=Source(file="orders/order-placed/contract.yaml", line=7)),)
    count = len(await told(engine, ContractChanged))
    await brought(engine, goal(replace(moved, grants=grants), INVOICING))
    assert len(await told(engine, ContractChanged)) == count


async def test_a_removed_contract_is_told(engine: Mortal) -> None:
    await brought(engine, goal(contract()))
    billing = {Team("billing"): TeamSpec(name=Team("billing"))}
    gone = goal(None, removed=frozenset({Team("orders")}), services={}, teams=billing)
    await brought(engine, gone)
    assert [e.change.value for e in await told(engine, ContractChanged) if e.contract == ORDERS] == [
        "CREATED",
        "REMOVED",
    ]


async def test_where_busline_has_no_contracts_of_its_own_nothing_is_told(engine: Mortal) -> None:
    await brought(engine, replace(BEFORE, own={}))
    assert engine.wrote[-1] == {CONTRACT_LOG}


async def test_a_plan_of_one_team_tells_of_it_by_the_contracts_that_are_applied(engine: Mortal) -> None:
    await brought(engine, goal(contract()))
    count = len(await told(engine, AccessChanged))
    await brought(engine, replace(BEFORE, only=frozenset({Team("billing")})))
    assert {e.service for e in (await told(engine, AccessChanged))[count:]} == {INVOICING}


DENIED = AccessDenied(
    principal="User:billing/reports",
    service="billing/reports",
    operation="READ",
    resource_kind="TOPIC",
    resource_name=ORDERS,
    contract=ORDERS,
    request="Fetch",
    host="10.0.0.7",
    refusals=3,
    first_refused_at=NOW,
    last_refused_at=NOW + dt.timedelta(seconds=4),
    environment="prod",
)


def test_refusals_are_audits_and_the_same_ones_have_the_same_ids() -> None:
    catalog = Catalog()
    for key, value in entries(own_contracts().values()):
        catalog.apply(key, value)
    (first,), (again,) = denials([DENIED], catalog), denials([DENIED], catalog)
    (other,) = denials([DENIED.model_copy(update={"refusals": 4})], catalog)
    headers = dict(first.headers)
    assert (first.topic, first.key) == ("busline.access-denied", b"User:billing/reports")
    assert headers["ce_source"] == b"/busline/audit"
    assert headers["ce_time"] == b"2026-11-24T12:00:04.000Z"
    assert headers["ce_id"] == dict(again.headers)["ce_id"] != dict(other.headers)["ce_id"]


def test_refusals_are_not_published_where_the_contract_is_not_applied() -> None:
    with pytest.raises(ContractUnknown, match=r"busline\.access-denied"):
        denials([DENIED], Catalog())


async def test_buslines_own_topics_alone_are_no_change_to_anybody(engine: Mortal) -> None:
    """So that a plan for what was adopted is empty; apply makes them all the same."""
    alone = goal(None, services={}, teams={})
    plan = await plan_changes(alone, engine)
    assert (plan.changes, plan.is_empty) == ((), False)
    await brought(engine, alone)
    assert {"busline.access-denied", CONTRACT_LOG} <= set(await engine.topics())
    given = {ContractName("busline.access-denied"): (Grant(to="orders"),)}
    opened = replace(goal(contract()), own=own_contracts(given))
    rights_of = [c.what for c in (await plan_changes(opened, engine)).changes if c.about == "busline.access-denied"]
    assert "rights of orders/people" in rights_of
