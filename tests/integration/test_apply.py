"""apply on real engines: what it brings there is found there again, and a bus works with it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from busline.contract.model import (
    Contract,
    Kind,
    Publication,
    ServiceSpec,
    Storage,
    Subscription,
    TeamSpec,
    Version,
)
from busline.contract.schema import parse
from busline.errors import ApplyError, NotAuthorized, RegistryRefused, UnknownTopic
from busline.governance.apply.apply import apply
from busline.governance.plan.plan import Goal, plan_changes
from busline.governance.registry.registry import Registry
from busline.governance.state.applied import read_applied
from busline.names import ContractName, Service, Team
from busline.testing.applying import Vault
from busline.testing.engines import started
from busline.transport.base import TopicSpec, Transport
from busline.transport.kafka.engine import KafkaTransport
from busline.transport.security import Security


def wanted(team: str, **changes: Any) -> Goal:
    """Two contracts and two services of one team."""
    schema = parse({"type": "record", "name": f"{team}.Order", "fields": [{"name": "id", "type": "string"}]})
    wider = parse(
        {
            "type": "record",
            "name": f"{team}.Order",
            "fields": [{"name": "id", "type": "string"}, {"name": "note", "type": "string", "default": ""}],
        }
    )
    order, user = ContractName(f"{team}.order"), ContractName(f"{team}.user")
    versions = (Version(number=1, schema=schema), Version(number=2, schema=wider))
    contracts = {
        order: Contract(name=order, key=("id",), versions=versions, **changes),
        user: Contract(name=user, key=("id",), kind=Kind.STATE, versions=versions[:1]),
    }
    checkout = ServiceSpec(name=Service(f"{team}/checkout"), publishes=(Publication(contract=order, version=2),))
    invoicing = ServiceSpec(name=Service(f"{team}/invoicing"), subscribes=(Subscription(contract=order, version=1),))
    return Goal(
        contracts=contracts,
        services={s.name: s for s in (checkout, invoicing)},
        teams={Team(team): TeamSpec(name=Team(team))},
    )


async def bring(goal: Goal, engine: Transport, registry: Registry | None = None) -> int:
    return await apply(await plan_changes(goal, engine, registry), engine, registry, secrets=Vault())


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[Transport]:
    async with started(f"sqlite:///{tmp_path}/bus.db") as engine:
        yield engine


@pytest.fixture
async def broker(kafka: Any) -> AsyncIterator[Transport]:
    async with started(kafka.url) as engine:
        yield engine


async def check_converges(engine: Transport, team: str, registry: Registry | None = None) -> None:
    goal = wanted(team)
    assert await bring(goal, engine, registry) > 0
    again = await plan_changes(goal, engine, registry)
    assert again.changes == ()
    assert [note for note in again.notes if team in note] == []
    applied = await read_applied(engine)
    assert applied.topics[f"{team}.order"].partitions == 6
    assert applied.topics[f"{team}.user"].compacted
    assert f"busline.dlq.{team}.invoicing" in applied.topics
    changed = wanted(team, description="other words")
    plan = await plan_changes(changed, engine, registry)
    assert [change.what for change in plan.changes] == ["contract: description"]
    await apply(plan, engine, registry, secrets=Vault())
    assert (await plan_changes(changed, engine, registry)).changes == ()


async def check_settings_follow(engine: Transport, team: str) -> None:
    await bring(wanted(team), engine)
    changed = wanted(team, storage=Storage(retention=3_600_000, max_record=2_000_000))
    plan = await plan_changes(changed, engine)
    assert [change.text for change in plan.changes if change.about == f"{team}.order"] == [
        f"topic {team}.order: kept 7d -> kept 1h",
        f"topic {team}.order: records up to 1,048,576 bytes -> records up to 2,000,000 bytes",
        "contract: storage.max_record: 1048576 -> 2000000",
        "contract: storage.retention: 7d -> 1h",
    ]
    await apply(plan, engine, secrets=Vault())
    async with asyncio.timeout(20):
        while (await plan_changes(changed, engine)).changes:  # noqa: ASYNC110 - the engine's state, which has no event
            await asyncio.sleep(0.05)
    spec = (await read_applied(engine)).topics[f"{team}.order"]
    assert (spec.partitions, spec.retention, spec.max_record) == (6, 3_600_000, 2_000_000)


async def test_settings_follow_the_contract_on_sqlite(sqlite: Transport, unique: str) -> None:
    await check_settings_follow(sqlite, unique)


@pytest.mark.kafka
async def test_settings_follow_the_contract_on_kafka(broker: Transport, unique: str) -> None:
    await check_settings_follow(broker, unique)


@pytest.mark.kafka
async def test_each_refusal_to_alter_is_told(kafka: Any, broker: Transport, unique: str) -> None:
    """kafka-python's answers hide their codes."""
    await broker.create_topics([TopicSpec(name=f"{unique}.there")])  # type: ignore[attr-defined]
    kafka.add_user(unique, "secret")
    kafka.grant(unique, ["DESCRIBE"], name=f"{unique}.there")
    denied = KafkaTransport([kafka.secure_bootstrap], security=Security(user=unique, password="secret"))
    await denied.start()
    try:
        with pytest.raises(NotAuthorized, match=f"{unique}.there"):
            await denied.alter_topics([TopicSpec(name=f"{unique}.there", retention=1000)])
    finally:
        await denied.aclose()
    both = [TopicSpec(name=f"{unique}.missing"), TopicSpec(name=f"{unique}.there", retention=1000)]
    with pytest.raises(UnknownTopic, match=f"{unique}.missing"):
        await broker.alter_topics(both)  # type: ignore[attr-defined]
    async with asyncio.timeout(20):
        while (await read_applied(broker)).topics[f"{unique}.there"].retention != 1000:  # noqa: ASYNC110 - the engine's state, which has no event
            await asyncio.sleep(0.05)


async def test_an_apply_on_sqlite_converges(sqlite: Transport, unique: str) -> None:
    await check_converges(sqlite, unique)


@pytest.mark.kafka
async def test_an_apply_on_kafka_converges(broker: Transport, unique: str) -> None:
    await check_converges(broker, unique)


@pytest.mark.kafka
@pytest.mark.registry
async def test_an_apply_with_a_registry_takes_its_ids(broker: Transport, registry: str, unique: str) -> None:
    async with Registry.at(registry) as client:
        await check_converges(broker, unique, client)
        there = (await read_applied(broker)).catalog.contract(f"{unique}.order")
        assert there is not None
        for version in there.versions:
            found = await client.lookup(f"{unique}.order-value", version.schema)
            assert found is not None
            assert (version.registry_id, version.number) == (found.id, found.version)
        assert await client.level(f"{unique}.order-value") == "BACKWARD_TRANSITIVE"


@pytest.mark.kafka
@pytest.mark.registry
async def test_a_version_that_its_readers_allow_passes_the_level_which_stands_again_after(
    broker: Transport, registry: str, unique: str
) -> None:
    goal = wanted(unique)
    order = goal.contracts[ContractName(f"{unique}.order")]
    fields = [{"name": "id", "type": "string"}, {"name": "amount", "type": "long"}]
    breaking = Version(number=3, schema=parse({"type": "record", "name": f"{unique}.Order", "fields": fields}))
    later = replace(order, versions=(*order.versions, breaking))
    async with Registry.at(registry) as client:
        await bring(goal, broker, client)
        with pytest.raises(RegistryRefused):
            await client.register(later.subject, breaking.schema)
        plan = await plan_changes(replace(goal, contracts={**goal.contracts, order.name: later}), broker, client)
        assert any("lowered to NONE for this one and restored" in change.text for change in plan.changes)
        await apply(plan, broker, client, secrets=Vault())
        assert await client.lookup(later.subject, breaking.schema) is not None
        assert await client.level(later.subject) == "BACKWARD_TRANSITIVE"


@pytest.mark.kafka
async def test_two_applies_at_once_leave_one_whole_state(kafka: Any, broker: Transport, unique: str) -> None:
    await bring(wanted(unique), broker)
    slow = await plan_changes(wanted(unique, description="slow"), broker)
    async with started(kafka.url) as other:
        fast = await plan_changes(wanted(unique, description="fast"), other)
        await apply(fast, other, secrets=Vault())
    with pytest.raises(ApplyError, match="another apply came between"):
        await apply(slow, broker, secrets=Vault())
    there = (await read_applied(broker)).catalog.contract(f"{unique}.order")
    assert there is not None
    assert there.description == "fast"
