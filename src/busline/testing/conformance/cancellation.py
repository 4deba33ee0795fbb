"""Cancelling takes nothing, loses nothing, and is never swallowed."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from busline.record import Position, Record
from busline.testing.conformance.base import ConformanceBase, core, numbered
from busline.testing.conformance.journal import Journal
from busline.transport.base import Received


class CancellationTests(ConformanceBase):
    """Cancellation is neither an acknowledgement nor a failure."""

    async def _cancelled(self, task: asyncio.Task[Any], what: str) -> bool:
        """Cancel it; True when it ended so, False when it had a result. It must end at once, either way."""
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=self.patience)
        assert done, f"a cancelled {what} goes on"
        if task.cancelled():
            return True
        if error := task.exception():
            raise error
        return False

    @core
    async def test_a_cancelled_receive_ends_cancelled(self) -> None:
        async with self.transport() as transport:
            topic = await self.topic(transport)
            consumer = await self.within(transport.consume([topic], self.group()))
            waiting = asyncio.create_task(consumer.receive())
            await asyncio.wait({waiting}, timeout=0.1)
            assert not waiting.done(), "a consumer received something though nothing was published"
            assert await self._cancelled(waiting, "receive"), "the cancellation of a receive was swallowed"
            await self.publish(transport, Journal(), [Record(topic, b"k", b"v")])
            assert (await self.first(consumer)).records[0].value == b"v"

    @core
    async def test_a_receive_that_is_cancelled_by_a_deadline_keeps_it(self) -> None:
        async with self.transport() as transport:
            topic = await self.topic(transport)
            consumer = await self.within(transport.consume([topic], self.group()))
            for _ in range(3):
                try:
                    async with asyncio.timeout(0.05):
                        items = await consumer.receive()
                except TimeoutError:
                    continue
                raise AssertionError(f"a deadline around receive was swallowed, and {items} came")

    @core
    async def test_a_thousand_cancelled_receives_take_nothing(self) -> None:
        journal = Journal()
        dice = random.Random(1)
        async with self.transport() as transport:
            topic = await self.topic(transport, partitions=4)
            consumer = await self.within(transport.consume([topic], self.group(), max_records=7))
            cancelled = published = 0
            while cancelled < self.cancellations:
                if dice.random() < 0.2:
                    await self.publish(transport, journal, numbered(topic, 20, first=published))
                    published += 20
                task = asyncio.create_task(consumer.receive())
                for _ in range(dice.randrange(6)):
                    await asyncio.sleep(0)
                if await self._cancelled(task, "receive"):
                    cancelled += 1
                else:
                    await self._take(journal, consumer, task.result())
            async with self.working(journal, consumer):
                await journal.until_all(self.patience)
            journal.assert_complete()
            journal.assert_once()
            journal.assert_ordered()

    async def _take(self, journal: Journal, consumer: Any, items: list[Any]) -> None:
        for item in items:
            if isinstance(item, Received):
                journal.deliver("patient", item)
            else:
                await self.within(consumer.release(item.lease))

    @core
    async def test_a_thousand_cancelled_publishes_are_maybe_written_and_hurt_nobody(self) -> None:
        """The confirmed ones are there, once; the cancelled ones once or not at all; all in order."""
        journal = Journal()
        dice = random.Random(2)
        async with self.transport() as transport:
            topic = await self.topic(transport)
            cancelled = number = 0
            while cancelled < self.cancellations:
                batch = numbered(topic, 1, keys=1, first=number)
                number += 1
                task = asyncio.create_task(transport.publish(batch))
                for _ in range(dice.randrange(4)):
                    await asyncio.sleep(0)
                if dice.random() < 0.02:
                    await self.within(asyncio.wait({task}))
                if await self._cancelled(task, "publish"):
                    cancelled += 1
                else:
                    journal.publish(batch, task.result())
            await self.publish(transport, journal, numbered(topic, 1, keys=1, first=number))
            consumer = await self.within(transport.consume([topic], self.group()))
            async with self.working(journal, consumer):
                await journal.until_all(self.patience)
            journal.assert_complete()
            values = [int(delivered.value or b"") for delivered in journal.deliveries]
            assert values == sorted(set(values)), "a cancelled publish came twice or out of order"

    @core
    async def test_a_publish_withdrawn_at_its_deadline_leaves_a_publisher_that_works(self) -> None:
        async with self.transport() as transport:
            topic = await self.topic(transport)
            withdrawn = False
            for i in range(20):
                try:
                    async with asyncio.timeout(0):
                        await transport.publish(numbered(topic, 1, keys=1, first=i))
                except TimeoutError:
                    withdrawn = True
            assert withdrawn, "a deadline of zero withdrew nothing"
            (last,) = await self.publish(transport, Journal(), [Record(topic, b"k0", b"20")])
            consumer = await self.within(transport.consume([topic], self.group()))
            values: list[int] = []
            while not values or values[-1] != 20:
                values += [int(record.value or b"") for record in (await self.first(consumer)).records]
            assert values == sorted(set(values))
            assert isinstance(last, Position)

    @core
    async def test_a_cancelled_commit_leaves_a_consumer_that_works(self) -> None:
        async with self.transport() as transport:
            topic = await self.topic(transport)
            await self.publish(transport, Journal(), numbered(topic, 10))
            group = self.group()
            consumer = await self.within(transport.consume([topic], group))
            run = await self.first(consumer)
            for offset in range(1, 5):
                task = asyncio.create_task(consumer.commit({run.lease: offset}))
                await asyncio.sleep(0)
                await self._cancelled(task, "commit")
            await self.within(consumer.commit({run.lease: 5}))
            await self.within(consumer.aclose())
            after = await self.within(transport.consume([topic], group))
            assert (await self.first(after)).records[0].offset == 5
