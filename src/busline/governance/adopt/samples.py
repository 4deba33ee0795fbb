"""The newest records of many topics: what is really in them, whatever the registry says."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Final, TypeAlias

from busline.errors import RetentionGap
from busline.record import StoredRecord, TopicPartition
from busline.transport.base import Bounds, Consumer, Received, Seekable, Unreadable

Samples: TypeAlias = Mapping[str, Sequence[StoredRecord]]
EACH: Final = 5
"""Records of a partition."""
PARTITIONS: Final = 4
"""Of a topic, such as hold anything."""
TOGETHER: Final = 100
"""Topics of one consumer."""
SILENCE: Final = 5.0
"""Seconds without a record, after which what is missing is left out."""


async def read_samples(engine: Seekable, topics: Iterable[str]) -> dict[str, list[StoredRecord]]:
    """By topic; those without a record are left out. Raises NotAuthorized, Unreachable, AuthenticationFailed."""
    found: dict[str, list[StoredRecord]] = {}
    rest = iter(topics)
    while some := list(islice(rest, TOGETHER)):
        bounds = await asyncio.gather(*(engine.bounds(topic) for topic in some))
        ends = {at: b for topic, each in zip(some, bounds, strict=True) for at, b in _filled(topic, each)}
        if ends:
            found |= await _read(engine, ends)
    return found


def _filled(topic: str, bounds: Mapping[int, Bounds]) -> list[tuple[TopicPartition, Bounds]]:
    filled = ((TopicPartition(topic, p), b) for p, b in sorted(bounds.items()) if b.first < b.next)
    return list(islice(filled, PARTITIONS))


async def _read(engine: Seekable, ends: Mapping[TopicPartition, Bounds]) -> dict[str, list[StoredRecord]]:
    begin = {at: max(b.first, b.next - EACH) for at, b in ends.items()}
    found: dict[str, list[StoredRecord]] = defaultdict(list)
    try:
        consumer = await engine.read(begin)
    except RetentionGap:  # what was there a moment ago is gone: so are its samples
        return found
    try:
        await _until_the_end(consumer, {at: b.next for at, b in ends.items()}, found)
    finally:
        await consumer.aclose()
    return found


async def _until_the_end(
    consumer: Consumer, left: dict[TopicPartition, int], found: dict[str, list[StoredRecord]]
) -> None:
    """A partition may end with what no reader is shown: then silence ends the wait."""
    while left:
        try:
            async with asyncio.timeout(SILENCE):
                items = await consumer.receive()
        except TimeoutError:
            return
        for item in items:
            if isinstance(item, Received | Unreadable):
                at = TopicPartition(item.lease.topic, item.lease.partition)
                records = item.records if isinstance(item, Received) else ()
                found[at.topic] += [record for record in records if record.offset < left.get(at, 0)]
                reached = records[-1].offset + 1 if records else getattr(item, "next", 0)
                if reached >= left.get(at, reached + 1):
                    del left[at]
