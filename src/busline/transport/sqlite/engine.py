"""sqlite://: a durable log in one file, shared by the processes of one machine."""

from __future__ import annotations

import asyncio
import socket
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

import apsw

from busline.errors import StorageFailed, TransportError
from busline.record import Positions, Record, StoredRecord, TopicPartition
from busline.transport.base import Bounds, Features, Outcome, TopicSpec
from busline.transport.log import FETCH_BYTES, FETCH_TOTAL, Change, run_bytes, unknown_topic
from busline.transport.log_transport import TTL, LogTransport
from busline.transport.members import Versioned
from busline.transport.sqlite.appending import load_topic, spec_of
from busline.transport.sqlite.blocks import PLACED, records
from busline.transport.sqlite.cleaning import offset_at_time, partition_bounds, purge
from busline.transport.sqlite.database import connect, create_file, storage_errors
from busline.transport.sqlite.wake import Wake
from busline.transport.sqlite.writer import Writer

FEATURES = Features(durable="disk")
POLL = 0.25
"""Seconds between looks at the file's version: the net under lost datagrams."""
T = TypeVar("T")


class SqliteLog:
    """One process's part in a file: a writer thread, a reader thread, a socket."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._specs: dict[str, TopicSpec] = {}
        self._ids: dict[TopicPartition, int] = {}
        self._listeners: dict[object, Callable[[Change], None]] = {}
        self._listening = False
        self._incoming: socket.socket | None = None
        self._version: int | None = None

    async def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="busline reader")
        try:
            await self._in_thread(self._open)
        except BaseException:
            self._thread.shutdown(wait=False)
            raise
        self._polling = asyncio.create_task(self._poll(), name=f"busline poll {self._path}")

    def _open(self) -> None:
        create_file(self._path)
        self._wake = Wake(self._path)
        try:
            self._writer = Writer(self._path, self._committed)
        except BaseException:
            self._wake.close()
            raise
        try:
            self._reader = connect(self._path, readonly=True)
        except BaseException:
            self._writer.close()
            self._wake.close()
            raise

    async def close(self) -> None:
        self._polling.cancel()
        await asyncio.gather(self._polling, return_exceptions=True)
        if self._incoming:
            self._loop.remove_reader(self._incoming)
        await self._in_thread(self._close)
        self._thread.shutdown()

    def _close(self) -> None:
        self._writer.close()
        self._reader.close()
        self._wake.close()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        with storage_errors(self._path):
            return await self._loop.run_in_executor(self._thread, work)

    # change

    def _committed(self) -> None:
        """In the writer's thread."""
        self._wake.send("records")
        if self._listeners:
            with suppress(RuntimeError):  # the loop is closed: nobody listens
                self._loop.call_soon_threadsafe(self._tell, "records")

    def _woken(self) -> None:
        for change in self._wake.receive():
            self._tell(change)

    def _tell(self, change: Change) -> None:
        for callback in list(self._listeners.values()):
            callback(change)

    def member_name(self) -> str:
        return f"{self._wake.name}.{uuid.uuid4().hex}"

    def gone(self, member: str) -> bool:
        return self._wake.gone(member.partition(".")[0])

    def nudge(self) -> None:
        self._wake.send("groups")
        self._tell("groups")

    def listen(self, callback: Callable[[Change], None]) -> Callable[[], None]:
        if not self._listening:
            self._listening = True
            if incoming := self._wake.listen():
                self._incoming = incoming
                self._loop.add_reader(incoming, self._woken)
        token = object()
        self._listeners[token] = callback
        return lambda: self._listeners.pop(token, None) and None

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL)
            if not self._listeners:
                continue
            with suppress(StorageFailed):  # whoever reads will say so
                version = await self._in_thread(lambda: self._reader.pragma("data_version"))
                if version != self._version:
                    self._version = version
                    self._tell("records")

    # topics

    async def topics(self) -> dict[str, TopicSpec]:
        return await self._in_thread(self._load)

    def _load(self) -> dict[str, TopicSpec]:
        rows = self._reader.execute("select name, partitions, compacted, retention, max_record from topic")
        self._specs = {spec.name: spec for spec in map(spec_of, rows)}
        for topic, partition, tp in self._reader.execute("select topic, part, tp from partition"):
            self._ids[TopicPartition(topic, partition)] = tp
        return self._specs

    async def create(self, specs: Sequence[TopicSpec]) -> None:
        await self._writer.execute(lambda connection: _create(connection, specs))

    async def alter(self, specs: Sequence[TopicSpec]) -> None:
        await self._writer.execute(lambda connection: _alter(connection, specs))

    def _partitions(self, topic: str) -> dict[int, int]:
        """tp by partition. In the reader's thread."""
        if topic not in self._specs and topic not in self._load():
            raise unknown_topic(topic)
        return {i: self._ids[TopicPartition(topic, i)] for i in range(self._specs[topic].partitions)}

    def _id(self, tp: TopicPartition) -> int:
        return self._ids[tp] if tp in self._ids else self._partitions(tp.topic)[tp.partition]

    # records

    def append(self, records: Sequence[Record], *, atomic: bool = False) -> asyncio.Future[list[Outcome]]:
        return self._writer.append(records, atomic)

    async def fetch(self, positions: Positions, max_records: int) -> dict[TopicPartition, Sequence[StoredRecord]]:
        def fetch() -> dict[TopicPartition, Sequence[StoredRecord]]:
            out: dict[TopicPartition, Sequence[StoredRecord]] = {}
            size = 0
            for tp, offset in positions.items():
                if run := self._run(self._id(tp), offset, max_records):
                    out[tp] = run
                    size += run_bytes(run)
                    if size > FETCH_TOTAL:
                        break
            return out

        return await self._in_thread(fetch)

    def _run(self, tp: int, offset: int, limit: int) -> list[StoredRecord]:
        cursor = self._reader.execute(
            f"select place.first, ts, data {PLACED} where tp=?1 and place.first >= coalesce("
            "(select max(first) from place where tp=?1 and first<=?2), ?2) order by place.first",
            (tp, offset),
        )
        run: list[StoredRecord] = []
        size = 0
        for first, ts, data in cursor:
            for record in records(first, ts, data):
                if record.offset < offset:
                    continue
                run.append(record)
                size += len(record.value or b"")
                if size > FETCH_BYTES or len(run) >= limit:
                    cursor.close()  # ends the read transaction, which a checkpoint would wait for
                    return run
        return run

    async def bounds(self, topic: str) -> dict[int, Bounds]:
        def bounds() -> dict[int, Bounds]:
            return {i: Bounds(*partition_bounds(self._reader, tp)) for i, tp in self._partitions(topic).items()}

        return await self._in_thread(bounds)

    async def at_time(self, topic: str, timestamp: int) -> dict[int, int]:
        def at_time() -> dict[int, int]:
            return {i: offset_at_time(self._reader, tp, timestamp) for i, tp in self._partitions(topic).items()}

        return await self._in_thread(at_time)

    async def purge(self, topic: str, before: Mapping[int, int]) -> None:
        partitions = await self._in_thread(lambda: self._partitions(topic))
        for i in before:
            if i not in partitions:
                raise TransportError(f"partition {i} is not one of {topic!r}")
        for i, offset in before.items():
            await self._writer.execute(lambda c, tp=partitions[i], off=offset: purge(c, tp, off))  # type: ignore[misc]

    # the store of members

    async def list(self, prefix: str) -> dict[str, Versioned]:
        def slots() -> dict[str, Versioned]:
            rows = self._reader.execute(
                "select name, value, rev from slot where name>=? and name<?", (prefix, prefix + "\U0010ffff")
            )
            return {name: Versioned(value, rev) for name, value, rev in rows}

        return await self._in_thread(slots)

    async def cas(self, key: str, revision: int, value: bytes | None) -> bool:
        return await self._writer.execute(lambda connection: _cas(connection, key, revision, value))


def _create(connection: apsw.Connection, specs: Sequence[TopicSpec]) -> None:
    for spec in specs:
        connection.execute(
            "insert or ignore into topic values(?,?,?,?,?)",
            (spec.name, spec.partitions, spec.compacted, spec.retention, spec.max_record),
        )
        if connection.changes():
            rows = [(spec.name, i) for i in range(spec.partitions)]
            connection.executemany("insert into partition(topic, part) values(?,?)", rows)


def _alter(connection: apsw.Connection, specs: Sequence[TopicSpec]) -> None:
    for spec in specs:
        if load_topic(connection, spec.name) is None:
            raise unknown_topic(spec.name)
    connection.executemany(
        "update topic set retention=?, max_record=? where name=?",
        [(spec.retention, spec.max_record, spec.name) for spec in specs],
    )


def _cas(connection: apsw.Connection, key: str, revision: int, value: bytes | None) -> bool:
    row = connection.execute("select rev from slot where name=?", (key,)).fetchone()
    if (row[0] if row else 0) != revision:
        return False
    if value is None:
        connection.execute("delete from slot where name=?", (key,))
    else:
        connection.execute("insert or replace into slot values(?,?,?)", (key, value, revision + 1))
    return True


class SqliteTransport(LogTransport):
    """path: the file, created with mode 0600 if it is missing, as are its folders. ttl: see LogTransport."""

    def __init__(self, path: str, *, ttl: float = TTL) -> None:
        super().__init__(SqliteLog(path), FEATURES, ttl=ttl)
