"""What becomes of a bus, and of its process, when a subscription loses its topic or its right; and starts refused."""

import asyncio
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from busline import Bus, Event, Security
from busline.bus.contract_log import write
from busline.bus.topics import contract_topic
from busline.contract.entries import entries
from busline.contract.infer import infer
from busline.contract.model import Publication, ServiceSpec, Subscription, TeamSpec
from busline.errors import ContractUnknown, UnknownTopic
from busline.names import CONTRACT_LOG, Service, Team
from busline.testing.engines import started
from busline.transport.base import Admin, TopicSpec
from busline.transport.kafka import consuming

WITHIN = 60.0
PROGRAM = """
import asyncio
from busline import Bus, Event

class Thing(Event, contract="{team}.thing", key="name"):
    name: str

bus = Bus("{url}", service="{team}/reader")

@bus.subscribe(Thing)
async def handle(thing: Thing) -> None:
    print("handled", thing.name, flush=True)

try:
    bus.run()
finally:
    print("closed", bus.health().reason, flush=True)
"""


@dataclass(frozen=True)
class Place:
    """One contract of one team, applied, with a maker and a reader; the reader has a login and just its rights."""

    server: Any
    team: str
    model: Any

    @property
    def topic(self) -> str:
        return f"{self.team}.thing"

    @property
    def reader(self) -> Service:
        return Service(f"{self.team}/reader")

    def maker(self) -> Bus:
        return Bus(self.server.url, service=f"{self.team}/maker")

    def guarded(self) -> Bus:
        security = Security(user=str(self.reader), password="secret-of-reader")
        return Bus(self.server.secure_url, service=str(self.reader), security=security)

    def delete(self) -> None:
        self.server.client.delete_topics([self.topic])


@pytest.fixture
async def place(kafka_secure: Any, unique: str) -> Place:
    class Thing(Event, contract=f"{unique}.thing", key="name"):
        name: str

    [inferred] = infer([Thing])
    contract = replace(inferred, grants=())
    maker = ServiceSpec(name=Service(f"{unique}/maker"), publishes=(Publication(contract=contract.name, version=1),))
    reader = ServiceSpec(
        name=Service(f"{unique}/reader"), subscribes=(Subscription(contract=contract.name, version=1),)
    )
    async with started(kafka_secure.url) as engine:
        assert isinstance(engine, Admin)
        await engine.create_topics([replace(contract_topic(contract), partitions=2)])
        await engine.create_topics([TopicSpec(name=reader.name.dead_letters)])
        await write(engine, dict(entries([contract], [maker, reader], [TeamSpec(name=Team(unique), chat="#things")])))
    user = str(reader.name)
    kafka_secure.add_user(user, "secret-of-reader")
    kafka_secure.grant(user, ["READ"], name=CONTRACT_LOG)
    kafka_secure.grant(user, ["READ"], name=contract.topic)
    kafka_secure.grant(user, ["READ", "WRITE"], name=reader.name.dead_letters)
    kafka_secure.grant(user, ["READ"], kind="group", name=user)
    return Place(kafka_secure, unique, Thing)


async def test_a_subscription_whose_topic_goes_turns_health_red_with_its_reason(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consuming, "SILENCE", 1.0)
    seen: list[Any] = []
    bus = place.guarded()
    Thing = place.model

    @bus.subscribe(Thing)
    async def handle(thing: Thing) -> None:
        seen.append(thing)

    async with place.maker() as maker:
        await bus.start()
        await maker.publish(Thing(name="a"))
        await bus.caught_up(WITHIN)
        assert (bus.health().alive, bus.health().ready, seen) == (True, True, [Thing(name="a")])
    await asyncio.to_thread(place.delete)
    error = await asyncio.wait_for(bus.wait_failed(), WITHIN)
    health = bus.health()
    await bus.aclose()
    assert type(error) is UnknownTopic
    assert (health.alive, health.ready) == (False, False)
    assert error.code in str(health.reason) and "busline apply" in str(health.reason)
    assert place.topic in str(error) + str(error.__cause__)


async def test_a_process_whose_subscription_loses_its_topic_ends_in_order_and_not_with_0(
    place: Place, tmp_path: Path
) -> None:
    program = tmp_path / "reader.py"
    program.write_text(PROGRAM.format(team=place.team, url=place.server.secure_url))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", str(program),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={"BUSLINE_USER": str(place.reader), "BUSLINE_PASSWORD": "secret-of-reader"},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with place.maker() as maker:
            await maker.publish(place.model(name="a"))
        assert await asyncio.wait_for(process.stdout.readline(), WITHIN) == b"handled a\n"
        await asyncio.to_thread(place.delete)
        out, err = await asyncio.wait_for(process.communicate(), WITHIN)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
    assert process.returncode == 1, err
    assert out == b"closed the bus is not started\n"
    assert UnknownTopic.code.encode() in err and b"busline apply" in err
    assert b"secret-of-reader" not in err and b"never retrieved" not in err


async def test_a_topic_that_was_deleted_stops_the_next_start(place: Place) -> None:
    await asyncio.to_thread(place.delete)
    bus = place.guarded()
    Thing = place.model

    @bus.subscribe(Thing)
    async def handle(thing: Thing) -> None: ...

    with pytest.raises(UnknownTopic, match="busline apply") as caught:
        await bus.start()
    assert place.topic in caught.value.what


async def test_a_contract_that_is_not_applied_refuses_the_start_with_the_way_on(place: Place, tmp_path: Path) -> None:
    bus = place.guarded()

    class Other(Event, contract=f"{place.team}.other", key="name"):
        name: str

    @bus.subscribe(Other)
    async def handle(other: Other) -> None: ...

    with pytest.raises(ContractUnknown, match="busline apply") as caught:
        await bus.start()
    assert f"{place.team}.other" in caught.value.what


async def test_a_service_without_a_place_for_dead_letters_refuses_to_start(place: Place) -> None:
    await asyncio.to_thread(place.server.client.delete_topics, [place.reader.dead_letters])
    bus = Bus(place.server.url, service=str(place.reader))
    Thing = place.model
    seen: list[Any] = []

    @bus.subscribe(Thing)
    async def handle(thing: Thing) -> None:
        seen.append(thing)

    async with place.maker() as maker:
        await maker.publish(Thing(name="a"))
    with pytest.raises(UnknownTopic, match="dead letters") as caught:
        await bus.start()
    assert "busline apply" in str(caught.value.fix) and place.reader.dead_letters in str(caught.value.where)
    assert seen == []
    assert not bus.health().ready
