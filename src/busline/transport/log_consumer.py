"""The two consumers over a Log: a member of a group, and a reader without one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from busline.errors import BuslineError, Fenced, RetentionGap, TransportClosed
from busline.record import Positions, StoredRecord, TopicPartition
from busline.transport.base import Lease, Received, Revoked, Start
from busline.transport.log import Change, Log
from busline.transport.members import Assigned, Event, Member, Membership

logger = logging.getLogger("busline.transport")

WAITING = 3.0
"""Seconds without any partition after which a new member says, once, for whom it waits."""
GRACE = 30.0
"""Seconds a holder has for giving back; after that the consumer gives back for it, at what is committed."""


class LogConsumer:
    """What both have: positions that move only when records are handed over, and waiting for the log to grow."""

    def __init__(self, log: Log, max_records: int) -> None:
        self._log, self._max_records = log, max_records
        self._cursors: dict[Lease, int] = {}
        self._wake = asyncio.Event()
        self._closing: asyncio.Task[None] | None = None
        self._unlisten = log.listen(self._changed)

    def _changed(self, change: Change) -> None:
        self._wake.set()

    async def _fetch(self) -> list[Received | Revoked]:
        """A run of each partition. The positions move after the last await, so a cancelled receive takes nothing."""
        asked = {TopicPartition(lease.topic, lease.partition): lease for lease in self._cursors}
        if not asked:
            return []
        positions = {tp: self._cursors[lease] for tp, lease in asked.items()}
        got = await self._log.fetch(positions, self._max_records)
        for tp, records in got.items():
            if records[0].offset > positions[tp]:
                await self._skipped(tp, positions[tp])
        return [self._hand_over(asked[tp], records) for tp, records in got.items() if asked[tp] in self._cursors]

    def _hand_over(self, lease: Lease, records: Sequence[StoredRecord]) -> Received:
        del self._cursors[lease]  # to the end of the queue: a busy partition does not starve the others
        self._cursors[lease] = records[-1].offset + 1
        return Received(lease, records)

    async def _skipped(self, tp: TopicPartition, position: int) -> None:
        """Offsets are missing: by compaction, which is no loss, or by retention."""
        first = (await self._log.bounds(tp.topic))[tp.partition].first
        if first > position:
            self._removed(tp, position, first)

    def _removed(self, tp: TopicPartition, position: int, first: int) -> None:
        raise NotImplementedError

    @property
    def closed(self) -> bool:
        return self._closing is not None

    def _check_open(self) -> None:
        if self._closing:
            raise TransportClosed("the consumer is closed")

    async def aclose(self) -> None:
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        self._unlisten()
        self._cursors.clear()
        self._wake.set()


class LogReader(LogConsumer):
    """Reads exactly these partitions, live, without a group."""

    def __init__(self, log: Log, positions: Positions, max_records: int) -> None:
        super().__init__(log, max_records)
        self._cursors = {Lease(*tp, 0): offset for tp, offset in positions.items()}

    async def receive(self) -> Sequence[Received | Revoked]:
        while True:
            self._wake.clear()
            self._check_open()
            if got := await self._fetch():
                return got
            await self._wake.wait()

    def _removed(self, tp: TopicPartition, position: int, first: int) -> None:
        raise retention_gap(tp, position, first)

    async def commit(self, positions: Mapping[Lease, int]) -> None:
        self._check_open()
        raise Fenced(list(positions))

    async def release(self, lease: Lease) -> None:
        self._cursors.pop(lease, None)


def retention_gap(tp: TopicPartition, position: int, first: int) -> RetentionGap:
    return RetentionGap(
        f"{tp.topic}[{tp.partition}] begins at {first}, not at {position}",
        why=f"{first - position} offset(s) were removed by retention",
        fix=f"Start at {first} or later, or at 'earliest'.",
    )


class GroupConsumer(LogConsumer):
    """A member of a group. One task beats for it; `receive` hands over only what the member may deliver."""

    def __init__(self, log: Log, group: str, *, start: Start, note: str, max_records: int, ttl: float) -> None:
        super().__init__(log, max_records)
        self._group, self._start, self._note, self._ttl = group, start, note, ttl
        self._revoked: list[Revoked] = []
        self._member: Member
        self._beating: asyncio.Task[None] | None = None
        self._look = asyncio.Event()
        self._trouble: BaseException | None = None
        self._expiring: dict[Lease, asyncio.TimerHandle] = {}
        self._telling: asyncio.TimerHandle | None = None
        self._background: set[asyncio.Task[None]] = set()

    async def join(self, parts: Sequence[TopicPartition]) -> None:
        """The first tick takes what is free; the nudge makes the others look at once."""
        membership = Membership(
            group=self._group,
            name=self._log.member_name(),
            note=self._note,
            ttl=self._ttl,
            grace=GRACE,
            gone=self._log.gone,
        )
        self._member = Member(self._log, membership, parts, self._first, self._event)
        try:
            await self._member.tick()
        except BaseException:
            await self.aclose()
            raise
        self._log.nudge()
        self._beating = asyncio.create_task(self._beat(), name=f"busline beat {self._group}")
        self._telling = asyncio.get_running_loop().call_later(WAITING, self._tell_waiting)

    def _tell_waiting(self) -> None:
        if not self._member.leases:
            owners = sorted({owner for owner in self._member.owners.values() if owner is not None})
            logger.info(
                "group %s: waiting for partitions held by %s; those of a member that died are free %g s after its last"
                " beat", self._group, ", ".join(owners) or "nobody", self._ttl
            )  # fmt: skip

    async def _first(self, tp: TopicPartition) -> int:
        if isinstance(self._start, int):
            return (await self._log.at_time(tp.topic, self._start))[tp.partition]
        bounds = (await self._log.bounds(tp.topic))[tp.partition]
        return bounds.first if self._start == "earliest" else bounds.next

    def _changed(self, change: Change) -> None:
        if change == "records":
            self._wake.set()
        else:
            self._look.set()

    def _event(self, event: Event) -> None:
        if isinstance(event, Assigned):
            self._cursors[event.lease] = event.next
        else:
            self._cursors.pop(event.lease, None)
            self._revoked.append(event)
            self._expire(event)
        self._wake.set()

    def _expire(self, event: Revoked) -> None:
        if timer := self._expiring.pop(event.lease, None):
            timer.cancel()
        if event.deadline:
            loop = asyncio.get_running_loop()
            self._expiring[event.lease] = loop.call_later(event.deadline, self._give_back_soon, event.lease)

    def _give_back_soon(self, lease: Lease) -> None:
        task = asyncio.create_task(self.release(lease))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _beat(self) -> None:
        """Never cancelled: a beat whose answer nobody waits for would leave a member that only time removes."""
        failing = False
        try:
            while await self._due():
                try:
                    await self._member.tick()
                    self._trouble, failing = None, False
                except BuslineError as error:
                    if not failing:  # once, not at every try
                        logger.warning("group %s: a tick failed: %s", self._group, error)
                    self._trouble, failing = error, True
                self._wake.set()
        finally:
            self._wake.set()

    async def _due(self) -> bool:
        try:
            async with asyncio.timeout(self._ttl / 4):
                await self._look.wait()
        except TimeoutError:
            pass
        self._look.clear()
        return self._closing is None

    async def receive(self) -> Sequence[Received | Revoked]:
        while True:
            self._wake.clear()
            self._check_open()
            if self._member.valid and not self._revoked:
                got = await self._fetch()
                self._check_open()
                if got and not self._revoked:
                    return got
                if got:
                    self._rewind(got)
            if self._revoked:
                revoked, self._revoked = self._revoked, []
                return revoked
            self._raise_trouble()
            await self._wake.wait()

    async def revoked(self) -> Sequence[Revoked]:
        while not self._revoked:
            self._wake.clear()
            self._check_open()
            self._raise_trouble()
            await self._wake.wait()
        revoked, self._revoked = self._revoked, []
        return revoked

    def _rewind(self, got: Sequence[Received | Revoked]) -> None:
        """Revocations come before any record: what was fetched meanwhile comes again."""
        for item in got:
            if isinstance(item, Received) and item.lease in self._cursors:
                self._cursors[item.lease] = item.records[0].offset

    def _raise_trouble(self) -> None:
        if self._beating and self._beating.done() and not self._closing:
            self._beating.result()
        if self._trouble and not self._member.valid:
            trouble, self._trouble = self._trouble, None  # the next receive waits for the next tick
            raise trouble

    def _removed(self, tp: TopicPartition, position: int, first: int) -> None:
        count = first - position
        logger.warning(
            "group %s: retention removed %d offset(s) of %s[%d] unread", self._group, count, tp.topic, tp.partition
        )

    async def commit(self, positions: Mapping[Lease, int]) -> None:
        self._check_open()
        writes = [self._member.commit(lease, position) for lease, position in positions.items()]
        # a commit whose answer nobody took would cost the lease: it goes on when its caller is cancelled
        results = await asyncio.shield(asyncio.gather(*writes, return_exceptions=True))
        gone = [lease for lease, result in zip(positions, results, strict=True) if isinstance(result, Fenced)]
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, Fenced):
                raise result
        if gone:
            raise Fenced(gone)

    async def release(self, lease: Lease) -> None:
        if timer := self._expiring.pop(lease, None):
            timer.cancel()
        self._cursors.pop(lease, None)
        if self._closing is None and self._member.holds(lease):
            await self._member.give_back(lease)
            self._log.nudge()
            self._look.set()

    async def _close(self) -> None:
        await super()._close()
        for timer in (*self._expiring.values(), self._telling):
            if timer:
                timer.cancel()
        self._look.set()
        tasks = [task for task in (self._beating, *self._background) if task]
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            await self._member.leave()
        except BuslineError as error:  # the others take over after ttl
            logger.warning("group %s: leaving failed: %s", self._group, error)
        self._log.nudge()
