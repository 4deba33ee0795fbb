"""A broker of three is killed at a step of an apply: access is never wider, and this run or the next one converges."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Sequence
from typing import Any

import pytest

from busline.contract.model import Contract, Grant, Publication, ServiceSpec, Subscription, TeamSpec, Version
from busline.contract.schema import parse
from busline.errors import BuslineError
from busline.governance.apply.apply import apply
from busline.governance.plan.plan import Goal, plan_changes
from busline.names import ContractName, Service, Team
from busline.testing.applying import Vault
from busline.transport.guard import Acl, Credential
from busline.transport.kafka.engine import KafkaTransport
from busline.transport.security import Security

pytestmark = pytest.mark.slow
ROUNDS = 10
"""So often an apply is run again while a broker is gone: the first ones may meet the change of the leader."""


class Struck(KafkaTransport):
    """Calls `strike` once, right before or after a call that changes something."""

    strike: Callable[[], None] | None = None
    at, after = "", False

    async def _around(self, name: str, call: Callable[[], Awaitable[None]]) -> None:
        hit = self.strike if name == self.at else None
        if hit and not self.after:
            self.strike = None
            hit()
        await call()
        if hit and self.after:
            self.strike = None
            hit()

    async def create_acls(self, acls: Collection[Acl]) -> None:
        await self._around("give", lambda: super(Struck, self).create_acls(acls))

    async def delete_acls(self, acls: Collection[Acl]) -> None:
        await self._around("take", lambda: super(Struck, self).delete_acls(acls))

    async def set_secrets(self, credentials: Sequence[Credential]) -> None:
        await self._around("user", lambda: super(Struck, self).set_secrets(credentials))

    async def create_topics(self, specs: Any) -> None:
        await self._around("topic", lambda: super(Struck, self).create_topics(specs))


def goal(team: str, reader: str) -> Goal:
    schema = parse({"type": "record", "name": f"{team}.Order", "fields": [{"name": "id", "type": "string"}]})
    name = ContractName(f"{team}.order")
    contract = Contract(
        name=name,
        key=("id",),
        versions=(Version(number=1, schema=schema),),
        grants=(Grant(to=f"{team}/{reader}"),),
    )
    services = (
        ServiceSpec(name=Service(f"{team}/writer"), publishes=(Publication(contract=name, version=1),)),
        ServiceSpec(name=Service(f"{team}/{reader}"), subscribes=(Subscription(contract=name, version=1),)),
    )
    return Goal(
        contracts={name: contract},
        services={service.name: service for service in services},
        teams={Team(team): TeamSpec(name=Team(team))},
        replicas=3,
        enforce="deny",
    )


@pytest.fixture
async def engine(kafka_cluster: Any) -> AsyncIterator[Struck]:
    transport = Struck(kafka_cluster.servers, security=Security())
    await transport.start()
    yield transport
    await transport.aclose()


@pytest.fixture
def revived(kafka_cluster: Any) -> Iterator[list[int]]:
    """What a test killed."""
    killed: list[int] = []
    yield killed
    for number in killed:
        kafka_cluster.revive(number)


async def own(engine: KafkaTransport, team: str) -> set[Acl]:
    return {acl for acl in await engine.acls() if (acl.user or "").startswith(f"{team}/")}


async def until_done(wanted: Goal, engine: KafkaTransport, seen: list[set[Acl]], team: str) -> None:
    """As a pipeline that is run again."""
    for left in reversed(range(ROUNDS)):
        try:
            await apply(await plan_changes(wanted, engine), engine, secrets=Vault())
            return
        except BuslineError:
            if not left:
                raise
            seen.append(await own(engine, team))


@pytest.mark.parametrize(("number", "at", "after"), [(1, "take", True), (2, "give", False), (3, "user", True)])
async def test_a_broker_that_dies_in_the_middle(
    engine: Struck, kafka_cluster: Any, revived: list[int], unique: str, number: int, at: str, after: bool
) -> None:
    await until_done(goal(unique, "old"), engine, [], unique)
    old = await own(engine, unique)

    def strike() -> None:
        kafka_cluster.kill(number)
        revived.append(number)

    engine.strike, engine.at, engine.after = strike, at, after
    seen: list[set[Acl]] = []
    await until_done(goal(unique, "new"), engine, seen, unique)
    assert revived == [number]
    new = await own(engine, unique)
    assert {acl.user for acl in new} == {f"{unique}/{name}" for name in ("writer", "new", "people")}
    assert all(between <= old or between <= new for between in seen)
    assert (await plan_changes(goal(unique, "new"), engine)).is_empty
