"""memory://: a log in this process, for tests and for trying things out.

`memory://name` is shared by all transports of that name in the process and lives as long as it does; `memory://` is
its transport's own.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from threading import RLock

from busline.errors import TransportError
from busline.record import Position, Positions, Record, StoredRecord, TopicPartition
from busline.transport.base import Bounds, Features, Outcome, TopicSpec
from busline.transport.log import FETCH_BYTES, FETCH_TOTAL, Change, refusal, refuse, run_bytes, unknown_topic
from busline.transport.log_transport import TTL, LogTransport
from busline.transport.members import Versioned
from busline.transport.partitioner import Partitioner

FEATURES = Features(durable="process")
COMPACT_AT = 1000
"""A compacted partition is compacted when so many records, and as many as it kept, came since the last time."""
TOMBSTONES_KEPT = 86_400_000
"""Milliseconds that a tombstone outlives compaction, so that a slow reader sees the deletion (Kafka's default)."""


class _Partition:
    """Records in order of offset; compaction and retention leave gaps, so offsets are searched, not indexed."""

    __slots__ = ("first", "kept", "next", "records", "spec", "timestamp")

    def __init__(self, spec: TopicSpec) -> None:
        self.spec = spec
        self.records: list[StoredRecord] = []
        self.first = self.next = self.timestamp = self.kept = 0

    def append(self, record: Record, now: int) -> int:
        """Append times never fall inside a partition, whatever the clock does: at_time searches them."""
        offset = self.next
        self.timestamp = max(self.timestamp, now)
        self.records.append(StoredRecord(offset, self.timestamp, record.key, record.value, record.headers))
        self.next = offset + 1
        return offset

    def index(self, offset: int) -> int:
        return bisect_left(self.records, offset, key=lambda record: record.offset)

    def fetch(self, offset: int, max_records: int) -> list[StoredRecord]:
        start = self.index(offset)
        run = self.records[start : start + max_records]
        size = 0
        for i, record in enumerate(run):
            size += len(record.value or b"")
            if size > FETCH_BYTES:
                return run[: i + 1]
        return run

    def at_time(self, timestamp: int) -> int:
        i = bisect_left(self.records, timestamp, key=lambda record: record.timestamp)
        return self.records[i].offset if i < len(self.records) else self.next

    def purge(self, before: int) -> None:
        self.first = max(self.first, min(before, self.next))
        del self.records[: self.index(self.first)]

    def clean(self, now: int) -> None:
        """Retention and compaction; amortised, each record is looked at a bounded number of times."""
        retention = self.spec.retention
        if retention is not None and self.records and self.records[0].timestamp < now - retention:
            self.purge(self.at_time(now - retention))
        if self.spec.compacted and len(self.records) - self.kept >= max(COMPACT_AT, self.kept):
            latest = {record.key: record.offset for record in self.records}
            self.records = [record for record in self.records if self._survives(record, latest, now)]
            self.kept = len(self.records)

    @staticmethod
    def _survives(record: StoredRecord, latest: Mapping[bytes | None, int], now: int) -> bool:
        current = latest[record.key] == record.offset
        return current and (record.value is not None or record.timestamp > now - TOMBSTONES_KEPT)


class MemoryLog:
    """The log of one name. A lock guards it, as transports of several threads may share it; nothing waits inside."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._specs: dict[str, TopicSpec] = {}
        self._partitions: dict[tuple[str, int], _Partition] = {}
        self._slots: dict[str, Versioned] = {}
        self._listeners: dict[object, tuple[asyncio.AbstractEventLoop, Callable[[Change], None]]] = {}
        self._choose = Partitioner()

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def topics(self) -> dict[str, TopicSpec]:
        return self._specs

    async def create(self, specs: Sequence[TopicSpec]) -> None:
        with self._lock:
            for spec in specs:
                if spec.name not in self._specs:
                    self._specs[spec.name] = spec
                    self._partitions |= {(spec.name, i): _Partition(spec) for i in range(spec.partitions)}

    async def alter(self, specs: Sequence[TopicSpec]) -> None:
        with self._lock:
            for spec in specs:
                self._of(spec.name)
            for spec in specs:
                there = self._specs[spec.name]
                self._specs[spec.name] = replace(there, retention=spec.retention, max_record=spec.max_record)
                for partition in self._of(spec.name).values():
                    partition.spec = self._specs[spec.name]

    def append(self, records: Sequence[Record], *, atomic: bool = False) -> asyncio.Future[list[Outcome]]:
        """Written before it is awaited; the future is done one turn of the loop later, so that a publisher in a
        plain loop lets the others run."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[list[Outcome]] = loop.create_future()
        with self._lock:
            outcomes = self._append(records, atomic)
        self._tell("records")
        loop.call_soon(_resolve, done, outcomes)
        return done

    def _append(self, records: Sequence[Record], atomic: bool) -> list[Outcome]:
        refusals = [refusal(record, self._specs.get(record.topic)) for record in records]
        if atomic and (first := next((refused for refused in refusals if refused), None)):
            return [refused or refuse(record, first) for refused, record in zip(refusals, records, strict=True)]
        now = time.time_ns() // 1_000_000
        outcomes: list[Outcome] = []
        touched = set()
        for record, refused in zip(records, refusals, strict=True):
            if refused:
                outcomes.append(refused)
                continue
            place = record.partition
            if place is None:
                place = self._choose(record.key, self._specs[record.topic].partitions)
            partition = self._partitions[record.topic, place]
            outcomes.append(Position(record.topic, place, partition.append(record, now)))
            touched.add(partition)
        for partition in touched:
            partition.clean(now)
        return outcomes

    async def fetch(self, positions: Positions, max_records: int) -> dict[TopicPartition, Sequence[StoredRecord]]:
        await asyncio.sleep(0)
        out: dict[TopicPartition, Sequence[StoredRecord]] = {}
        size = 0
        with self._lock:
            for tp, offset in positions.items():
                if run := self._partitions[tp].fetch(offset, max_records):
                    out[tp] = run
                    size += run_bytes(run)
                    if size > FETCH_TOTAL:
                        break
        return out

    async def bounds(self, topic: str) -> dict[int, Bounds]:
        return {i: Bounds(partition.first, partition.next) for i, partition in self._of(topic).items()}

    async def at_time(self, topic: str, timestamp: int) -> dict[int, int]:
        return {i: partition.at_time(timestamp) for i, partition in self._of(topic).items()}

    async def purge(self, topic: str, before: Mapping[int, int]) -> None:
        partitions = self._of(topic)
        with self._lock:
            for i, offset in before.items():
                if i not in partitions:
                    raise TransportError(f"partition {i} is not one of {topic!r}")
                partitions[i].purge(offset)

    def _of(self, topic: str) -> dict[int, _Partition]:
        if topic not in self._specs:
            raise unknown_topic(topic)
        return {i: self._partitions[topic, i] for i in range(self._specs[topic].partitions)}

    async def list(self, prefix: str) -> dict[str, Versioned]:
        with self._lock:
            return {key: entry for key, entry in self._slots.items() if key.startswith(prefix)}

    async def cas(self, key: str, revision: int, value: bytes | None) -> bool:
        with self._lock:
            current = self._slots[key].revision if key in self._slots else 0
            if current != revision:
                return False
            if value is None:
                self._slots.pop(key, None)
            else:
                self._slots[key] = Versioned(value, revision + 1)
            return True

    def member_name(self) -> str:
        return uuid.uuid4().hex

    def gone(self, member: str) -> bool:
        return False

    def nudge(self) -> None:
        self._tell("groups")

    def listen(self, callback: Callable[[Change], None]) -> Callable[[], None]:
        token = object()
        self._listeners[token] = (asyncio.get_running_loop(), callback)
        return lambda: self._listeners.pop(token, None) and None

    def _tell(self, change: Change) -> None:
        here = asyncio.get_running_loop()
        for loop, callback in list(self._listeners.values()):
            if loop is here:
                callback(change)
            elif not loop.is_closed():
                loop.call_soon_threadsafe(callback, change)


def _resolve(done: asyncio.Future[list[Outcome]], outcomes: list[Outcome]) -> None:
    if not done.done():
        done.set_result(outcomes)


_SHARED: dict[str, MemoryLog] = {}


class MemoryTransport(LogTransport):
    """name: shared by all of that name in the process; None: its own. ttl: see LogTransport."""

    def __init__(self, name: str | None = None, *, ttl: float = TTL) -> None:
        log = _SHARED.setdefault(name, MemoryLog()) if name else MemoryLog()
        super().__init__(log, FEATURES, ttl=ttl)
