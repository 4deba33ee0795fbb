"""What handling means, on this transport: return, raise and cancel; retries; dead letter first, commit after.

The bus has lanes, pauses and CloudEvents around it. Here is the least consumer that keeps P3 and P5, so that what fails
is the transport.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from busline.errors import NotPublished
from busline.record import Position, Record, StoredRecord
from busline.testing.conformance.base import ConformanceBase, core, needs, numbered
from busline.testing.conformance.journal import Journal
from busline.transport.base import Consumer, Lease, Received, Transport

Handler = Callable[[bytes], Awaitable[None]]
ATTEMPTS = 3


class DeadLetterFailed(Exception):
    """The letter was not confirmed: nothing may be committed."""


class Dispatcher:
    """Handles one record after the other: at most ATTEMPTS calls, then a dead letter, and only then a commit."""

    def __init__(self, transport: Transport, consumer: Consumer, handler: Handler, letters: str) -> None:
        self._transport, self._consumer, self._handler, self._letters = transport, consumer, handler, letters

    async def run(self, until: int) -> None:
        """Until the record at offset `until` is committed."""
        position = -1
        while position <= until:
            for item in await self._consumer.receive():
                if not isinstance(item, Received):
                    await self._consumer.release(item.lease)
                    continue
                for record in item.records:
                    await self._handle(record)
                    position = record.offset + 1
                    await self._commit(item.lease, position)

    async def _commit(self, lease: Lease, position: int) -> None:
        await self._consumer.commit({lease: position})

    async def _handle(self, record: StoredRecord) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await self._handler(record.value or b"")
                return
            except Exception:
                if attempt == ATTEMPTS:
                    await self._bury(record)

    async def _bury(self, record: StoredRecord) -> None:
        letter = Record(self._letters, record.key, record.value, (*record.headers, ("why", b"raised")))
        (outcome,) = await self._transport.publish([letter])
        if not isinstance(outcome, Position):
            raise DeadLetterFailed from outcome


class HandlingTests(ConformanceBase):
    """P3 and P5 over one partition, record by record."""

    async def _values(self, transport: Transport, topic: str, group: str, count: int) -> list[bytes | None]:
        consumer = await self.within(transport.consume([topic], group))
        values = [record.value for run in await self.collect(consumer, count) for record in run.records]
        await self.within(consumer.aclose())
        return values

    async def _dispatch(
        self, transport: Transport, topic: str, group: str, handler: Handler, letters: str
    ) -> tuple[Consumer, Dispatcher]:
        consumer: Consumer = await self.within(transport.consume([topic], group))
        return consumer, Dispatcher(transport, consumer, handler, letters)

    @core
    async def test_a_handler_that_returns_is_done_and_one_that_is_cancelled_is_neither_done_nor_failed(self) -> None:
        async with self.transport() as transport:
            topic, letters = await self.topic(transport), await self.topic(transport)
            await self.publish(transport, Journal(), numbered(topic, 5))
            group = self.group()
            calls: Counter[bytes] = Counter()
            reached = asyncio.Event()

            async def handler(value: bytes) -> None:
                calls[value] += 1
                if value == b"2":
                    reached.set()
                    await asyncio.Event().wait()

            consumer, dispatcher = await self._dispatch(transport, topic, group, handler, letters)
            task = asyncio.create_task(dispatcher.run(until=4))
            await self.within(reached.wait())
            task.cancel()
            await self.within(asyncio.wait({task}))
            assert task.cancelled()
            await self.crash(consumer)
            assert calls == {b"0": 1, b"1": 1, b"2": 1}
            assert await self._values(transport, topic, group, 3) == [b"2", b"3", b"4"]

    @core
    async def test_a_handler_that_raises_is_called_as_often_as_the_budget_says_and_then_dead_lettered(self) -> None:
        async with self.transport() as transport:
            topic, letters = await self.topic(transport), await self.topic(transport)
            await self.publish(transport, Journal(), numbered(topic, 4))
            group = self.group()
            calls: Counter[bytes] = Counter()

            async def handler(value: bytes) -> None:
                calls[value] += 1
                if value == b"1" or (value == b"2" and calls[value] < ATTEMPTS):
                    raise ValueError(value)

            consumer, dispatcher = await self._dispatch(transport, topic, group, handler, letters)
            await self.within(dispatcher.run(until=3))
            await self.within(consumer.aclose())
            assert calls == {b"0": 1, b"1": ATTEMPTS, b"2": ATTEMPTS, b"3": 1}
            assert await self._values(transport, letters, self.group(), 1) == [b"1"]
            await self.publish(transport, Journal(), [Record(topic, b"k", b"next")])
            assert await self._values(transport, topic, group, 1) == [b"next"]

    @core
    async def test_a_crash_between_dead_letter_and_commit_repeats_and_loses_nothing(self) -> None:
        async with self.transport() as transport:
            topic, letters = await self.topic(transport), await self.topic(transport)
            await self.publish(transport, Journal(), numbered(topic, 2))
            group = self.group()

            async def handler(value: bytes) -> None:
                raise ValueError(value)

            consumer = await self.within(transport.consume([topic], group))
            crashing = _CrashesAtCommit(transport, consumer, handler, letters)
            (error,) = await self.within(asyncio.gather(crashing.run(until=1), return_exceptions=True))
            assert isinstance(error, _Crash)
            await self.crash(consumer)
            consumer, dispatcher = await self._dispatch(transport, topic, group, handler, letters)
            await self.within(dispatcher.run(until=1))
            await self.within(consumer.aclose())
            assert await self._values(transport, letters, self.group(), 3) == [b"0", b"0", b"1"]

    @core
    async def test_a_dead_letter_that_cannot_be_written_stops_progress(self) -> None:
        async with self.transport() as transport:
            topic = await self.topic(transport)
            await self.publish(transport, Journal(), numbered(topic, 3))
            group = self.group()

            async def handler(value: bytes) -> None:
                if value == b"1":
                    raise ValueError(value)

            consumer, dispatcher = await self._dispatch(transport, topic, group, handler, f"{topic}-missing")
            (error,) = await self.within(asyncio.gather(dispatcher.run(until=2), return_exceptions=True))
            assert isinstance(error, DeadLetterFailed)
            assert isinstance(error.__cause__, NotPublished)
            await self.crash(consumer)
            assert await self._values(transport, topic, group, 2) == [b"1", b"2"]

    @needs(groups=True)
    async def test_a_poisonous_record_starves_nobody_in_other_groups(self) -> None:
        async with self.transport() as transport:
            topic, letters = await self.topic(transport), await self.topic(transport)
            await self.publish(transport, Journal(), numbered(topic, 3))
            stuck = asyncio.Event()

            async def handler(value: bytes) -> None:
                stuck.set()
                await asyncio.Event().wait()

            consumer, dispatcher = await self._dispatch(transport, topic, self.group(), handler, letters)
            task = asyncio.create_task(dispatcher.run(until=2))
            await self.within(stuck.wait())
            assert await self._values(transport, topic, self.group(), 3) == [b"0", b"1", b"2"]
            task.cancel()
            await self.within(asyncio.wait({task}))
            await self.within(consumer.aclose())


class _Crash(Exception):
    """The process ends here."""


class _CrashesAtCommit(Dispatcher):
    async def _commit(self, lease: Lease, position: int) -> None:
        raise _Crash
