"""Consuming: one task fetches, leases say what may be committed, and nobody cancels or pauses aiokafka.

A cancelled getmany stops aiokafka's idle clock and a paused partition loses what was fetched, so neither is ever done:
`receive` takes from a buffer that one task fills, and that task waits while the buffer is full. A consumer ends at its
first refusal; a fresh one is the way on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping, Sequence, Set
from typing import Any

import aiokafka.errors as kafka
from aiokafka import ConsumerRebalanceListener
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from busline.errors import BuslineError, Fenced, RetentionGap, TransportClosed, Unreachable
from busline.transport.base import Item, Lease, Received, Revoked, Start, Unreadable
from busline.transport.kafka.connection import Connection, partitions_of
from busline.transport.kafka.decoding import RUN_BYTES, Hole, adopt
from busline.transport.kafka.failures import FOREIGN, translate

log = logging.getLogger("busline.transport.kafka")
POLL = 0.2
GRACE = 20.0
"""Seconds that a member has to finish what is in flight when its partitions are wanted elsewhere."""
CLOSING = 5.0
WAITING = 3.0
"""Seconds without any partition after which a new member says, once, for whom it waits."""
COMMITTING = 1.0
"""Seconds without an answer to a commit after which it is asked whether its topics are still there."""
SILENCE = 10.0
PATIENCE = 60.0
"""Seconds without an answer after which a consumer says that its engine is unreachable."""


class KafkaConsumer:
    """A reader of given partitions; the base of a group's member. See transport.base.Consumer."""

    def __init__(self, connection: Connection, client: Any, limit: int) -> None:
        self._connection, self._client, self._limit = connection, client, limit
        self._fetched = adopt(client)
        self._held: dict[TopicPartition, Lease] = {}
        self._buffer: list[Received | Unreadable] = []
        self._revoked: list[Revoked] = []
        self._error: BuslineError | None = None
        self._ready, self._room = asyncio.Event(), asyncio.Event()
        self._room.set()
        self._heard = self._probed = time.monotonic()
        self._task: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None

    def begin(self, positions: Mapping[TopicPartition, int]) -> None:
        """Read these partitions from these offsets."""
        self._client.assign(list(positions))
        for partition, offset in positions.items():
            self._client.seek(partition, offset)
            self._held[partition] = Lease(partition.topic, partition.partition, 0)
        self._task = asyncio.create_task(self._fetch())

    async def _fetch(self) -> None:
        try:
            while True:
                await self._room.wait()
                self._fetched.room = RUN_BYTES
                got = await self._client.getmany(timeout_ms=int(POLL * 1000), max_records=self._limit)
                for partition, items in got.items():
                    if (lease := self._held.get(partition)) is not None:
                        self._keep(lease, items)
                if self._buffer:
                    self._room.clear()
                    self._ready.set()
                elif not got:
                    await self._listen()
        except FOREIGN as error:
            self._fail(self._explained(error))

    def _keep(self, lease: Lease, items: list[Any]) -> None:
        hole = items.pop() if type(items[-1]) is Hole else None
        if items:
            self._buffer.append(Received(lease, items))
        if hole is not None:
            log.error("%s[%d]: offsets %d to %d cannot be read: %s", lease.topic, lease.partition, hole.first,
                      hole.next - 1, hole.why)  # fmt: skip
            self._buffer.append(Unreadable(lease, hole.first, hole.next, hole.why))

    async def _listen(self) -> None:
        """Silence may be an idle topic, or a changed password: the broker's last answers tell, else a probe does. A
        topic that is gone from the metadata is never fetched again: it is deleted, or forbidden to us."""
        if gone := {partition.topic for partition in self._held} - self._client._client.cluster.topics():
            await self._check_there(gone)
        now = time.monotonic()
        answers = [self._client.last_poll_timestamp(one) or 0 for one in self._client.assignment()]
        if answers and time.time() - max(answers) / 1000 < SILENCE:
            self._heard = now
        if now - max(self._heard, self._probed) < (SILENCE if answers else PATIENCE):
            return
        self._probed = now
        failure = await self._connection.probe()
        if failure is None:
            await self._check_there({partition.topic for partition in self._held})
            self._heard = self._probed
        elif not isinstance(failure, Unreachable) or now - self._heard > PATIENCE:
            raise failure
        else:
            log.warning("no answer for %.0f s: %s", now - self._heard, failure)

    async def _check_there(self, topics: Set[str]) -> None:
        for topic in topics:
            await partitions_of(self._client._client, topic)

    def _explained(self, error: BaseException) -> BuslineError:
        if isinstance(error, kafka.OffsetOutOfRangeError):
            return RetentionGap("the start was removed by retention", where=self._connection.name, why=str(error))
        return translate(error, where=self._connection.name)

    def _fail(self, error: BuslineError) -> None:
        """Say it once the buffer is taken, and stop aiokafka, which would go on asking thousands of times a second."""
        if self._error is None:
            self._error = error
            self._ready.set()
            self._closing = self._closing or asyncio.create_task(self._close())

    async def receive(self) -> Sequence[Item]:
        while not self._revoked:
            if self._buffer:
                taken, self._buffer = self._buffer, []
                self._ready.clear()
                self._room.set()
                return taken
            await self._wait()
        return self._take_revoked()

    async def revoked(self) -> Sequence[Revoked]:
        while not self._revoked:
            await self._wait()
        return self._take_revoked()

    async def _wait(self) -> None:
        if self._error is not None:
            raise self._error
        self._ready.clear()
        await self._ready.wait()

    def _take_revoked(self) -> Sequence[Revoked]:
        revoked, self._revoked = self._revoked, []
        return revoked

    async def commit(self, positions: Mapping[Lease, int]) -> None:
        if positions:
            raise Fenced(list(positions))

    async def release(self, lease: Lease) -> None:
        return None

    async def aclose(self) -> None:
        if self._error is None:
            self._error = TransportClosed("this consumer is closed")
        self._buffer.clear()
        self._revoked.clear()
        self._ready.set()
        self._closing = self._closing or asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        self._held.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        await end(self._client)


class GroupConsumer(KafkaConsumer, ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is not typed
    """A member of a group, eagerly rebalanced. Its listener holds a rebalance up until all leases are released."""

    def __init__(self, connection: Connection, client: Any, limit: int, *, start: Start, note: str) -> None:
        super().__init__(connection, client, limit)
        self._start: Start = start
        self._note = note
        self._topics: Sequence[str] = ()
        self._epoch = 0
        self._released = asyncio.Event()
        self._telling: asyncio.TimerHandle | None = None

    def join(self, topics: Sequence[str]) -> None:
        self._topics = topics
        self._client.subscribe(topics, listener=self)
        self._task = asyncio.create_task(self._fetch())
        self._telling = asyncio.get_running_loop().call_later(WAITING, self._tell_waiting)

    def _tell_waiting(self) -> None:
        if not self._held:
            group, timeout = self._client._group_id, self._client._session_timeout_ms / 1000
            log.info("group %s: waiting for partitions held by other members; those of a member that died are free %g s"
                     " after its last beat", group, timeout)  # fmt: skip

    async def commit(self, positions: Mapping[Lease, int]) -> None:
        if isinstance(self._error, TransportClosed):
            raise self._error
        coordinator = self._client._coordinator
        gone = [
            lease
            for lease in positions
            if self._held.get(TopicPartition(lease.topic, lease.partition)) != lease or coordinator.generation < 0
        ]
        kept = {TopicPartition(*lease[:2]): offset for lease, offset in positions.items() if lease not in gone}
        try:
            await self._write(kept)
        except (kafka.CommitFailedError, kafka.IllegalStateError):
            gone = list(positions)
        except FOREIGN as error:
            raise translate(error, where=self._connection.name) from error
        if gone:
            raise Fenced(gone)

    async def _write(self, positions: Mapping[TopicPartition, int]) -> None:
        """aiokafka asks for ever, thousands of times a second, to commit for a topic that is deleted."""
        if not positions:
            return
        offsets = {p: OffsetAndMetadata(offset, self._note) for p, offset in positions.items()}
        commit = asyncio.ensure_future(self._client.commit(offsets))
        try:
            while not (await asyncio.wait({commit}, timeout=COMMITTING))[0]:
                await self._check_there({partition.topic for partition in positions})
            commit.result()
        finally:
            commit.cancel()
            await asyncio.wait({commit})

    async def release(self, lease: Lease) -> None:
        partition = TopicPartition(lease.topic, lease.partition)
        if self._held.get(partition) == lease:
            del self._held[partition]
        if not self._held:
            self._released.set()

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """aiokafka rejoins when this returns."""
        self._buffer.clear()
        self._room.set()
        if self._held and self._closing is None:
            gone = self._client._coordinator.generation < 0
            self._released.clear()
            self._revoked += [Revoked(lease, 0.0 if gone else GRACE) for lease in self._held.values()]
            self._ready.set()
            if not gone:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(GRACE):
                        await self._released.wait()
        self._held.clear()
        async with self._client._coordinator._commit_lock:
            pass  # a commit of the old generation must not be sent with the new one

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        try:
            # aiokafka assigns nothing of a deleted topic, silently
            await self._check_there({*self._topics} - {one.topic for one in assigned})
            positions = await self._positions(assigned)
            await self._write(positions)
        except kafka.CommitFailedError:
            return  # assigned elsewhere already: another rebalance follows
        except FOREIGN as error:
            self._fail(self._explained(error))
            return
        self._epoch += 1
        for partition, offset in positions.items():
            self._client.seek(partition, offset)
            self._held[partition] = Lease(partition.topic, partition.partition, self._epoch)
        self._heard = time.monotonic()

    async def _positions(self, partitions: set[TopicPartition]) -> dict[TopicPartition, int]:
        """The committed offsets, and where the group has none, its start."""
        known = await self._client._coordinator.fetch_committed_offsets(list(partitions))
        fresh = [one for one in partitions if one not in known]
        return {one: known[one].offset for one in partitions if one in known} | await starts(
            self._client, fresh, self._start
        )

    async def _close(self) -> None:
        self._released.set()
        if self._telling:
            self._telling.cancel()
        await super()._close()


async def end(client: Any) -> None:
    """Stop an AIOKafkaConsumer, leaving its group; within CLOSING seconds also where nobody answers any more."""
    stopping = asyncio.create_task(client.stop())
    await asyncio.wait({stopping}, timeout=CLOSING)
    if not stopping.done():
        coordinator, fetcher = client._coordinator, client._fetcher
        tasks = [stopping, getattr(coordinator, "_coordination_task", None), fetcher._fetch_task]
        tasks += [getattr(coordinator, name, None) for name in ("_heartbeat_task", "_commit_refresh_task")]
        going = {task for task in (*tasks, *fetcher._pending_tasks) if task is not None and not task.done()}
        for task in going:
            task.cancel()
        await asyncio.wait(going, timeout=CLOSING)
        await client._client.close()
    if not stopping.cancelled() and (error := stopping.exception()) is not None:
        log.debug("closing: %s", error)


async def starts(client: Any, partitions: Sequence[TopicPartition], start: Start) -> dict[TopicPartition, int]:
    """The offsets that `start` means. A time after the last record means the end."""
    if not partitions:
        return {}
    if start == "earliest":
        return dict(await client.beginning_offsets(partitions))
    ends: dict[TopicPartition, int] = await client.end_offsets(partitions)
    if start == "latest":
        return dict(ends)
    found = await client.offsets_for_times(dict.fromkeys(partitions, start))
    return {one: found[one].offset if found[one] is not None else ends[one] for one in partitions}


def assignor(note: str) -> type[RoundRobinPartitionAssignor]:
    """Round robin, with the note as the membership's user data: an admin sees who reads what without any commit."""

    class Noting(RoundRobinPartitionAssignor):  # type: ignore[misc]  # aiokafka is not typed
        @classmethod
        def metadata(cls, topics: Any) -> ConsumerProtocolMemberMetadata:
            return ConsumerProtocolMemberMetadata(cls.version, list(topics), note.encode())

    return Noting
