"""A broker that has never had a group or a transaction makes their topics at first use: nobody has to come again."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from busline.record import Position, Record, TopicPartition
from busline.transport.base import Received, TopicSpec
from busline.transport.kafka.engine import KafkaTransport
from busline.transport.security import Security
from scripts import kafka_server

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("kafka")]  # where the shared broker starts, others do


@pytest.fixture
def new_broker() -> Iterator[Any]:
    server = kafka_server.start(tied=True)
    yield server
    server.stop()


async def test_the_first_groups_and_the_first_transaction_of_a_broker_work_at_once(new_broker: Any) -> None:
    transport = KafkaTransport([new_broker.bootstrap], security=Security())
    await transport.start()
    try:
        await transport.create_topics([TopicSpec(name="first", partitions=1)])
        at = TopicPartition("first", 0)
        _, _, consumer, [position] = await asyncio.gather(
            transport.committed("marked"),
            transport.mark("marked", {at: 0}, "note"),
            transport.consume(["first"], "reading"),
            transport.publish_atomically([Record("first", b"k", b"v")], "transaction"),
        )
        assert position == Position("first", 0, 0)
        async with asyncio.timeout(30):
            [received] = await consumer.receive()
        assert isinstance(received, Received)
        await consumer.commit({received.lease: 1})
        assert (await transport.committed("marked"))[at].next == 0
        assert (await transport.committed("reading"))[at].next == 1
    finally:
        await transport.aclose()
