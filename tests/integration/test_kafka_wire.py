"""What is on the wire, seen by clients that were not written here, and what no client may do to us."""

import asyncio
import json
import random
import shutil
import subprocess
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.record.util import calc_crc32c
from confluent_kafka import Consumer as ConfluentConsumer
from confluent_kafka import Producer as ConfluentProducer

from busline.errors import Fenced, NotPublished, PublishUnknown, RecordTooLarge
from busline.record import Position, Record, TopicPartition
from busline.transport.base import Bounds, Received, TopicSpec, Unreadable
from busline.transport.kafka import producer
from busline.transport.kafka.batches import Batch
from busline.transport.kafka.engine import KafkaTransport
from busline.transport.security import Security

PATIENCE = 30.0
HEADERS = (("ce_id", b"1"), ("bin", b"\x00\xff"), ("bin", b""))


@pytest.fixture
async def transport(kafka: Any) -> AsyncIterator[KafkaTransport]:
    one = KafkaTransport([kafka.bootstrap], security=Security())
    await one.start()
    yield one
    await one.aclose()


@pytest.fixture
async def topic(transport: KafkaTransport, unique: str) -> str:
    await transport.create_topics([TopicSpec(name=f"wire.{unique}", partitions=1)])
    return f"wire.{unique}"


async def items_of(consumer: Any, count: int) -> list[Any]:
    """Runs and Unreadables until `count` records have come; leases are left out."""
    items: list[Any] = []
    async with asyncio.timeout(PATIENCE):
        while sum(len(item.records) for item in items if isinstance(item, Received)) < count:
            items += await consumer.receive()
    return items


async def values_of(consumer: Any, count: int) -> list[bytes | None]:
    return [r.value for item in await items_of(consumer, count) if isinstance(item, Received) for r in item.records]


def all_positions(outcomes: list[Any]) -> bool:
    return all(isinstance(outcome, Position) for outcome in outcomes)


async def test_confluent_kafka_reads_what_we_publish(kafka: Any, transport: KafkaTransport, topic: str) -> None:
    await transport.publish([Record(topic, b"k", b"x" * 5000, HEADERS), Record(topic, b"k", None)])

    def read() -> list[Any]:
        consumer = ConfluentConsumer(
            {"bootstrap.servers": kafka.bootstrap, "group.id": topic, "auto.offset.reset": "earliest"}
        )
        consumer.subscribe([topic])
        try:
            return consumer.consume(2, PATIENCE)
        finally:
            consumer.close()

    first, second = await asyncio.to_thread(read)
    assert (first.key(), first.value(), first.headers()) == (b"k", b"x" * 5000, list(HEADERS))
    assert second.value() is None


@pytest.mark.skipif(shutil.which("kcat") is None, reason="kcat is not installed")
async def test_kcat_reads_what_we_publish(kafka: Any, transport: KafkaTransport, topic: str) -> None:
    await transport.publish([Record(topic, b"k%d" % i, b"value %d" % i) for i in range(100)])
    command = ["kcat", "-b", kafka.bootstrap, "-t", topic, "-C", "-e", "-q", "-J"]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=PATIENCE, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["key"], line["payload"]) for line in lines] == [(f"k{i}", f"value {i}") for i in range(100)]


@pytest.mark.parametrize("compression", ["none", "gzip", "snappy", "lz4", "zstd"])
async def test_we_read_what_librdkafka_compresses(
    kafka: Any, transport: KafkaTransport, topic: str, compression: str
) -> None:
    foreign = ConfluentProducer(
        {"bootstrap.servers": kafka.bootstrap, "compression.type": compression, "linger.ms": 50}
    )
    for i in range(500):
        foreign.produce(topic, b"value %d" % i, b"k")
    assert await asyncio.to_thread(foreign.flush, PATIENCE) == 0
    assert await values_of(await transport.consume([topic], topic), 500) == [b"value %d" % i for i in range(500)]


async def test_a_key_goes_where_murmur2_of_librdkafka_puts_it(
    kafka: Any, transport: KafkaTransport, unique: str
) -> None:
    topic = f"wire.{unique}"
    await transport.create_topics([TopicSpec(name=topic, partitions=7)])
    keys = [b"", b"a", b"ab", b"abc", b"abcd", *(b"order-%d" % i for i in range(200))]
    placed: dict[bytes, int] = {}
    foreign = ConfluentProducer({"bootstrap.servers": kafka.bootstrap, "partitioner": "murmur2_random"})
    for key in keys:
        foreign.produce(topic, b"v", key, on_delivery=lambda _, m: placed.__setitem__(m.key(), m.partition()))
    assert await asyncio.to_thread(foreign.flush, PATIENCE) == 0
    placed[b""] = placed.pop(None, placed.get(b"", -1))  # librdkafka calls an empty key none, and places it at random
    ours = await transport.publish([Record(topic, key, b"v") for key in keys])
    assert [o.partition for o in ours if isinstance(o, Position)][1:] == [placed[key] for key in keys][1:]


async def test_a_decompression_bomb_is_reported_by_position_and_passed(
    kafka: Any, transport: KafkaTransport, topic: str
) -> None:
    """256 MB of zeros in 8 kB: within the topic's limit, and no client of ours would survive it unbounded."""
    foreign = AIOKafkaProducer(
        bootstrap_servers=kafka.bootstrap, compression_type="zstd", max_request_size=1 << 30, max_batch_size=1 << 30
    )
    await foreign.start()
    await foreign.send_and_wait(topic, b"before", b"k")
    await foreign.send_and_wait(topic, bytes(80_000_000), b"k")
    await foreign.send_and_wait(topic, b"after", b"k")
    await foreign.stop()
    consumer = await transport.consume([topic], topic)
    items = await items_of(consumer, 2)
    (bomb,) = [item for item in items if isinstance(item, Unreadable)]
    assert (bomb.first, bomb.next, bomb.lease.topic) == (1, 2, topic)
    assert "64 MiB" in bomb.why
    assert [r.value for i in items if isinstance(i, Received) for r in i.records] == [b"before", b"after"]
    await consumer.commit({bomb.lease: 3})
    assert (await transport.committed(topic))[topic, 0].next == 3


async def test_a_header_name_that_is_no_text_is_reported_and_passed(
    kafka: Any, transport: KafkaTransport, topic: str
) -> None:
    foreign = ConfluentProducer({"bootstrap.servers": kafka.bootstrap, "batch.num.messages": 1})
    await transport.publish([Record(topic, b"k", b"before")])
    good = Record(topic, b"k", b"bad", (("name", b""),))
    original = Batch._build

    def spoilt(self: Batch) -> bytes:
        built = bytearray(original(self))
        at = built.find(b"name")
        built[at : at + 4] = b"\xff\xfe\xff\xfe"
        built[17:21] = calc_crc32c(bytes(built[21:])).to_bytes(4, "big")
        return bytes(built)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Batch, "_build", spoilt)
        assert all_positions(await transport.publish([good]))
    foreign.produce(topic, b"after", b"k")
    assert await asyncio.to_thread(foreign.flush, PATIENCE) == 0
    items = await items_of(await transport.consume([topic], topic), 2)
    assert [(i.first, i.next) for i in items if isinstance(i, Unreadable)] == [(1, 2)]
    assert [r.value for i in items if isinstance(i, Received) for r in i.records] == [b"before", b"after"]


async def test_what_only_the_broker_finds_too_large_fails_alone(
    transport: KafkaTransport, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client does not know the limit: the batch is refused as a whole, then sent again record by record."""
    topic = f"wire.{unique}"
    await transport.create_topics([TopicSpec(name=topic, max_record=10_000)])

    async def unknown(self: Any, name: str) -> tuple[int, bool]:
        return producer.BROKER_LIMIT, False

    monkeypatch.setattr(producer.Producer, "_settings", unknown)
    large = Record(topic, b"k", random.Random(1).randbytes(50_000))
    for first in range(0, 30, 3):
        good = [Record(topic, b"k", b"%d" % i) for i in range(first, first + 3)]
        outcomes = await transport.publish([good[0], large, *good[1:]])
        assert [type(outcome) for outcome in outcomes] == [Position, NotPublished, Position, Position]
        assert isinstance(outcomes[1], NotPublished)
        assert isinstance(outcomes[1].cause, RecordTooLarge)
    assert await values_of(await transport.consume([topic], topic), 30) == [b"%d" % i for i in range(30)]


async def test_a_refusal_by_the_broker_keeps_the_order_of_what_waits(
    transport: KafkaTransport, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record without a key in a compacted topic, among many publishes under way on all partitions."""
    topic = f"wire.{unique}"
    await transport.create_topics([TopicSpec(name=topic, partitions=3, compacted=True)])

    async def unknown(self: Any, name: str) -> tuple[int, bool]:
        return producer.BROKER_LIMIT, False

    monkeypatch.setattr(producer.Producer, "_settings", unknown)
    calls = []
    for i in range(300):
        if i % 50 == 25:
            calls.append(asyncio.create_task(transport.publish([Record(topic, None, b"no key", partition=i % 3)])))
        batch = [Record(topic, b"k%d.%d" % (p, i), b"%d" % i, partition=p) for p in range(3)]
        calls.append(asyncio.create_task(transport.publish(batch)))
        await asyncio.sleep(0.001)
    async with asyncio.timeout(PATIENCE):
        outcomes = [outcome for call in calls for outcome in await call]
    refused = [outcome for outcome in outcomes if not isinstance(outcome, Position)]
    assert len(refused) == 6
    assert all(isinstance(outcome, NotPublished) for outcome in refused)
    reader = await transport.read({TopicPartition(topic, p): 0 for p in range(3)})
    by_partition: dict[int, list[int]] = {0: [], 1: [], 2: []}
    for item in await items_of(reader, 900):
        by_partition[item.lease.partition] += [int(record.value or b"") for record in item.records]
    assert all(values == list(range(300)) for values in by_partition.values())


async def test_a_marker_at_the_end_is_not_waited_for(transport: KafkaTransport, topic: str) -> None:
    """The end of a transaction takes an offset of its own, which no reader ever sees."""
    await transport.publish_atomically([Record(topic, b"k", b"1"), Record(topic, b"k", b"2")], f"{topic}.tx")
    assert await transport.bounds(topic) == {0: Bounds(0, 2)}
    with pytest.raises(NotPublished):
        await transport.publish_atomically(
            [Record(topic, b"k", b"3"), Record(topic, b"k", bytes(3_000_000))], f"{topic}.tx"
        )
    assert (await transport.bounds(topic))[0].next == 2
    reader = await transport.read({TopicPartition(topic, 0): 0})
    assert await values_of(reader, 2) == [b"1", b"2"]


async def test_the_note_is_seen_with_every_commit_and_from_the_first_on(transport: KafkaTransport, topic: str) -> None:
    note = '{"b":1,"v":2,"f":["a"],"r":"1.0"}'
    await transport.publish([Record(topic, b"k", b"v")])
    consumer = await transport.consume([topic], topic, note=note)
    (item,) = await items_of(consumer, 1)
    assert await transport.committed(topic) == {(topic, 0): (0, note)}
    await consumer.commit({item.lease: 1})
    assert await transport.committed(topic) == {(topic, 0): (1, note)}
    with pytest.raises(Fenced):
        await transport.mark(topic, {TopicPartition(topic, 0): 0}, "other")
    await consumer.aclose()
    await transport.mark(topic, {TopicPartition(topic, 0): 0}, "other")
    assert await transport.committed(topic) == {(topic, 0): (0, "other")}
    assert topic in await transport.groups()


async def test_closing_with_an_engine_that_is_gone_is_bounded(kafka: Any, topic: str) -> None:
    """What was sent is unknown, what was not is certainly not published: no third case, and no endless close."""

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    listener = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    silent = KafkaTransport([f"127.0.0.1:{port}"], security=Security(), publish_deadline=1.0)
    async with asyncio.timeout(PATIENCE):
        (outcome,) = await silent.publish([Record(topic, b"k", b"v")])
        assert isinstance(outcome, NotPublished | PublishUnknown)
        await silent.aclose()
    listener.close()
    await listener.wait_closed()
