"""A bus on a real Kafka: it creates and registers nothing, and needs only what apply left in the contract log."""

from dataclasses import replace
from typing import Any

import pytest

from busline import Bus, Event
from busline.bus.contract_log import write
from busline.bus.topics import contract_topic
from busline.codec.framing import registry_prefix
from busline.contract.entries import entries
from busline.contract.infer import infer
from busline.contract.model import Contract, Publication, ServiceSpec, Subscription, TeamSpec
from busline.errors import AccessDenied, ContractMismatch, ContractUnknown
from busline.names import ContractName, Service, Team
from busline.transport.base import Admin, Groups
from busline.transport.resolve import resolve


def model_of(team: str) -> type[Event]:
    class Thing(Event, contract=f"{team}.thing", key="name"):
        name: str
        size: int = 0

    return Thing


async def applied(url: str, model: type[Event], *, registry_id: int | None = None) -> Contract:
    """What `busline apply` leaves on an engine, for a maker and a reader."""
    [inferred] = infer([model])
    [version] = inferred.versions
    contract = replace(inferred, grants=(), versions=(replace(version, registry_id=registry_id),))
    team = contract.owner
    services = [
        ServiceSpec(name=Service(f"{team}/maker"), publishes=(Publication(contract=contract.name, version=1),)),
        ServiceSpec(name=Service(f"{team}/reader"), subscribes=(Subscription(contract=contract.name, version=1),)),
    ]
    engine = resolve(url)
    await engine.start()
    assert isinstance(engine, Admin)
    specs = [contract_topic(contract), *(replace(contract_topic(contract), name=s.name.dead_letters) for s in services)]
    await engine.create_topics([replace(spec, partitions=2) for spec in specs])
    await write(engine, dict(entries([contract], services, [TeamSpec(name=Team(team), chat="#things")])))
    await engine.aclose()
    return contract


@pytest.fixture
def model(unique: str) -> type[Event]:
    return model_of(unique)


async def test_an_unapplied_contract_stops_the_start_with_the_way_on(kafka: Any, unique: str) -> None:
    await applied(kafka.url, model_of(f"{unique}x"))
    missing = model_of(unique)
    bus = Bus(kafka.url, service=f"{unique}/reader")

    @bus.subscribe(missing)
    async def handle(event: missing) -> None: ...  # type: ignore[valid-type]

    with pytest.raises(ContractUnknown) as caught:
        await bus.start()
    assert f"{unique}.thing" in str(caught.value) and "busline apply" in str(caught.value)
    async with Bus(kafka.url, service=f"{unique}/maker") as maker:
        with pytest.raises(ContractUnknown):
            await maker.publish(missing(name="a"))
    engine = resolve(kafka.url)
    await engine.start()
    assert isinstance(engine, Admin)
    assert f"{unique}.thing" not in await engine.topics()
    await engine.aclose()


async def test_events_come_back_with_and_without_a_registrys_ids(kafka: Any, unique: str) -> None:
    for registry_id in (None, 4711):
        made = model_of(f"{unique}{registry_id or 'n'}".lower())
        team = made.__busline__.name.team
        await applied(kafka.url, made, registry_id=registry_id)
        async with Bus(kafka.url, service=f"{team}/maker") as maker, Bus(kafka.url, service=f"{team}/reader") as reader:
            async with maker.publisher(made) as stream:
                for n in range(1_000):
                    await stream.send(made(name=f"k{n % 4}", size=n))
            found = [d async for d in reader.read(made).deliveries()]
        assert sorted(d.event.size for d in found) == list(range(1_000))  # type: ignore[attr-defined]
        if registry_id is not None:
            assert all((d.record.value or b"").startswith(registry_prefix(registry_id)) for d in found)


async def test_who_may_not_is_refused_before_anything_is_sent(kafka: Any, model: type[Event]) -> None:
    contract = await applied(kafka.url, model)
    async with Bus(kafka.url, service=f"{contract.owner}/reader") as bus:
        with pytest.raises(AccessDenied) as caught:
            await bus.publish(model(name="a"))
        assert "not-declared" in str(caught.value) and "maker" not in str(caught.value)
        assert [e async for e in bus.read(model)] == []


async def test_a_model_that_does_not_fit_stops_the_start(kafka: Any, unique: str) -> None:
    await applied(kafka.url, model_of(unique))

    class Wrong(Event, contract=f"{unique}.thing", key="name"):
        name: str
        colour: str

    bus = Bus(kafka.url, service=f"{unique}/reader")

    @bus.subscribe(Wrong)
    async def handle(event: Wrong) -> None: ...

    with pytest.raises(ContractMismatch) as caught:
        await bus.start()
    assert "colour" in str(caught.value)


async def test_a_version_that_is_applied_later_is_learned_when_it_is_met(kafka: Any, unique: str) -> None:
    model = model_of(unique)
    contract = await applied(kafka.url, model)

    class Wider(Event, contract=f"{unique}.thing", key="name"):
        name: str
        size: int = 0
        colour: str = ""

    async with Bus(kafka.url, service=f"{unique}/reader") as reader:
        next_version = replace(infer([Wider])[0].versions[0], number=2)
        engine = resolve(kafka.url)
        await engine.start()
        await write(engine, dict(entries([replace(contract, versions=(*contract.versions, next_version))])))
        await engine.aclose()
        async with Bus(kafka.url, service=f"{unique}/maker") as maker:
            await maker.publish(Wider(name="a", size=1, colour="red"))
        assert [e async for e in reader.read(model)] == [model(name="a", size=1)]
        plain = [e async for e in reader.read(ContractName(f"{unique}.thing"))]
        assert plain == [{"name": "a", "size": 1, "colour": "red"}]


async def test_what_is_published_is_handled_in_order_per_key(kafka: Any, unique: str) -> None:
    model = model_of(unique)
    await applied(kafka.url, model)
    seen: dict[str, list[int]] = {}
    reader = Bus(kafka.url, service=f"{unique}/reader")

    @reader.subscribe(model)
    async def handle(event: model) -> None:  # type: ignore[valid-type]
        seen.setdefault(event.name, []).append(event.size)  # type: ignore[attr-defined]

    async with Bus(kafka.url, service=f"{unique}/maker") as maker, reader:
        async with maker.publisher(model) as stream:
            for n in range(2_000):
                await stream.send(model(name=f"k{n % 8}", size=n))
        await reader.caught_up(60)
        engine = reader._running().session.transport
        assert isinstance(engine, Groups)
        notes = {mark.note for mark in (await engine.committed(f"{unique}/reader")).values()}
    assert seen == {f"k{k}": list(range(k, 2_000, 8)) for k in range(8)}
    assert notes == {'{"b":1,"v":1,"f":["name","size?"]}'}
