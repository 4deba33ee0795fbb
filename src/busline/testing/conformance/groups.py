"""Consumer groups: who gets what, and what a commit means."""

from __future__ import annotations

import asyncio
from typing import Any

from busline.errors import Fenced
from busline.record import Record, TopicPartition
from busline.testing.conformance.base import ConformanceBase, core, needs, numbered, work
from busline.testing.conformance.journal import Journal
from busline.transport.base import Consumer, Groups, Lease, Received, Revoked


class GroupTests(ConformanceBase):
    """Groups without change."""

    @core
    async def test_what_was_published_before_the_group_began_is_delivered(self) -> None:
        journal = Journal()
        async with self.transport() as transport:
            topic = await self.topic(transport, partitions=4)
            await self.publish(transport, journal, numbered(topic, 200))
            consumer = await self.within(transport.consume([topic], self.group()))
            async with self.working(journal, consumer):
                await journal.until_all(self.patience)
                await self.publish(transport, journal, numbered(topic, 200, first=200))
                await journal.until_all(self.patience)
            journal.assert_complete()
            journal.assert_once()
            journal.assert_ordered()

    @core
    async def test_a_group_may_begin_at_the_end(self) -> None:
        journal, old = Journal(), Journal()
        async with self.transport() as transport:
            topic = await self.topic(transport)
            await self.publish(transport, old, numbered(topic, 20))
            consumer = await self.within(transport.consume([topic], self.group(), start="latest"))
            async with self.working(journal, consumer):
                for i in range(100):  # an engine may take its time to assign: knock until somebody is there
                    await self.publish(transport, Journal(), [Record(topic, b"k", b"new %d" % i)])
                    await asyncio.sleep(0.05)
                    if journal.deliveries:
                        break
                await journal.until(lambda: bool(journal.deliveries), "a new record is delivered", self.patience)
            assert all((delivered.value or b"").startswith(b"new") for delivered in journal.deliveries)

    @needs(order="key")
    async def test_16_keys_keep_their_order_over_many_members(self) -> None:
        journal = Journal()
        async with self.transport() as transport:
            topic = await self.topic(transport, partitions=8)
            group = self.group()
            consumers = [await self.within(transport.consume([topic], group)) for _ in range(self.members)]
            async with self.working(journal, *consumers):
                for i in range(0, 1600, 80):
                    await self.publish(transport, journal, numbered(topic, 80, first=i))
                await journal.until_all(self.patience)
            journal.assert_complete()
            journal.assert_ordered()
            for key, values in journal.by_key().items():
                assert values == sorted(values, key=lambda value: int(value or b"")), f"key {key!r} is out of order"

    @needs(groups=True, partitions=True)
    async def test_members_share_the_work(self) -> None:
        journal = Journal()
        async with self.transport() as one, self.transport() as two:
            topic = await self.topic(one, partitions=6)
            group = self.group()
            consumers = [await self.within(t.consume([topic], group)) for t in (one, two, one)]
            async with self.working(journal, *consumers):
                count = 0

                def shared() -> bool:
                    return len({delivered.member for delivered in journal.deliveries}) == 3

                while not shared() and count < 10_000:
                    await self.publish(one, journal, [Record(topic, None, b"%d" % count, partition=count % 6)])
                    count += 1
                    await asyncio.sleep(0.01)
                await journal.until(shared, "each of three members has had a record", self.patience)
                await journal.until_all(self.patience)
            journal.assert_complete()
            journal.assert_ordered()

    @needs(groups=True)
    async def test_groups_are_independent(self) -> None:
        journals = [Journal(), Journal()]
        async with self.transport() as transport:
            topic = await self.topic(transport, partitions=2)
            records = numbered(topic, 100)
            outcomes = await self.within(transport.publish(records))
            for journal in journals:
                journal.publish(records, outcomes)
                consumer = await self.within(transport.consume([topic], self.group()))
                async with self.working(journal, consumer):
                    await journal.until_all(self.patience)
                journal.assert_complete()
                journal.assert_once()

    @core
    async def test_without_a_commit_there_is_no_progress(self) -> None:
        async with self.transport() as transport:
            topic = await self.topic(transport)
            await self.publish(transport, Journal(), numbered(topic, 10))
            group = self.group()
            for _ in range(3):
                consumer = await self.within(transport.consume([topic], group))
                runs = await self.collect(consumer, 10)
                assert [record.offset for run in runs for record in run.records] == list(range(10))
                await self.crash(consumer)

    @core
    async def test_a_commit_is_where_the_next_member_begins(self) -> None:
        async with self.transport() as transport:
            topic = await self.topic(transport)
            await self.publish(transport, Journal(), numbered(topic, 10))
            group = self.group()
            for begin in (0, 3, 7):
                consumer = await self.within(transport.consume([topic], group))
                runs = await self.collect(consumer, 10 - begin)
                assert [record.offset for run in runs for record in run.records] == list(range(begin, 10))
                await self.within(consumer.commit({runs[0].lease: {0: 3, 3: 7, 7: 10}[begin]}))
                await self.crash(consumer)

    @core
    async def test_work_finished_out_of_order_comes_again_after_a_crash(self) -> None:
        """Records 0 to 9 are in hand, all but 4 are done: 4 is committed, 4 to 9 come again."""
        async with self.transport() as transport:
            topic = await self.topic(transport)
            await self.publish(transport, Journal(), numbered(topic, 10))
            group = self.group()
            consumer = await self.within(transport.consume([topic], group))
            runs = await self.collect(consumer, 10)
            await self.within(consumer.commit({runs[0].lease: 4}))
            await self.crash(consumer)
            after = await self.within(transport.consume([topic], group))
            runs = await self.collect(after, 6)
            assert [record.offset for run in runs for record in run.records] == [4, 5, 6, 7, 8, 9]

    @core
    async def test_a_failed_delivery_comes_again_with_no_later_message(self) -> None:
        async with self.transport() as transport:
            topic = await self.topic(transport)
            await self.publish(transport, Journal(), [Record(topic, b"k", b"only")])
            group = self.group()
            consumer = await self.within(transport.consume([topic], group))
            assert (await self.first(consumer)).records[0].value == b"only"
            await self.crash(consumer)
            after = await self.within(transport.consume([topic], group))
            assert (await self.first(after)).records[0].value == b"only"

    @core
    async def test_an_idle_consumer_wakes_when_traffic_comes(self) -> None:
        async with self.transport() as transport:
            topic = await self.topic(transport)
            consumer = await self.within(transport.consume([topic], self.group()))
            for i in range(5):
                waiting = asyncio.create_task(self.first(consumer))
                done, _ = await asyncio.wait({waiting}, timeout=0.3)
                assert not done, "a consumer received something though nothing was published"
                await self.publish(transport, Journal(), [Record(topic, b"k", b"%d" % i)])
                assert [record.value for record in (await waiting).records] == [b"%d" % i]

    @core
    async def test_one_receive_is_bounded_in_records_and_bytes(self) -> None:
        """Back-pressure: what is not asked for stays in the log, however much it is."""
        async with self.transport() as transport:
            topic = await self.topic(transport, partitions=2)
            for _ in range(20):
                batch = [Record(topic, None, b"x" * 100_000, partition=i % 2) for i in range(20)]
                await self.publish(transport, Journal(), batch)
            consumer = await self.within(transport.consume([topic], self.group(), max_records=30))
            count = 0
            while count < 400:
                items = await self.within(consumer.receive())
                runs = [item for item in items if isinstance(item, Received)]
                assert all(len(run.records) <= 30 for run in runs)
                assert sum(len(r.value or b"") for run in runs for r in run.records) <= self.receive_bytes
                count += sum(len(run.records) for run in runs)
            assert count == 400


class GroupPowerTests(ConformanceBase):
    """The power Groups."""

    @needs(Groups)
    async def test_the_note_rides_on_the_commit_at_assignment_and_on_every_later_one(self) -> None:
        async with self.transport() as transport:
            topic = await self.topic(transport)
            group = self.group()
            await self.publish(transport, Journal(), numbered(topic, 10))
            consumer = await self.within(transport.consume([topic], group, note='{"b":1}'))
            run = await self.first(consumer)
            at_assignment = (await self.within(transport.committed(group)))[topic, 0]
            assert tuple(at_assignment) == (0, '{"b":1}')
            await self.within(consumer.commit({run.lease: 5}))
            assert tuple((await self.within(transport.committed(group)))[topic, 0]) == (5, '{"b":1}')
            assert group in await self.within(transport.groups())

    @needs(Groups)
    async def test_an_unknown_group_has_nothing_committed(self) -> None:
        async with self.transport() as transport:
            assert await self.within(transport.committed(self.group())) == {}

    @needs(Groups)
    async def test_a_mark_commits_for_a_group_that_nobody_has_joined(self) -> None:
        async with self.transport() as transport:
            topic = await self.topic(transport, partitions=2)
            await self.publish(transport, Journal(), [Record(topic, b"k", b"%d" % i, partition=0) for i in range(9)])
            group = self.group()
            for position in (3, 6):
                await self.within(transport.mark(group, {TopicPartition(topic, 0): position}, "marked"))
                assert tuple((await self.within(transport.committed(group)))[topic, 0]) == (position, "marked")
            consumer = await self.within(transport.consume([topic], group))
            assert (await self.first(consumer)).records[0].offset == 6

    @needs(Groups)
    async def test_a_mark_is_fenced_while_the_group_has_members(self) -> None:
        async with self.transport() as transport:
            topic = await self.topic(transport)
            await self.publish(transport, Journal(), numbered(topic, 1))
            group = self.group()
            consumer = await self.within(transport.consume([topic], group))
            await self.first(consumer)
            try:
                await self.within(transport.mark(group, {TopicPartition(topic, 0): 0}, ""))
                raise AssertionError("a mark of a group with a member raised nothing")
            except Fenced:
                pass


class RebalanceTests(ConformanceBase):
    """Members come and go."""

    @needs(groups=True, partitions=True)
    async def test_a_revoked_lease_is_given_back_and_a_late_commit_is_fenced(self) -> None:
        async with self.transport() as one, self.transport() as two:
            topic = await self.topic(one, partitions=2)
            group = self.group()
            await self.publish(one, Journal(), [Record(topic, None, b"%d" % i, partition=i % 2) for i in range(8)])
            first = await self.within(one.consume([topic], group))
            leases = {run.lease for run in await self.collect(first, 8)}
            second, revoked = await self._join_and_revoke(first, two.consume([topic], group))
            assert revoked <= leases
            released = min(revoked)
            for lease in revoked:
                await self.within(first.commit({lease: 2}))  # still ours, until it is given back
                await self.within(first.release(lease))
                await self.within(first.release(lease))  # idempotent
            holder, run = await self._received_by(first, second, released.partition)
            assert run.records[0].offset == 2, "the new holder begins at what was committed last"
            assert holder is second or run.lease != released, "a member's new lease has a new epoch"
            try:
                await self.within(first.commit({released: 3}))
                raise AssertionError("a commit of a lease that was given back raised nothing")
            except Fenced as error:
                assert set(error.leases) == {released}

    async def _join_and_revoke(self, first: Consumer, joining: Any) -> tuple[Consumer, set[Lease]]:
        """The second member, and the leases that its joining takes from the first."""
        task = asyncio.ensure_future(joining)

        async def wait() -> set[Lease]:
            while True:
                items = await first.receive()
                revoked = [item for item in items if isinstance(item, Revoked)]
                assert items[: len(revoked)] == revoked, "revocations come before any record"
                if revoked:
                    assert all(item.deadline > 0 for item in revoked)
                    return {item.lease for item in revoked}

        revoked: set[Lease] = await self.within(wait())
        return await self.within(task), revoked

    async def _received_by(self, first: Consumer, second: Consumer, partition: int) -> tuple[Consumer, Received]:
        """Whichever member has the partition now, and its first run."""
        found: asyncio.Future[tuple[Consumer, Received]] = asyncio.get_running_loop().create_future()

        async def watch(consumer: Consumer) -> None:
            while True:
                for item in await consumer.receive():
                    if isinstance(item, Revoked):
                        await consumer.release(item.lease)
                    elif isinstance(item, Received) and item.lease.partition == partition and not found.done():
                        found.set_result((consumer, item))

        tasks = [asyncio.create_task(watch(consumer)) for consumer in (first, second)]
        try:
            holder, run = await self.within(found)
            return holder, run
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    @needs(groups=True)
    async def test_a_commit_names_the_leases_that_are_gone_and_commits_the_others(self) -> None:
        async with self.transport() as transport:
            topic = await self.topic(transport)
            group = self.group()
            await self.publish(transport, Journal(), numbered(topic, 10))
            consumer = await self.within(transport.consume([topic], group))
            run = await self.first(consumer)
            gone = Lease(topic, 0, run.lease.epoch - 1)
            try:
                await self.within(consumer.commit({gone: 9, run.lease: 4}))
                raise AssertionError("a commit of an old lease raised nothing")
            except Fenced as error:
                assert set(error.leases) == {gone}
            await self.within(consumer.aclose())
            after = await self.within(transport.consume([topic], group))
            assert (await self.first(after)).records[0].offset == 4

    @needs(groups=True)
    async def test_a_leaving_member_leaves_its_partitions_to_the_others(self) -> None:
        journal = Journal()
        async with self.transport() as one, self.transport() as two:
            topic = await self.topic(one, partitions=4)
            group = self.group()
            stays = await self.within(one.consume([topic], group))
            leaves = await self.within(two.consume([topic], group))
            async with self.working(journal, stays):
                async with self.working(journal, leaves):
                    await self.publish(one, journal, numbered(topic, 100))
                    await journal.until_all(self.patience)
                await self.within(leaves.aclose())
                await self.publish(one, journal, numbered(topic, 100, first=100))
                await journal.until_all(self.patience)
            journal.assert_complete()
            journal.assert_ordered()

    @needs(groups=True, order="key")
    async def test_joins_and_leaves_under_flow_lose_nothing_and_keep_the_order(self) -> None:
        journal = Journal()
        async with self.transport() as one, self.transport() as two:
            topic = await self.topic(one, partitions=8)
            group = self.group()
            stays = await self.within(one.consume([topic], group))
            async with self.working(journal, stays):
                lives = asyncio.gather(
                    *(self._lives(journal, two, topic, group, member) for member in range(self.members - 1))
                )
                count = 0
                while not lives.done():
                    await self.publish(one, journal, numbered(topic, 32, first=count))
                    count += 32
                    await asyncio.sleep(0.01)
                await lives
                await journal.until_all(self.patience)
            journal.assert_complete()
            journal.assert_ordered()

    async def _lives(self, journal: Journal, transport: Any, topic: str, group: str, member: int) -> None:
        """Join, wait for a record, leave; as often as this member's share of the joins."""
        for life in range(member, self.joins, self.members - 1):
            name = f"life {life}"
            consumer = await self.within(transport.consume([topic], group))
            worker = asyncio.create_task(work(journal, name, consumer))
            try:
                await journal.until(
                    lambda name=name: any(d.member == name for d in reversed(journal.deliveries)),  # type: ignore[misc]
                    f"{name} has had a record",
                    self.patience,
                )
            finally:
                worker.cancel()
                await asyncio.gather(worker, return_exceptions=True)
                await self.within(consumer.aclose())
