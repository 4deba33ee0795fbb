"""The newest records of many topics: what is really in them, whatever the registry says."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Final, TypeAlias

from busline.bus.stretch import Span, read_spans
from busline.errors import RetentionGap
from busline.record import StoredRecord, TopicPartition
from busline.transport.base import Bounds, Received, Seekable

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
    """A partition may end with what no reader is shown: then silence ends the wait. What was there a moment ago may be
    gone (RetentionGap): so are its samples."""
    spans = {at: Span(max(b.first, b.next - EACH), b.next) for at, b in ends.items()}
    found: dict[str, list[StoredRecord]] = defaultdict(list)
    async with contextlib.aclosing(read_spans(engine, spans)) as stretch:
        with contextlib.suppress(TimeoutError, RetentionGap, StopAsyncIteration):
            while True:
                async with asyncio.timeout(SILENCE):
                    item = await anext(stretch)
                if isinstance(item, Received):
                    found[item.lease.topic] += item.records
    return found
