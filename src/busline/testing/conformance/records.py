"""What goes in comes out: bytes, places, order, and an outcome for each record."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from busline.errors import NotAuthorized, NotPublished, RecordTooLarge, UnknownTopic
from busline.record import Headers, Position, Record, StoredRecord
from busline.testing.conformance.base import ConformanceBase, core, needs, numbered
from busline.testing.conformance.journal import Journal
from busline.transport.base import Admin, Seekable, TopicSpec, Transactional
from busline.transport.partitioner import partition_for

HEADERS: Headers = (("a", b"\x00\xff\x80"), ("a", b"again"), ("empty", b""), ("ä", b"1"), ("a", b""))


class Records(ConformanceBase):
    """Publishing."""

    @core
    async def test_bytes_keys_and_values_come_back_unchanged(self) -> None:
        cases: list[tuple[bytes | None, bytes | None]] = [
            (b"key", b"value"),
            (b"\x00\xff" * 20, bytes(range(256))),
            (b"", b"empty key"),
            (None, b"no key"),
        ]
        cases += [(b"empty value", b""), (b"null value", None)]
        async with self.transport() as transport:
            topic = await self.topic(transport)
            await self.publish(transport, Journal(), [Record(topic, key, value) for key, value in cases])
            consumer = await self.within(transport.consume([topic], self.group()))
            records = [record for run in await self.collect(consumer, len(cases)) for record in run.records]
            assert [(record.key, record.value) for record in records] == cases
            assert [record.offset for record in records] == list(range(len(cases)))

    @needs(headers="binary")
    async def test_headers_come_back_binary_repeated_empty_and_in_order(self) -> None:
        async with self.transport() as transport:
            topic = await self.topic(transport)
            sent = [Record(topic, b"k", b"v", headers) for headers in (HEADERS, (), HEADERS[:1])]
            await self.publish(transport, Journal(), sent)
            consumer = await self.within(transport.consume([topic], self.group()))
            records = [record for run in await self.collect(consumer, 3) for record in run.records]
            assert [tuple(record.headers) for record in records] == [record.headers for record in sent]

    @core
    async def test_partition_zero_and_offset_zero_are_a_position_like_any_other(self) -> None:
        async with self.transport() as transport:
            topic = await self.topic(transport, partitions=2)
            record = Record(topic, b"k", b"v", partition=0)
            assert await self.publish(transport, Journal(), [record]) == [Position(topic, 0, 0)]
            group = self.group()
            for _ in range(2):  # next offset 0 is a commit, and it is not "nothing committed"
                consumer = await self.within(transport.consume([topic], group))
                run = await self.first(consumer)
                assert (run.lease.partition, run.records[0].offset) == (0, 0)
                await self.within(consumer.commit({run.lease: 0}))
                await self.within(consumer.aclose())

    @core
    async def test_append_times_are_milliseconds_and_never_fall(self) -> None:
        async with self.transport() as transport:
            topic = await self.topic(transport)
            for i in range(5):
                await self.publish(transport, Journal(), [Record(topic, b"k", b"%d" % i)])
            consumer = await self.within(transport.consume([topic], self.group()))
            times = [record.timestamp for run in await self.collect(consumer, 5) for record in run.records]
            assert times == sorted(times)
            assert 1_600_000_000_000 < times[0] < 4_000_000_000_000

    @needs(partitions=True)
    async def test_the_key_chooses_the_partition_as_javas_client_does(self) -> None:
        async with self.transport() as transport:
            topic = await self.topic(transport, partitions=5)
            positions = await self.publish(transport, Journal(), numbered(topic, 40, keys=20))
            assert [p.partition for p in positions] == [partition_for(b"k%d" % (i % 20), 5) for i in range(40)]

    @needs(partitions=True)
    async def test_a_given_partition_is_used(self) -> None:
        async with self.transport() as transport:
            topic = await self.topic(transport, partitions=3)
            records = [Record(topic, b"k", b"v", partition=i) for i in (2, 0, 1)]
            positions = await self.publish(transport, Journal(), records)
            assert [position.partition for position in positions] == [2, 0, 1]

    @core
    async def test_an_empty_batch_has_no_outcomes(self) -> None:
        async with self.transport() as transport:
            assert await self.within(transport.publish([])) == []

    @core
    async def test_each_record_of_a_batch_has_its_own_outcome(self) -> None:
        async with self.transport() as transport:
            topic = await self.topic(transport, max_record=10_000)
            missing = f"{topic}-missing"
            batch = [
                Record(topic, b"k", b"0"),
                Record(topic, b"k", b"x" * 20_000),
                Record(missing, b"k", b"1"),
                Record(topic, b"k", b"2"),
            ]
            outcomes = await self.within(transport.publish(batch))
            assert [isinstance(outcome, Position) for outcome in outcomes] == [True, False, False, True]
            assert all(isinstance(outcome, NotPublished) for outcome in outcomes[1:3])
            assert isinstance(outcomes[1].cause, RecordTooLarge)
            assert isinstance(outcomes[2].cause, UnknownTopic)
            assert outcomes[0].offset < outcomes[3].offset
            consumer = await self.within(transport.consume([topic], self.group()))
            values = [record.value for run in await self.collect(consumer, 2) for record in run.records]
            assert values == [b"0", b"2"]

    @core
    async def test_a_refused_record_between_good_ones_stops_nobody(self) -> None:
        """Before, with and after it, on the same publisher; the order is kept."""
        async with self.transport() as transport:
            topic = await self.topic(transport, max_record=10_000)
            journal = Journal()
            for i in range(0, 30, 3):
                good = numbered(topic, 3, keys=1, first=i)
                batch = [*good[:2], Record(topic, b"k0", b"x" * 20_000), good[2]]
                outcomes = await self.within(transport.publish(batch))
                journal.publish(batch, outcomes)
                assert isinstance(outcomes[2], NotPublished)
            assert len(journal.confirmed) == 30
            await self._expect_values(transport, topic, [b"%d" % i for i in range(30)])

    async def _expect_values(self, transport, topic: str, expected: list[bytes]) -> None:  # type: ignore[no-untyped-def]
        consumer = await self.within(transport.consume([topic], self.group()))
        records: list[StoredRecord] = [r for run in await self.collect(consumer, len(expected)) for r in run.records]
        assert [record.value for record in records] == expected

    @needs(tombstones=True)
    async def test_a_compacted_topic_refuses_a_record_without_a_key(self) -> None:
        async with self.transport() as transport:
            topic = await self.topic(transport, compacted=True)
            batch = [Record(topic, b"a", b"1"), Record(topic, None, b"2"), Record(topic, b"a", None)]
            outcomes = await self.within(transport.publish(batch))
            assert [type(outcome) for outcome in outcomes] == [Position, NotPublished, Position]
            await self.publish(transport, Journal(), [Record(topic, b"b", b"3")])

    @needs(tombstones=True)
    async def test_the_latest_value_of_each_key_of_a_compacted_topic_is_kept(self) -> None:
        async with self.transport() as transport:
            topic = await self.topic(transport, compacted=True)
            for i in range(0, 6000, 1000):
                await self.publish(transport, Journal(), numbered(topic, 1000, keys=10, first=i))
            await self.publish(transport, Journal(), [Record(topic, b"k0", None)])
            consumer = await self.within(transport.consume([topic], self.group()))
            state: dict[bytes | None, bytes | None] = {}

            async def fold() -> None:
                while b"k0" not in state or state[b"k0"] is not None:
                    for item in await consumer.receive():
                        state.update({record.key: record.value for record in getattr(item, "records", ())})

            await self.within(fold())
            assert state == {b"k0": None} | {b"k%d" % i: b"%d" % (5990 + i) for i in range(1, 10)}

    @core
    async def test_calls_that_are_not_awaited_keep_the_order_of_the_calls(self) -> None:
        async with self.transport() as transport:
            topic = await self.topic(transport)
            calls = [
                asyncio.create_task(transport.publish(numbered(topic, 3, keys=1, first=i))) for i in range(0, 300, 3)
            ]
            await self.within(asyncio.gather(*calls))
            await self._expect_values(transport, topic, [b"%d" % i for i in range(300)])

    @core
    async def test_concurrent_publishers_get_positions_of_their_own(self) -> None:
        journal = Journal()
        async with self.transport() as one, self.transport() as two:
            topic = await self.topic(one, partitions=4)

            async def publisher(i: int) -> None:
                for j in range(10):
                    batch = [Record(topic, b"p%d" % i, b"%d.%d.%d" % (i, j, k)) for k in range(5)]
                    await self.publish(two if i % 2 else one, journal, batch)

            await self.within(asyncio.gather(*(publisher(i) for i in range(16))))
            assert len(journal.confirmed) == 800
            consumer = await self.within(one.consume([topic], self.group()))
            async with self.working(journal, consumer):
                await journal.until_all(self.patience)
            journal.assert_complete()
            journal.assert_once()
            for i in range(16):
                expected = [b"%d.%d.%d" % (i, j, k) for j in range(10) for k in range(5)]
                assert journal.by_key()[b"p%d" % i] == expected

    @core
    async def test_a_topic_that_is_not_there_cannot_be_consumed(self) -> None:
        async with self.transport() as transport:
            topic = await self.topic(transport)
            for missing in ([f"{topic}-missing"], [topic, f"{topic}-missing"]):
                try:
                    consumer = await self.within(transport.consume(missing, self.group()))
                    await self.within(consumer.receive())
                except UnknownTopic:
                    continue
                raise AssertionError("consuming a topic that is not there raised nothing")

    @needs(Admin)
    async def test_a_topic_takes_new_settings_and_keeps_its_records(self) -> None:
        async with self.transport() as transport:
            topic = await self.topic(transport, partitions=2, max_record=1000)
            await self.publish(transport, Journal(), [Record(topic, b"k", b"before", partition=1)])
            wanted = TopicSpec(name=topic, partitions=2, retention=86_400_000, max_record=50_000)
            await self.within(transport.alter_topics([wanted]))

            async def altered() -> None:
                while replace((await transport.topics())[topic], replicas=None, min_insync=None) != wanted:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)

            await self.within(altered())
            async with self.transport() as other:  # who is connected already may go by the old limit for a while
                await self.publish(other, Journal(), [Record(topic, b"k", b"x" * 20_000, partition=1)])
            await self._expect_values(transport, topic, [b"before", b"x" * 20_000])

    @needs(Admin)
    async def test_settings_of_a_topic_that_is_not_there_are_refused(self) -> None:
        async with self.transport() as transport:
            topic = await self.topic(transport)
            try:
                await self.within(transport.alter_topics([TopicSpec(name=f"{topic}-missing", retention=1)]))
            except UnknownTopic:
                return
            raise AssertionError("altering a topic that is not there raised nothing")

    @needs(enforced=True)
    async def test_without_permission_nothing_works(self) -> None:
        async with self.transport() as transport:
            topic = await self.topic(transport)
            await self.publish(transport, Journal(), [Record(topic, b"k", b"v")])
            denied = self.connect_denied()
            await self.within(denied.start())
            try:
                (outcome,) = await self.within(denied.publish([Record(topic, b"k", b"w")]))
                assert isinstance(outcome, NotPublished)
                assert isinstance(outcome.cause, NotAuthorized)
                try:
                    consumer = await self.within(denied.consume([topic], self.group()))
                    await self.within(consumer.receive())
                    raise AssertionError("a consumer without permission received something")
                except NotAuthorized:
                    pass
            finally:
                await self.within(denied.aclose())

    @needs(Transactional, Seekable)
    async def test_an_atomic_publish_is_all_or_nothing(self) -> None:
        async with self.transport() as transport:
            one = await self.topic(transport, max_record=10_000)
            two = await self.topic(transport, max_record=10_000)
            good = [Record(one, b"k", b"1"), Record(two, b"k", b"2"), Record(one, b"k", b"3")]
            positions = await self.within(transport.publish_atomically(good, "conformance.atomic"))
            assert [position.topic for position in positions] == [one, two, one]
            try:
                bad = [*good, Record(two, b"k", b"x" * 20_000)]
                await self.within(transport.publish_atomically(bad, "conformance.atomic"))
                raise AssertionError("an atomic publish with a record that is too large raised nothing")
            except NotPublished:
                pass
            await self.publish(transport, Journal(), [Record(one, b"k", b"4"), Record(two, b"k", b"4")])
            await self._expect_values(transport, one, [b"1", b"3", b"4"])
            await self._expect_values(transport, two, [b"2", b"4"])
