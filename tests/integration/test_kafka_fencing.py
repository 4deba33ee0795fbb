"""One transactional id, several transactions: of two holders who interleave, the earlier one is stopped."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from busline.errors import Fenced, NotAuthorized, NotPublished, Unreachable
from busline.record import Position, Record, TopicPartition
from busline.transport.base import Fencing, Received, TopicSpec
from busline.transport.kafka.engine import KafkaTransport
from busline.transport.security import Security

PATIENCE = 30.0


@pytest.fixture
async def transport(kafka: Any) -> AsyncIterator[KafkaTransport]:
    made = KafkaTransport([kafka.bootstrap], security=Security())
    await made.start()
    yield made
    await made.aclose()


@pytest.fixture
async def topic(transport: KafkaTransport, unique: str) -> str:
    await transport.create_topics([TopicSpec(name=f"fencing.{unique}", partitions=3)])
    return f"fencing.{unique}"


def records(topic: str, *values: bytes) -> list[Record]:
    return [Record(topic, value, value) for value in values]


async def all_of(transport: KafkaTransport, topic: str) -> set[bytes | None]:
    """Every value that readers see."""
    bounds = await transport.bounds(topic)
    left = {partition: bound.next for partition, bound in bounds.items() if bound.next > bound.first}
    values: set[bytes | None] = set()
    if not left:
        return values
    reader = await transport.read({TopicPartition(topic, partition): 0 for partition in left})
    async with asyncio.timeout(PATIENCE):
        while left:
            for item in await reader.receive():
                assert isinstance(item, Received)
                values |= {record.value for record in item.records}
                if item.records[-1].offset + 2 >= left[item.lease.partition]:  # the last offset is the marker's
                    left.pop(item.lease.partition, None)
    await reader.aclose()
    return values


async def test_a_holder_publishes_several_transactions(transport: KafkaTransport, topic: str) -> None:
    assert isinstance(transport, Fencing)
    async with transport.transactions(topic) as holder:
        for number in range(3):
            value = b"%d" % number
            (position, *_) = await holder.publish(records(topic, value, value + b"-b"))
            assert isinstance(position, Position)
            assert value in await all_of(transport, topic)
    assert len(await all_of(transport, topic)) == 6


async def test_who_opens_an_id_fences_who_holds_it(transport: KafkaTransport, topic: str) -> None:
    async with transport.transactions(topic) as first:
        await first.publish(records(topic, b"first"))
        async with transport.transactions(topic) as second:
            with pytest.raises(NotPublished) as caught:
                await first.publish(records(topic, b"too late"))
            assert isinstance(caught.value.cause, Fenced)
            await second.publish(records(topic, b"second"))
            with pytest.raises(NotPublished) as again:
                await first.publish(records(topic, b"and never"))
            assert isinstance(again.value.cause, Fenced)
            await second.publish(records(topic, b"third"))
    assert await all_of(transport, topic) == {b"first", b"second", b"third"}


async def test_other_ids_are_left_alone(transport: KafkaTransport, topic: str) -> None:
    async with transport.transactions(f"{topic}/a") as one, transport.transactions(f"{topic}/b") as other:
        await one.publish(records(topic, b"a"))
        await other.publish(records(topic, b"b"))
        await one.publish(records(topic, b"c"))
    assert await all_of(transport, topic) == {b"a", b"b", b"c"}


async def test_a_refused_record_leaves_nothing_and_ends_the_holder(transport: KafkaTransport, topic: str) -> None:
    async with transport.transactions(topic) as holder:
        with pytest.raises(NotPublished):
            await holder.publish([*records(topic, b"good"), Record(topic, b"k", b"x" * 3_000_000)])
        with pytest.raises(NotPublished):
            await holder.publish(records(topic, b"after"))
    assert await all_of(transport, topic) == set()
    async with transport.transactions(topic) as fresh:
        await fresh.publish(records(topic, b"fresh"))
    assert await all_of(transport, topic) == {b"fresh"}


async def test_a_pause_over_several_logins_does_no_harm(
    kafka: Any, transport: KafkaTransport, topic: str, unique: str
) -> None:
    """The broker asks for the login again every 2 s on this listener, and closes a connection that has not answered."""
    user = f"fencing/{unique}"
    kafka.add_user(user, "one")
    kafka.grant(user, ["WRITE"], name=topic)
    kafka.grant(user, ["WRITE"], kind="transactional_id", name=user)
    security = Security(user=user, password="one", mechanism="SCRAM-SHA-256")
    own = KafkaTransport([kafka.secure_bootstrap], security=security)
    async with own.transactions(user) as holder:
        await holder.publish(records(topic, b"before"))
        await asyncio.sleep(5)  # the pause is what is tried here
        await holder.publish(records(topic, b"after"))
    assert await all_of(transport, topic) == {b"before", b"after"}
    await own.aclose()


async def test_an_id_that_is_not_ones_own_is_refused(kafka: Any, topic: str, unique: str) -> None:
    kafka.add_user(f"fencing/{unique}", "one")
    security = Security(user=f"fencing/{unique}", password="one")
    own = KafkaTransport([kafka.secure_bootstrap], security=security)
    with pytest.raises(NotAuthorized):
        async with own.transactions("another/service/1"):
            pass
    with pytest.raises(NotPublished) as caught:
        await own.publish_atomically(records(topic, b"v"), "another/service/1")
    assert isinstance(caught.value.cause, NotAuthorized)
    await own.aclose()


async def test_nobody_there_is_told_at_the_opening() -> None:
    nowhere = KafkaTransport(["127.0.0.1:1"], security=Security())
    with pytest.raises(Unreachable):
        async with nowhere.transactions("t"):
            pass
    await nowhere.aclose()
