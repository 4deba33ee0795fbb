"""Group membership without a coordinator, from two operations of a store: list and single-key compare-and-set.

Keys of a group, under `g/<group>/`:
    m/<member>              the member's beat and its topics; written by the member, every ttl/4
    p/<topic>/<partition>   Slot(owner, epoch, next, note): the lease AND the committed position, one value

A commit is a compare-and-set of the slot its lease lives in: whoever lost the lease cannot commit. No clock is shared:
a member is dead for an observer that saw its beat unchanged for ttl on its own monotonic clock (as in Amazon's Kinesis
Client Library). There is no leader: all compute the same target from the same list, and different views cost a failed
compare-and-set, never two owners of one epoch. Nobody takes from the living: a holder whose target moved gives back
when it is done. A member delivers nothing once its last whole tick is older than ttl, for then it may be dead for
others. busline.testing proves this in virtual time, with freezes and lost answers.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias
from urllib.parse import quote, unquote

from busline.errors import Fenced
from busline.record import TopicPartition
from busline.transport.base import Committed, Lease, Revoked


class Versioned(NamedTuple):
    """A stored value and its revision: 1 when created, one more at each change."""

    value: bytes
    revision: int


class Store(Protocol):
    """All that membership asks of an engine. Both operations are linearizable."""

    async def list(self, prefix: str) -> dict[str, Versioned]:
        """Every key that begins with `prefix`."""
        ...

    async def cas(self, key: str, revision: int, value: bytes | None) -> bool:
        """Set `key` if its revision is `revision` (0: it does not exist); None deletes it. False: it was not, and
        nothing is changed. The new revision is `revision` + 1. May raise without saying whether it was done."""
        ...


class Slot(NamedTuple):
    """One partition of one group: who has it, under which epoch, and what is to be read next (-1: never set)."""

    owner: str | None
    epoch: int
    next: int
    note: str

    def encode(self) -> bytes:
        return json.dumps(self, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, value: bytes) -> Slot:
        return cls(*json.loads(value))


FREE = Slot(None, 0, -1, "")


class Assigned(NamedTuple):
    """A lease begins; `next` is the first offset to read."""

    lease: Lease
    next: int


Event: TypeAlias = Assigned | Revoked


def group_prefix(group: str) -> str:
    """Names may hold anything; quoted, none is a prefix of another's keys."""
    return f"g/{quote(group, safe='')}/"


def slot_key(group: str, tp: TopicPartition) -> str:
    return f"{group_prefix(group)}p/{tp.topic}/{tp.partition}"


def group_of(key: str) -> str:
    return unquote(key.split("/")[1])


def committed_positions(group: str, view: Mapping[str, Versioned]) -> dict[tuple[str, int], Committed]:
    """The positions in a list of `group_prefix(group)`."""
    prefix = f"{group_prefix(group)}p/"
    out = {}
    for key, (value, _) in view.items():
        if key.startswith(prefix):
            topic, _, partition = key.removeprefix(prefix).rpartition("/")
            slot = Slot.decode(value)
            if slot.next >= 0:
                out[topic, int(partition)] = Committed(slot.next, slot.note)
    return out


def target(
    members: Sequence[str], parts: Sequence[TopicPartition], owner: Mapping[TopicPartition, str | None]
) -> dict[TopicPartition, str]:
    """Who should have what. Balanced (sizes differ by one at most), sticky (an owner keeps what its quota allows),
    and a pure function of its arguments, so that all members agree."""
    load: dict[str, list[TopicPartition]] = {member: [] for member in members}
    for part in parts:
        if owner.get(part) in load:
            load[owner[part] or ""].append(part)
    order = sorted(members, key=lambda member: (-len(load[member]), member))
    base, extra = divmod(len(parts), len(members))
    quota = {member: base + (i < extra) for i, member in enumerate(order)}
    out = {part: member for member in order for part in load[member][: quota[member]]}
    free = iter([part for part in parts if part not in out])
    for member in order:
        for _ in range(quota[member] - len(load[member])):
            out[next(free)] = member
    return out


def assignment(
    topics: Mapping[str, Collection[str]], parts: Sequence[TopicPartition], owner: Mapping[TopicPartition, str | None]
) -> dict[TopicPartition, str]:
    """`target` for members of different subscriptions (a rolling release): topics with the same subscribers are
    shared out together. topics: by member."""
    classes: dict[tuple[str, ...], list[TopicPartition]] = defaultdict(list)
    for part in parts:
        classes[tuple(sorted(member for member, names in topics.items() if part.topic in names))].append(part)
    out: dict[TopicPartition, str] = {}
    for subscribers, theirs in classes.items():
        if subscribers:
            out |= target(subscribers, theirs, owner)
    return out


class _Held:
    """A lease that this member has; the lock keeps its writes in order."""

    __slots__ = ("lease", "lock", "next", "revision", "revoked")

    def __init__(self, lease: Lease, revision: int, position: int) -> None:
        self.lease, self.revision, self.next = lease, revision, position
        self.revoked = False
        self.lock = asyncio.Lock()


@dataclass(frozen=True, kw_only=True)
class Membership:
    """Who joins what. name: unique in the group, never used again. note: rides on every commit. ttl: seconds without
    a beat after which a member is dead. grace: seconds that a Revoked announces. gone: whether a member of this name
    has certainly ended, where an engine can know it before ttl."""

    group: str
    name: str
    note: str = ""
    ttl: float = 10.0
    grace: float = 30.0
    gone: Callable[[str], bool] = lambda name: False


class Member:
    """One member of one group. `tick` is called every ttl/4 and on every sign of change, by one task.

    parts: every partition of the member's topics. first: where a partition without a committed position begins.
    notify: told of every lease that begins (Assigned), is wanted back (deadline > 0) or is gone (deadline 0).
    """

    def __init__(
        self,
        store: Store,
        membership: Membership,
        parts: Sequence[TopicPartition],
        first: Callable[[TopicPartition], Awaitable[int]],
        notify: Callable[[Event], None],
    ) -> None:
        self._store, self._group, self._name = store, membership.group, membership.name
        self._parts, self._first, self._notify = sorted(parts), first, notify
        self._note, self._ttl, self._grace = membership.note, membership.ttl, membership.grace
        self._gone = membership.gone
        self._clock = asyncio.get_running_loop().time
        self._prefix = group_prefix(self._group)
        self._key = f"{self._prefix}m/{self._name}"
        self._topics = sorted({part.topic for part in parts})
        self._revision = self._beat = 0
        self._seen: dict[str, tuple[int, float]] = {}
        self._held: dict[TopicPartition, _Held] = {}
        self.owners: dict[TopicPartition, str | None] = {}
        self._whole = float("-inf")

    @property
    def valid(self) -> bool:
        """May deliver: the last whole tick is younger than ttl, so nobody can hold us for dead."""
        return self._clock() - self._whole < self._ttl

    @property
    def leases(self) -> list[Lease]:
        return [held.lease for held in self._held.values()]

    def holds(self, lease: Lease) -> bool:
        held = self._held.get(TopicPartition(lease.topic, lease.partition))
        return held is not None and held.lease == lease

    async def tick(self) -> None:
        """Beat, look, announce what others should have, take what is free and ours. Raises what the store raises;
        the next tick finds out what became of it."""
        asked = self._clock()
        if not await self._beats():
            return
        view = await self._store.list(self._prefix)
        alive = self._living(view)
        slots = {part: self._slot(view, part) for part in self._parts}
        owners = {part: slot.owner for part, (slot, _) in slots.items()}
        self.owners = owners
        want = assignment(alive, self._parts, owners)
        for part, (slot, revision) in slots.items():
            await self._settle(part, slot, revision, wanted=want.get(part) == self._name, alive=alive)
        self._whole = asked  # only now: what was taken from us is known
        await self._bury()

    async def _beats(self) -> bool:
        self._beat += 1
        value = json.dumps([self._beat, self._topics], separators=(",", ":")).encode()
        if await self._store.cas(self._key, self._revision, value):
            self._revision += 1
            return True
        # declared dead and buried, or the answer to an earlier beat was lost
        view = await self._store.list(self._key)
        self._revision = view[self._key].revision if self._key in view else 0
        if self._revision == 0:
            self._lose(list(self._held))
        return False

    def _living(self, view: Mapping[str, Versioned]) -> dict[str, list[str]]:
        """The topics of each living member; remembers when each beat was last seen to change."""
        now = self._clock()
        prefix = f"{self._prefix}m/"
        beats = {key: entry for key, entry in view.items() if key.startswith(prefix)}
        self._seen = {key: seen for key, seen in self._seen.items() if key in beats}
        alive = {self._name: self._topics}
        for key, (value, revision) in beats.items():
            if key not in self._seen or self._seen[key][0] != revision:
                self._seen[key] = (revision, now)
            name = key.removeprefix(prefix)
            if now - self._seen[key][1] < self._ttl and not self._gone(name):
                alive[name] = json.loads(value)[1]
        return alive

    def _slot(self, view: Mapping[str, Versioned], part: TopicPartition) -> tuple[Slot, int]:
        entry = view.get(slot_key(self._group, part))
        return (Slot.decode(entry.value), entry.revision) if entry else (FREE, 0)

    async def _settle(
        self, part: TopicPartition, slot: Slot, revision: int, *, wanted: bool, alive: Collection[str]
    ) -> None:
        held = self._held.get(part)
        if slot.owner != self._name:
            if held and revision > held.revision:  # taken: we were dead for someone
                self._lose([part])
            elif not held and wanted and (slot.owner is None or slot.owner not in alive):
                await self._take(part, slot, revision)
        elif held is None:  # an answer was lost: ours by name, held by nobody
            if wanted:
                await self._take(part, slot, revision)
            else:
                await self._store.cas(slot_key(self._group, part), revision, slot._replace(owner=None).encode())
        elif not wanted and not held.revoked:
            held.revoked = True
            self._notify(Revoked(held.lease, self._grace))

    async def _take(self, part: TopicPartition, slot: Slot, revision: int) -> None:
        position = slot.next if slot.next >= 0 else await self._first(part)
        new = Slot(self._name, slot.epoch + 1, position, self._note)
        if await self._store.cas(slot_key(self._group, part), revision, new.encode()):
            lease = Lease(part.topic, part.partition, new.epoch)
            self._held[part] = _Held(lease, revision + 1, position)
            self._notify(Assigned(lease, position))

    def _lose(self, parts: Sequence[TopicPartition]) -> None:
        for part in parts:
            if held := self._held.pop(part, None):
                self._notify(Revoked(held.lease, 0))

    async def commit(self, lease: Lease, position: int) -> None:
        """The next offset to read. Raises Fenced when the lease is gone."""
        await self._write(lease, position, give_back=False)

    async def give_back(self, lease: Lease) -> None:
        """End a lease at its committed position. Idempotent; a lost answer is mended by the next tick."""
        part = TopicPartition(lease.topic, lease.partition)
        if self.holds(lease):
            try:
                await self._write(lease, None, give_back=True)
            except Fenced:
                self._held.pop(part, None)

    async def _write(self, lease: Lease, position: int | None, *, give_back: bool) -> None:
        part = TopicPartition(lease.topic, lease.partition)
        held = self._held.get(part)
        if held is None or held.lease != lease:
            raise Fenced([lease])
        async with held.lock:
            if self._held.get(part) is not held:
                raise Fenced([lease])
            if give_back:
                del self._held[part]  # before the answer, which may be lost: nothing more is delivered
            value = held.next if position is None else position
            slot = Slot(None if give_back else self._name, lease.epoch, value, self._note)
            if not await self._store.cas(slot_key(self._group, part), held.revision, slot.encode()):
                self._lose([part])
                raise Fenced([lease])
            held.revision, held.next = held.revision + 1, value

    async def leave(self) -> None:
        """Give everything back and go: others need not wait for ttl. Raises what the store raises."""
        for lease in self.leases:
            await self.give_back(lease)
        self._whole = float("-inf")
        while not await self._store.cas(self._key, self._revision, None):
            entry = (await self._store.list(self._key)).get(self._key)
            if entry is None:
                return
            self._revision = entry.revision

    async def _bury(self) -> None:
        """Delete beats that have long been still; one that wakes finds its key gone and drops its leases."""
        now = self._clock()
        for key, (revision, since) in list(self._seen.items()):
            if now - since >= 3 * self._ttl:
                await self._store.cas(key, revision, None)


async def idle(store: Store, group: str, *, ttl: float, gone: Callable[[str], bool]) -> bool:
    """Whether nobody is in the group: at once when it has no member, else after watching the beats for ttl."""
    prefix = f"{group_prefix(group)}m/"

    async def beats() -> dict[str, int]:
        view = await store.list(prefix)
        return {key: entry.revision for key, entry in view.items() if not gone(key.removeprefix(prefix))}

    if not (before := await beats()):
        return True
    await asyncio.sleep(ttl)
    return all(before.get(key) == revision for key, revision in (await beats()).items())
