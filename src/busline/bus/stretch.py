"""A stretch of a topic read without a group: from an offset of each partition to its end, or live."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Mapping
from typing import NamedTuple

from busline.record import StoredRecord, TopicPartition
from busline.transport.base import Received, Seekable, Unreadable


class Span(NamedTuple):
    """What is read of one partition, offsets. end: the first that is not read any more; None: live."""

    begin: int
    end: int | None


async def read_stretch(
    engine: Seekable, topic: str, spans: Mapping[int, Span]
) -> AsyncGenerator[Received | Unreadable, None]:
    """Runs cut to their spans, and what cannot be read, until every partition is at its end.

    Raises what `Seekable.read` and `receive` raise. To be closed by `contextlib.aclosing` where it is left early.
    """
    left = {p: span.end for p, span in spans.items() if span.end is None or span.begin < span.end}
    if not left:
        return
    consumer = await engine.read({TopicPartition(topic, p): spans[p].begin for p in left})
    try:
        while left:
            for item in await consumer.receive():
                if not isinstance(item, Received | Unreadable) or item.lease.partition not in left:
                    continue
                end = left[item.lease.partition]
                if end is not None and _next(item) >= end:
                    del left[item.lease.partition]
                if (cut := _cut(item, end)) is not None:
                    yield cut
    finally:
        await consumer.aclose()


async def read_kept(engine: Seekable, topic: str) -> AsyncGenerator[StoredRecord, None]:
    """Every record of a topic as it is now, partition by partition; what cannot be read is passed over. Raises and is
    closed as `read_stretch`, and raises UnknownTopic."""
    spans = {partition: Span(bounds.first, bounds.next) for partition, bounds in (await engine.bounds(topic)).items()}
    async with contextlib.aclosing(read_stretch(engine, topic, spans)) as stretch:
        async for item in stretch:
            for record in item.records if isinstance(item, Received) else ():
                yield record


def _next(item: Received | Unreadable) -> int:
    return item.next if isinstance(item, Unreadable) else item.records[-1].offset + 1


def _cut(item: Received | Unreadable, end: int | None) -> Received | Unreadable | None:
    """What lies before the end; None where nothing does."""
    if end is None:
        return item
    if isinstance(item, Unreadable):
        return item if item.first < end else None
    if item.records[-1].offset < end:
        return item
    records = [record for record in item.records if record.offset < end]
    return Received(item.lease, records) if records else None
