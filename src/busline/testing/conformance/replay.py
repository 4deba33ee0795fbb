"""Reading without a group: from a position, from a time, live."""

from __future__ import annotations

import asyncio

from busline.errors import Fenced, RetentionGap, UnknownTopic
from busline.record import Record, TopicPartition
from busline.testing.conformance.base import ConformanceBase, needs, numbered
from busline.testing.conformance.journal import Journal
from busline.transport.base import Admin, Bounds, Seekable


class ReplayTests(ConformanceBase):
    """The power Seekable."""

    @needs(Seekable, replay=("time", "position"))
    async def test_bounds_are_the_first_kept_and_the_next_offset(self) -> None:
        async with self.transport() as transport:
            topic = await self.topic(transport, partitions=2)
            assert await self.within(transport.bounds(topic)) == {0: Bounds(0, 0), 1: Bounds(0, 0)}
            records = [Record(topic, None, b"%d" % i, partition=1) for i in range(5)]
            await self.publish(transport, Journal(), records)
            assert await self.within(transport.bounds(topic)) == {0: Bounds(0, 0), 1: Bounds(0, 5)}
            try:
                await self.within(transport.bounds(f"{topic}-missing"))
                raise AssertionError("the bounds of a topic that is not there raised nothing")
            except UnknownTopic:
                pass

    @needs(Seekable, replay=("time", "position"))
    async def test_reading_begins_at_the_position_and_goes_on_live(self) -> None:
        async with self.transport() as transport:
            topic = await self.topic(transport, partitions=2)
            records = [Record(topic, None, b"%d" % i, partition=i % 2) for i in range(20)]
            await self.publish(transport, Journal(), records)
            reader = await self.within(transport.read({TopicPartition(topic, 1): 4}))
            runs = await self.collect(reader, 6)
            assert {run.lease.partition for run in runs} == {1}
            assert [record.offset for run in runs for record in run.records] == [4, 5, 6, 7, 8, 9]
            await self.publish(transport, Journal(), [Record(topic, None, b"live", partition=p) for p in (0, 1)])
            assert [(r.offset, r.value) for r in (await self.first(reader)).records] == [(10, b"live")]

    @needs(Seekable, replay=("time", "position"))
    async def test_a_reader_cannot_commit(self) -> None:
        async with self.transport() as transport:
            topic = await self.topic(transport)
            await self.publish(transport, Journal(), numbered(topic, 1))
            reader = await self.within(transport.read({TopicPartition(topic, 0): 0}))
            run = await self.first(reader)
            try:
                await self.within(reader.commit({run.lease: 1}))
                raise AssertionError("a commit by a reader raised nothing")
            except Fenced:
                pass

    @needs(Seekable, replay="time")
    async def test_a_time_is_found_as_the_first_record_at_or_after_it(self) -> None:
        async with self.transport() as transport:
            topic = await self.topic(transport)
            for i in range(6):
                await self.publish(transport, Journal(), [Record(topic, b"k", b"%d" % i)])
                await asyncio.sleep(0.015)  # the log's clock must move for times to differ
            reader = await self.within(transport.read({TopicPartition(topic, 0): 0}))
            times = [record.timestamp for run in await self.collect(reader, 6) for record in run.records]
            assert len(set(times)) > 1
            for time in (0, *times, times[0] - 1, times[-1] + 1):
                expected = next((i for i, at in enumerate(times) if at >= time), 6)
                assert await self.within(transport.at_time(topic, time)) == {0: expected}

    @needs(Seekable, replay="time")
    async def test_a_group_may_begin_at_a_time(self) -> None:
        async with self.transport() as transport:
            topic = await self.topic(transport)
            for i in range(4):
                await self.publish(transport, Journal(), [Record(topic, b"k", b"%d" % i)])
                await asyncio.sleep(0.015)
            reader = await self.within(transport.read({TopicPartition(topic, 0): 0}))
            times = [record.timestamp for run in await self.collect(reader, 4) for record in run.records]
            consumer = await self.within(transport.consume([topic], self.group(), start=times[2]))
            assert (await self.first(consumer)).records[0].offset == times.index(times[2])

    @needs(Seekable, Admin, replay=("time", "position"))
    async def test_a_start_before_the_oldest_kept_record_is_a_gap(self) -> None:
        async with self.transport() as transport:
            topic = await self.topic(transport)
            await self.publish(transport, Journal(), numbered(topic, 10))
            await self.within(transport.purge(topic, {0: 6}))
            assert await self.within(transport.bounds(topic)) == {0: Bounds(6, 10)}
            try:
                reader = await self.within(transport.read({TopicPartition(topic, 0): 5}))
                await self.first(reader)
                raise AssertionError("reading what was removed raised nothing")
            except RetentionGap:
                pass
            reader = await self.within(transport.read({TopicPartition(topic, 0): 6}))
            assert (await self.first(reader)).records[0].offset == 6

    @needs(Seekable, Admin)
    async def test_a_group_goes_on_at_what_is_kept(self) -> None:
        async with self.transport() as transport:
            topic = await self.topic(transport)
            await self.publish(transport, Journal(), numbered(topic, 10))
            group = self.group()
            consumer = await self.within(transport.consume([topic], group))
            run = await self.first(consumer)
            await self.within(consumer.commit({run.lease: 2}))
            await self.within(consumer.aclose())
            await self.within(transport.purge(topic, {0: 10}))
            assert await self.within(transport.bounds(topic)) == {0: Bounds(10, 10)}
            await self.publish(transport, Journal(), numbered(topic, 1))
            after = await self.within(transport.consume([topic], group))
            assert (await self.first(after)).records[0].offset == 10
