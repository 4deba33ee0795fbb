"""Retention and compaction: in pieces of one short transaction each, done when a partition has grown."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator

import apsw

from busline.transport.base import TopicSpec
from busline.transport.sqlite.blocks import Row, block_before, cut, decode, first_record, place_at, replace
from busline.transport.sqlite.database import one_row

PIECE = 2000
"""Records deleted in one transaction."""
INTERVAL = 1.0
"""Seconds between two looks at a partition."""
COMPACT_AT = 1000
"""A partition is compacted when so many records, and as many as were kept, came since the last time."""
TOMBSTONES_KEPT = 86_400_000
"""Milliseconds that a tombstone outlives compaction, so that a slow reader sees the deletion (Kafka's default)."""


def partition_bounds(connection: apsw.Connection, tp: int) -> tuple[int, int]:
    """First kept and next offset."""
    last = "select next from place where tp=partition.tp order by first desc limit 1"
    first, head = one_row(connection, f"select first, coalesce(({last}), head) from partition where tp=?", tp)
    return first, head


def offset_at_time(connection: apsw.Connection, tp: int, timestamp: int) -> int:
    """Binary search over the blocks, each of one append time: times never fall, so no index on them is needed."""
    low, end = partition_bounds(connection, tp)
    high = end
    while low < high:
        middle = (low + high) // 2
        place = place_at(connection, tp, middle)
        if place is None or place.ts >= timestamp:
            high = middle
        else:
            low = place.next
    return first_record(connection, tp, low, end)


def save_head(connection: apsw.Connection, tp: int) -> None:
    """Before a delete that may take the last record: its offset and time must never be given out again."""
    row = connection.execute("select next, ts from place where tp=? order by first desc limit 1", (tp,)).fetchone()
    if row:
        connection.execute("update partition set head=?, ts=? where tp=?", (*row, tp))


def purge(connection: apsw.Connection, tp: int, before: int) -> None:
    first, head = partition_bounds(connection, tp)
    before = max(first, min(before, head))
    save_head(connection, tp)
    connection.execute("update partition set first=? where tp=?", (before, tp))
    cut(connection, tp, before)


def retain(connection: apsw.Connection, tp: int, retention: int) -> Iterator[None]:
    """Delete what is older than `retention` ms. Each step belongs into a transaction of its own."""
    first, _ = partition_bounds(connection, tp)
    end = offset_at_time(connection, tp, time.time_ns() // 1_000_000 - retention)
    while first < end:
        first = min(first + PIECE, end)
        purge(connection, tp, first)
        yield


def compact(connection: apsw.Connection, tp: int) -> Iterator[None]:
    """Keep the latest record of each key, and tombstones for a day. Each step belongs into its own transaction:
    what is superseded once is superseded for ever. From the end to the beginning; the tombstones go last, when nothing
    is left that they delete."""
    _, head = partition_bounds(connection, tp)
    cleaned, kept = one_row(connection, "select cleaned, kept from partition where tp=?", tp)
    if head - cleaned < max(COMPACT_AT, kept):
        return
    save_head(connection, tp)
    latest = _Latest(time.time_ns() // 1_000_000 - TOMBSTONES_KEPT)
    before = head
    while before > 0:
        before = latest.sweep(connection, tp, before)
        yield
    for first in latest.expired:
        latest.bury(connection, tp, first)
        yield
    connection.execute("update partition set cleaned=?, kept=? where tp=?", (head, latest.kept, tp))
    yield


class _Latest:
    """The keys met so far, from the end; expired: first offsets of the blocks with tombstones older than `before`."""

    def __init__(self, before: int) -> None:
        self._before = before
        self._keys: set[bytes | None] = set()
        self.expired: list[int] = []
        self.kept = 0

    def sweep(self, connection: apsw.Connection, tp: int, before: int) -> int:
        """Up to a PIECE of records of the blocks that begin before an offset; returns where to go on, 0 at the end."""
        seen = 0
        while seen < PIECE:
            block = block_before(connection, tp, before)
            if block is None:
                return 0
            rows = decode(block.data)
            kept = self._newest(rows)
            if len(kept) < len(rows):
                replace(connection, tp, block, kept)
            if block.ts < self._before and any(row[3] is None for row in kept):
                self.expired.append(block.first)
            self.kept += len(kept)
            seen, before = seen + len(rows), block.first
        return before

    def _newest(self, rows: list[Row]) -> list[Row]:
        kept = []
        for row in reversed(rows):
            if row[1] not in self._keys:
                self._keys.add(row[1])
                kept.append(row)
        return kept[::-1]

    def bury(self, connection: apsw.Connection, tp: int, first: int) -> None:
        block = block_before(connection, tp, first + 1)
        if block and block.first == first:
            rows = decode(block.data)
            kept = [row for row in rows if row[3] is not None]
            replace(connection, tp, block, kept)
            self.kept -= len(rows) - len(kept)


class Cleaner:
    """What is to be cleaned next. In the writer's thread."""

    def __init__(self) -> None:
        self._looked: dict[int, float] = {}
        self._chores: deque[Iterator[None]] = deque()

    def __bool__(self) -> bool:
        return bool(self._chores)

    def grew(self, connection: apsw.Connection, partitions: Iterable[tuple[int, TopicSpec]]) -> None:
        now = time.monotonic()
        for tp, spec in partitions:
            if spec.retention is None and not spec.compacted:
                continue
            if now - self._looked.get(tp, -INTERVAL) >= INTERVAL:
                self._looked[tp] = now
                if spec.retention is not None:
                    self._chores.append(retain(connection, tp, spec.retention))
                if spec.compacted:
                    self._chores.append(compact(connection, tp))

    def step(self) -> None:
        """One piece of the first chore. When it raises, the chore is dropped: growth brings it again."""
        chore = self._chores.popleft()
        try:
            next(chore)
        except StopIteration:
            return
        self._chores.appendleft(chore)
