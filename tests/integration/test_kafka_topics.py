"""Topics of a real broker are what their specs say, and what hurts who uses them is a power of its own."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from busline.errors import BuslineError, NotAuthorized
from busline.record import TopicPartition
from busline.transport.base import Received, TopicRemoval, TopicSpec
from busline.transport.kafka.engine import KafkaTransport
from busline.transport.security import Security


@pytest.fixture
async def transport(kafka: Any) -> AsyncIterator[KafkaTransport]:
    made = KafkaTransport([kafka.bootstrap], security=Security())
    yield made
    await made.aclose()


async def time_of_one(transport: KafkaTransport, server: str, topic: str) -> int:
    """The timestamp of a record whose publisher says that it is of long ago."""
    producer = AIOKafkaProducer(bootstrap_servers=server)
    await producer.start()
    done = await producer.send_and_wait(topic, b"v", timestamp_ms=1_000)
    await producer.stop()
    reader = await transport.read({TopicPartition(topic, done.partition): done.offset})
    (item, *_) = await reader.receive()
    await reader.aclose()
    assert isinstance(item, Received)
    return item.records[0].timestamp


async def test_a_topic_is_what_its_spec_says(transport: KafkaTransport, unique: str) -> None:
    specs = [
        TopicSpec(name=f"{unique}.a", partitions=3, compacted=True, retention=86_400_000, max_record=5_000),
        TopicSpec(name=f"{unique}.b", append_time=False, min_insync=1, replicas=1),
        TopicSpec(name=f"{unique}.c", retention=None, max_record=3_000_000, replicas=1),
    ]
    await transport.create_topics(specs)
    await transport.create_topics(specs)
    found = await transport.topics()
    assert [found[spec.name] for spec in specs] == [replace(spec, replicas=1, min_insync=1) for spec in specs]
    assert not [name for name in found if name.startswith("__")]


async def test_settings_are_altered_and_only_those(transport: KafkaTransport, unique: str) -> None:
    await transport.create_topics([TopicSpec(name=unique, partitions=2, retention=1_000_000)])
    there = (await transport.topics())[unique]
    wanted = replace(there, retention=None, max_record=9_000, append_time=False, min_insync=2)
    await transport.alter_topics([replace(wanted, partitions=7, compacted=True)])
    assert (await transport.topics())[unique] == wanted
    await transport.alter_topics([replace(wanted, min_insync=None)])
    assert (await transport.topics())[unique] == wanted, "who does not say how many copies leaves it as it is"


async def test_a_publishers_own_time_counts_only_where_the_topic_says_so(
    transport: KafkaTransport, kafka: Any, unique: str
) -> None:
    await transport.create_topics([TopicSpec(name=f"{unique}.log"), TopicSpec(name=f"{unique}.own", append_time=False)])
    assert await time_of_one(transport, kafka.bootstrap, f"{unique}.log") > 1_000
    assert await time_of_one(transport, kafka.bootstrap, f"{unique}.own") == 1_000


async def test_settings_that_may_not_be_read_are_not_taken_for_the_defaults(kafka: Any, unique: str) -> None:
    admin = KafkaTransport([kafka.bootstrap], security=Security())
    await admin.create_topics([TopicSpec(name=unique, retention=5_000_000)])
    await admin.aclose()
    kafka.add_user(f"topics/{unique}", "one")
    kafka.grant(f"topics/{unique}", ["WRITE"], name=unique)  # so it sees that the topic is there
    transport = KafkaTransport([kafka.secure_bootstrap], security=Security(user=f"topics/{unique}", password="one"))
    with pytest.raises(NotAuthorized, match=unique):
        while not await transport.topics():  # until the broker knows the ACL
            pass
    for call in (transport.delete_topics([unique]), transport.grow_topics({unique: 3})):
        with pytest.raises(NotAuthorized):
            await call
    await transport.aclose()


async def test_topics_are_removed(transport: KafkaTransport, unique: str) -> None:
    assert isinstance(transport, TopicRemoval)
    await transport.create_topics([TopicSpec(name=f"{unique}.{part}") for part in "abc"])
    await transport.delete_topics([f"{unique}.a", f"{unique}.never", f"{unique}.b"])
    assert [name for name in await transport.topics() if name.startswith(unique)] == [f"{unique}.c"]
    await transport.delete_topics([f"{unique}.a"])


async def test_a_topic_grows_and_never_shrinks(transport: KafkaTransport, unique: str) -> None:
    await transport.create_topics([TopicSpec(name=unique, partitions=2), TopicSpec(name=f"{unique}.b")])
    await transport.grow_topics({unique: 5, f"{unique}.b": 1})
    assert (await transport.topics())[unique].partitions == 5
    with pytest.raises(BuslineError, match="has 5 partition"):
        await transport.grow_topics({unique: 3})
