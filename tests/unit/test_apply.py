"""apply: what it changes, what it refuses, and that it can stop anywhere."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import httpx
import pytest

from busline.contract.model import Contract, Kind, Publication, ServiceSpec, Storage, Subscription, TeamSpec, Version
from busline.contract.schema import Schema, parse
from busline.errors import ApplyError, RegistryRefused, Unreachable
from busline.governance.apply.apply import apply
from busline.governance.plan.plan import Goal, Plan, plan_changes
from busline.governance.registry.http import Patience, RegistryHttp
from busline.governance.registry.registry import Registry
from busline.governance.state.applied import read_applied
from busline.names import CONTRACT_LOG, ContractName, Service, Team
from busline.record import Position, Record
from busline.transport.base import TopicSpec
from busline.transport.memory import MemoryTransport

ORDERS = ContractName("orders.order-placed")
USERS = ContractName("orders.user")


def schema(*fields: str) -> Schema:
    return parse({"type": "record", "name": "Order", "fields": [{"name": f, "type": "string"} for f in fields]})


def contract(name: ContractName = ORDERS, *schemas: Schema, **changes: Any) -> Contract:
    versions = tuple(Version(number=i + 1, schema=s) for i, s in enumerate(schemas or (schema("id"),)))
    return replace(Contract(name=name, key=("id",), versions=versions), **changes)


def goal(*contracts: Contract, services: Sequence[ServiceSpec] = (), commit: str | None = None) -> Goal:
    return Goal(
        contracts={c.name: c for c in contracts},
        services={s.name: s for s in services},
        teams={Team("orders"): TeamSpec(name=Team("orders"), chat="#orders")},
        commit=commit,
    )


CHECKOUT = ServiceSpec(name=Service("orders/checkout"), publishes=(Publication(contract=ORDERS, version=1),))
INVOICING = ServiceSpec(name=Service("billing/invoicing"), subscribes=(Subscription(contract=ORDERS, version=1),))


class FakeRegistry:
    """As Apicurio behaves: ids by text, a level per subject; `down` makes every write fail."""

    def __init__(self) -> None:
        self.subjects: dict[str, list[str]] = {}
        self.ids: dict[str, int] = {}
        self.levels: dict[str, str] = {}
        self.writes: list[str] = []
        self.fail_after: int | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        parts = request.url.path.strip("/").split("/")
        body = json.loads(request.content) if request.content else {}
        status, answer = self.answer(request.method, parts, body)
        return httpx.Response(status, stream=httpx.ByteStream(json.dumps(answer).encode()))

    def answer(self, method: str, parts: list[str], body: dict[str, str]) -> tuple[int, Any]:
        subject = parts[1]
        if parts[0] == "config" and method == "GET":
            level = self.levels.get(subject)
            return (200, {"compatibilityLevel": level}) if level else (404, {"error_code": 40408})
        if method == "POST" and len(parts) == 2:
            found = self.subjects.get(subject, [])
            if body["schema"] not in found:
                return 404, {"error_code": 40403}
            return 200, {"id": self.ids[body["schema"]], "version": found.index(body["schema"]) + 1}
        if self.fail_after is not None and len(self.writes) >= self.fail_after:
            return 422, {"error_code": 42201, "message": "no more"}
        self.writes.append(f"{method} {'/'.join(parts)}")
        if parts[0] == "config":
            self.levels[subject] = body["compatibility"]
            return 200, {}
        self.subjects.setdefault(subject, []).append(body["schema"])
        return 200, {"id": self.ids.setdefault(body["schema"], 100 + len(self.ids))}

    def client(self) -> Registry:
        transport = httpx.MockTransport(self)
        return Registry(RegistryHttp("http://registry", patience=Patience(attempts=1), transport=transport))


@pytest.fixture
async def engine() -> AsyncIterator[MemoryTransport]:
    transport = MemoryTransport()
    await transport.start()
    yield transport
    await transport.aclose()


@pytest.fixture
async def server() -> FakeRegistry:
    return FakeRegistry()


@pytest.fixture
async def registry(server: FakeRegistry) -> AsyncIterator[Registry]:
    async with server.client() as client:
        yield client


def lines(plan: Plan) -> list[str]:
    return [f"{change.about}: {change.mark} {change.text}" for change in plan.changes]


async def test_the_first_apply_brings_topics_and_log_and_the_second_is_empty(engine: MemoryTransport) -> None:
    wanted = goal(contract(), services=[CHECKOUT, INVOICING])
    plan = await plan_changes(wanted, engine)
    assert lines(plan) == [
        "billing/invoicing: + topic busline.dlq.billing.invoicing: 1 partition, kept for ever, records up to 1,114,112"
        " bytes",
        "billing/invoicing: + service",
        "busline.contracts: + topic busline.contracts: 1 partition, compacted, records up to 8,388,608 bytes",
        "orders: + team",
        "orders.order-placed: + topic orders.order-placed: 6 partitions, kept 7d, records up to 1,048,576 bytes",
        "orders.order-placed: + contract",
        "orders.order-placed: + version 1",
        "orders/checkout: + service",
    ]
    assert await apply(plan, engine) == 5
    assert (await plan_changes(wanted, engine)).changes == ()
    applied = await read_applied(engine)
    assert set(applied.topics) == {CONTRACT_LOG, "orders.order-placed", "busline.dlq.billing.invoicing"}
    there = applied.catalog.contract(ORDERS)
    assert there is not None
    assert there.versions[0].schema == schema("id")


async def test_a_plan_changes_nothing(engine: MemoryTransport, registry: Registry, server: FakeRegistry) -> None:
    await plan_changes(goal(contract()), engine, registry)
    assert await engine.topics() == {}
    assert server.writes == []


async def test_the_log_changes_only_where_the_workspace_did(engine: MemoryTransport) -> None:
    await apply(await plan_changes(goal(contract(), contract(USERS), commit="aaa"), engine), engine)
    other = goal(contract(description="new words"), contract(USERS), commit="bbb")
    plan = await plan_changes(other, engine)
    assert lines(plan) == ["orders.order-placed: ~ contract: description: new words"]
    assert await apply(plan, engine) == 1


async def test_a_new_commit_alone_is_no_change(engine: MemoryTransport) -> None:
    await apply(await plan_changes(goal(contract(), commit="aaa"), engine), engine)
    assert (await plan_changes(goal(contract(), commit="bbb"), engine)).changes == ()


async def test_a_service_that_is_gone_leaves_the_log(engine: MemoryTransport) -> None:
    await apply(await plan_changes(goal(contract(), services=[CHECKOUT]), engine), engine)
    plan = await plan_changes(goal(contract()), engine)
    assert lines(plan) == ["orders/checkout: - service"]
    await apply(plan, engine)
    assert (await read_applied(engine)).catalog.service("orders/checkout") is None


async def test_a_contract_that_is_gone_stays_and_is_named(engine: MemoryTransport) -> None:
    await apply(await plan_changes(goal(contract(), contract(USERS)), engine), engine)
    plan = await plan_changes(goal(contract()), engine)
    assert plan.changes == ()
    assert plan.notes == (
        "orders.user is applied here but not in the workspace; apply leaves it, as its events are still there. To"
        " delete them: --allow-delete orders.user",
    )


def analytics() -> Goal:
    """Another workspace, of another team."""
    clicks, loader = ContractName("analytics.click"), Service("analytics/loader")
    team = Team("analytics")
    return Goal(
        contracts={clicks: contract(clicks)},
        services={loader: ServiceSpec(name=loader, publishes=(Publication(contract=clicks, version=1),))},
        teams={team: TeamSpec(name=team)},
    )


async def test_two_workspaces_share_one_engine(engine: MemoryTransport) -> None:
    ours, theirs = goal(contract(), services=[CHECKOUT]), analytics()
    await apply(await plan_changes(ours, engine), engine)
    await apply(await plan_changes(theirs, engine), engine)
    for each in (ours, theirs):
        assert (await plan_changes(each, engine)).changes == ()
    less = goal(contract())
    plan = await plan_changes(less, engine)
    assert lines(plan) == ["orders/checkout: - service"]
    await apply(plan, engine)
    assert (await plan_changes(theirs, engine)).changes == ()


async def test_a_team_that_is_not_in_the_workspace_is_named_with_how_to_remove_it(engine: MemoryTransport) -> None:
    await apply(await plan_changes(analytics(), engine), engine)
    await apply(await plan_changes(goal(contract()), engine), engine)
    plan = await plan_changes(goal(contract()), engine)
    assert plan.notes == (
        "teams that are applied here but not in this workspace: analytics (1 contract, 1 service); apply leaves them,"
        " as they may be another workspace's. For a team that is gone: busline apply --remove-team TEAM",
    )
    removing = replace(goal(contract()), removed=frozenset({Team("analytics")}))
    plan = await plan_changes(removing, engine)
    assert lines(plan) == [
        "analytics: - team",
        "analytics.click: - contract",
        "analytics.click: - version 1",
        "analytics/loader: - service",
    ]
    await apply(plan, engine)
    left = await plan_changes(goal(contract()), engine)
    assert (left.changes, left.notes) == ((), ())
    assert "analytics.click" in await engine.topics(), "no topic is ever deleted"


async def test_a_team_is_not_removed_while_its_contracts_are_used(engine: MemoryTransport) -> None:
    await apply(await plan_changes(analytics(), engine), engine)
    clicks = Subscription(contract=ContractName("analytics.click"), version=1)
    reader = replace(INVOICING, subscribes=(clicks,))
    removed = frozenset({Team("analytics")})
    await apply(await plan_changes(goal(services=[reader]), engine), engine)
    with pytest.raises(ApplyError) as caught:
        await plan_changes(replace(goal(services=[reader]), removed=removed), engine)
    (conflict,) = caught.value.conflicts
    assert conflict.startswith("billing/invoicing still uses analytics.click")


@pytest.mark.parametrize(
    ("team", "why"),
    [("orders", "team orders is in this workspace"), ("analitics", "Other teams that are: analytics.")],
)
async def test_only_a_team_that_is_applied_and_gone_is_removed(engine: MemoryTransport, team: str, why: str) -> None:
    await apply(await plan_changes(analytics(), engine), engine)
    with pytest.raises(ApplyError, match=why):
        await plan_changes(replace(goal(contract()), removed=frozenset({Team(team)})), engine)


async def test_a_draft_is_not_applied(engine: MemoryTransport) -> None:
    plan = await plan_changes(goal(contract(versions=())), engine)
    assert all(change.about != ORDERS for change in plan.changes)


async def test_a_state_is_a_compacted_topic(engine: MemoryTransport) -> None:
    await apply(await plan_changes(goal(contract(kind=Kind.STATE)), engine), engine)
    spec = (await engine.topics())[ORDERS]
    assert (spec.compacted, spec.retention) == (True, None)


async def test_what_order_and_place_hang_on_never_changes(engine: MemoryTransport) -> None:
    await apply(await plan_changes(goal(contract(ORDERS, schema("id", "b"))), engine), engine)
    before = await read_applied(engine)
    for changed, text in (
        (contract(ORDERS, schema("id", "b"), key=("b",)), "key is b, and was applied as id"),
        (contract(ORDERS, schema("id", "b"), topic="elsewhere"), "kafka.topic is elsewhere, and was applied as orders"),
    ):
        with pytest.raises(ApplyError) as caught:
            await plan_changes(goal(changed), engine)
        assert text in str(caught.value.conflicts)
    assert (await read_applied(engine)).entries == before.entries


async def test_a_published_version_never_changes(engine: MemoryTransport) -> None:
    await apply(await plan_changes(goal(contract(ORDERS, schema("id"), schema("id", "b"))), engine), engine)
    before = await read_applied(engine)
    for changed, text in (
        (contract(ORDERS, schema("id", "a"), schema("id", "b")), "version 1 .* is not what was applied"),
        (contract(ORDERS, schema("id")), "version 2 is applied, and missing"),
    ):
        with pytest.raises(ApplyError, match=text):
            await plan_changes(goal(changed), engine)
    assert (await read_applied(engine)).entries == before.entries


@pytest.mark.parametrize("partitions", [3, 12])
async def test_partitions_neither_shrink_nor_grow(engine: MemoryTransport, partitions: int) -> None:
    await apply(await plan_changes(goal(contract()), engine), engine)
    other = contract(storage=Storage(partitions=partitions))
    with pytest.raises(ApplyError, match=f"it has 6 partitions, the workspace says {partitions}"):
        await plan_changes(goal(other), engine)
    assert (await engine.topics())[ORDERS].partitions == 6


async def test_all_conflicts_are_told_at_once(engine: MemoryTransport) -> None:
    await apply(await plan_changes(goal(contract(), contract(USERS)), engine), engine)
    with pytest.raises(ApplyError) as caught:
        await plan_changes(goal(contract(kind=Kind.STATE), contract(USERS, schema("other"))), engine)
    assert len(caught.value.conflicts) == 2


async def test_settings_of_a_topic_follow_the_contract(engine: MemoryTransport) -> None:
    await apply(await plan_changes(goal(contract()), engine), engine)
    longer = goal(contract(storage=Storage(retention=None, max_record=2_000_000)))
    plan = await plan_changes(longer, engine)
    assert lines(plan) == [
        "orders.order-placed: ~ topic orders.order-placed: kept 7d -> kept for ever",
        "orders.order-placed: ~ topic orders.order-placed: records up to 1,048,576 bytes -> records up to 2,000,000"
        " bytes",
        "orders.order-placed: ~ contract: storage.max_record: 1048576 -> 2000000",
        "orders.order-placed: ~ contract: storage.retention: 7d -> forever",
    ]
    assert (await engine.topics())[ORDERS].max_record == 1_048_576, "a plan alters nothing"
    await apply(plan, engine)
    spec = (await engine.topics())[ORDERS]
    assert (spec.partitions, spec.retention, spec.max_record) == (6, None, 2_000_000)
    assert (await plan_changes(longer, engine)).changes == ()


async def test_settings_that_drifted_on_the_engine_are_brought_back(engine: MemoryTransport) -> None:
    await apply(await plan_changes(goal(contract()), engine), engine)
    await engine.alter_topics([TopicSpec(name=ORDERS, retention=1000)])
    plan = await plan_changes(goal(contract()), engine)
    assert lines(plan) == ["orders.order-placed: ~ topic orders.order-placed: kept 1s -> kept 7d"]
    assert await apply(plan, engine) == 0
    assert (await plan_changes(goal(contract()), engine)).changes == ()


async def test_a_retention_that_shrinks_says_what_is_removed(engine: MemoryTransport) -> None:
    await apply(await plan_changes(goal(contract()), engine), engine)
    plan = await plan_changes(goal(contract(storage=Storage(retention=3_600_000))), engine)
    assert plan.destroys == ("topic orders.order-placed: what is older than 1h is removed",)


async def test_a_topic_that_was_there_before_its_contract_loses_nothing_by_a_default(engine: MemoryTransport) -> None:
    await engine.create_topics([TopicSpec(name=ORDERS, partitions=6, retention=30 * 86_400_000)])
    with pytest.raises(ApplyError, match=r"there before its contract, kept 30d.* Write storage.retention: 30d"):
        await plan_changes(goal(contract()), engine)
    kept = contract(storage=Storage(retention=30 * 86_400_000))
    await apply(await plan_changes(goal(kept), engine), engine)
    await apply(await plan_changes(goal(contract()), engine), engine)
    assert (await engine.topics())[ORDERS].retention == 604_800_000


async def test_a_states_retention_is_no_change(engine: MemoryTransport) -> None:
    """An engine may show one for a compacted topic; it says nothing there."""
    await apply(await plan_changes(goal(contract(kind=Kind.STATE)), engine), engine)
    await engine.alter_topics([TopicSpec(name=ORDERS, retention=1000)])
    assert (await plan_changes(goal(contract(kind=Kind.STATE)), engine)).changes == ()


async def test_replicas_that_differ_are_told_and_left(engine: MemoryTransport) -> None:
    await engine.create_topics([TopicSpec(name=ORDERS, partitions=6, retention=604_800_000, replicas=1)])
    plan = await plan_changes(goal(contract(storage=Storage(replicas=3))), engine)
    assert [note for note in plan.notes if "replicas: 1, the workspace says 3" in note]


async def test_schemas_get_their_level_first_and_their_ids_into_the_log(
    engine: MemoryTransport, registry: Registry, server: FakeRegistry
) -> None:
    wanted = goal(contract(ORDERS, schema("id", "b"), schema("id"), compatibility="backward"))
    plan = await plan_changes(wanted, engine, registry)
    assert [line for line in lines(plan) if "registry" in line] == [
        "orders.order-placed: ~ registry: orders.order-placed-value checks: the registry's default -> BACKWARD",
        "orders.order-placed: + registry: orders.order-placed-value, schema of version 1",
        "orders.order-placed: + registry: orders.order-placed-value, schema of version 2",
    ]
    await apply(plan, engine, registry)
    assert server.writes == [
        "PUT config/orders.order-placed-value",
        "POST subjects/orders.order-placed-value/versions",
        "POST subjects/orders.order-placed-value/versions",
    ]
    there = (await read_applied(engine)).catalog.contract(ORDERS)
    assert there is not None
    assert [version.registry_id for version in there.versions] == [100, 101]
    assert (await plan_changes(wanted, engine, registry)).changes == ()


async def test_without_the_registry_the_ids_that_were_applied_stay(engine: MemoryTransport, registry: Registry) -> None:
    await apply(await plan_changes(goal(contract()), engine, registry), engine, registry)
    assert (await plan_changes(goal(contract()), engine)).changes == ()


async def test_a_registry_that_lost_its_ids_is_refused(
    engine: MemoryTransport, registry: Registry, server: FakeRegistry
) -> None:
    await apply(await plan_changes(goal(contract()), engine, registry), engine, registry)
    server.subjects.clear()
    with pytest.raises(ApplyError, match="the registry has no id, applied is 100"):
        await plan_changes(goal(contract()), engine, registry)


class Dying(MemoryTransport):
    """Dies at its n-th write, before or after doing it."""

    def __init__(self, name: str, at: int, *, after: bool) -> None:
        super().__init__(name)
        self.left, self.after = at, after

    def _die(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Unreachable("killed")

    async def create_topics(self, specs: Sequence[TopicSpec]) -> None:
        if self.after:
            await super().create_topics(specs)
        self._die()
        await super().create_topics(specs)

    async def alter_topics(self, specs: Sequence[TopicSpec]) -> None:
        if self.after:
            await super().alter_topics(specs)
        self._die()
        await super().alter_topics(specs)

    async def publish_atomically(self, records: Sequence[Record], transaction: str) -> list[Position]:
        done = await super().publish_atomically(records, transaction) if self.after else []
        self._die()
        return done or await super().publish_atomically(records, transaction)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("engine_writes", range(5))
@pytest.mark.parametrize("registry_writes", [None, 0, 1, 2])
async def test_an_apply_that_dies_anywhere_is_finished_by_the_next(
    server: FakeRegistry, after: bool, engine_writes: int, registry_writes: int | None, unique: str
) -> None:
    wanted = goal(contract(ORDERS, schema("id"), schema("id", "b")), services=[INVOICING])
    server.fail_after = registry_writes
    engine = Dying(unique, engine_writes, after=after)
    await engine.start()
    await MemoryTransport.create_topics(engine, [TopicSpec(name=ORDERS, partitions=6, retention=1000)])
    async with server.client() as registry:
        try:
            await apply(await plan_changes(wanted, engine, registry), engine, registry)
        except (Unreachable, RegistryRefused):
            pass
        engine.left, server.fail_after = 100, None
        await apply(await plan_changes(wanted, engine, registry), engine, registry)
        assert (await plan_changes(wanted, engine, registry)).changes == ()
    applied = await read_applied(engine)
    there = applied.catalog.contract(ORDERS)
    assert there is not None
    assert [version.registry_id for version in there.versions] == [100, 101]
    assert len(server.subjects["orders.order-placed-value"]) == 2
    await engine.aclose()


async def test_an_apply_is_refused_when_another_came_between(engine: MemoryTransport) -> None:
    await apply(await plan_changes(goal(contract()), engine), engine)
    slow = await plan_changes(goal(contract(description="slow")), engine)
    await apply(await plan_changes(goal(contract(description="fast")), engine), engine)
    with pytest.raises(ApplyError, match="another apply came between"):
        await apply(slow, engine)
    there = (await read_applied(engine)).catalog.contract(ORDERS)
    assert there is not None
    assert there.description == "fast"
