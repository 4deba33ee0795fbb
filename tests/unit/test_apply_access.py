"""plan and apply of rights, users and quotas: who gets what, in which order, and a crash anywhere only leaves less."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from busline.contract.model import Contract, Grant, Publication, ServiceSpec, Source, Subscription, TeamSpec, Version
from busline.contract.schema import parse
from busline.errors import ApplyError, NotInForce
from busline.governance.apply.apply import apply
from busline.governance.plan.plan import Goal, plan_changes
from busline.governance.state.applied import read_applied
from busline.governance.state.intent import KEY
from busline.governance.state.rights import wanted_access
from busline.names import ContractName, Service, Team
from busline.record import Position, Record
from busline.testing.applying import Vault, brought, texts
from busline.testing.engines import opened
from busline.testing.guarded_memory import GuardedMemory
from busline.transport.guard import Acl, QuotaEntity, Resource

ORDERS = ContractName("orders.order-placed")
CHECKOUT, INVOICING, REPORTS = (Service(n) for n in ("orders/checkout", "billing/invoicing", "billing/reports"))
SCHEMA = parse({"type": "record", "name": "Order", "fields": [{"name": "id", "type": "string"}]})
TODAY = dt.date(2026, 11, 24)


def contract(*to: str, **changes: Any) -> Contract:
    grants = tuple(Grant(to=one, source=Source(file="orders/order-placed/contract.yaml", line=3)) for one in to)
    made = Contract(
        name=ORDERS,
        key=("id",),
        grants=grants,
        versions=(Version(number=1, schema=SCHEMA),),
        source=Source(file="orders/order-placed/contract.yaml"),
    )
    return replace(made, **changes)


def reader(name: Service, **changes: Any) -> ServiceSpec:
    uses = (Subscription(contract=ORDERS, version=1, source=Source(file=f"{name}.service.yaml", line=2)),)
    return replace(ServiceSpec(name=name, subscribes=uses, source=Source(file=f"{name}.service.yaml")), **changes)


PUBLISHER = ServiceSpec(name=CHECKOUT, publishes=(Publication(contract=ORDERS, version=1),))


def goal(made: Contract, *services: ServiceSpec, **changes: Any) -> Goal:
    teams = ("orders", "billing")
    given = Goal(
        contracts={made.name: made},
        services={service.name: service for service in services},
        teams={Team(team): TeamSpec(name=Team(team)) for team in teams},
        enforce="deny",
        today=TODAY,
    )
    return replace(given, **changes)


BEFORE = goal(contract("billing/invoicing"), PUBLISHER, reader(INVOICING), commit="aaa")
AFTER = goal(contract("billing/reports", quota={"subscribe": 1000}), PUBLISHER, reader(REPORTS), commit="bbb")
"""Takes one service's rights and gives another's."""


class Stopped(Exception):
    """The process ends here."""


class Mortal(GuardedMemory):
    """Ends at its n-th step, before or after doing it."""

    left = 10**9
    before = False

    def did(self, step: str) -> None:
        super().did(step)
        self._live()

    def _live(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Stopped

    async def publish_atomically(self, records: Sequence[Record], transaction: str) -> list[Position]:
        if self.before:
            self._live()
        done = await super().publish_atomically(records, transaction)
        self.did("state" if any(r.key != KEY for r in records) or records[0].value is None else "intent")
        return done


@pytest.fixture
async def engine(unique: str) -> AsyncIterator[Mortal]:
    async with opened(Mortal(unique)) as transport:
        yield transport


def topic_rights(engine: GuardedMemory, topic: str = ORDERS) -> set[tuple[str | None, str]]:
    return {(acl.user, acl.operation) for acl in engine.rights if acl.resource == "topic" and acl.name == topic}


async def test_one_plan_holds_topics_users_rights_and_the_log(engine: Mortal) -> None:
    plan = await plan_changes(BEFORE, engine)
    assert [line for line in texts(plan) if "rights" in line or "user" in line] == [
        "billing/invoicing: + rights of billing/invoicing: read group billing/invoicing; read group"
        " billing/invoicing/*; read topic busline.contracts; read, write topic busline.dlq.billing.invoicing",
        "billing/invoicing: + user billing/invoicing: billing/invoicing",
        "orders.order-placed: + rights of billing/invoicing: read topic orders.order-placed",
        "orders.order-placed: + rights of orders/checkout: write topic orders.order-placed",
        "orders.order-placed: + rights of orders/people: read topic orders.order-placed",
        "orders/checkout: + rights of orders/checkout: read topic busline.contracts",
        "orders/checkout: + user orders/checkout: orders/checkout",
        "orders/people: + rights of orders/people: read topic busline.contracts",
        "orders/people: + user orders/people: orders/people",
    ]
    granted = next(c for c in plan.changes if c.what == "rights of billing/invoicing" and c.about == ORDERS)
    assert granted.why == "orders/order-placed/contract.yaml:3"
    assert plan.widens == (
        "orders.order-placed: billing/invoicing subscribes, orders/checkout publishes, orders/people read",
    )
    assert engine.steps == []


async def test_an_apply_brings_it_in_order_and_a_second_is_empty(engine: Mortal) -> None:
    vault = Vault()
    await apply(await plan_changes(BEFORE, engine), engine, secrets=vault)
    kinds = [step.split()[0] for step in engine.steps]
    order = [kind for i, kind in enumerate(kinds) if i == 0 or kinds[i - 1] != kind]
    assert order == ["topics", "intent", "topics", "secret", "give", "settled:", "state"]
    assert vault.asked == ["billing/invoicing", "orders/checkout", "orders/people"]
    assert topic_rights(engine) == {
        ("orders/checkout", "write"),
        ("billing/invoicing", "read"),
        ("orders/people", "read"),
    }
    again = await plan_changes(BEFORE, engine)
    assert (again.changes, again.bookkeeping, again.is_empty) == ((), (), True)
    assert await apply(again, engine) == 0
    assert KEY not in (await read_applied(engine)).entries


async def test_rights_go_everywhere_before_any_come(engine: Mortal) -> None:
    await brought(engine, BEFORE)
    engine.steps.clear()
    plan = await brought(engine, AFTER)
    kinds = [step.split()[0] for step in engine.steps]
    order = [kind for i, kind in enumerate(kinds) if i == 0 or kinds[i - 1] != kind]
    assert order == ["intent", "take", "settled:", "topics", "no", "secret", "quota", "give", "settled:", "state"]
    assert "user billing/invoicing is deleted with its secret" in plan.destroys[0]
    assert "orders.order-placed: billing/reports subscribes" in plan.widens
    assert set(engine.secrets) == {"billing/reports", "orders/checkout", "orders/people"}
    assert engine.bounds_of == {
        QuotaEntity(user="billing/reports"): {"consumer_byte_rate": 1000.0},
    }


@pytest.mark.parametrize("before", [False, True])
async def test_a_crash_anywhere_leaves_no_wider_access_and_the_next_run_converges(unique: str, before: bool) -> None:
    """Each single call, and each item in it, is once the last."""
    whole = await _run(f"{unique}-whole", before=before, stop=10**9)
    old, new = whole.held[0], whole.rights
    assert old - new and new - old
    for stop in range(len(whole.steps)):
        engine = await _run(f"{unique}-{stop}-{before}", before=before, stop=stop)
        assert all(held <= old or held <= new for held in engine.held), f"wider, stopped at {engine.steps[-1]}"
        assert (engine.rights, engine.secrets, engine.bounds_of) == (new, whole.secrets, whole.bounds_of)
        assert (await read_applied(engine)).entries == (await read_applied(whole)).entries
        assert (await plan_changes(AFTER, engine)).is_empty
        await engine.aclose()
    await whole.aclose()


async def _run(name: str, *, before: bool, stop: int) -> Mortal:
    """From BEFORE to AFTER, stopped once, and run again."""
    engine = Mortal(name)
    await engine.start()
    await brought(engine, BEFORE)
    engine.steps, engine.held = [], [engine.rights]
    engine.left, engine.before = stop, before
    try:
        await brought(engine, AFTER)
    except Stopped:
        assert (await read_applied(engine)).catalog.service(INVOICING) is not None or "state" in engine.steps
    engine.left = 10**9
    await brought(engine, AFTER)
    return engine


NAMES = [f"{team}/svc-{letter}" for team in ("orders", "billing") for letter in "abc"]
WORKSPACES = st.sets(st.sampled_from(NAMES)).map(
    lambda names: goal(contract(*sorted(names)), *[reader(Service(name)) for name in sorted(names)])
)
PLANTED = st.sets(
    st.builds(
        lambda user, name, operation, prefixed: Acl(f"User:{user}", Resource.TOPIC, name, operation, prefixed),
        st.sampled_from([*NAMES, "legacy", "*"]),
        st.sampled_from([str(ORDERS), "*", "orders."]),
        st.sampled_from(["read", "all"]),
        st.booleans(),
    ),
    max_size=4,
)


@given(before=WORKSPACES, after=WORKSPACES, planted=PLANTED, stops=st.lists(st.integers(0, 40), max_size=3))
@settings(deadline=None, max_examples=60)
def test_from_any_access_to_any_other_by_any_stops(
    before: Goal, after: Goal, planted: set[Acl], stops: list[int]
) -> None:
    """At each moment within the old access or within the new one, whatever was there by hand."""

    async def run() -> None:
        engine = Mortal("")
        await engine.start()
        await brought(engine, before)
        engine.rights |= planted
        old, foreign = engine.rights, {acl for acl in planted if acl.user in ("legacy", "*")}
        engine.held = [old]
        for stop in stops:
            engine.left = stop
            with contextlib.suppress(Stopped):
                await brought(engine, after)
        engine.left = 10**9
        await brought(engine, after)
        new = engine.rights
        assert new == wanted_access(after.published, after.services, after.teams, TODAY).acls.keys() | foreign
        assert all(held <= old or held <= new for held in engine.held)
        assert (await plan_changes(after, engine)).is_empty
        await engine.aclose()

    asyncio.run(run())


async def test_what_a_stopped_apply_took_is_awaited_by_the_next(engine: Mortal) -> None:
    """It is gone in the controller, and may still hold on a broker."""
    await brought(engine, BEFORE)
    engine.left = 2
    with pytest.raises(Stopped):
        await brought(engine, AFTER)
    engine.left, engine.steps = 10**9, []
    plan = await brought(engine, AFTER)
    assert any("has not ended; this one goes on from there" in note for note in plan.notes)
    taken = len([step for step in engine.steps if step.startswith("take")])
    settled = next(step for step in engine.steps if step.startswith("settled"))
    assert int(settled.split()[3]) > taken


async def test_a_broker_that_does_not_follow_stops_it_before_anything_is_given(engine: Mortal) -> None:
    await brought(engine, BEFORE)
    given = engine.rights
    engine.broker_lags = True
    with pytest.raises(NotInForce, match="broker 2"):
        await brought(engine, AFTER)
    assert engine.rights < given
    assert (await read_applied(engine)).catalog.service(INVOICING) is not None
    engine.broker_lags = False
    await brought(engine, AFTER)
    assert (await plan_changes(AFTER, engine)).is_empty


async def test_secrets_are_kept_before_they_are_set_and_asked_only_for_new_users(engine: Mortal) -> None:
    class Watching(Vault):
        async def secret(self, user: str) -> str:
            assert user not in engine.secrets
            return await super().secret(user)

    vault = Watching()
    await apply(await plan_changes(BEFORE, engine), engine, secrets=vault)
    engine.secrets["orders/checkout"] = {"SCRAM-SHA-256": "other"}
    await apply(await plan_changes(AFTER, engine), engine, secrets=vault)
    assert vault.asked == ["billing/invoicing", "orders/checkout", "orders/people", "billing/reports"]
    assert engine.secrets["orders/checkout"] == {"SCRAM-SHA-256": "other"}


async def test_new_users_without_a_place_for_secrets_are_refused_before_anything_is_done(engine: Mortal) -> None:
    with pytest.raises(ApplyError, match="no place for their secrets"):
        await apply(await plan_changes(BEFORE, engine), engine)
    assert engine.steps == []


FOREIGN = (
    Acl("User:legacy", Resource.TOPIC, ORDERS, "read"),
    Acl("User:*", Resource.TOPIC, ORDERS, "read"),
    Acl("User:busline/plan", Resource.TOPIC, "*", "describe"),
    Acl("User:elsewhere/app", Resource.TOPIC, ORDERS, "read"),
    Acl("Group:orders/checkout", Resource.TOPIC, ORDERS, "read"),
)


async def test_what_is_not_buslines_is_never_touched(engine: Mortal) -> None:
    engine.rights = frozenset(FOREIGN)
    engine.secrets = {user: {"SCRAM-SHA-512": "x"} for user in ("legacy", "busline/plan", "elsewhere/app")}
    engine.bounds_of = {
        QuotaEntity(user="legacy"): {"producer_byte_rate": 1.0},
        QuotaEntity(user=""): {"producer_byte_rate": 1.0},
        QuotaEntity(client="x"): {"producer_byte_rate": 1.0},
    }
    bounds = dict(engine.bounds_of)
    await brought(engine, BEFORE)
    await brought(engine, AFTER)
    assert set(FOREIGN) <= engine.rights
    assert {"legacy", "busline/plan", "elsewhere/app"} <= set(engine.secrets)
    assert bounds.items() <= engine.bounds_of.items()


async def test_what_no_contract_explains_of_a_teams_users_goes(engine: Mortal) -> None:
    """By rule: an ACL carries no label, and a planted one is found as surely as a forgotten one."""
    await brought(engine, BEFORE)
    back_door = Acl("User:billing/invoicing", Resource.TOPIC, "*", "all")
    ghost = Acl("User:billing/Ghost_1", Resource.GROUP, "x", "read")
    engine.rights |= {back_door, ghost}
    engine.secrets["billing/Ghost_1"] = {"SCRAM-SHA-512": "x"}
    engine.bounds_of[QuotaEntity(user="orders/checkout")] = {"producer_byte_rate": 5.0}
    plan = await plan_changes(BEFORE, engine)
    assert texts(plan) == [
        "billing/Ghost_1: - rights of billing/Ghost_1: read group x",
        "billing/Ghost_1: - user billing/Ghost_1: billing/Ghost_1",
        "billing/invoicing: - rights of billing/invoicing: all topic *",
        "orders/checkout: - quota of orders/checkout: publish 5 B/s",
    ]
    await apply(plan, engine, secrets=Vault())
    assert not {back_door, ghost} & engine.rights
    assert (await plan_changes(BEFORE, engine)).is_empty


async def test_observe_takes_nothing_away_and_lists_what_would_go(engine: Mortal) -> None:
    await brought(engine, BEFORE)
    watching = replace(AFTER, enforce="observe", observe_until=TODAY)
    plan = await brought(engine, watching)
    assert {(change.about, change.what) for change in plan.held} == {
        ("orders.order-placed", "rights of billing/invoicing"),
        ("billing/invoicing", "rights of billing/invoicing"),
        ("billing/invoicing", "user billing/invoicing"),
    }
    assert ("billing/invoicing", "read") in topic_rights(engine)
    assert ("billing/reports", "read") in topic_rights(engine)
    assert "billing/invoicing" in engine.secrets
    again = await plan_changes(watching, engine)
    assert (again.is_empty, len(again.held)) == (True, 3)
    await brought(engine, AFTER)
    assert ("billing/invoicing", "read") not in topic_rights(engine)


async def test_observe_ends_on_its_day(engine: Mortal) -> None:
    over = replace(BEFORE, enforce="observe", observe_until=TODAY - dt.timedelta(days=1))
    with pytest.raises(ApplyError, match=r"`observe` ended on 2026-11-23.*Write `enforce: deny`"):
        await plan_changes(over, engine)


async def test_without_an_authorizer_rights_are_left_out_and_deny_is_refused(unique: str) -> None:
    engine = GuardedMemory(unique, authorizer=False)
    await engine.start()
    with pytest.raises(ApplyError, match="this cluster has no authorizer"):
        await plan_changes(BEFORE, engine)
    plan = await brought(engine, replace(BEFORE, enforce="observe"))
    assert any("no authorizer, so nobody is refused anything" in note for note in plan.notes)
    assert (engine.rights, engine.secrets) == (frozenset(), {})
    assert (await plan_changes(replace(BEFORE, enforce="observe"), engine)).is_empty
    await engine.aclose()
