"""A stretch of a topic ends at its ends: in a run, between runs, and behind what cannot be read."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import cast

import pytest

from busline.bus.stretch import Span, read_stretch
from busline.record import StoredRecord, TopicPartition
from busline.transport.base import Item, Lease, Received, Revoked, Seekable, Unreadable


class Scripted:
    """An engine whose reader hands over what was written down, then waits for ever."""

    def __init__(self, *batches: Sequence[Item]) -> None:
        self.batches = list(batches)
        self.asked: Mapping[TopicPartition, int] = {}
        self.closed = False

    async def read(self, positions: Mapping[TopicPartition, int], *, max_records: int = 1000) -> "Scripted":
        self.asked = positions
        return self

    async def receive(self) -> Sequence[Item]:
        if not self.batches:
            await asyncio.Event().wait()
        return self.batches.pop(0)

    async def aclose(self) -> None:
        self.closed = True


def run(partition: int, *offsets: int) -> Received:
    return Received(Lease("t", partition, 1), [StoredRecord(offset, 0, None, b"") for offset in offsets])


async def offsets(engine: Scripted, spans: Mapping[int, Span]) -> list[tuple[int, object]]:
    out: list[tuple[int, object]] = []
    async with asyncio.timeout(5):
        async for item in read_stretch(cast(Seekable, engine), "t", spans):
            found = [r.offset for r in item.records] if isinstance(item, Received) else (item.first, item.next)
            out.append((item.lease.partition, found))
    assert engine.closed or not engine.asked
    return out


async def test_what_lies_at_or_behind_the_end_is_cut_off() -> None:
    engine = Scripted([run(0, 3, 4, 5, 6)], [run(1, 0, 1)])
    assert await offsets(engine, {0: Span(3, 5), 1: Span(0, 2)}) == [(0, [3, 4]), (1, [0, 1])]
    assert engine.asked == {TopicPartition("t", 0): 3, TopicPartition("t", 1): 0}


async def test_a_partition_at_its_end_is_passed_over() -> None:
    engine = Scripted([run(0, 0)], [run(0, 1), run(1, 0)])
    assert await offsets(engine, {0: Span(0, 1), 1: Span(0, 1)}) == [(0, [0]), (1, [0])]


async def test_an_empty_stretch_asks_for_nothing() -> None:
    engine = Scripted()
    assert await offsets(engine, {0: Span(7, 7)}) == []
    assert engine.asked == {}


@pytest.mark.parametrize("end", [5, 6])
async def test_what_cannot_be_read_is_told_and_does_not_hide_the_end(end: int) -> None:
    damaged = Unreadable(Lease("t", 0, 1), 4, 6, "it unpacks to too much")
    engine = Scripted([run(0, 3), Revoked(Lease("t", 0, 1), 0.0), damaged])
    assert await offsets(engine, {0: Span(3, end)}) == [(0, [3]), (0, (4, 6))]
