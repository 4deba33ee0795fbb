"""One consumer group in this process: receive, hand to the lanes, commit what is finished."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from busline.bus.batching import Batches
from busline.bus.dead_letter import DeadLetters
from busline.bus.handlers import Shape
from busline.bus.health import STALLED, GroupHealth, Progress, State
from busline.bus.lanes import Lanes
from busline.bus.options import Concurrency
from busline.bus.positions import begin
from busline.bus.retry import is_refused, may_pass
from busline.bus.route import Route
from busline.bus.settling import Settling
from busline.bus.slot import Handle
from busline.bus.watchdog import LoopWatch, TimeLimits, handler_codes, watch
from busline.errors import AccessDenied, BuslineError, ContractUnknown, Fenced, TransportClosed
from busline.record import Position, Positions, TopicPartition
from busline.transport.base import (
    Consumer,
    Groups,
    Item,
    Lease,
    Received,
    Revoked,
    Revoking,
    Seekable,
    Start,
    Transport,
    Unreadable,
)

logger = logging.getLogger("busline.bus")

RUN_RECORDS = 250
"""Records of one Received: with more of them waiting, Python's collector walks over them again and again."""
STOP_WITHIN = 30.0
LOOK_EVERY = 0.02
"""Seconds between two looks of `caught_up`; other members' positions are asked for ten times more rarely."""
RETRY_AFTER = 1.0
RETRY_AT_MOST = 15.0
"""Seconds until a consumer whose engine does not answer is asked again; from the second time on, a new one is. One that
is refused has ended: the next one asks with a growing pause, until the right is given again."""
CALM = 5.0
"""Seconds without a failure after which a new consumer is well, also where no event comes."""


@dataclass(frozen=True, kw_only=True)
class GroupSpec:
    """start: for a group without a position, one for all topics or by topic. note: rides on every commit. until:
    offsets at which the run ends by itself; what lies at or after them is not handled. allowed: raises AccessDenied
    while the right is gone, where the engine itself does not."""

    group: str
    routes: tuple[Route, ...]
    start: Start | Mapping[str, Start] = "earliest"
    note: str = ""
    concurrency: Concurrency = field(default_factory=Concurrency)
    until: Positions | None = None
    allowed: Callable[[], None] | None = None


class GroupRunner:
    """`run` once; `stop`, `caught_up` and `health` from any task of the loop."""

    def __init__(self, transport: Transport, spec: GroupSpec, dead_letters: DeadLetters) -> None:
        self._transport, self.spec, self._dead_letters = transport, spec, dead_letters
        self._routes = {route.topic: route for route in spec.routes}
        self._handles: dict[Lease, Handle] = {}
        self._settling = Settling(spec.group, self._routes, dead_letters)
        self._committed: dict[Lease, int] = {}
        self._giving_back: dict[Lease, asyncio.Task[None]] = {}
        self._committing = asyncio.Lock()
        self._progress = Progress()
        self._state: State = "starting"
        self._reason: str | None = None
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._within = STOP_WITHIN
        self._consumer: Consumer
        self._lanes: Lanes
        self._batches: Batches

    async def run(self) -> None:
        """Returns when stopped (or `until` is reached). Raises what it cannot go on from: DeadLetterFailed,
        AuthenticationFailed, UnknownTopic, StorageFailed, and NotAuthorized where it never had the right: one that is
        lost on the way is waited for. It winds down in order in any case."""
        try:
            await self._join()
            await self._run()
        except BaseException as error:
            self._state, self._reason = "failed", f"{type(error).__name__}: {error}"
            raise
        else:
            self._state = "stopped"
        finally:
            self._ended.set()

    async def _join(self) -> None:
        spec = self.spec
        self._lanes = Lanes(self._settling, keys=spec.concurrency.keys, window=spec.concurrency.window)
        self._batches = Batches(self._lanes)
        self._consumer = await self._consume()

    async def _consume(self) -> Consumer:
        spec = self.spec
        start = await begin(self._transport, spec.group, spec.start, spec.note)
        return await self._transport.consume(
            list(self._routes), spec.group, start=start, note=spec.note, max_records=RUN_RECORDS
        )

    async def _run(self) -> None:
        limits = TimeLimits(self._lanes, self._routes)
        duties: list[Coroutine[Any, Any, Any]] = [
            self._receive(),
            self._commit_now_and_then(),
            watch(limits, LoopWatch(handler_codes(self.spec.routes)), self._look),
            self._stopping.wait(),
        ]
        if self.spec.until is not None:
            duties.append(self.caught_up(self.spec.until))
        tasks = [asyncio.ensure_future(duty) for duty in duties]
        self._state = "running"
        within = 0.0
        try:
            done, _ = await asyncio.wait([*tasks, self._lanes.fatal], return_when=asyncio.FIRST_COMPLETED)
            within = self._within
            for task in done:
                task.result()
        finally:
            self._state = "stopping"
            await self._wind_down(tasks, within)

    async def _receive(self) -> None:
        failures, lost = 0, False
        while True:
            try:
                if lost:
                    await self._rejoin()
                    lost = False
                items = await self._next_or_calm()
                await self._allowed()
                await self._take_all(items)
                failures, self._reason = 0, None
            except BuslineError as error:
                if not may_pass(error):
                    raise
                failures += 1
                lost = lost or failures > 1 or is_refused(error)
                self._reason = str(error)
                logger.warning("group %s: %s; trying again", self.spec.group, error)
                await asyncio.sleep(min(RETRY_AFTER * failures, RETRY_AT_MOST))

    async def _allowed(self) -> None:
        """Until what was received may be handled: a right that the engine itself does not guard may be gone."""
        failures = 0
        while self.spec.allowed is not None:
            try:
                return self.spec.allowed()
            except (AccessDenied, ContractUnknown) as error:
                failures += 1
                if str(error) != self._reason:
                    logger.warning("group %s: %s; waiting for it", self.spec.group, error)
                self._reason = str(error)
                await asyncio.sleep(min(RETRY_AFTER * failures, RETRY_AT_MOST))
        return None

    async def _next_or_calm(self) -> Sequence[Item]:
        if self._reason is None:
            return await self._next()
        coming = asyncio.ensure_future(self._next())
        try:
            if not (await asyncio.wait({coming}, timeout=CALM))[0]:
                self._reason = None
            return await coming
        finally:
            await _cancelled(coming)

    async def _next(self) -> Sequence[Item]:
        """Records when there is room for them; till then only what is revoked."""
        while not self._lanes.has_room:
            if not isinstance(self._consumer, Revoking):
                await self._lanes.room()
                break
            room = asyncio.ensure_future(self._lanes.room())
            revoked = asyncio.ensure_future(self._consumer.revoked())
            try:
                await asyncio.wait((room, revoked), return_when=asyncio.FIRST_COMPLETED)
                if revoked.done():
                    return revoked.result()
            finally:
                await _cancelled(room, revoked)
        return await self._consumer.receive()

    async def _rejoin(self) -> None:
        """A consumer that does not recover is replaced; what it had in hand comes again, after it has finished."""
        self._batches.clear()
        await self._lanes.drain(self.spec.concurrency.stop_within)
        for lease in self._lanes.leases:
            self._forget(lease)
        await self._consumer.aclose()
        self._consumer = await self._consume()

    async def _take_all(self, items: Sequence[Item]) -> None:
        for item in items:
            await self._take(item)

    async def _take(self, item: Item) -> None:
        if isinstance(item, Revoked):
            self._revoke(item)
        elif isinstance(item, Received):
            self._feed(item)
        else:
            await self._unreadable(item)

    def _feed(self, run: Received) -> None:
        lease, records = run
        if self.spec.until is not None:
            end = self.spec.until.get(TopicPartition(lease.topic, lease.partition), 0)
            records = [record for record in records if record.offset < end]
            if not records:
                return
        handle = self._handles.get(lease)
        route = self._routes[lease.topic]
        if handle is None:
            handle = self._handles[lease] = route.bind(lease)
        if route.handler.shape is Shape.BATCH:
            self._batches.feed(lease, records, handle, route.batch)
        else:
            self._lanes.feed(lease, records, handle)

    async def _unreadable(self, hole: Unreadable) -> None:
        logger.error("group %s: %s from %d to before %d: %s", self.spec.group, *hole)
        self._batches.flush(hole.lease)
        position = Position(hole.lease.topic, hole.lease.partition, hole.first)
        await self._settling.unreadable(position, f"offsets {hole.first} up to before {hole.next}: {hole.why}")
        self._lanes.skip(hole.lease, hole.next)

    def _revoke(self, revoked: Revoked) -> None:
        if revoked.lease not in self._giving_back or revoked.deadline == 0:
            task = asyncio.create_task(self._give_back(revoked), name="busline give back")
            self._giving_back[revoked.lease] = task
            task.add_done_callback(lambda _: self._giving_back.pop(revoked.lease, None))

    async def _give_back(self, revoked: Revoked) -> None:
        """Within the deadline: finish what is in hand, commit, release."""
        lease, deadline = revoked
        self._batches.drop(lease)
        await self._lanes.revoke(lease, min(deadline * 0.7, self.spec.concurrency.stop_within))
        try:
            if deadline > 0:
                await self._commit_last(lease)
            await self._consumer.release(lease)
        except BuslineError as error:
            logger.warning("group %s: giving %s back: %s", self.spec.group, lease, error)
        finally:
            self._forget(lease)

    async def _commit_last(self, lease: Lease) -> None:
        """A lease whose commit fails is released all the same: the whole group waits for it."""
        try:
            await self._commit([lease])
        except BuslineError as error:
            logger.warning("group %s: last commit of %s: %s; its events come again", self.spec.group, lease, error)

    def _forget(self, lease: Lease) -> None:
        self._lanes.forget(lease)
        self._committed.pop(lease, None)
        self._handles.pop(lease, None)

    async def _commit_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(self.spec.concurrency.commit_every)
            try:
                await self._commit()
            except BuslineError as error:
                if not may_pass(error):
                    raise
                logger.warning("group %s: commit: %s; trying again", self.spec.group, error)

    async def _commit(self, leases: list[Lease] | None = None) -> None:
        """Low-water marks that moved since the last commit."""
        async with self._committing:
            low = self._lanes.low_water()
            chosen = low if leases is None else [lease for lease in leases if lease in low]
            moved = {lease: low[lease] for lease in chosen if self._committed.get(lease, -1) < low[lease]}
            if not moved:
                return
            gone: set[object] = set()
            try:
                await self._consumer.commit(moved)
            except Fenced as error:
                gone = set(error.leases)
                logger.warning("group %s: %s; their events come again elsewhere", self.spec.group, error)
            self._committed.update({lease: offset for lease, offset in moved.items() if lease not in gone})
        for lease in gone:
            if isinstance(lease, Lease):
                self._revoke(Revoked(lease, 0))

    async def stop(self, within: float = STOP_WITHIN) -> None:
        """Stop fetching, finish or give back what is in hand, commit what finished, leave. within: seconds."""
        self._within = within
        self._stopping.set()
        await self._ended.wait()

    async def _wind_down(self, tasks: Sequence[asyncio.Future[Any]], within: float) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._batches.clear()
        await self._lanes.drain(within * 0.8)
        try:
            async with asyncio.timeout(max(1.0, within * 0.2)):
                await self._commit()
                if self._giving_back:
                    await asyncio.wait(self._giving_back.values())
        except (BuslineError, TimeoutError) as error:
            if not isinstance(error, TransportClosed):
                logger.warning("group %s: last commit: %r; what it covered comes again", self.spec.group, error)
        finally:
            for task in list(self._giving_back.values()):
                task.cancel()
            await self._lanes.aclose()
            await self._consumer.aclose()

    async def caught_up(self, ends: Positions) -> None:
        """Wait until all before these offsets is finished (handled or dead-lettered) by this group, by whichever
        member, and committed for what is ours. Raises SubscriptionError's kind that ended the run, if it ends."""
        asked, wanted = 0.0, {tp: end for tp, end in ends.items() if tp.topic in self._routes}
        elsewhere: dict[TopicPartition, int] = {}
        while True:
            if self._ended.is_set():
                raise TransportClosed(f"group {self.spec.group} ended before it had caught up", why=self._reason)
            if self._state != "starting":
                if time.monotonic() - asked > LOOK_EVERY * 10:
                    elsewhere, asked = await self._known_done(wanted), time.monotonic()
                here = {TopicPartition(lease.topic, lease.partition): at for lease, at in self._low_water().items()}
                if all(max(here.get(tp, 0), elsewhere.get(tp, 0)) >= end for tp, end in wanted.items()):
                    await self._commit()
                    return
            await asyncio.sleep(LOOK_EVERY)

    def _low_water(self) -> dict[Lease, int]:
        return self._lanes.low_water()

    async def _known_done(self, wanted: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """What the engine says is done: committed by any member, or removed before anyone could read it."""
        done: dict[TopicPartition, int] = {}
        if isinstance(self._transport, Groups):
            for (topic, partition), committed in (await self._transport.committed(self.spec.group)).items():
                done[TopicPartition(topic, partition)] = committed.next
        if isinstance(self._transport, Seekable):
            for topic in {tp.topic for tp in wanted}:
                for partition, bounds in (await self._transport.bounds(topic)).items():
                    tp = TopicPartition(topic, partition)
                    done[tp] = max(done.get(tp, 0), bounds.first)
        return done

    def _look(self) -> None:
        slots = self._lanes.in_hand
        now = ([(id(slot.item), slot.attempt) for slot in slots], self._lanes.taken, self._lanes.waiting)
        self._progress.look(now, busy=bool(slots) or self._lanes.waiting > 0)

    @property
    def health(self) -> GroupHealth:
        running = self._state == "running"
        lanes = self._lanes if self._state in ("running", "stopping") else None
        limit = max([STALLED, *(2 * (route.timeout or 0) for route in self.spec.routes)])
        stalled = self._progress.stalled if lanes and (lanes.in_hand or lanes.waiting) else 0.0
        failing, refused = self._dead_letters.failing, self._dead_letters.refused
        reason = self._reason or (failing and f"dead letters fail: {failing}")
        if stalled > limit and not refused:
            reason = f"no progress for {stalled:.0f} s"
        return GroupHealth(
            group=self.spec.group,
            state=self._state,
            alive=self._state != "failed" and (refused or (not failing and stalled <= limit)),
            ready=running and not failing and self._reason is None,
            reason=reason or None,
            partitions=tuple(f"{lease.topic}[{lease.partition}]" for lease in lanes.leases) if lanes else (),
            in_hand=len(lanes.in_hand) if lanes else 0,
            waiting=lanes.waiting if lanes else 0,
            retried=self._settling.retried,
            dead_lettered=self._settling.dead_lettered,
            stalled=round(stalled, 3),
        )


async def _cancelled(*futures: asyncio.Future[Any]) -> None:
    for future in futures:
        future.cancel()
    await asyncio.gather(*futures, return_exceptions=True)
