"""On one broker: 1,000 topics, 5,000 rights and 200 users planned and applied, looked at again, and half of it changed.

The peer of the first apply is the administrative calls alone, without a plan, barriers or the contract log.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from benchmarks.harness import Case
from busline.contract.model import Contract, Grant, Publication, ServiceSpec, Storage, Subscription, TeamSpec, Version
from busline.contract.schema import parse
from busline.governance.apply.apply import apply
from busline.governance.plan.plan import Goal, plan_changes
from busline.names import ContractName, Service, Team
from busline.testing.applying import Vault
from busline.transport.base import TopicSpec
from busline.transport.guard import USER, Acl, Credential, Resource
from busline.transport.kafka.engine import KafkaTransport

CONTRACTS: Final = 1_000
TEAMS: Final = 20
SERVICES: Final = 200
READERS: Final = 3
"""Services a contract, besides its publisher."""
PARTITIONS: Final = 1


@asynccontextmanager
async def broker() -> AsyncIterator[KafkaTransport]:
    """BUSLINE_BENCH_KAFKA=host:port is used where it is given: a fresh one, where one may do everything."""
    if given := os.environ.get("BUSLINE_BENCH_KAFKA"):
        async with connected(given) as engine:
            yield engine
        return
    from scripts import kafka_server

    server = await asyncio.to_thread(kafka_server.start)
    try:
        async with connected(server.bootstrap) as engine:
            yield engine
    finally:
        await asyncio.to_thread(server.stop)


@asynccontextmanager
async def connected(bootstrap: str) -> AsyncIterator[KafkaTransport]:
    engine = KafkaTransport([bootstrap])
    try:
        await engine.start()
        yield engine
    finally:
        await engine.aclose()


def company(*, shift: int = 0) -> Goal:
    """shift: by so many places another service reads each contract."""
    schema = parse({"type": "record", "name": "Order", "fields": [{"name": "id", "type": "string"}]})
    teams = [Team(f"team-{chr(97 + n)}") for n in range(TEAMS)]
    names = [Service(f"{teams[n % TEAMS]}/service-x{n}") for n in range(SERVICES)]
    contracts: dict[ContractName, Contract] = {}
    publishes: dict[Service, list[Publication]] = {name: [] for name in names}
    subscribes: dict[Service, list[Subscription]] = {name: [] for name in names}
    for n in range(CONTRACTS):
        publisher = names[n % SERVICES]
        name = ContractName(f"{publisher.team}.stream-x{n}")
        readers = {names[(n * 7 + shift + (i + 1) * 31) % SERVICES] for i in range(READERS)} - {publisher}
        contracts[name] = Contract(
            name=name,
            key=("id",),
            storage=Storage(partitions=PARTITIONS),
            versions=(Version(number=1, schema=schema),),
            grants=tuple(Grant(to=reader) for reader in sorted(readers)),
        )
        publishes[publisher].append(Publication(contract=name, version=1))
        for reader in readers:
            subscribes[reader].append(Subscription(contract=name, version=1))
    services = [
        ServiceSpec(name=name, publishes=tuple(publishes[name]), subscribes=tuple(subscribes[name])) for name in names
    ]
    return Goal(
        contracts=contracts,
        services={service.name: service for service in services},
        teams={team: TeamSpec(name=team, people=False) for team in teams},
        enforce="deny",
    )


async def cases() -> list[Case]:
    async with broker() as engine:
        bare = await _spent(lambda: _bare(engine))
        goal = company()
        first = await plan_changes(goal, engine)
        rights, users = len(first.access.grant), len(first.access.new_users)
        what = f"{len(first.topics.create):,} topics, {rights:,} rights, {users} users"
        planned = await _spent(lambda: plan_changes(company(), engine))
        applied = await _spent(lambda: apply(first, engine, secrets=Vault()))
        again = await _spent(lambda: _nothing(company(), engine))
        other = await plan_changes(company(shift=1), engine)
        moved = await _spent(lambda: apply(other, engine, secrets=Vault()))
        changed = f"{len(other.access.revoke):,} rights taken, {len(other.access.grant):,} given"
        return [
            Case(case=f"plan: {what}", unit="s", busline=planned),
            Case(case=f"apply: {what}", unit="s", busline=applied, peers={"administrative calls alone": bare}),
            Case(case="plan when all of it is there", unit="s", busline=again),
            Case(case=f"apply: {changed}", unit="s", busline=moved),
        ]


async def _spent(work: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


async def _nothing(goal: Goal, engine: KafkaTransport) -> None:
    plan = await plan_changes(goal, engine)
    if not plan.is_empty:
        raise RuntimeError(f"a second plan is not empty: {plan.changes[:3]}")


async def _bare(engine: KafkaTransport) -> None:
    await engine.create_topics([TopicSpec(name=f"bare-{n}", partitions=PARTITIONS) for n in range(CONTRACTS)])
    await engine.set_secrets([Credential(user=f"bare-{n}", secret=f"secret-of-{n}") for n in range(SERVICES)])
    await engine.create_acls(
        [Acl(f"{USER}bare-{n % SERVICES}", Resource.TOPIC, f"bare-{n}", "read") for n in range(5 * CONTRACTS)]
    )
