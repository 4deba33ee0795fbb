"""From waiting appends to rows: offsets and times are given out once a partition and transaction."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import apsw

from busline.record import Position, Record
from busline.transport.base import Outcome, TopicSpec
from busline.transport.log import refusal, refuse
from busline.transport.partitioner import Partitioner
from busline.transport.sqlite.database import one_row
from busline.transport.sqlite.headers import encode_headers


@dataclass(slots=True)
class Head:
    """The end of one partition inside a transaction."""

    tp: int
    next: int
    timestamp: int
    added: int = 0


def load_topic(connection: apsw.Connection, name: str) -> TopicSpec | None:
    row = connection.execute(
        "select name, partitions, compacted, retention, max_record from topic where name=?", (name,)
    ).fetchone()
    return spec_of(row) if row else None


def spec_of(row: tuple[str, int, int, int | None, int]) -> TopicSpec:
    name, partitions, compacted, retention, max_record = row
    return TopicSpec(
        name=name, partitions=partitions, compacted=bool(compacted), retention=retention, max_record=max_record
    )


class Appender:
    """The rows of one transaction. Topics never change once created, so `specs` outlives it."""

    def __init__(self, connection: apsw.Connection, specs: dict[str, TopicSpec], choose: Partitioner) -> None:
        self._connection, self._specs, self._choose = connection, specs, choose
        self._heads: dict[tuple[str, int], Head] = {}
        self._rows: list[tuple[int, int, int, bytes | None, bytes, bytes | None]] = []
        self._now = time.time_ns() // 1_000_000

    def add(self, records: Sequence[Record], atomic: bool) -> list[Outcome]:
        refusals = [refusal(record, self._spec(record.topic)) for record in records]
        if atomic and (first := next((refused for refused in refusals if refused), None)):
            return [refused or refuse(record, first) for refused, record in zip(refusals, records, strict=True)]
        blobs = [encode_headers(record.headers) for record in records]
        outcomes: list[Outcome] = []
        for record, refused, headers in zip(records, refusals, blobs, strict=True):
            outcomes.append(refused or self._place(record, headers))
        return outcomes

    def _spec(self, topic: str) -> TopicSpec | None:
        spec = self._specs.get(topic)
        if spec is None and (spec := load_topic(self._connection, topic)):
            self._specs[topic] = spec
        return spec

    def _place(self, record: Record, headers: bytes) -> Position:
        topic, key, value, _, partition = record
        if partition is None:
            partition = self._choose(key, self._specs[topic].partitions)
        head = self._heads.get((topic, partition)) or self._head(topic, partition)
        offset = head.next
        head.next = offset + 1
        self._rows.append((head.tp, offset, head.timestamp, key, headers, value))
        return Position(topic, partition, offset)

    def _head(self, topic: str, partition: int) -> Head:
        tp, head, ts = one_row(
            self._connection, "select tp, head, ts from partition where topic=? and part=?", topic, partition
        )
        self._heads[topic, partition] = new = Head(tp, head, max(ts, self._now))
        return new

    def flush(self) -> set[str]:
        """Write what was added; the topics it went to."""
        if not self._rows:
            return set()
        first = {row[0]: row[1] for row in reversed(self._rows)}
        self._connection.executemany("insert into record values(?,?,?,?,?,?)", self._rows)
        self._connection.executemany(
            "update partition set head=?, ts=?, dirty=dirty+? where tp=?",
            [(head.next, head.timestamp, head.next - first[head.tp], head.tp) for head in self._heads.values()],
        )
        touched = {topic for topic, _ in self._heads}
        self._rows, self._heads = [], {}
        return touched
