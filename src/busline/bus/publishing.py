"""From events to records, and from single publishes to batches.

An `Outlet` turns the events of one contract into records; whatever does not change from event to event is made once.
The `Outbox` hands the engine, in one call, all records that were published in the same turn of the event loop: many
tasks that publish one event each cost the engine one batch, and a lone publish waits for nobody.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, NamedTuple, TypeVar

from busline.bus.cloudevents import Stamp, UserHeaders, checked_headers
from busline.contract.event import Deleted
from busline.errors import BuslineError, NotPublished, PublishFailed, PublishUnknown, TransportClosed
from busline.names import ContractName
from busline.record import Headers, Position, Record
from busline.transport.base import Outcome, Transport

CHUNK: Final = 256
"""Records that a stream hands over at a time; the event loop gets its turn after each."""
WINDOW: Final = 2_048
"""Records that a stream has under way before `send` waits: what is long under way is what the collector walks over."""
MAX_FAILURES: Final = 1_000
"""Outcomes that a stream remembers; the others are only counted."""

E = TypeVar("E")


@dataclass(frozen=True, kw_only=True)
class Outlet(Generic[E]):
    """How events of one contract become records. prefix: the schema reference in front of every value."""

    contract: ContractName
    topic: str
    prefix: bytes
    encode: Callable[[E], bytes]
    key: Callable[[Any], bytes | None]
    event_id: Callable[[E], str]
    stamp: Stamp

    def record(self, event: E, extra: Headers = ()) -> Record:
        """The event as it is published now. Raises EncodeError."""
        value = self.prefix + self.encode(event)
        return Record(self.topic, self.key(event), value, self.stamp.headers(self.event_id(event).encode(), extra))

    def record_at(self, event: E, event_id: bytes | None, when: dt.datetime | None, extra: Headers) -> Record:
        """The event with an id or a time of the caller's. Raises EncodeError."""
        value = self.prefix + self.encode(event)
        event_id = event_id or self.event_id(event).encode()
        return Record(self.topic, self.key(event), value, self._headers(event_id, when, extra))

    def deletion(
        self, gone: Deleted, extra: Headers = (), event_id: bytes | None = None, when: dt.datetime | None = None
    ) -> Record:
        """A tombstone. For the outlet of a contract's name, whose events are dicts."""
        event_id = event_id or gone.event_id.encode()
        return Record(self.topic, self.key(gone.key), None, self._headers(event_id, when, extra))

    def _headers(self, event_id: bytes, when: dt.datetime | None, extra: Headers) -> Headers:
        return self.stamp.headers_at(event_id, when, extra) if when else self.stamp.headers(event_id, extra)


class _Waiting(NamedTuple):
    future: asyncio.Future[list[Outcome]]
    size: int


class Outbox:
    """Everything that one bus publishes passes here, in the order of the calls."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._records: list[Record] = []
        self._waiting: list[_Waiting] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._lone: asyncio.Task[Any] | None = None
        self._alone = asyncio.Event()
        self._cut = self._closed = False

    def send(self, records: Sequence[Record]) -> asyncio.Future[list[Outcome]]:
        """One outcome a record, in order. Cancelling the future takes nothing back. Raises TransportClosed."""
        if self._closed:
            raise TransportClosed("the bus is closed", fix="Publish before it ends: inside `async with bus`.")
        future: asyncio.Future[list[Outcome]] = self._loop.create_future()
        if not self._waiting:
            task = self._loop.create_task(self._deliver())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._records.extend(records)
        self._waiting.append(_Waiting(future, len(records)))
        return future

    async def _deliver(self) -> None:
        """What was sent in the turn of the loop in which this task was made."""
        records, waiting = self._records, self._waiting
        self._records, self._waiting = [], []
        outcomes: Sequence[Outcome]
        try:
            outcomes = await self._outcomes(records)
        except asyncio.CancelledError:
            outcomes = [PublishUnknown("cancelled while it was published") for _ in records]
        except Exception as error:
            for future, _ in waiting:
                if not future.done():
                    future.set_exception(error)
            return
        at = 0
        for future, size in waiting:
            if not future.done():
                future.set_result(list(outcomes[at : at + size]))
            at += size

    async def _outcomes(self, records: Sequence[Record]) -> Sequence[Outcome]:
        try:
            return await self._transport.publish(records)
        except BuslineError as error:
            return [_refused(record, error) for record in records]

    async def publish(self, records: Sequence[Record]) -> Sequence[Outcome]:
        """As `send`, waited for. Where nothing is under way the engine is asked at once: a turn and a task less."""
        if self._tasks or self._closed or self._lone is not None:
            return await self.send(records)
        self._alone.clear()
        task = self._lone = asyncio.current_task()
        before = task.cancelling() if task is not None else 0
        try:
            return await self._outcomes(records)
        except asyncio.CancelledError:
            if self._cut and task is not None and task.uncancel() <= before:
                return [PublishUnknown("the bus is closed") for _ in records]
            raise
        finally:
            self._lone = None
            self._alone.set()

    async def drain(self) -> None:
        """Until everything that was sent has an outcome."""
        await self._settled(None)

    async def aclose(self, deadline: float) -> None:
        """Take no more; what has no outcome after `deadline` seconds is PublishUnknown. Idempotent."""
        self._closed = True
        await self._settled(max(0.0, deadline))
        for task in self._tasks:
            task.cancel()
        if self._lone is not None:
            self._cut = True
            self._lone.cancel()
        await self._settled(None)

    async def _settled(self, timeout: float | None) -> None:
        """Until nothing is under way, or `timeout` seconds are over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while self._tasks:
                    await asyncio.wait(self._tasks)
                while self._lone is not None:
                    await self._alone.wait()


def _refused(record: Record, error: BuslineError) -> NotPublished | PublishUnknown:
    """What a call that failed as a whole means for each of its records."""
    if isinstance(error, NotPublished | PublishUnknown):
        return error
    if error.retryable:
        return PublishUnknown(f"the publish to {record.topic!r} may have failed", why=str(error))
    return NotPublished(f"a record was not published to {record.topic!r}", cause=error)


def positions(outcomes: Sequence[Outcome]) -> list[Position]:
    """Raises the failure of a single record, PublishFailed of several."""
    good = [outcome for outcome in outcomes if isinstance(outcome, Position)]
    if len(good) == len(outcomes):
        return good
    if len(outcomes) == 1 and not isinstance(outcomes[0], Position):
        raise outcomes[0]
    raise PublishFailed(f"{len(outcomes) - len(good)} of {len(outcomes)} events were not confirmed", outcomes)


async def within(confirmed: asyncio.Future[list[Outcome]], deadline: float) -> list[Outcome]:
    """Raises PublishUnknown when the engine has not answered after so many seconds."""
    try:
        async with asyncio.timeout(deadline):
            return await confirmed
    except TimeoutError:
        raise PublishUnknown(f"no confirmation within {deadline:g} s") from None


class Publisher(Generic[E]):
    """A stream of events of one contract: `send` waits only while too much is under way.

    A failure is raised by the next `send` or `flush` as PublishFailed; its `outcomes` are the failures. Leaving the
    `async with` flushes. For one task at a time.
    """

    def __init__(self, outlet: Outlet[E], outbox: Outbox) -> None:
        self._outlet, self._outbox = outlet, outbox
        self._asked: Outlet[E] | None = None
        self._loop = asyncio.get_running_loop()
        self._chunk: list[Record] = []
        self._under_way = 0
        self._moved = asyncio.Event()
        self._failures: list[Any] = []
        self._failed = self._sent = 0

    async def send(self, event: E, *, headers: UserHeaders | None = None) -> None:
        """Raises EncodeError; PublishFailed for earlier events; AccessDenied once the right was taken away."""
        if self._failed:
            self._raise_failures()
        record = self._outlet.record(event, checked_headers(headers) if headers else ())
        if not self._chunk:
            self._loop.call_soon(self._dispatch)
        self._chunk.append(record)
        if len(self._chunk) >= CHUNK:
            self._dispatch()
            await asyncio.sleep(0)
            while self._under_way > WINDOW:
                await self._progress()

    def ask_first(self, allowed: Callable[[ContractName], object]) -> None:
        """Before the next event; what `allowed` raises is raised by `send` until it passes."""
        outlet = self._outlet if self._asked is None else self._asked

        def encode(event: E) -> bytes:
            allowed(outlet.contract)
            self._outlet, self._asked = outlet, None
            return outlet.encode(event)

        self._outlet, self._asked = replace(outlet, encode=encode), outlet

    async def flush(self) -> None:
        """Until every event sent so far is confirmed. Raises PublishFailed."""
        self._dispatch()
        while self._under_way:
            await self._progress()
        if self._failed:
            self._raise_failures()

    def abandon(self) -> None:
        """What was sent goes on; nobody waits for it."""
        self._dispatch()

    async def _progress(self) -> None:
        self._moved.clear()
        await self._moved.wait()

    def _dispatch(self) -> None:
        chunk, self._chunk = self._chunk, []
        if not chunk:
            return
        self._sent += len(chunk)
        self._under_way += len(chunk)
        self._outbox.send(chunk).add_done_callback(self._done)

    def _done(self, future: asyncio.Future[list[Outcome]]) -> None:
        outcomes: Sequence[Outcome] = future.result()
        self._under_way -= len(outcomes)
        failures = [outcome for outcome in outcomes if not isinstance(outcome, Position)]
        self._failed += len(failures)
        self._failures += failures[: MAX_FAILURES - len(self._failures)]
        self._moved.set()

    def _raise_failures(self) -> None:
        failed, failures = self._failed, self._failures
        self._failed, self._failures = 0, []
        raise PublishFailed(f"{failed} of {self._sent} events to {self._outlet.contract} were not confirmed", failures)
