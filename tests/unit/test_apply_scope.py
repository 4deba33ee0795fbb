"""What one plan covers: only these teams, only what is busline's, nothing deleted or grown unless a person said so."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from busline.contract.model import Contract, Grant, Publication, ServiceSpec, Storage, Subscription, TeamSpec, Version
from busline.contract.schema import parse
from busline.errors import ApplyError
from busline.governance.apply.apply import apply
from busline.governance.plan.plan import Goal, plan_changes
from busline.governance.state.applied import read_applied
from busline.names import CONTRACT_LOG, ContractName, Service, Team
from busline.record import Record, TopicPartition
from busline.testing.applying import Vault, brought, texts
from busline.testing.engines import opened
from busline.testing.guarded_memory import GuardedMemory
from busline.transport.base import TopicSpec
from busline.transport.guard import Acl, QuotaEntity, Resource

ORDERS, USERS = ContractName("orders.order-placed"), ContractName("orders.user")
CHECKOUT, INVOICING = Service("orders/checkout"), Service("billing/invoicing")
SCHEMA = parse({"type": "record", "name": "Order", "fields": [{"name": "id", "type": "string"}]})
WEEK = 7 * 86_400_000


class Removable(GuardedMemory):
    """Topics can go and grow here: as data, since the engine in memory has neither."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.deleted: list[str] = []
        self.grown: dict[str, int] = {}

    async def topics(self) -> dict[str, TopicSpec]:
        specs = {name: spec for name, spec in (await super().topics()).items() if name not in self.deleted}
        return {name: replace(spec, partitions=self.grown.get(name, spec.partitions)) for name, spec in specs.items()}

    async def delete_topics(self, names: Sequence[str]) -> None:
        self.deleted += names
        self.did(f"deleted {', '.join(names)}")

    async def grow_topics(self, partitions: Mapping[str, int]) -> None:
        self.grown |= partitions
        self.did(f"grown {', '.join(partitions)}")


def contract(name: ContractName = ORDERS, **changes: Any) -> Contract:
    return replace(Contract(name=name, key=("id",), versions=(Version(number=1, schema=SCHEMA),)), **changes)


def goal(*contracts: Contract, services: Sequence[ServiceSpec] = (), **changes: Any) -> Goal:
    made = Goal(
        contracts={c.name: c for c in contracts},
        services={s.name: s for s in services},
        teams={Team(name): TeamSpec(name=Team(name), people=False) for name in ("orders", "billing")},
        enforce="deny",
    )
    return replace(made, **changes)


PUBLISHER = ServiceSpec(name=CHECKOUT, publishes=(Publication(contract=ORDERS, version=1),))
READER = ServiceSpec(name=INVOICING, subscribes=(Subscription(contract=ORDERS, version=1),))
GRANTED = contract(grants=(Grant(to="billing/invoicing"),))


@pytest.fixture
async def engine(unique: str) -> AsyncIterator[Removable]:
    async with opened(Removable(unique)) as transport:
        yield transport


async def test_a_topic_is_deleted_only_where_its_contract_is_gone_and_named(engine: Removable) -> None:
    await brought(engine, goal(contract(), contract(USERS)))
    less = goal(contract())
    assert (await plan_changes(less, engine)).changes == ()
    named = replace(less, allow_delete=frozenset({"orders.user"}))
    plan = await plan_changes(named, engine)
    assert texts(plan) == [
        "orders.user: - topic orders.user: its records",
        "orders.user: - contract",
        "orders.user: - version 1",
    ]
    assert plan.destroys == ("topic orders.user (orders.user) is deleted with all its records",)
    await apply(plan, engine, secrets=Vault())
    assert engine.deleted == ["orders.user"]
    assert (await read_applied(engine)).catalog.names() == [ORDERS]
    again = await plan_changes(named, engine)
    assert (again.is_empty, again.notes) == (True, ("nothing is to be deleted by the name orders.user",))


async def test_a_contract_that_is_in_the_workspace_is_never_deleted(engine: Removable) -> None:
    here = goal(contract(), allow_delete=frozenset({"orders.order-placed"}))
    await brought(engine, here)
    assert (await plan_changes(here, engine)).is_empty
    assert engine.deleted == []


async def test_a_topic_that_another_contract_took_over_stays(engine: Removable) -> None:
    await brought(engine, goal(contract(USERS)))
    renamed = goal(contract(topic="orders.user"), allow_delete=frozenset({"orders.user"}))
    await brought(engine, renamed)
    assert engine.deleted == []
    assert (await read_applied(engine)).catalog.names() == [ORDERS]


async def test_what_others_still_use_is_not_deleted(engine: Removable) -> None:
    await brought(engine, goal(GRANTED, services=[READER]))
    theirs = replace(goal(), teams={Team("orders"): TeamSpec(name=Team("orders"), people=False)})
    with pytest.raises(ApplyError, match=r"billing/invoicing still uses orders\.order-placed"):
        await plan_changes(replace(theirs, allow_delete=frozenset({"orders.order-placed"})), engine)


async def test_dead_letters_of_a_service_that_is_gone_stay_until_it_is_named(engine: Removable) -> None:
    await brought(engine, goal(GRANTED, services=[READER]))
    less = goal(contract())
    await brought(engine, less)
    plan = await plan_changes(less, engine)
    assert plan.changes == ()
    assert "--allow-delete billing/invoicing" in plan.notes[0]
    await brought(engine, replace(less, allow_delete=frozenset({"billing/invoicing"})))
    assert engine.deleted == ["busline.dlq.billing.invoicing"]


async def test_partitions_grow_only_where_allowed_and_say_what_it_does_to_order(engine: Removable) -> None:
    await brought(engine, goal(contract(storage=Storage(partitions=2))))
    more = goal(contract(storage=Storage(partitions=4)))
    with pytest.raises(ApplyError, match=r"it has 2 partitions.*--allow-partitions orders\.order-placed"):
        await plan_changes(more, engine)
    plan = await brought(engine, replace(more, allow_partitions=frozenset({"orders.order-placed"})))
    assert "orders.order-placed: ~ topic orders.order-placed: 2 partitions -> 4 partitions" in texts(plan)
    assert "new events of a key may be handled before its old ones, once" in plan.destroys[0]
    assert engine.grown == {"orders.order-placed": 4}
    assert (await plan_changes(more, engine)).is_empty
    fewer = goal(contract(storage=Storage(partitions=1)), allow_partitions=frozenset({"orders.order-placed"}))
    with pytest.raises(ApplyError, match="fewer is impossible"):
        await plan_changes(fewer, engine)


async def test_an_engine_that_cannot_delete_says_so_before_anything_is_done(unique: str) -> None:
    engine = GuardedMemory(unique)
    await engine.start()
    await brought(engine, goal(contract(), contract(USERS)))
    with pytest.raises(ApplyError, match="can neither delete topics"):
        await plan_changes(goal(contract(), allow_delete=frozenset({"orders.user"})), engine)
    await engine.aclose()


async def test_one_team_alone_is_planned(engine: Removable) -> None:
    whole = goal(GRANTED, contract(USERS), services=[PUBLISHER, READER])
    plan = await brought(engine, replace(whole, only=frozenset({Team("billing")})))
    assert {change.about for change in plan.changes} == {"billing", "billing/invoicing", CONTRACT_LOG, ORDERS}
    assert set(engine.secrets) == {"billing/invoicing"}
    assert set(await engine.topics()) == {CONTRACT_LOG, "busline.dlq.billing.invoicing"}
    assert {acl.user for acl in engine.rights} == {"billing/invoicing"}
    await brought(engine, replace(whole, only=frozenset({Team("orders")})))
    assert (await plan_changes(whole, engine)).is_empty


async def test_a_team_that_is_planned_alone_takes_nothing_from_others(engine: Removable) -> None:
    await brought(engine, goal(GRANTED, services=[PUBLISHER, READER]))
    before = engine.rights
    less = goal(contract(), only=frozenset({Team("orders")}))
    plan = await brought(engine, less)
    assert "of other teams nothing is planned" in " ".join(plan.notes)
    assert {acl for acl in before if acl.user == "billing/invoicing"} <= engine.rights
    assert {acl.user for acl in engine.rights} == {"billing/invoicing"}
    with pytest.raises(ApplyError, match="team bilings is not in this workspace"):
        await plan_changes(replace(less, only=frozenset({Team("bilings")})), engine)


async def test_a_removed_teams_rights_and_users_go(engine: Removable) -> None:
    await brought(engine, goal(GRANTED, services=[PUBLISHER, READER]))
    others = replace(
        goal(contract(), services=[PUBLISHER]), teams={Team("orders"): TeamSpec(name=Team("orders"), people=False)}
    )
    plan = await plan_changes(others, engine)
    assert not any("billing/invoicing" in change.about for change in plan.changes)
    engine.steps.clear()
    await brought(engine, replace(others, removed=frozenset({Team("billing")})))
    assert {acl.user for acl in engine.rights} == {"orders/checkout"}
    assert set(engine.secrets) == {"orders/checkout"}
    last_take = max(i for i, step in enumerate(engine.steps) if step.startswith("take"))
    barrier = next(i for i, step in enumerate(engine.steps) if step.startswith("settled"))
    user = next(i for i, step in enumerate(engine.steps) if step.startswith("no secret of billing"))
    assert last_take < barrier < user
    left = await plan_changes(others, engine)
    assert (left.is_empty, [note for note in left.notes if "busline.dlq" not in note]) == (True, [])


LEGACY = ServiceSpec(
    name=INVOICING, subscribes=READER.subscribes, kafka_user="Billing_Invoicer", kafka_groups=("invoicer-prod",)
)
STREAM = replace(GRANTED, topic="ord.OrderPlaced.v1", subject="ord.OrderPlaced.v1-value", append_time=False)


def legacy(engine: GuardedMemory) -> None:
    user = "User:Billing_Invoicer"
    engine.rights = frozenset(
        {
            Acl(user, Resource.TOPIC, "ord.", "all", prefixed=True),
            Acl(user, Resource.GROUP, "invoicer-prod", "read"),
        }
    )
    engine.secrets = {"Billing_Invoicer": {"SCRAM-SHA-256": "old"}}
    engine.bounds_of = {QuotaEntity(user="Billing_Invoicer"): {"producer_byte_rate": 5.0}}


async def test_what_was_adopted_is_written_down_and_changes_nothing(engine: Removable) -> None:
    """The narrow right comes beside the wide one that gives it already: nobody gets more, nobody is stopped later."""
    legacy(engine)
    await engine.create_topics([TopicSpec(name="ord.OrderPlaced.v1", partitions=6, retention=WEEK, append_time=False)])
    adopted = goal(STREAM, services=[LEGACY], enforce="observe")
    plan = await plan_changes(adopted, engine)
    assert (plan.changes, plan.widens, plan.destroys) == ((), (), ())
    assert [change.about for change in plan.bookkeeping if change.what in ("contract", "service")] == [
        ORDERS,
        INVOICING,
    ]
    assert plan.held == (type(plan.held[0])("Billing_Invoicer", "-", "rights of Billing_Invoicer", "all topic ord.*"),)
    await apply(plan, engine, secrets=Vault())
    assert Acl("User:Billing_Invoicer", Resource.TOPIC, "ord.OrderPlaced.v1", "read") in engine.rights
    assert Acl("User:Billing_Invoicer", Resource.TOPIC, "ord.", "all", prefixed=True) in engine.rights
    assert engine.secrets == {"Billing_Invoicer": {"SCRAM-SHA-256": "old"}}
    assert engine.bounds_of == {QuotaEntity(user="Billing_Invoicer"): {"producer_byte_rate": 5.0}}
    assert (await plan_changes(adopted, engine)).is_empty
    await brought(engine, replace(adopted, enforce="deny"))
    assert {acl.name for acl in engine.rights} == {"ord.OrderPlaced.v1", "invoicer-prod"}


async def test_a_service_that_moves_to_buslines_user_loses_the_old_ones_rights_and_not_the_user(
    engine: Removable,
) -> None:
    legacy(engine)
    await engine.create_topics([TopicSpec(name="ord.OrderPlaced.v1", partitions=6, retention=WEEK, append_time=False)])
    await brought(engine, goal(STREAM, services=[LEGACY]))
    moved = goal(STREAM, services=[READER])
    plan = await brought(engine, moved)
    assert "user Billing_Invoicer was there before busline; no service has it any more" in " ".join(plan.notes)
    assert {acl.user for acl in engine.rights} == {"billing/invoicing"}
    assert set(engine.secrets) == {"Billing_Invoicer", "billing/invoicing"}
    assert (await plan_changes(moved, engine)).is_empty


async def test_a_denial_is_lifted_after_all_that_goes(engine: Removable) -> None:
    """Without it, a right that goes would hold for a moment."""
    await brought(engine, goal(GRANTED, services=[READER]))
    wide = Acl("User:billing/invoicing", Resource.TOPIC, "*", "read")
    denial = Acl("User:billing/invoicing", Resource.TOPIC, "orders.secret", "read", allow=False)
    engine.rights |= {wide, denial}
    engine.steps.clear()
    plan = await brought(engine, goal(GRANTED, services=[READER]))
    assert plan.widens == ("billing/invoicing is no longer refused: not read topic orders.secret",)
    steps = [step for step in engine.steps if step.startswith(("take", "settled"))]
    assert [step.split(" ")[0] for step in steps] == ["take", "settled:", "take"]
    assert "must not" in steps[-1]


async def test_the_plan_says_how_many_events_come_first(engine: Removable) -> None:
    await brought(engine, goal(GRANTED, services=[PUBLISHER]))
    await engine.publish([Record(ORDERS, b"k", b"v") for _ in range(1_234)])
    plan = await plan_changes(goal(GRANTED, services=[PUBLISHER, READER]), engine)
    assert "billing/invoicing begins orders.order-placed at earliest: 1,234 events come first" in plan.notes
    latest = replace(READER, subscribes=(Subscription(contract=ORDERS, version=1, start="latest"),))
    assert (await plan_changes(goal(GRANTED, services=[PUBLISHER, latest]), engine)).notes == ()
    await engine.mark("billing/invoicing", {TopicPartition(ORDERS, 0): 1}, "")
    assert (await plan_changes(goal(GRANTED, services=[PUBLISHER, READER]), engine)).notes == ()


async def test_many_new_subscriptions_are_counted_in_few_lines(engine: Removable) -> None:
    await brought(engine, goal(GRANTED, services=[PUBLISHER]))
    await engine.publish([Record(ORDERS, b"k", b"v")])
    names = [Service(f"billing/reader-{chr(97 + n)}") for n in range(25)]
    granted = contract(grants=(Grant(to="billing"),))
    readers = [replace(READER, name=name) for name in names]
    plan = await plan_changes(goal(granted, services=[PUBLISHER, *readers]), engine)
    assert len([note for note in plan.notes if "come first" in note]) == 21
    assert plan.notes[-1] == "5 more new subscriptions have events that come first"


async def test_a_plan_is_the_same_as_long_as_it_would_do_the_same(engine: Removable) -> None:
    """Another commit, another setting, another state of the cluster: another plan. Other people's users: the same."""
    whole = goal(GRANTED, services=[PUBLISHER, READER], commit="aaa")
    first = (await plan_changes(whole, engine)).fingerprint
    assert (await plan_changes(whole, engine)).fingerprint == first
    others = [
        replace(whole, commit="bbb"),
        replace(whole, enforce="observe"),
        replace(whole, allow_delete=frozenset({"x"})),
        goal(contract(), services=[PUBLISHER], commit="aaa"),
    ]
    marks = {first, *[(await plan_changes(other, engine)).fingerprint for other in others]}
    assert len(marks) == 5
    engine.rights |= {Acl("User:somebody", Resource.TOPIC, "x", "read")}
    assert (await plan_changes(whole, engine)).fingerprint == first
    engine.rights |= {Acl("User:orders/checkout", Resource.TOPIC, "x", "read")}
    second = (await plan_changes(whole, engine)).fingerprint
    engine.secrets["orders/checkout"] = {"SCRAM-SHA-512": "x"}
    third = (await plan_changes(whole, engine)).fingerprint
    await engine.create_topics([TopicSpec(name=ORDERS, partitions=6, retention=WEEK)])
    fourth = (await plan_changes(whole, engine)).fingerprint
    await brought(engine, replace(goal(contract(USERS)), enforce="observe"))
    fifth = (await plan_changes(whole, engine)).fingerprint
    assert len({first, second, third, fourth, fifth}) == 5
