"""kafka://: the production engine. One object a process; clients of aiokafka below, each in the room that uses it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition as KafkaPartition

from busline.errors import RetentionGap, TransportClosed
from busline.record import Position, Positions, Record
from busline.transport.base import Bounds, Features, Outcome, Start, Transactions
from busline.transport.kafka.connection import Connection, partitions_of
from busline.transport.kafka.consuming import GRACE, GroupConsumer, KafkaConsumer, assignor, end, starts
from busline.transport.kafka.failures import FOREIGN, translate
from busline.transport.kafka.groups import KafkaGroups
from busline.transport.kafka.guard import KafkaGuard
from busline.transport.kafka.inspecting import KafkaInspection
from busline.transport.kafka.publishing import Publisher
from busline.transport.kafka.tail import visible_ends
from busline.transport.kafka.topics import KafkaTopics
from busline.transport.kafka.transactions import publish_atomically, transactions
from busline.transport.kafka.users import KafkaUsers
from busline.transport.security import Security

PUBLISH_DEADLINE = 30.0
FETCH_BYTES = 4 * 1024 * 1024


class KafkaTransport(KafkaTopics, KafkaGroups, KafkaGuard, KafkaUsers, KafkaInspection):
    """Implements Transport and every power over Kafka 2.5 and newer.

    servers: `host:port` each. security: by default what the environment says. publish_deadline: seconds after which a
    record is withdrawn (NotPublished), or called PublishUnknown when it was sent already.
    """

    def __init__(
        self, servers: Sequence[str], *, security: Security | None = None, publish_deadline: float = PUBLISH_DEADLINE
    ) -> None:
        super().__init__(Connection(servers, Security.from_environment() if security is None else security))
        self._publisher = Publisher(self._connection, publish_deadline)
        self._consumers: set[KafkaConsumer] = set()
        self._asking: Any = None
        self._lock = asyncio.Lock()
        self._closed = False

    @property
    def features(self) -> Features:
        return Features(durable="disk", enforced=True, rebalance="eager")

    async def start(self) -> None:
        await self._asker()

    async def _asker(self) -> Any:
        """The client that answers questions about topics: a consumer without a group or an assignment."""
        async with self._lock:
            self._check_open()
            if self._asking is None:
                self._asking = await self._client(None)
            return self._asking

    def _check_open(self) -> None:
        if self._closed:
            raise TransportClosed("this transport is closed")

    async def _client(self, group: str | None, **options: Any) -> Any:
        """A started AIOKafkaConsumer that sees committed records only."""
        options |= await self._connection.options()
        client = AIOKafkaConsumer(
            bootstrap_servers=self._connection.bootstrap,
            group_id=group,
            enable_auto_commit=False,
            isolation_level="read_committed",
            max_partition_fetch_bytes=FETCH_BYTES,
            fetch_max_bytes=4 * FETCH_BYTES,
            **options,
        )
        try:
            await self._connection.start(client._client, client.start)
        except BaseException:
            await client.stop()  # it never was in a group
            raise
        return client

    async def publish(self, records: Sequence[Record]) -> list[Outcome]:
        return await self._publisher.publish(records)

    async def publish_atomically(self, records: Sequence[Record], transaction: str) -> list[Position]:
        self._check_open()
        return await publish_atomically(self._connection, records, transaction)

    def transactions(self, transaction: str) -> AbstractAsyncContextManager[Transactions]:
        self._check_open()
        return transactions(self._connection, transaction)

    async def consume(
        self,
        topics: Sequence[str],
        group: str,
        *,
        start: Start = "earliest",
        note: str = "",
        max_records: int = 1000,
    ) -> GroupConsumer:
        self._check_open()
        client = await self._client(
            group,
            auto_offset_reset="earliest",
            partition_assignment_strategy=(assignor(note),),
            max_poll_interval_ms=2**31 - 1,  # a slow handler is the bus's watchdog's business
            rebalance_timeout_ms=int(GRACE * 1000) + 10_000,
            session_timeout_ms=15_000,
            heartbeat_interval_ms=1_000,
            metadata_max_age_ms=60_000,
        )
        consumer = GroupConsumer(self._connection, client, max_records, start=start, note=note)
        try:
            for topic in topics:
                await self._ask(partitions_of(client._client, topic), topic)
            self._check_open()
        except BaseException:
            await consumer.aclose()
            raise
        consumer.join(topics)
        self._consumers.add(consumer)
        return consumer

    async def read(self, positions: Positions, *, max_records: int = 1000) -> KafkaConsumer:
        for topic in {at.topic for at in positions}:
            bounds = await self.bounds(topic)
            for at, offset in positions.items():
                if at.topic == topic and offset < bounds[at.partition].first:
                    raise RetentionGap(
                        f"{topic}[{at.partition}] begins at offset {bounds[at.partition].first}",
                        where=f"{topic}[{at.partition}]@{offset}",
                        why="retention removed what was before",
                        fix="Start at `earliest`, or at a later time.",
                    )
        client = await self._client(None, auto_offset_reset="none")
        consumer = KafkaConsumer(self._connection, client, max_records)
        consumer.begin({KafkaPartition(*at): offset for at, offset in positions.items()})
        self._consumers.add(consumer)
        return consumer

    async def bounds(self, topic: str) -> dict[int, Bounds]:
        client, partitions = await self._partitions(topic)
        firsts = await self._ask(starts(client, partitions, "earliest"), topic)
        ends = await self._ask(starts(client, partitions, "latest"), topic)
        ends = await self._ask(visible_ends(client._client, firsts, ends), topic)
        return {at.partition: Bounds(firsts[at], ends[at]) for at in partitions}

    async def at_time(self, topic: str, timestamp: int) -> dict[int, int]:
        client, partitions = await self._partitions(topic)
        found = await self._ask(starts(client, partitions, max(0, timestamp)), topic)
        return {at.partition: offset for at, offset in found.items()}

    async def _partitions(self, topic: str) -> tuple[Any, list[KafkaPartition]]:
        client = await self._asker()
        found = await self._ask(partitions_of(client._client, topic), topic)
        return client, [KafkaPartition(topic, partition) for partition in sorted(found)]

    async def _ask(self, answer: Any, where: str) -> Any:
        """Await with errors of busline's tree."""
        try:
            return await answer
        except FOREIGN as error:
            raise translate(error, where=where) from error

    async def aclose(self) -> None:
        self._closed = True
        await asyncio.gather(*(consumer.aclose() for consumer in self._consumers), self._publisher.aclose())
        async with self._lock:
            asking, self._asking = self._asking, None
            if asking is not None:
                await end(asking)
