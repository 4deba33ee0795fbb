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


async def read_spans(
    engine: Seekable, spans: Mapping[TopicPartition, Span]
) -> AsyncGenerator[Received | Unreadable, None]:
    """Runs cut to their spans, and what cannot be read, until every partition is at its end.

    Raises what `Seekable.read` and `receive` raise. To be closed by `contextlib.aclosing` where it is left early.
    """
    left = {at: span.end for at, span in spans.items() if span.end is None or span.begin < span.end}
    if not left:
        return
    consumer = await engine.read({at: spans[at].begin for at in left})
    try:
        while left:
            for item in await consumer.receive():
                if not isinstance(item, Received | Unreadable) or (at := place(item)) not in left:
                    continue
                end = left[at]
                if end is not None and next_of(item) >= end:
                    del left[at]
                if (cut := _cut(item, end)) is not None:
                    yield cut
    finally:
        await consumer.aclose()


def read_stretch(
    engine: Seekable, topic: str, spans: Mapping[int, Span]
) -> AsyncGenerator[Received | Unreadable, None]:
    """`read_spans` of one topic, by partition."""
    return read_spans(engine, {TopicPartition(topic, partition): span for partition, span in spans.items()})


async def read_kept(engine: Seekable, topic: str) -> AsyncGenerator[StoredRecord, None]:
    """Every record of a topic as it is now, partition by partition; what cannot be read is passed over. Raises and is
    closed as `read_stretch`, and raises UnknownTopic."""
    spans = {partition: Span(bounds.first, bounds.next) for partition, bounds in (await engine.bounds(topic)).items()}
    async with contextlib.aclosing(read_stretch(engine, topic, spans)) as stretch:
        async for item in stretch:
            for record in item.records if isinstance(item, Received) else ():
                yield record


def place(item: Received | Unreadable) -> TopicPartition:
    return TopicPartition(item.lease.topic, item.lease.partition)


def next_of(item: Received | Unreadable) -> int:
    """The offset behind it."""
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
