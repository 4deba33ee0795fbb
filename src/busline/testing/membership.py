"""A simulation of group membership in virtual time: joins, leaves, freezes and lost answers, from one seed.

Ten members with random lives share 16 partitions while records come in. The store is slow, may lose answers (what was
asked is done), and checks each committed position against what has really been handled.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from busline.errors import Fenced
from busline.record import TopicPartition
from busline.testing.virtual_time import run_virtual
from busline.transport.base import Lease
from busline.transport.members import Assigned, Event, Member, Membership, Slot, Versioned

TTL = 2.0
MEMBERS = 10
PARTITIONS = 16
LENGTH = 60.0
QUIET = 22.0
"""Seconds at the end in which only every second member lives and nothing is frozen."""
FREEZES = (1.0, 3.0, 9.0)


@dataclass(kw_only=True)
class Outcome:
    """What a run came to. broken_commits: positions that passed unfinished work or fell, epochs that fell."""

    published: int = 0
    lost: int = 0
    repeated: int = 0
    overlaps: int = 0
    fenced: int = 0
    broken_commits: int = 0
    owners: Counter[str | None] = field(default_factory=Counter)

    @property
    def spread(self) -> int:
        return max(self.owners.values()) - min(self.owners.values())


def simulate(seed: int, *, freezes: bool = False, loss: float = 0.0) -> Outcome:
    """One minute. loss: the share of answers that get lost."""
    return run_virtual(_Simulation(seed, freezes, loss).run())


class _Lost(ConnectionError):
    """The store did it, and the answer never came."""


class _Store:
    def __init__(self, simulation: _Simulation, loss: float) -> None:
        self._simulation, self._loss = simulation, loss
        self.entries: dict[str, Versioned] = {}

    async def _lag(self) -> None:
        await asyncio.sleep(self._simulation.dice.random() * 0.02)

    async def list(self, prefix: str) -> dict[str, Versioned]:
        await self._lag()
        found = {key: entry for key, entry in self.entries.items() if key.startswith(prefix)}
        await self._lag()
        return found

    async def cas(self, key: str, revision: int, value: bytes | None) -> bool:
        await self._lag()
        done = (self.entries[key].revision if key in self.entries else 0) == revision
        if done and value is None:
            self.entries.pop(key, None)
        elif done and value is not None:
            self._simulation.check(key, self.entries.get(key), value)
            self.entries[key] = Versioned(value, revision + 1)
        await self._lag()
        if self._simulation.dice.random() < self._loss:
            raise _Lost
        return done


class _Simulation:
    def __init__(self, seed: int, freezes: bool, loss: float) -> None:
        self.dice = random.Random(seed)
        self.store = _Store(self, loss)
        self.outcome = Outcome()
        self.parts = [TopicPartition("t", i) for i in range(PARTITIONS)]
        self.head: Counter[int] = Counter()
        self.handled: dict[int, Counter[int]] = defaultdict(Counter)
        self.flying: Counter[int] = Counter()
        self.frozen: dict[str, float] = {}
        self._freezes = freezes

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def run(self) -> Outcome:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._publish())
            tasks.create_task(self._look_at_the_end())
            if self._freezes:
                tasks.create_task(self._freeze())
            for i in range(MEMBERS):
                tasks.create_task(self._lives(i))
        self.outcome.published = self.head.total()
        for partition, head in self.head.items():
            self.outcome.lost += head - len(self.handled[partition])
            self.outcome.repeated += sum(count - 1 for count in self.handled[partition].values())
        return self.outcome

    def check(self, key: str, before: Versioned | None, value: bytes) -> None:
        """P5, at the one place that all commits pass."""
        if "/p/" not in key:
            return
        handled = self.handled[int(key.rpartition("/")[2])]
        old = Slot.decode(before.value) if before else Slot(None, 0, 0, "")
        new = Slot.decode(value)
        fell = new.next < old.next or new.epoch < old.epoch
        self.outcome.broken_commits += fell or not all(handled[offset] for offset in range(old.next, new.next))

    async def _publish(self) -> None:
        while self.now < LENGTH - 15:
            self.head[self.dice.randrange(PARTITIONS)] += 1
            await asyncio.sleep(0.02)

    async def _freeze(self) -> None:
        while self.now < LENGTH - QUIET - max(FREEZES):
            await asyncio.sleep(self.dice.random() * 8)
            self.frozen[f"m{self.dice.randrange(MEMBERS)}"] = self.now + self.dice.choice(FREEZES)

    async def gate(self, name: str) -> None:
        """A frozen process does nothing, whichever of its tasks it is."""
        while True:
            left = self.frozen.get(name, 0.0) - self.now
            if left <= 0:
                return
            await asyncio.sleep(left + 0.001)

    async def _look_at_the_end(self) -> None:
        await asyncio.sleep(LENGTH - 3)
        slots = [Slot.decode(entry.value) for key, entry in self.store.entries.items() if "/p/" in key]
        self.outcome.owners = Counter(slot.owner and slot.owner.partition(".")[0] for slot in slots)

    async def _lives(self, i: int) -> None:
        life = 0
        while self.now < LENGTH - QUIET:
            await asyncio.sleep(self.dice.random() * 6)
            length = self.dice.uniform(2, 15)
            if self.now + length > LENGTH - QUIET + 2:
                break
            await _Process(self, f"m{i}", life).live(length)
            life += 1
        if i % 2:
            await _Process(self, f"m{i}", life).live(LENGTH - self.now)


class _Process:
    """One life of one member: its ticks, and a task for each lease."""

    def __init__(self, simulation: _Simulation, host: str, life: int) -> None:
        self._sim, self._host = simulation, host
        self._work: dict[Lease, tuple[asyncio.Task[None], asyncio.Event]] = {}
        membership = Membership(group="g", name=f"{host}.{life}", ttl=TTL)
        self._member = Member(simulation.store, membership, simulation.parts, self._first, self._event)

    async def _first(self, part: TopicPartition) -> int:
        return 0

    def _event(self, event: Event) -> None:
        if isinstance(event, Assigned):
            end = asyncio.Event()
            self._work[event.lease] = (asyncio.create_task(self._part(event, end)), end)
        elif event.deadline:
            self._work[event.lease][1].set()
        elif event.lease in self._work:
            task, _ = self._work.pop(event.lease)
            if task is not asyncio.current_task():
                task.cancel()

    async def live(self, length: float) -> None:
        end = self._sim.now + length
        while self._sim.now < end:
            await self._sim.gate(self._host)
            try:
                await self._member.tick()
            except _Lost:
                pass
            await asyncio.sleep(TTL / 4)
        for _, finish in self._work.values():
            finish.set()
        await asyncio.gather(*(task for task, _ in self._work.values()), return_exceptions=True)
        await self._leave()

    async def _leave(self) -> None:
        for _ in range(5):
            try:
                await self._member.leave()
                return
            except _Lost:
                await asyncio.sleep(0.1)

    async def _part(self, assigned: Assigned, end: asyncio.Event) -> None:
        """Handle records in order, commit every fifth, and at the end give back."""
        lease, position = assigned
        try:
            while not end.is_set():
                await self._sim.gate(self._host)
                if self._member.valid and position < self._sim.head[lease.partition]:
                    await self._handle(lease.partition, position)
                    position += 1
                    if position % 5 == 0:
                        await self._commit(lease, position)
                else:
                    await asyncio.sleep(0.05)
            await self._commit(lease, position)
            await self._member.give_back(lease)
        except Fenced:
            self._sim.outcome.fenced += 1
        except _Lost:
            pass  # the next tick finds out

    async def _commit(self, lease: Lease, position: int) -> None:
        try:
            await self._member.commit(lease, position)
        except _Lost:
            pass  # maybe committed; the next commit is fenced if it was

    async def _handle(self, partition: int, offset: int) -> None:
        with self._in_flight(partition):
            await asyncio.sleep(self._sim.dice.random() * 0.05)
            await self._sim.gate(self._host)
            self._sim.handled[partition][offset] += 1

    @contextmanager
    def _in_flight(self, partition: int) -> Iterator[None]:
        self._sim.outcome.overlaps += bool(self._sim.flying[partition])
        self._sim.flying[partition] += 1
        try:
            yield
        finally:
            self._sim.flying[partition] -= 1
