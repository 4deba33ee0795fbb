"""apply of rights on a real cluster: in force when it says so, gone when it is taken away, whole after a crash."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from busline.contract.model import Contract, Grant, Publication, ServiceSpec, Subscription, TeamSpec, Version
from busline.contract.schema import parse
from busline.errors import ApplyError, BuslineError, NotAuthorized
from busline.governance.apply.apply import apply
from busline.governance.plan.plan import Goal, Plan, plan_changes
from busline.governance.state.applied import read_applied
from busline.governance.state.intent import KEY
from busline.governance.users.principals import APPLY, PLAN, platform_acls
from busline.names import ContractName, Service, Team
from busline.record import Position, Record
from busline.transport.base import Seekable
from busline.transport.guard import Acl, Credential
from busline.transport.kafka.engine import KafkaTransport
from busline.transport.security import Security

pytestmark = pytest.mark.kafka
SECRET = "a-secret-for-tests"


class Vault:
    async def secret(self, user: str) -> str:
        return SECRET


class Stopped(Exception):
    """The process ends here."""


class Mortal(KafkaTransport):
    """Ends when it has done its n-th call that changes something."""

    left = 10**9

    def _did(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Stopped

    async def create_acls(self, acls: Collection[Acl]) -> None:
        await super().create_acls(acls)
        self._did()

    async def delete_acls(self, acls: Collection[Acl]) -> None:
        await super().delete_acls(acls)
        self._did()

    async def set_secrets(self, credentials: Sequence[Credential]) -> None:
        await super().set_secrets(credentials)
        self._did()

    async def create_topics(self, specs: Any) -> None:
        await super().create_topics(specs)
        self._did()

    async def settled(self, **how: Any) -> None:
        await super().settled(**how)
        self._did()


class Place:
    """A team on the cluster, with a publisher and readers."""

    def __init__(self, kafka: Any, team: str) -> None:
        self.kafka, self.team = kafka, team
        self.contract = ContractName(f"{team}.order")
        schema = parse({"type": "record", "name": f"{team}.Order", "fields": [{"name": "id", "type": "string"}]})
        self.version = Version(number=1, schema=schema)

    def goal(self, *readers: str, commit: str = "aaa") -> Goal:
        services = [self.writer, *map(self.reader, readers)]
        contract = Contract(
            name=self.contract,
            key=("id",),
            versions=(self.version,),
            grants=tuple(Grant(to=f"{self.team}/{reader}") for reader in readers),
            quota={"publish": 1_000_000},
        )
        return Goal(
            contracts={self.contract: contract},
            services={service.name: service for service in services},
            teams={Team(self.team): TeamSpec(name=Team(self.team))},
            commit=commit,
            enforce="deny",
        )

    @property
    def writer(self) -> ServiceSpec:
        return ServiceSpec(
            name=Service(f"{self.team}/writer"), publishes=(Publication(contract=self.contract, version=1),)
        )

    def reader(self, name: str) -> ServiceSpec:
        uses = (Subscription(contract=self.contract, version=1),)
        return ServiceSpec(name=Service(f"{self.team}/{name}"), subscribes=uses)

    def own(self, acls: Collection[Acl]) -> set[Acl]:
        return {acl for acl in acls if (acl.user or "").startswith(f"{self.team}/")}

    @asynccontextmanager
    async def engine(self, kind: Callable[..., KafkaTransport] = KafkaTransport) -> AsyncIterator[Any]:
        transport = kind([self.kafka.bootstrap])
        try:
            await transport.start()
            yield transport
        finally:
            await transport.aclose()

    @asynccontextmanager
    async def as_service(self, name: str) -> AsyncIterator[KafkaTransport]:
        security = Security(user=f"{self.team}/{name}", password=SECRET)
        transport = KafkaTransport([self.kafka.secure_bootstrap], security=security)
        try:
            await transport.start()
            yield transport
        finally:
            await transport.aclose()


@pytest.fixture
def place(kafka: Any, unique: str) -> Place:
    return Place(kafka, unique)


async def bring(goal: Goal, engine: KafkaTransport) -> Plan:
    plan = await plan_changes(goal, engine)
    await apply(plan, engine, secrets=Vault())
    return plan


async def test_what_apply_says_is_in_force_and_a_second_is_empty(place: Place) -> None:
    async with place.engine() as engine:
        await bring(place.goal("reader"), engine)
        again = await plan_changes(place.goal("reader", commit="bbb"), engine)
        assert again.is_empty, (again.changes, again.bookkeeping)
        assert (await engine.quotas())[(f"{place.team}/writer", None, None)] == {"producer_byte_rate": 1_000_000.0}
    async with place.as_service("writer") as writer:
        [outcome] = await writer.publish([Record(place.contract, b"k", b"v")])
        assert isinstance(outcome, Position)
    async with place.as_service("reader") as reader:
        assert isinstance(reader, Seekable)
        assert await reader.bounds(place.contract)
    async with place.as_service("reader") as reader:
        [outcome] = await reader.publish([Record(place.contract, b"k", b"v")])
        assert not isinstance(outcome, Position)


async def test_a_right_that_is_taken_away_is_gone_on_the_broker(place: Place) -> None:
    async with place.engine() as engine:
        await bring(place.goal("reader", "other"), engine)
        async with place.as_service("reader") as reader:
            await reader.bounds(place.contract)
        plan = await bring(place.goal("other"), engine)
        assert any(f"user {place.team}/reader is deleted" in line for line in plan.destroys)
        assert not [acl for acl in await engine.acls() if acl.user == f"{place.team}/reader"]
        assert f"{place.team}/reader" not in await engine.users()
    with pytest.raises(BuslineError):
        async with place.as_service("reader") as reader:
            await reader.bounds(place.contract)
    async with place.as_service("other") as other:
        await other.bounds(place.contract)


async def test_a_right_that_somebody_gave_by_hand_is_taken_away(place: Place) -> None:
    async with place.engine() as engine:
        await bring(place.goal("reader"), engine)
        place.kafka.grant(f"{place.team}/reader", ["WRITE"], name=place.contract)
        plan = await plan_changes(place.goal("reader"), engine)
        [change] = plan.changes
        assert (change.about, change.mark, change.old) == (place.contract, "-", f"write topic {place.contract}")
        await apply(plan, engine)
        assert (await plan_changes(place.goal("reader"), engine)).is_empty


@pytest.mark.parametrize("stop", range(6))
async def test_an_apply_that_is_stopped_anywhere_is_finished_by_the_next(place: Place, stop: int) -> None:
    async with place.engine(Mortal) as engine:
        await bring(place.goal("old"), engine)
        before = place.own(await engine.acls())
        engine.left = stop
        with pytest.raises(Stopped):
            await bring(place.goal("new"), engine)
        between = place.own(await engine.acls())
        engine.left = 10**9
        plan = await bring(place.goal("new"), engine)
        assert any("has not ended; this one goes on from there" in note for note in plan.notes)
        after = place.own(await engine.acls())
        assert between <= before or between <= after
        assert {acl.user for acl in after} == {f"{place.team}/{name}" for name in ("writer", "new", "people")}
        assert (await plan_changes(place.goal("new"), engine)).is_empty
        assert KEY not in (await read_applied(engine)).entries


async def test_an_apply_that_began_later_stops_the_earlier_one_before_its_next_step(place: Place) -> None:
    """The earlier one is held after it took rights; it gives none, and the later one ends with its own state."""

    class Held(Mortal):
        async def set_secrets(self, credentials: Sequence[Credential]) -> None:
            taken.set()
            await go.wait()
            await super().set_secrets(credentials)

    taken, go = asyncio.Event(), asyncio.Event()
    async with place.engine() as engine, place.engine(Held) as slow:
        await bring(place.goal("old"), engine)
        earlier = asyncio.create_task(bring(place.goal("new"), slow))
        await taken.wait()
        await bring(place.goal("third"), engine)
        go.set()
        with pytest.raises(ApplyError, match="another apply came between"):
            await earlier
        acls = await engine.acls()
        assert {acl.user for acl in place.own(acls)} == {f"{place.team}/{n}" for n in ("writer", "third", "people")}
        await bring(place.goal("third"), engine)
        assert (await plan_changes(place.goal("third"), engine)).is_empty


@asynccontextmanager
async def principal(place: Place, engine: KafkaTransport, like: str) -> AsyncIterator[KafkaTransport]:
    """A user with exactly the rights of one of busline's own."""
    user = f"{place.team}-{like.partition('/')[2]}"
    place.kafka.add_user(user, SECRET)
    acls = [acl._replace(principal=f"User:{user}") for acl in platform_acls()[like]]
    await engine.create_acls(acls)
    await engine.settled(present=acls)
    transport = KafkaTransport([place.kafka.secure_bootstrap], security=Security(user=user, password=SECRET))
    try:
        await transport.start()
        yield transport
    finally:
        await transport.aclose()
        await engine.delete_acls(acls)


async def test_who_may_only_look_sees_the_same_plan_and_cannot_apply_it(place: Place) -> None:
    """The user of a pull request's pipeline."""
    async with place.engine() as engine:
        await bring(place.goal("reader"), engine)
        async with principal(place, engine, PLAN) as looking:
            assert (await plan_changes(place.goal("reader"), looking)).is_empty
            other = await plan_changes(place.goal("other"), looking)
            assert other.fingerprint == (await plan_changes(place.goal("other"), engine)).fingerprint
            with pytest.raises(BuslineError) as refused:
                await apply(other, looking, secrets=Vault())
            cause = getattr(refused.value, "cause", None)
            assert isinstance(refused.value, NotAuthorized) or isinstance(cause, NotAuthorized)
        assert (await plan_changes(place.goal("reader"), engine)).is_empty


async def test_applys_own_user_may_do_all_that_apply_does(place: Place) -> None:
    async with place.engine() as engine, principal(place, engine, APPLY) as applying:
        await bring(place.goal("reader"), applying)
        await bring(place.goal("other"), applying)
        assert (await plan_changes(place.goal("other"), applying)).is_empty
        acls = place.own(await engine.acls())
        assert {acl.user for acl in acls} == {f"{place.team}/{n}" for n in ("writer", "other", "people")}
