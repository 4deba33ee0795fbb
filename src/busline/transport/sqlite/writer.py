"""The one thread of a process that writes: it takes all that waits in one transaction (group commit, no timer).

Every write first takes a flock on `FILE.lock`: the kernel serves its waiters in turn, where SQLite's own busy handler
sleeps and starves the unlucky. A busy writer keeps it for a short turn, then the next in line has it.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Generic, TypeAlias, TypeVar

import apsw

from busline.errors import BuslineError, NotPublished, PublishUnknown, TransportClosed
from busline.record import Record
from busline.transport.base import Outcome
from busline.transport.partitioner import Partitioner
from busline.transport.sqlite.appending import Appender, Known
from busline.transport.sqlite.cleaning import Cleaner
from busline.transport.sqlite.database import (
    BUSY_MS,
    STORAGE_ERRORS,
    connect,
    create_schema,
    extend_wal,
    storage_failed,
)

logger = logging.getLogger("busline.transport.sqlite")

T = TypeVar("T")
Work: TypeAlias = Callable[[apsw.Connection], T]
LARGEST = 4096
"""Records of one transaction: bounds how long the lock is held."""
CHECKPOINT_PAGES = 2000
CHECKPOINT_BUSY_MS = 100
TURN = 0.01
"""Seconds a busy writer keeps the lock over several transactions: a change of hands empties SQLite's cache."""
LINGER = 0.001
"""Seconds it waits for more with the lock in hand; only after more came as quickly the last time."""
EXTEND_AT = 16
"""Pages in the WAL at which it is laid out in full: who writes little does not pay for it."""


class _Job(Generic[T]):
    """Something to be done inside a transaction, and the future that waits for it."""

    __slots__ = ("future", "loop", "outcome", "weight", "work")

    def __init__(self, work: Work[T] | None, weight: int) -> None:
        self.work, self.weight = work, weight
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = self.loop.create_future()
        self.outcome: T | BaseException | None = None

    def run(self, connection: apsw.Connection, appender: Appender) -> None:
        assert self.work
        appender.flush()  # the work sees what was appended before it
        self.outcome = self.work(connection)

    def fail(self, error: BuslineError, *, unknown: bool) -> None:
        self.outcome = error

    def settle(self) -> None:
        if self.future.done():
            return
        if isinstance(self.outcome, BaseException):
            self.future.set_exception(self.outcome)
        else:
            self.future.set_result(self.outcome)  # type: ignore[arg-type]


class _Append(_Job[list[Outcome]]):
    __slots__ = ("atomic", "records")

    def __init__(self, records: Sequence[Record], atomic: bool) -> None:
        super().__init__(None, len(records))
        self.records, self.atomic = records, atomic

    def run(self, connection: apsw.Connection, appender: Appender) -> None:
        self.outcome = appender.add(self.records, self.atomic)

    def fail(self, error: BuslineError, *, unknown: bool) -> None:
        if unknown:
            self.outcome = [
                PublishUnknown(f"a record was maybe written to {record.topic!r}", why=str(error))
                for record in self.records
            ]
        else:
            self.outcome = [
                NotPublished(f"a record was not published to {record.topic!r}", cause=error) for record in self.records
            ]


class Writer:
    """committed: called in the writer's thread after each commit that appended something."""

    def __init__(self, path: str, committed: Callable[[], None]) -> None:
        self._path, self._committed = path, committed
        self._queue: SimpleQueue[_Job[Any] | None] = SimpleQueue()
        self._choose = Partitioner()
        self._cleaner = Cleaner()
        self._pages = 0
        self._stopping = self._failing = self._closed = self._extended = False
        self._held = self._steady = False
        self._since = 0.0
        self._lock = os.open(f"{path}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            with self._locked():
                self._connection = connect(path)
                self._prepare()
        except BaseException:
            os.close(self._lock)
            raise
        self._thread = Thread(target=self._run, name=f"busline writer {path}", daemon=True)
        self._thread.start()

    def _prepare(self) -> None:
        try:
            self._connection.execute("begin immediate")
            create_schema(self._connection, self._path)
            self._connection.execute("commit")
        except BaseException:
            self._connection.close()
            raise
        self._connection.set_wal_hook(self._count_pages)
        self._known = Known(self._connection)

    def _count_pages(self, connection: apsw.Connection, name: str, pages: int) -> int:
        self._pages = pages
        return apsw.SQLITE_OK

    # from the event loop

    def append(self, records: Sequence[Record], atomic: bool) -> asyncio.Future[list[Outcome]]:
        return self._put(_Append(records, atomic))

    def execute(self, work: Work[T]) -> asyncio.Future[T]:
        """Run `work` inside a transaction. A BuslineError that it raises is its caller's alone, so it raises one
        only before it writes."""
        return self._put(_Job(work, 1))

    def _put(self, job: _Job[T]) -> asyncio.Future[T]:
        if self._closed:
            raise TransportClosed(f"the log in {self._path} is closed")
        self._queue.put(job)
        return job.future

    def close(self) -> None:
        """Finish what waits. Blocks; called in a thread."""
        self._closed = True
        self._queue.put(None)
        self._thread.join()
        self._connection.set_wal_hook(None)
        self._connection.close()
        os.close(self._lock)

    # in the writer's thread

    def _run(self) -> None:
        while jobs := self._take():
            self._transact(jobs)
            self._clean()
            if self._pages > EXTEND_AT and not self._extended:
                self._extend()
            if self._pages > CHECKPOINT_PAGES:
                self._checkpoint()

    def _take(self) -> list[_Job[Any]]:
        """All that waits, up to LARGEST records; waits for the first. Empty at the end."""
        jobs: list[_Job[Any]] = []
        weight = 0
        while weight < LARGEST and not self._stopping:
            try:
                job = self._queue.get_nowait() if jobs else self._first()
            except Empty:
                break
            if job is None:
                self._stopping = True
            elif not job.future.cancelled():
                jobs.append(job)
                weight += job.weight
        return jobs

    def _first(self) -> _Job[Any] | None:
        """Keeps the lock for a publisher that comes back at once, and for nobody else."""
        try:
            job = self._queue.get(timeout=LINGER)
            self._steady = True
        except Empty:
            self._steady = False
            self._unlock()
            job = self._queue.get()
        return job

    def _transact(self, jobs: Sequence[_Job[Any]]) -> None:
        appender = Appender(self._connection, self._known, self._choose)
        committing = False
        try:
            with self._transaction():
                for job in jobs:
                    self._attempt(job, appender)
                appender.flush()
                committing = True
        except Exception as error:
            # a failed sync leaves open whether the last page reached the disk; a full disk has refused it
            unknown = committing and isinstance(error, apsw.IOError)
            failure = storage_failed(self._path, error)
            if not self._failing:  # once, not at every try
                logger.error("%s", failure)
            self._failing = True
            for job in jobs:
                job.fail(failure, unknown=unknown)
            self._answer(jobs)
        else:
            self._failing = False
            self._answer(jobs)
            if appender.grown:
                self._committed()
                self._cleaner.grew(self._connection, appender.grown.items())

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._locked():
            try:
                self._connection.execute("begin immediate")
                self._known.begun()
                yield
                self._connection.execute("commit")
                self._known.committed()
            except BaseException:
                self._known.rolled_back()
                if self._connection.in_transaction:
                    self._connection.execute("rollback")
                raise

    def _clean(self) -> None:
        """Retention and compaction, while nobody waits; at least one piece, so that they keep up."""
        while self._cleaner:
            try:
                with self._transaction():
                    self._cleaner.step()
            except STORAGE_ERRORS as error:
                logger.warning("cleaning %s: %s", self._path, storage_failed(self._path, error))
            if not self._queue.empty():
                return

    def _attempt(self, job: _Job[Any], appender: Appender) -> None:
        try:
            job.run(self._connection, appender)
        except STORAGE_ERRORS:
            raise
        except Exception as error:
            job.outcome = error

    def _answer(self, jobs: Sequence[_Job[Any]]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[_Job[Any]]] = defaultdict(list)
        for job in jobs:
            by_loop[job.loop].append(job)
        for loop, theirs in by_loop.items():
            try:
                loop.call_soon_threadsafe(_settle, theirs)
            except RuntimeError:  # the loop is closed: nobody waits
                pass

    def _extend(self) -> None:
        self._extended = True
        try:
            with self._locked():
                extend_wal(self._path, CHECKPOINT_PAGES + CHECKPOINT_PAGES // 8)
        except OSError as error:  # little space: the WAL grows as it is written, only slower
            logger.debug("laying out the WAL of %s: %s", self._path, error)

    def _checkpoint(self) -> None:
        """By whoever finds the WAL long, holding the lock: beside running writers a PASSIVE one never ends."""
        with self._locked():
            try:
                self._connection.set_busy_timeout(CHECKPOINT_BUSY_MS)
                self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
                self._pages = 0
            except apsw.Error as error:  # a reader is in the way, or the disk is full: the next commit tries again
                logger.debug("checkpoint of %s: %s", self._path, error)
            finally:
                self._connection.set_busy_timeout(BUSY_MS)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if not self._held:
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            self._held, self._since = True, time.monotonic()
        try:
            yield
        finally:
            if not self._steady or time.monotonic() - self._since > TURN:
                self._unlock()

    def _unlock(self) -> None:
        if self._held:
            self._held = False
            fcntl.flock(self._lock, fcntl.LOCK_UN)


def _settle(jobs: Sequence[_Job[Any]]) -> None:
    for job in jobs:
        job.settle()
