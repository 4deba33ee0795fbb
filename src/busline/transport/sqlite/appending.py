"""From waiting appends to rows: offsets and times are given out once a partition and transaction."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import apsw

from busline.errors import NotPublished
from busline.record import Position, Record
from busline.transport.base import Outcome, TopicSpec
from busline.transport.log import refusal, refuse
from busline.transport.partitioner import Partitioner, partition_for
from busline.transport.sqlite.blocks import BLOCK_BYTES, LARGEST_BLOCK, Row, encode
from busline.transport.sqlite.database import one_row
from busline.transport.sqlite.headers import encode_headers

TOPICS_KEPT = 0.5
"""Seconds after which the writer looks topics up again: their retention and max_record may have been altered."""


class Topic:
    """A topic's specification and the ids of its partitions."""

    __slots__ = ("ids", "max_record", "partitions", "spec")

    def __init__(self, spec: TopicSpec, ids: Sequence[int]) -> None:
        self.spec, self.ids = spec, ids
        self.partitions, self.max_record = len(ids), spec.max_record


class _Head:
    """The end of one partition, and the rows that wait to be written there."""

    __slots__ = ("next", "rows", "timestamp", "tp", "written")

    def __init__(self, tp: int, position: int, timestamp: int) -> None:
        self.tp, self.next, self.written, self.timestamp = tp, position, position, timestamp
        self.rows: list[tuple[bytes | None, bytes, bytes | None]] = []

    def blocks(self) -> Iterator[tuple[int, int, bytes]]:
        """What waits, as (first, next, bytes)."""
        begin = 0
        while begin < len(self.rows):
            rows: list[Row] = []
            size = 0
            for key, headers, value in self.rows[begin : begin + LARGEST_BLOCK]:
                rows.append((len(rows), key, headers, value))
                size += len(key or b"") + len(headers) + len(value or b"")
                if size > BLOCK_BYTES:
                    break
            first = self.written + begin
            begin += len(rows)
            yield first, self.written + begin, encode(rows)


class Known:
    """What the writer knows between its transactions: topics for a while, heads until somebody else writes."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._version = -1
        self._loaded = 0.0
        self.topics: dict[str, Topic] = {}
        self.heads: dict[int, _Head] = {}
        self.block: int | None = None

    def begun(self) -> None:
        """Inside a transaction: it shows whether another connection has committed since our last one."""
        if self._connection.data_version() != self._version:
            self.heads.clear()
            self.block = None
        if (now := time.monotonic()) - self._loaded > TOPICS_KEPT:
            self._loaded = now
            self.topics.clear()

    def committed(self) -> None:
        self._version = self._connection.data_version()

    def rolled_back(self) -> None:
        self.heads.clear()
        self.block = None
        self.topics.clear()

    def last_block(self, connection: apsw.Connection) -> int:
        """The greatest id that is in use."""
        if self.block is not None:
            return self.block
        (last,) = one_row(connection, "select coalesce(max(id), 0) from block")
        self.block = last
        return int(last)


def spec_of(row: tuple[str, int, int, int | None, int]) -> TopicSpec:
    name, partitions, compacted, retention, max_record = row
    return TopicSpec(
        name=name, partitions=partitions, compacted=bool(compacted), retention=retention, max_record=max_record
    )


def load_topic(connection: apsw.Connection, name: str) -> Topic | None:
    row = connection.execute(
        "select name, partitions, compacted, retention, max_record from topic where name=?", (name,)
    ).fetchone()
    if row is None:
        return None
    ids = connection.execute("select tp from partition where topic=? order by part", (name,))
    return Topic(spec_of(row), [tp for (tp,) in ids])


class Appender:
    """The rows of one transaction. grown: the partitions (tp) written to, with their topic."""

    def __init__(self, connection: apsw.Connection, known: Known, choose: Partitioner) -> None:
        self._connection, self._known, self._choose = connection, known, choose
        self._topics = known.topics
        self._heads: dict[int, _Head] = {}
        self.grown: dict[int, TopicSpec] = {}
        self._now = time.time_ns() // 1_000_000

    def add(self, records: Sequence[Record], atomic: bool) -> list[Outcome]:
        """One outcome a record, in order. All are looked at before the first is placed: placing cannot fail."""
        checked = [self._check(record) for record in records]
        if atomic and (first := next((refused for refused in checked if isinstance(refused, NotPublished)), None)):
            return [
                refused if isinstance(refused, NotPublished) else refuse(record, first)
                for refused, record in zip(checked, records, strict=True)
            ]
        heads = self._heads
        outcomes: list[Outcome] = []
        for record, headers in zip(records, checked, strict=True):  # inline: this loop is most of a large batch's time
            if isinstance(headers, NotPublished):
                outcomes.append(headers)
                continue
            name, key, value, _, partition = record
            topic = self._topics[name]
            if partition is None:
                partition = partition_for(key, topic.partitions) if key else self._choose(key, topic.partitions)
            tp = topic.ids[partition]
            head = heads.get(tp) or self._head(tp, topic.spec)
            head.rows.append((key, headers, value))
            offset = head.next
            head.next = offset + 1
            outcomes.append(tuple.__new__(Position, (name, partition, offset)))  # half the time of Position(...)
        return outcomes

    def _check(self, record: Record) -> bytes | NotPublished:
        """The headers as they are stored, or why the record is refused."""
        name, key, value, headers, partition = record
        topic = self._topics.get(name) or self._load(name)
        if (  # the plain case
            topic
            and key is not None
            and partition is None
            and not headers
            and len(key) + len(value or b"") <= topic.max_record
        ):
            return b""
        return refusal(record, topic.spec if topic else None) or encode_headers(headers)

    def _load(self, name: str) -> Topic | None:
        if topic := load_topic(self._connection, name):
            self._topics[name] = topic
        return topic

    def _head(self, tp: int, spec: TopicSpec) -> _Head:
        head = self._known.heads.get(tp) or self._load_head(tp)
        head.timestamp = max(head.timestamp, self._now)
        self._heads[tp], self.grown[tp] = head, spec
        return head

    def _load_head(self, tp: int) -> _Head:
        """After the last record, or where the partition says when it holds none."""
        row = self._connection.execute(
            "select next, ts from place where tp=? order by first desc limit 1", (tp,)
        ).fetchone()
        position, ts = row or one_row(self._connection, "select head, ts from partition where tp=?", tp)
        head = self._known.heads[tp] = _Head(tp, position, ts)
        return head

    def flush(self) -> None:
        """Write what was added, in blocks."""
        heads = self._heads.values()
        if heads:
            places, blocks = [], []
            last = self._known.last_block(self._connection)
            for head in heads:
                for first, following, data in head.blocks():
                    last += 1
                    places.append((head.tp, first, following, head.timestamp, last))
                    blocks.append((last, data))
                head.rows, head.written = [], head.next
            self._connection.executemany("insert into block values(?,?)", blocks)
            self._connection.executemany("insert into place values(?,?,?,?,?)", places)
            self._known.block = last
        self._heads = {}
