"""A whole transport, with every power, over a Log: what memory:// and sqlite:// share."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from busline.errors import Fenced, NotPublished, PublishUnknown, TransportClosed
from busline.record import Position, Positions, Record, TopicPartition
from busline.transport.base import Bounds, Committed, Features, Lease, Outcome, Start, TopicSpec
from busline.transport.log import Log, unknown_topic
from busline.transport.log_consumer import GroupConsumer, LogReader, retention_gap
from busline.transport.members import Slot, committed_positions, group_of, group_prefix, idle, slot_key

TTL = 10.0
"""Seconds without a beat after which a member is dead for the others."""


class LogTransport:
    """Transport, Seekable, Groups, Admin and Transactional over one Log.

    ttl: seconds; a crashed member's partitions move after it. Leaving and joining are noticed at once.
    """

    def __init__(self, log: Log, features: Features, *, ttl: float = TTL) -> None:
        self._log, self._features, self._ttl = log, features, ttl
        self._consumers: list[GroupConsumer | LogReader] = []
        self._started = False
        self._closing: asyncio.Task[None] | None = None

    @property
    def features(self) -> Features:
        return self._features

    async def start(self) -> None:
        self._check_open()
        if not self._started:
            await self._log.open()
            self._started = True

    async def publish(self, records: Sequence[Record]) -> list[Outcome]:
        self._check_running()
        return await self._log.append(records)

    async def publish_atomically(self, records: Sequence[Record], transaction: str) -> list[Position]:
        """One append is one transaction here: nothing stays open, so there is nobody to fence."""
        self._check_running()
        outcomes = await self._log.append(records, atomic=True)
        for outcome in outcomes:
            if isinstance(outcome, NotPublished | PublishUnknown):
                raise outcome
        return [outcome for outcome in outcomes if isinstance(outcome, Position)]

    async def consume(
        self,
        topics: Sequence[str],
        group: str,
        *,
        start: Start = "earliest",
        note: str = "",
        max_records: int = 1000,
    ) -> GroupConsumer:
        self._check_running()
        parts = await self._partitions(topics)
        self._check_open()
        consumer = GroupConsumer(self._log, group, start=start, note=note, max_records=max_records, ttl=self._ttl)
        self._remember(consumer)
        await consumer.join(parts)
        return consumer

    async def _partitions(self, topics: Sequence[str]) -> list[TopicPartition]:
        specs = await self._log.topics()
        for topic in topics:
            if topic not in specs:
                raise unknown_topic(topic)
        return [TopicPartition(topic, i) for topic in sorted(set(topics)) for i in range(specs[topic].partitions)]

    def _remember(self, consumer: GroupConsumer | LogReader) -> None:
        self._consumers = [old for old in self._consumers if not old.closed]
        self._consumers.append(consumer)

    # Seekable

    async def bounds(self, topic: str) -> dict[int, Bounds]:
        self._check_running()
        return await self._log.bounds(topic)

    async def at_time(self, topic: str, timestamp: int) -> dict[int, int]:
        self._check_running()
        return await self._log.at_time(topic, timestamp)

    async def read(self, positions: Positions, *, max_records: int = 1000) -> LogReader:
        self._check_running()
        bounds = {topic: await self._log.bounds(topic) for topic in {tp.topic for tp in positions}}
        for tp, offset in positions.items():
            if tp.partition not in bounds[tp.topic]:
                raise unknown_topic(f"{tp.topic}[{tp.partition}]")
            if offset < (first := bounds[tp.topic][tp.partition].first):
                raise retention_gap(tp, offset, first)
        self._check_open()
        reader = LogReader(self._log, positions, max_records)
        self._remember(reader)
        return reader

    # Groups

    async def groups(self) -> list[str]:
        self._check_running()
        return sorted({group_of(key) for key in await self._log.list("g/")})

    async def committed(self, group: str) -> dict[tuple[str, int], Committed]:
        self._check_running()
        return committed_positions(group, await self._log.list(group_prefix(group)))

    async def mark(self, group: str, positions: Positions, note: str) -> None:
        self._check_running()
        if not await idle(self._log, group, ttl=self._ttl, gone=self._log.gone):
            raise Fenced([Lease(*tp, -1) for tp in positions])
        view = await self._log.list(group_prefix(group))
        for tp, position in positions.items():
            key = slot_key(group, tp)
            entry = view.get(key)
            epoch = Slot.decode(entry.value).epoch + 1 if entry else 1
            slot = Slot(None, epoch, position, note)
            if not await self._log.cas(key, entry.revision if entry else 0, slot.encode()):
                raise Fenced([Lease(*tp, epoch)])

    # Admin

    async def topics(self) -> dict[str, TopicSpec]:
        self._check_running()
        return dict(await self._log.topics())

    async def create_topics(self, specs: Sequence[TopicSpec]) -> None:
        self._check_running()
        await self._log.create(specs)

    async def alter_topics(self, specs: Sequence[TopicSpec]) -> None:
        self._check_running()
        await self._log.alter(specs)

    async def purge(self, topic: str, before: Mapping[int, int]) -> None:
        self._check_running()
        await self._log.purge(topic, before)

    # life

    def _check_open(self) -> None:
        if self._closing:
            raise TransportClosed("the transport is closed")

    def _check_running(self) -> None:
        self._check_open()
        if not self._started:
            raise TransportClosed("the transport is not started", fix="Await start() first.")

    async def aclose(self) -> None:
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        closings = [consumer.aclose() for consumer in self._consumers]
        results = await asyncio.gather(*closings, return_exceptions=True)
        if self._started:
            await self._log.close()
        for result in results:
            if isinstance(result, BaseException):
                raise result
