"""A cluster of three brokers, of which one dies: nothing is lost, and order per key is kept."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from busline.errors import PublishError
from busline.record import Position, Record, TopicPartition
from busline.testing.conformance.base import work
from busline.testing.conformance.journal import Journal
from busline.transport.base import Received, TopicSpec
from busline.transport.kafka.engine import KafkaTransport
from busline.transport.security import Security

pytestmark = pytest.mark.slow
PATIENCE = 60.0
KEYS = [b"k%d" % i for i in range(16)]


@pytest.fixture
async def engine(kafka_cluster: Any) -> AsyncIterator[KafkaTransport]:
    transport = KafkaTransport(kafka_cluster.servers, security=Security())
    await transport.start()
    yield transport
    await transport.aclose()


@pytest.fixture
def kill(kafka_cluster: Any) -> Iterator[Callable[[int], None]]:
    """Kills a node of the cluster by its number; it is back, and in sync, before the next test."""
    dead: list[int] = []

    def end(number: int) -> None:
        dead.append(number)
        kafka_cluster.kill(number)

    yield end
    for number in dead:
        kafka_cluster.revive(number)


class Publishers:
    """One a key, each publishing numbers one after the other; what was published is in the journal."""

    def __init__(self, engine: KafkaTransport, topic: str) -> None:
        self._engine, self._topic = engine, topic
        self.journal = Journal()
        self.refused: list[object] = []
        self.sent: dict[bytes, list[bytes]] = {key: [] for key in KEYS}
        self._stopping = False
        self._tasks = [asyncio.create_task(self._publish(key)) for key in KEYS]

    async def _publish(self, key: bytes) -> None:
        number = 0
        while not self._stopping:
            records = [Record(self._topic, key, b"%d" % (number + i)) for i in range(5)]
            number += len(records)
            outcomes = await self._engine.publish(records)
            self.journal.publish(records, outcomes)
            self.sent[key] += [record.value or b"" for record in records]
            self.refused += [outcome for outcome in outcomes if not isinstance(outcome, Position)]

    async def more(self, count: int) -> None:
        """Until every key has so many records more."""
        goal = {key: len(sent) + count for key, sent in self.sent.items()}
        there = f"{count} records more of each key"
        await self.journal.until(lambda: all(len(self.sent[key]) >= goal[key] for key in KEYS), there, PATIENCE)

    async def end(self) -> None:
        self._stopping = True
        await asyncio.gather(*self._tasks)


async def new_topic(engine: KafkaTransport, name: str) -> str:
    await engine.create_topics([TopicSpec(name=name, partitions=6)])
    assert (await engine.topics())[name].replicas == 3
    return name


async def test_a_broker_that_dies_in_mid_publish_loses_nothing_and_keeps_order_per_key(
    engine: KafkaTransport, kill: Callable[[int], None], unique: str
) -> None:
    publishers = Publishers(engine, await new_topic(engine, unique))
    await publishers.more(100)
    kill(1)
    await publishers.more(200)
    await publishers.end()
    assert publishers.refused == [], "two brokers of three are enough"
    journal = publishers.journal
    consumer = await engine.consume([unique], f"{unique}/reader")
    reading = asyncio.create_task(work(journal, "reader", consumer))
    await journal.until_all(PATIENCE)
    reading.cancel()
    await asyncio.wait([reading])
    journal.assert_complete()
    journal.assert_once()
    assert journal.by_key() == publishers.sent


async def test_a_group_goes_on_when_its_broker_dies(
    engine: KafkaTransport, kafka_cluster: Any, kill: Callable[[int], None], unique: str
) -> None:
    publishers = Publishers(engine, await new_topic(engine, unique))
    journal = publishers.journal
    members = [await engine.consume([unique], f"{unique}/reader") for _ in range(2)]
    working = [asyncio.create_task(work(journal, f"m{i}", member)) for i, member in enumerate(members)]
    await journal.until(lambda: len(journal.deliveries) > 500, "the group reads", PATIENCE)
    coordinator = await asyncio.to_thread(_coordinator, kafka_cluster, f"{unique}/reader")
    kill(coordinator)
    await publishers.more(200)
    await publishers.end()
    await journal.until_all(PATIENCE)
    for task in working:
        task.cancel()
    await asyncio.wait(working)
    assert publishers.refused == []
    journal.assert_complete()
    journal.assert_ordered()
    assert journal.by_key() == publishers.sent


async def test_a_transaction_is_whole_when_a_broker_dies(
    engine: KafkaTransport, kill: Callable[[int], None], unique: str
) -> None:
    topic = await new_topic(engine, unique)
    whole = [Record(topic, b"k%d" % i, b"first") for i in range(30)]
    await engine.publish_atomically(whole, f"{unique}.apply")
    kill(3)
    async with asyncio.timeout(PATIENCE):
        again = [record._replace(value=b"second") for record in whole]
        while not await _published(engine, again, f"{unique}.apply"):
            pass
        left = {partition: bound.next for partition, bound in (await engine.bounds(topic)).items() if bound.next}
        reader = await engine.read({TopicPartition(topic, partition): 0 for partition in left})
        values: list[bytes | None] = []
        while left:
            for item in await reader.receive():
                assert isinstance(item, Received)
                values += [record.value for record in item.records]
                if item.records[-1].offset + 1 >= left[item.lease.partition]:
                    del left[item.lease.partition]
    assert values.count(b"first") == 30
    assert values.count(b"second") % 30 == 0, "an answer may be lost, a part of a transaction never is there alone"


async def _published(engine: KafkaTransport, records: list[Record], transaction: str) -> bool:
    """Whether it is confirmed; a broker that dies may take the answer along, and then one asks again, as apply does."""
    try:
        await engine.publish_atomically(records, transaction)
    except PublishError:
        return False
    return True


def _coordinator(cluster: Any, group: str) -> int:
    """The node that the group's members talk to: who leads the partition of its offsets, by Java's String.hashCode."""
    (offsets,) = cluster.client.describe_topics(["__consumer_offsets"])
    code = 0
    for letter in group:
        code = (31 * code + ord(letter)) & 0x7FFFFFFF
    leaders = {one["partition_index"]: one["leader_id"] for one in offsets["partitions"]}
    return int(leaders[code % len(leaders)])
