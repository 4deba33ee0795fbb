"""Clients that were not written here, on a real broker with a real registry: each reads what the other writes.

The workspace is applied as `busline apply` does it; from then on the services need the broker alone.
"""

import asyncio
import datetime as dt
import enum
import io
import json
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import fastavro
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.schema_registry import Schema as ForeignSchema
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext, StringSerializer
from pydantic import AwareDatetime, BaseModel, Field

from busline import Bus, Delivery, Event
from busline.bus.letter import Letter, parse_letter
from busline.codec.framing import Fingerprint, RegistryId, split
from busline.contract.avro import schema_of
from busline.contract.workspace import Workspace
from busline.governance.apply.apply import apply
from busline.governance.plan.plan import Goal, plan_changes
from busline.governance.registry.registry import Registry
from busline.governance.users.secrets import SecretPlaces, Secrets
from busline.names import ContractName, Service
from busline.record import TopicPartition
from busline.testing.engines import started
from busline.transport.base import Received, Seekable

WITHIN = 60.0


class Channel(enum.Enum):
    WEB = "web"
    SHOP = "shop"


class Line(BaseModel):
    sku: str
    quantity: int
    price: Annotated[Decimal, Field(max_digits=12, decimal_places=2)]


class Models(NamedTuple):
    """Three views of one contract: what version 1 and 2 say, and what one reader needs of either."""

    placed: Any
    wider: Any
    narrow: Any


def models_of(team: str) -> Models:
    class OrderPlaced(Event, contract=f"{team}.order-placed", key="order_id"):
        order_id: str
        reference: uuid.UUID
        total: Annotated[Decimal, Field(max_digits=12, decimal_places=2)]
        placed_at: AwareDatetime
        channel: Channel
        coupon: str | None = None
        lines: list[Line] = Field(default=[])
        tags: dict[str, int] = Field(default={})

    class OrderPlacedWider(OrderPlaced, contract=f"{team}.order-placed", key="order_id"):
        currency: str = "EUR"

    class Order(Event, contract=f"{team}.order-placed", key="order_id"):
        order_id: str
        total: Annotated[Decimal, Field(max_digits=12, decimal_places=2)]

    return Models(OrderPlaced, OrderPlacedWider, Order)


def order(model: Any, number: int, **more: Any) -> Any:
    return model(
        order_id=f"o{number}",
        reference=uuid.UUID(int=number),
        total=Decimal(number) + Decimal("0.25"),
        placed_at=dt.datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=dt.UTC),
        channel=Channel.SHOP if number % 2 else Channel.WEB,
        coupon="WINTER" if number % 3 else None,
        lines=[Line(sku="böök", quantity=number, price=Decimal("1.10"))],
        tags={"n": number},
        **more,
    )


def plain(event: Any) -> dict[str, Any]:
    """As other Avro libraries have it."""
    return {**event.model_dump(), "channel": event.channel.value}


class Place:
    """A workspace of one team on one broker."""

    def __init__(self, folder: Path, team: str, url: str, bootstrap: str) -> None:
        self.team, self.url, self.bootstrap, self._folder = team, url, bootstrap, folder
        self.models = models_of(team)
        self.name = ContractName(f"{team}.order-placed")
        files = {
            "busline.yaml": f"company: acme\nenvironments:\n  prod: {{url: '{url}'}}\n",
            f"{team}/team.yaml": "description: Orders.\ncontact: {chat: '#orders'}\n",
            f"{team}/checkout.service.yaml": f"publishes: {{{self.name}: 1}}\nsubscribes: {{}}\n",
            f"{team}/invoicing.service.yaml": "publishes: {}\nsubscribes:\n"
            f"  {self.name}: {{version: 1, fields: [order_id, total], start: earliest}}\n",
            f"{team}/order-placed/contract.yaml": "description: An order was placed.\nkey: order_id\n",
        }
        for path, text in files.items():
            self._write(path, text)
        self.add_version(1, self.models.placed)

    def _write(self, path: str, text: str) -> None:
        (self._folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self._folder / path).write_text(text)

    def add_version(self, number: int, model: Any) -> None:
        self._write(f"{self.team}/order-placed/{number}.avsc", schema_of(model).text)

    @property
    def secrets(self) -> Secrets:
        return Secrets(SecretPlaces(folder=self._folder.parent / "secrets"))

    async def apply(self, registry: str | None = None) -> None:
        loaded = Workspace.load(self._folder)
        goal = Goal(contracts=loaded.contracts, services=loaded.services, teams=loaded.teams, commit=loaded.commit)
        async with started(self.url) as engine:
            if registry is None:
                await apply(await plan_changes(goal, engine), engine, secrets=self.secrets)
                return
            async with Registry.at(registry) as client:
                await apply(await plan_changes(goal, engine, client), engine, client, secrets=self.secrets)

    def checkout(self) -> Bus:
        return Bus(self.url, service=f"{self.team}/checkout")

    def invoicing(self) -> Bus:
        return Bus(self.url, service=f"{self.team}/invoicing")

    async def letters(self) -> list[Letter]:
        topic = Service(f"{self.team}/invoicing").dead_letters
        return [parse_letter(topic, 0, record) for record in (await stored(self.url, topic)).get(0, [])]


async def stored(url: str, topic: str) -> dict[int, list[Any]]:
    """Everything that is in a topic now, by partition."""
    found: dict[int, list[Any]] = {}
    async with started(url) as engine:
        assert isinstance(engine, Seekable)
        for partition, (first, end) in (await engine.bounds(topic)).items():
            if first == end:
                continue
            reader = await engine.read({TopicPartition(topic, partition): first})
            while first < end:
                for run in await reader.receive():
                    if isinstance(run, Received):
                        found.setdefault(partition, []).extend(run.records)
                        first = run.records[-1].offset + 1
            await reader.aclose()
    return found


@pytest.fixture
def place(kafka: Any, unique: str, tmp_path: Path) -> Place:
    return Place(tmp_path, unique, kafka.url, kafka.bootstrap)


@contextmanager
def foreign_registry(url: str) -> Iterator[SchemaRegistryClient]:
    client = SchemaRegistryClient({"url": url})
    try:
        yield client
    finally:
        client.__exit__()


def foreign_read(bootstrap: str, topic: str, count: int, decode: Callable[[bytes, str], Any]) -> list[Any]:
    """(key, value, headers) of the first records of a topic, by librdkafka."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": f"foreign-{uuid.uuid4()}",
                         "auto.offset.reset": "earliest", "enable.auto.commit": False})  # fmt: skip
    found, end = [], time.monotonic() + WITHIN
    consumer.subscribe([topic])
    try:
        while len(found) < count and time.monotonic() < end:
            message = consumer.poll(1.0)
            if message is None:
                continue
            assert message.error() is None
            found.append((message.key(), decode(message.value(), topic), dict(message.headers() or ())))
    finally:
        consumer.close()
    return found


def foreign_write(bootstrap: str, topic: str, records: Sequence[tuple[bytes | str | None, bytes | None]]) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random"})
    failures: list[Any] = []
    for key, value in records:
        producer.produce(topic, key=key, value=value, on_delivery=lambda error, _: error and failures.append(error))
    assert producer.flush(WITHIN) == 0
    assert failures == []


# what busline writes, read by others


async def test_confluents_deserializer_reads_what_busline_publishes(place: Place, registry: str) -> None:
    await place.apply(registry)
    events = [order(place.models.placed, n) for n in range(20)]
    async with place.checkout() as bus:
        await bus.publish(*events)

    def read() -> list[Any]:
        with foreign_registry(registry) as client:
            deserialize = AvroDeserializer(client)
            return foreign_read(
                place.bootstrap, place.name, 20,
                lambda value, topic: deserialize(value, SerializationContext(topic, MessageField.VALUE)),
            )  # fmt: skip

    found = {key: (value, headers) for key, value, headers in await asyncio.to_thread(read)}
    assert len(found) == 20
    for event in events:
        value, headers = found[event.order_id.encode()]
        assert value == plain(event)
        assert headers["ce_id"].decode() == event.event_id
        assert (headers["ce_type"], headers["content-type"]) == (place.name.encode(), b"application/avro")


async def test_kcat_reads_what_busline_publishes(place: Place, registry: str) -> None:
    if shutil.which("kcat") is None:
        pytest.skip("NOT TESTED: kcat is not here; apt-get install kcat")
    await place.apply(registry)
    events = [order(place.models.placed, n) for n in range(10)]
    async with place.checkout() as bus:
        await bus.publish(*events)
    command = ["kcat", "-b", place.bootstrap, "-C", "-t", place.name, "-o", "beginning", "-e", "-q",
               "-f", "%k|%S|%h\\n%s"]  # fmt: skip
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=WITHIN)
    assert done.returncode == 0, done.stderr
    found = {key: (headers, value) for key, headers, value in kcat_lines(io.BytesIO(done.stdout))}
    assert set(found) == {event.order_id for event in events}
    with foreign_registry(registry) as client:
        latest = await asyncio.to_thread(client.get_latest_version, f"{place.name}-value")
    schema = fastavro.parse_schema(json.loads(latest.schema.schema_str))
    for event in events:
        headers, value = found[event.order_id]
        assert (headers["ce_id"], headers["ce_source"]) == (event.event_id, f"/{place.team}/checkout")
        assert value[:5] == b"\0" + latest.schema_id.to_bytes(4, "big")
        assert fastavro.schemaless_reader(io.BytesIO(value[5:]), schema) == plain(event)


def kcat_lines(out: io.BytesIO) -> Iterator[tuple[str, dict[str, str], bytes]]:
    """Debian's kcat is built without Avro: it hands over key, headers and the value's bytes."""
    while line := out.readline():
        key, size, headers = line.decode().rstrip("\n").split("|")
        yield key, dict(one.split("=", 1) for one in headers.split(",")), out.read(int(size))


# what others write, read by busline


@pytest.mark.parametrize("finding", ["latest version", "lookup"])
async def test_busline_reads_what_confluents_serializer_writes(place: Place, registry: str, finding: str) -> None:
    await place.apply(registry)
    events = [order(place.models.placed, n) for n in range(20)]
    seen: list[Delivery[Any]] = []
    bus = place.invoicing()
    Order = place.models.narrow

    @bus.subscribe(Order)
    async def handle(delivery: Delivery[Order]) -> None:
        seen.append(delivery)

    def write() -> None:
        key = StringSerializer("utf_8")
        with foreign_registry(registry) as client:
            text = client.get_latest_version(f"{place.name}-value").schema.schema_str
            serialize = AvroSerializer(
                client,
                ForeignSchema(text, "AVRO"),
                conf={"auto.register.schemas": False, "use.latest.version": finding == "latest version"},
            )
            context = SerializationContext(place.name, MessageField.VALUE)
            values = [plain(event) for event in events]
            records = [(key(value["order_id"]), serialize(value, context)) for value in values]
        foreign_write(place.bootstrap, place.name, records)

    await asyncio.to_thread(write)
    async with bus:
        await bus.caught_up(WITHIN)
        whole = [event async for event in bus.read(place.models.placed)]
    assert sorted((d.event.order_id, d.event.total) for d in seen) == sorted((e.order_id, e.total) for e in events)
    assert all((d.event_id, d.time, d.headers) == (None, None, ()) for d in seen)
    assert all(d.key == d.event.order_id.encode() for d in seen)
    assert sorted(whole, key=lambda e: e.order_id) == sorted(events, key=lambda e: e.order_id)
    assert await place.letters() == []


async def test_a_foreign_murmur2_key_lies_in_buslines_partition(place: Place, registry: str) -> None:
    await place.apply(registry)
    events = [order(place.models.placed, n) for n in range(30)]
    async with place.checkout() as bus:
        await bus.publish(*events)
    [value, *_] = [record.value for records in (await stored(place.url, place.name)).values() for record in records]
    await asyncio.to_thread(
        foreign_write, place.bootstrap, place.name, [(event.order_id, value) for event in reversed(events)]
    )
    places: dict[bytes, list[int]] = {}
    for partition, records in (await stored(place.url, place.name)).items():
        for record in records:
            places.setdefault(record.key, []).append(partition)
    assert len(places) == 30 and len({at for found in places.values() for at in found}) > 1
    assert all(len(found) == 2 and found[0] == found[1] for found in places.values())


# without a registry


async def check_flow(place: Place, events: Sequence[Any]) -> None:
    """New processes' view: services start, publish and handle."""
    seen: list[Any] = []
    reader = place.invoicing()
    Order = place.models.narrow

    @reader.subscribe(Order)
    async def handle(event: Order) -> None:
        seen.append(event)

    async with reader, place.checkout() as bus:
        await bus.publish(*events)
        await reader.caught_up(WITHIN)
        assert reader.health().alive
    assert sorted(event.order_id for event in seen) == sorted(event.order_id for event in events)
    assert await place.letters() == []


async def references(place: Place) -> set[type]:
    found = await stored(place.url, place.name)
    return {type(split(record.value)[0]) for records in found.values() for record in records}


@pytest.mark.kafka
async def test_without_any_registry_busline_reads_busline(place: Place) -> None:
    await place.apply()
    await check_flow(place, [order(place.models.placed, n) for n in range(50)])
    assert await references(place) == {Fingerprint}


@pytest.mark.registry
async def test_with_the_registry_stopped_services_start_publish_and_handle(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scripts import registry_server

    own = await asyncio.to_thread(registry_server.start, tied=True)
    try:
        await place.apply(own.url)
        with foreign_registry(own.url) as client:
            schema_id = client.get_latest_version(f"{place.name}-value").schema_id
    finally:
        await asyncio.to_thread(own.stop)
    monkeypatch.setenv("BUSLINE_REGISTRY", own.url)
    await check_flow(place, [order(place.models.placed, n) for n in range(50)])
    found = await stored(place.url, place.name)
    assert {split(r.value)[0] for records in found.values() for r in records} == {RegistryId(schema_id)}


# what does not belong there


async def test_what_is_no_event_of_the_contract_is_dead_lettered_and_the_others_go_on(
    place: Place, registry: str
) -> None:
    await place.apply(registry)
    async with Registry.at(registry) as client:
        foreign_id = await client.register(f"{place.team}.other-value", schema_of(place.models.wider))
    async with place.checkout() as bus:
        await bus.publish(*[order(place.models.placed, n) for n in range(3)])
    good = [record.value for records in (await stored(place.url, place.name)).values() for record in records]
    strange = {
        "another contract's schema": b"\0" + foreign_id.to_bytes(4, "big") + good[0][5:],
        "an id that nobody has": b"\0" + (2**31 - 1).to_bytes(4, "big") + good[0][5:],
        "a fingerprint that nobody has": b"\xc3\x01" + bytes(8) + good[0][5:],
        "json": b'{"order_id": "o1"}',
        "garbage": b"\xff\xfe\xfd" * 100,
        "an id and no more": good[0][:5],
        "half a reference": good[0][:3],
        "cut": good[0][:-1],
        "more than an event": good[0] + b"\0",
        "empty": b"",
        "null": None,
    }
    records: list[tuple[bytes | str | None, bytes | None]] = []
    for value in strange.values():  # one key, one partition: each stands between two good ones
        records += [("k", good[1]), ("k", value)]
    foreign_write(place.bootstrap, place.name, [*records, ("k", good[2]), (None, good[2])])
    seen: list[Any] = []
    reader = place.invoicing()
    Order = place.models.narrow

    @reader.subscribe(Order)
    async def handle(event: Order) -> None:
        seen.append(event)

    async with reader:
        await reader.caught_up(WITHIN)
        assert (reader.health().alive, reader.health().ready) == (True, True)
    letters = await place.letters()
    assert len(seen) == 3 + len(strange) + 2
    assert [letter.value for letter in letters] == list(strange.values())
    reasons = {what: letter.reason for what, letter in zip(strange, letters, strict=True)}
    for what, said in {
        "another contract's schema": f"registry id {foreign_id} is none of the 1 versions of {place.name}",
        "an id that nobody has": "is none of the 1 versions",
        "a fingerprint that nobody has": "is none of the 1 versions",
        "json": "names no schema",
        "garbage": "names no schema",
        "an id and no more": "the bytes end too early",
        "half a reference": "names no schema",
        "cut": "the bytes end too early",
        "more than an event": "bytes are left over",
        "empty": "names no schema",
        "null": "has no value",
    }.items():
        assert said in reasons[what], reasons[what]
    assert all(letter.key == b"k" and letter.attempt == 1 for letter in letters)


# a contract that grows


async def test_a_version_applied_while_a_subscriber_runs_needs_no_restart(place: Place, registry: str) -> None:
    await place.apply(registry)
    seen: list[Any] = []
    reader = place.invoicing()
    Order = place.models.narrow

    @reader.subscribe(Order)
    async def handle(event: Order) -> None:
        seen.append(event)

    async with reader:
        async with place.checkout() as bus:
            await bus.publish(order(place.models.placed, 1))
        await reader.caught_up(WITHIN)
        place.add_version(2, place.models.wider)
        await place.apply(registry)

        def write() -> None:
            with foreign_registry(registry) as client:
                text = client.get_latest_version(f"{place.name}-value").schema.schema_str
                serialize = AvroSerializer(client, text, conf={"auto.register.schemas": False})
                context = SerializationContext(place.name, MessageField.VALUE)
                event = order(place.models.wider, 2, currency="CHF")
                value = serialize(plain(event), context)
            foreign_write(place.bootstrap, place.name, [(event.order_id, value)])

        await asyncio.to_thread(write)
        async with place.checkout() as bus, bus.publisher(str(place.name)) as stream:
            await stream.send(plain(order(place.models.wider, 3, currency="CHF")))
        await reader.caught_up(WITHIN)
        async with place.checkout() as bus:
            await bus.publish(order(place.models.placed, 4))  # pinned to version 1, and goes on
        await reader.caught_up(WITHIN)
    assert [event.order_id for event in seen] == ["o1", "o2", "o3", "o4"]
    assert await place.letters() == []
    found = await stored(place.url, place.name)
    assert len({split(r.value)[0] for records in found.values() for r in records}) == 2
