"""What every group of tests stands on: a fresh log, topics with unique names, workers, patience.

A transport's test file subclasses `suite.TransportConformance` and says how to connect. Nothing here assumes that
an engine is fast, or that it is in this process.
"""

from __future__ import annotations

import asyncio
import functools
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any, ClassVar, TypeVar

import pytest

from busline.errors import Fenced
from busline.record import Headers, Position, Record
from busline.testing.conformance.journal import Journal
from busline.transport.base import Admin, Consumer, Received, Revoked, TopicSpec, Transport

Self_ = TypeVar("Self_", bound="ConformanceBase")
Test = Callable[[Self_], Awaitable[None]]


def needs(*powers: type, **features: object) -> Callable[[Test[Self_]], Test[Self_]]:
    """Name what a test needs: optional powers (Seekable, Groups, …) and values of Features. A transport that does not
    promise it skips the test, and says so."""

    def decorate(test: Test[Self_]) -> Test[Self_]:
        @functools.wraps(test)
        async def run(self: Self_) -> None:
            self.require(powers, features)
            await test(self)

        run.needs = (powers, features)  # type: ignore[attr-defined]
        return run

    return decorate


core = needs()
"""What no transport may lack."""


@pytest.mark.asyncio
class ConformanceBase:
    """Fill in `connect`. The class attributes are knobs for slow engines, never for weaker promises."""

    patience: ClassVar[float] = 20.0
    """Seconds that anything may take at most."""
    joins: ClassVar[int] = 50
    """Lives of members in the test of joins and leaves under flow."""
    members: ClassVar[int] = 4
    reopenings: ClassVar[int] = 20
    cancellations: ClassVar[int] = 1000
    receive_bytes: ClassVar[int] = 16 * 1_048_576
    """What one `receive` may hand over at most, in bytes of values: the transport's own bound."""

    def connect(self) -> Transport:
        """A new transport, not started, on the same log as the other ones of this test."""
        raise NotImplementedError

    def connect_denied(self) -> Transport:
        """As `connect`, but with credentials that may do nothing. For Features.enforced."""
        raise NotImplementedError

    async def crash(self, consumer: Consumer) -> None:
        """End a member without a commit. Override where the engine can really lose one."""
        await consumer.aclose()

    def require(self, powers: Sequence[type], features: dict[str, object]) -> None:
        transport = self.connect()
        promised: dict[str, Any] = asdict(transport.features)
        for name, value in features.items():
            if promised[name] not in (value if isinstance(value, tuple) else (value,)):
                pytest.skip(f"{type(transport).__name__} promises {name}={promised[name]!r}, this needs {value!r}")
        for power in powers:
            if not isinstance(transport, power):
                pytest.skip(f"{type(transport).__name__} has not the power {power.__name__}")

    @asynccontextmanager
    async def transport(self) -> AsyncIterator[Any]:
        """A started transport, closed at the end. Any: with whatever powers the test has asked for."""
        transport = self.connect()
        await self.within(transport.start())
        try:
            yield transport
        finally:
            await self.within(transport.aclose())

    async def topic(self, transport: Transport, **settings: Any) -> str:
        """A new topic of one partition, or as the settings of TopicSpec say."""
        name = f"conformance.t{uuid.uuid4().hex}"
        await self.create_topic(transport, TopicSpec(name=name, **settings))
        return name

    async def create_topic(self, transport: Transport, spec: TopicSpec) -> None:
        """Override where a transport lacks the power Admin."""
        if not isinstance(transport, Admin):
            pytest.skip(f"{type(transport).__name__} has not the power Admin: override create_topic")
        await self.within(transport.create_topics([spec]))

    def group(self) -> str:
        return f"conformance/g{uuid.uuid4().hex}"

    async def within(self, awaitable: Awaitable[Any]) -> Any:
        """Await with patience; AssertionError when it ends, even if what is awaited swallows its cancellation."""
        task = asyncio.ensure_future(awaitable)
        try:
            done, _ = await asyncio.wait({task}, timeout=self.patience)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if not done:
            task.cancel()
            raise AssertionError(f"nothing happened within {self.patience} s")
        return task.result()

    async def publish(self, transport: Transport, journal: Journal, records: Sequence[Record]) -> list[Position]:
        """Publish, journal, and insist that every record is confirmed."""
        outcomes = await self.within(transport.publish(records))
        assert len(outcomes) == len(records), "one outcome a record"
        journal.publish(records, outcomes)
        refused = [outcome for outcome in outcomes if not isinstance(outcome, Position)]
        assert not refused, f"{len(refused)} not confirmed, the first: {refused[0]}"
        return list(outcomes)

    @asynccontextmanager
    async def working(self, journal: Journal, *consumers: Consumer, pause: float = 0.0) -> AsyncIterator[None]:
        """Run a correct worker on each consumer meanwhile."""
        tasks = [
            asyncio.create_task(work(journal, f"m{i}", consumer, pause=pause)) for i, consumer in enumerate(consumers)
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            _, going = await asyncio.wait(tasks, timeout=self.patience)
            assert not going, "a cancelled receive or commit goes on"

    async def first(self, consumer: Consumer) -> Received:
        """The first run of records; revoked leases are given back on the way."""

        async def wait() -> Received:
            while True:
                for item in await consumer.receive():
                    if isinstance(item, Received):
                        return item
                    await consumer.release(item.lease)

        got: Received = await self.within(wait())
        return got

    async def collect(self, consumer: Consumer, count: int) -> list[Received]:
        """Runs of records, until there are `count` records."""
        runs: list[Received] = []

        async def wait() -> None:
            while sum(len(run.records) for run in runs) < count:
                for item in await consumer.receive():
                    if isinstance(item, Received):
                        runs.append(item)
                    else:
                        await consumer.release(item.lease)

        await self.within(wait())
        return runs


async def work(journal: Journal, name: str, consumer: Consumer, *, pause: float = 0.0) -> None:
    """A correct consumer in small: journal, commit what is done, give back what is wanted."""
    try:
        while True:
            for item in await consumer.receive():
                if isinstance(item, Revoked):
                    await consumer.release(item.lease)
                    continue
                assert isinstance(item, Received), f"nothing here is unreadable: {item}"
                journal.deliver(name, item)
                await asyncio.sleep(pause)
                try:
                    await consumer.commit({item.lease: item.records[-1].offset + 1})
                except Fenced as error:
                    assert set(error.leases) == {item.lease}
                    journal.fenced.append(item.lease)
    except Exception as error:
        journal.fail(error)


def numbered(topic: str, count: int, *, keys: int = 16, first: int = 0, headers: Headers = ()) -> list[Record]:
    """Records whose values count up, dealt to `keys` keys in turn."""
    return [Record(topic, b"k%d" % (i % keys), b"%d" % i, headers) for i in range(first, first + count)]
