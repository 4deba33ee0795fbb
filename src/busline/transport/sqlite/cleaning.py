"""Retention and compaction: in pieces of one short transaction each, done when a partition has grown."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator

import apsw

from busline.transport.base import TopicSpec
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
    last = "select max(off) + 1 from record where tp=partition.tp"
    first, head = one_row(connection, f"select first, coalesce(({last}), head) from partition where tp=?", tp)
    return first, head


def offset_at_time(connection: apsw.Connection, tp: int, timestamp: int) -> int:
    """Binary search over the key: append times never fall, so no index on them is needed."""
    low, high = partition_bounds(connection, tp)
    while low < high:
        middle = (low + high) // 2
        query = "select coalesce(min(off), -1), ts from record where tp=? and off>=?"  # ts: of the row that has the min
        off, ts = one_row(connection, query, tp, middle)
        if off < 0 or ts >= timestamp:
            high = middle
        else:
            low = off + 1
    (found,) = one_row(connection, "select coalesce(min(off), ?) from record where tp=? and off>=?", low, tp, low)
    return int(found)


def save_head(connection: apsw.Connection, tp: int) -> None:
    """Before a delete that may take the last record: its offset and time must never be given out again."""
    row = connection.execute("select off + 1, ts from record where tp=? order by off desc limit 1", (tp,)).fetchone()
    if row:
        connection.execute("update partition set head=?, ts=? where tp=?", (*row, tp))


def purge(connection: apsw.Connection, tp: int, before: int) -> None:
    first, head = partition_bounds(connection, tp)
    before = max(first, min(before, head))
    save_head(connection, tp)
    connection.execute("update partition set first=? where tp=?", (before, tp))
    connection.execute("delete from record where tp=? and off<?", (tp, before))


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
    what is superseded once is superseded for ever."""
    _, head = partition_bounds(connection, tp)
    cleaned, kept = one_row(connection, "select cleaned, kept from partition where tp=?", tp)
    if head - cleaned < max(COMPACT_AT, kept):
        return
    expired = time.time_ns() // 1_000_000 - TOMBSTONES_KEPT
    superseded = connection.execute(
        "select off from record where tp=?1 and off<?2 and ((value is null and ts<?3) or"
        " off not in (select max(off) from record where tp=?1 group by key))",
        (tp, head, expired),
    ).fetchall()
    save_head(connection, tp)
    for i in range(0, len(superseded), PIECE):
        connection.executemany(
            "delete from record where tp=? and off=?", [(tp, off) for (off,) in superseded[i : i + PIECE]]
        )
        yield
    connection.execute(
        "update partition set cleaned=?2, kept=(select count(*) from record where tp=?1 and off<?2) where tp=?1",
        (tp, head),
    )
    yield


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
