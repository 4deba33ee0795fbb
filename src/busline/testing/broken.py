"""Five transports that break one promise each: the conformance suite has to find every one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from busline.record import Record
from busline.transport.base import Consumer, Features, Item, Lease, Outcome, Received, Start, TopicSpec
from busline.transport.memory import MemoryTransport


class Flawed:
    """A consumer that hands everything through; a flaw overrides one method."""

    def __init__(self, inner: Consumer) -> None:
        self._inner = inner

    async def receive(self) -> Sequence[Item]:
        return [self.spoil(item) for item in await self._inner.receive()]

    def spoil(self, item: Item) -> Item:
        return item

    async def commit(self, positions: Mapping[Lease, int]) -> None:
        await self._inner.commit(positions)

    async def release(self, lease: Lease) -> None:
        await self._inner.release(lease)

    async def aclose(self) -> None:
        await self._inner.aclose()


class Loses(Flawed):
    """Now and then the last record of a run is not handed over."""

    def spoil(self, item: Item) -> Item:
        if isinstance(item, Received) and len(item.records) > 1:
            return Received(item.lease, item.records[:-1])
        return item


class Duplicates(Flawed):
    """Every run comes a second time."""

    async def receive(self) -> Sequence[Item]:
        items = await self._inner.receive()
        return [*items, *(item for item in items if isinstance(item, Received))]


class Reorders(Flawed):
    """The two halves of a batch change places: still each record once, each run in order."""

    async def receive(self) -> Sequence[Item]:
        items: list[Item] = []
        for item in await self._inner.receive():
            if isinstance(item, Received) and len(item.records) > 1:
                half = len(item.records) // 2
                items += [Received(item.lease, item.records[half:]), Received(item.lease, item.records[:half])]
            else:
                items.append(item)
        return items


class CommitsEarly(Flawed):
    """What is handed over is committed, done or not."""

    async def receive(self) -> Sequence[Item]:
        items = await self._inner.receive()
        for item in items:
            if isinstance(item, Received):
                await self._inner.commit({item.lease: item.records[-1].offset + 1})
        return items


class SwallowsCancellation(Flawed):
    """A cancelled receive comes back with nothing, as if there had been no cancellation."""

    async def receive(self) -> Sequence[Item]:
        try:
            return await self._inner.receive()
        except asyncio.CancelledError:
            return []


BROKEN: tuple[type[Flawed], ...] = (Loses, Duplicates, Reorders, CommitsEarly, SwallowsCancellation)


class BrokenTransport:
    """memory:// with a flaw in its consumers. name: as of MemoryTransport."""

    def __init__(self, name: str, flaw: type[Flawed]) -> None:
        self._inner, self._flaw = MemoryTransport(name, ttl=1), flaw

    @property
    def features(self) -> Features:
        return self._inner.features

    async def start(self) -> None:
        await self._inner.start()

    async def publish(self, records: Sequence[Record]) -> list[Outcome]:
        return await self._inner.publish(records)

    async def consume(
        self,
        topics: Sequence[str],
        group: str,
        *,
        start: Start = "earliest",
        note: str = "",
        max_records: int = 1000,
    ) -> Consumer:
        return self._flaw(
            await self._inner.consume(topics, group, start=start, note=note, max_records=max_records),
        )

    async def topics(self) -> dict[str, TopicSpec]:
        return await self._inner.topics()

    async def create_topics(self, specs: Sequence[TopicSpec]) -> None:
        await self._inner.create_topics(specs)

    async def alter_topics(self, specs: Sequence[TopicSpec]) -> None:
        await self._inner.alter_topics(specs)

    async def purge(self, topic: str, before: Mapping[int, int]) -> None:
        await self._inner.purge(topic, before)

    async def aclose(self) -> None:
        await self._inner.aclose()
