"""Opening, closing, and closing at the wrong moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from busline.errors import PublishError, TransportClosed
from busline.record import Position, Record
from busline.testing.conformance.base import ConformanceBase, core, needs, numbered
from busline.testing.conformance.journal import Journal


class LifeTests(ConformanceBase):
    """The life of a transport and of a consumer."""

    @needs(durable=("disk", "memory", "process"))
    async def test_reopening_loses_nothing_and_repeats_nothing(self) -> None:
        journal = Journal()
        group = self.group()
        async with self.transport() as transport:
            topic = await self.topic(transport, partitions=2)
        for i in range(self.reopenings):
            async with self.transport() as transport:
                consumer = await self.within(transport.consume([topic], group))
                await self.publish(transport, journal, numbered(topic, 10, first=10 * i))
                for run in await self.collect(consumer, 10):
                    journal.deliver(f"life {i}", run)
                    await self.within(consumer.commit({run.lease: run.records[-1].offset + 1}))
        assert len(journal.confirmed) == 10 * self.reopenings
        journal.assert_complete()
        journal.assert_once()
        journal.assert_ordered()

    @core
    async def test_closing_with_records_in_hand_commits_nothing(self) -> None:
        async with self.transport() as transport:
            topic = await self.topic(transport)
            await self.publish(transport, Journal(), numbered(topic, 500))
            group = self.group()
            for _ in range(2):
                consumer = await self.within(transport.consume([topic], group, max_records=100))
                assert (await self.first(consumer)).records[0].offset == 0
                await self.within(consumer.aclose())

    @core
    async def test_closing_during_a_burst_of_publishes_leaves_each_with_an_outcome(self) -> None:
        """What was confirmed is in the log; nothing hangs, nothing ends otherwise than by an error of the tree."""
        async with self.transport() as checking:
            topic = await self.topic(checking, partitions=4)
            transport = self.connect()
            await self.within(transport.start())
            journal = Journal()

            async def publisher(i: int) -> None:
                for j in range(50):
                    batch = [Record(topic, b"p%d" % i, b"%d.%d" % (i, j))]
                    try:
                        journal.publish(batch, await transport.publish(batch))
                    except (TransportClosed, PublishError):
                        return

            publishers = [asyncio.create_task(publisher(i)) for i in range(20)]
            await journal.until(lambda: len(journal.confirmed) >= 40, "40 records are confirmed", self.patience)
            await self.within(transport.aclose())
            await self.within(asyncio.gather(*publishers))
            consumer = await self.within(checking.consume([topic], self.group()))
            async with self.working(journal, consumer):
                await journal.until_all(self.patience)
            journal.assert_complete()

    @core
    async def test_closing_twice_and_concurrently_is_closing_once(self) -> None:
        transport = self.connect()
        await self.within(transport.start())
        topic = await self.topic(transport)
        consumer = await self.within(transport.consume([topic], self.group()))
        await self.within(asyncio.gather(consumer.aclose(), consumer.aclose(), transport.aclose(), transport.aclose()))
        await self.within(consumer.aclose())
        await self.within(transport.aclose())

    @core
    async def test_a_transport_that_was_never_started_can_be_closed(self) -> None:
        await self.within(self.connect().aclose())

    @core
    async def test_what_is_closed_says_so(self) -> None:
        transport = self.connect()
        await self.within(transport.start())
        topic = await self.topic(transport)
        consumer = await self.within(transport.consume([topic], self.group()))
        await self.within(consumer.aclose())
        await self._expect_closed(consumer.receive)
        await self._expect_closed(lambda: consumer.commit({}))
        await self.within(transport.aclose())
        await self._expect_closed(lambda: transport.publish([Record(topic, b"k", b"v")]))
        await self._expect_closed(lambda: transport.consume([topic], self.group()))
        await self._expect_closed(transport.start)

    async def _expect_closed(self, call: Callable[[], Awaitable[object]]) -> None:
        try:
            await self.within(call())
        except TransportClosed:
            return
        raise AssertionError(f"{call} after aclose() raised nothing")

    @core
    async def test_a_receive_that_waits_ends_when_its_consumer_is_closed(self) -> None:
        async with self.transport() as transport:
            topic = await self.topic(transport)
            consumer = await self.within(transport.consume([topic], self.group()))
            waiting = asyncio.create_task(consumer.receive())
            await asyncio.sleep(0)
            await self.within(consumer.aclose())
            (error,) = await self.within(asyncio.gather(waiting, return_exceptions=True))
            assert isinstance(error, TransportClosed)

    @core
    async def test_closing_a_transport_closes_its_consumers(self) -> None:
        async with self.transport() as checking:
            topic = await self.topic(checking)
            group = self.group()
            transport = self.connect()
            await self.within(transport.start())
            consumer = await self.within(transport.consume([topic], group))
            await self.publish(checking, Journal(), numbered(topic, 5))
            await self.first(consumer)
            await self.within(transport.aclose())
            await self._expect_closed(consumer.receive)
            after = await self.within(checking.consume([topic], group))
            assert (await self.first(after)).records[0].offset == 0

    @core
    async def test_starting_twice_is_starting_once(self) -> None:
        async with self.transport() as transport:
            await self.within(transport.start())
            topic = await self.topic(transport)
            (position,) = await self.publish(transport, Journal(), [Record(topic, b"k", b"v")])
            assert position == Position(topic, 0, 0)
