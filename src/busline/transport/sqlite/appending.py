"""From waiting appends to rows: offsets and times are given out once a partition and transaction."""

from __future__ import annotations

import time
from collections.abc import Sequence

import apsw

from busline.errors import NotPublished
from busline.record import Position, Record
from busline.transport.base import Outcome, TopicSpec
from busline.transport.log import refusal, refuse
from busline.transport.partitioner import Partitioner
from busline.transport.sqlite.database import one_row
from busline.transport.sqlite.headers import encode_headers


class Topic:
    """A topic's specification and the ids of its partitions: never changed once created."""

    __slots__ = ("ids", "spec")

    def __init__(self, spec: TopicSpec, ids: Sequence[int]) -> None:
        self.spec, self.ids = spec, ids


class _Head:
    """The end of one partition inside a transaction."""

    __slots__ = ("next", "spec", "timestamp", "tp")

    def __init__(self, tp: int, spec: TopicSpec, position: int, timestamp: int) -> None:
        self.tp, self.spec, self.next, self.timestamp = tp, spec, position, timestamp


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
    """The rows of one transaction. `topics` outlives it. grown: the partitions (tp) written to, with their topic."""

    def __init__(self, connection: apsw.Connection, topics: dict[str, Topic], choose: Partitioner) -> None:
        self._connection, self._topics, self._choose = connection, topics, choose
        self._heads: dict[int, _Head] = {}
        self._rows: list[tuple[int, int, int, bytes | None, bytes, bytes | None]] = []
        self.grown: dict[int, TopicSpec] = {}
        self._now = time.time_ns() // 1_000_000

    def add(self, records: Sequence[Record], atomic: bool) -> list[Outcome]:
        """One outcome a record, in order. Whatever it raises, nothing of these records is kept."""
        before = len(self._rows)
        try:
            outcomes: list[Outcome] = [self._place(record) for record in records]
        except BaseException:
            del self._rows[before:]
            raise
        if atomic and (first := next((o for o in outcomes if isinstance(o, NotPublished)), None)):
            del self._rows[before:]  # the offsets stay free: a gap, as compaction leaves them
            return [
                outcome if isinstance(outcome, NotPublished) else refuse(record, first)
                for outcome, record in zip(outcomes, records, strict=True)
            ]
        return outcomes

    def _place(self, record: Record) -> Position | NotPublished:
        name, key, value, headers, partition = record
        topic = self._topics.get(name) or self._load(name)
        if topic is None or headers or partition is not None or key is None:
            if refused := refusal(record, topic.spec if topic else None):
                return refused
            assert topic
            blob = encode_headers(headers)
        else:
            if len(key) + len(value or b"") > topic.spec.max_record:
                return refusal(record, topic.spec)  # type: ignore[return-value]
            blob = b""
        if partition is None:
            partition = self._choose(key, len(topic.ids))
        tp = topic.ids[partition]
        head = self._heads.get(tp) or self._head(tp, topic.spec)
        offset = head.next
        head.next = offset + 1
        self._rows.append((tp, offset, head.timestamp, key, blob, value))
        return Position(name, partition, offset)

    def _load(self, name: str) -> Topic | None:
        if topic := load_topic(self._connection, name):
            self._topics[name] = topic
        return topic

    def _head(self, tp: int, spec: TopicSpec) -> _Head:
        """After the last record, or where the partition says when it holds none."""
        row = self._connection.execute(
            "select off + 1, ts from record where tp=? order by off desc limit 1", (tp,)
        ).fetchone()
        position, ts = row or one_row(self._connection, "select head, ts from partition where tp=?", tp)
        head = self._heads[tp] = _Head(tp, spec, position, max(ts, self._now))
        return head

    def flush(self) -> None:
        """Write what was added."""
        if self._rows:
            self._connection.executemany("insert into record values(?,?,?,?,?,?)", self._rows)
            self.grown |= {head.tp: head.spec for head in self._heads.values()}
            self._rows, self._heads = [], {}
