"""What was published and what was delivered, raw; only the checker deduplicates."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from busline.record import Position, Record
from busline.transport.base import Lease, Outcome, Received


class Delivered(NamedTuple):
    """One record as one member got it."""

    member: str
    lease: Lease
    offset: int
    key: bytes | None
    value: bytes | None

    @property
    def position(self) -> Position:
        return Position(self.lease.topic, self.lease.partition, self.offset)


class Journal:
    """Every confirmed record and every delivery, in the order of the events."""

    def __init__(self) -> None:
        self.confirmed: dict[Position, Record] = {}
        self.deliveries: list[Delivered] = []
        self.fenced: list[Lease] = []
        self.failure: BaseException | None = None
        self._changed = asyncio.Event()

    def publish(self, records: Sequence[Record], outcomes: Sequence[Outcome]) -> None:
        for record, outcome in zip(records, outcomes, strict=True):
            if isinstance(outcome, Position):
                assert outcome not in self.confirmed, f"two records were given {outcome}"
                self.confirmed[outcome] = record
        self.touch()

    def deliver(self, member: str, received: Received) -> None:
        lease, records = received
        assert records, "a run of records is never empty"
        offsets = [record.offset for record in records]
        assert offsets == sorted(set(offsets)), f"a run is in order of its offsets: {offsets[:20]}"
        self.deliveries += [Delivered(member, lease, r.offset, r.key, r.value) for r in records]
        self.touch()

    def fail(self, error: BaseException) -> None:
        self.failure = self.failure or error
        self.touch()

    def touch(self) -> None:
        self._changed.set()

    async def until(self, condition: Callable[[], bool], what: str, patience: float) -> None:
        """Wait for a condition over the journal; AssertionError with `what` when patience (seconds) ends."""
        try:
            async with asyncio.timeout(patience):
                while not condition():
                    self._check()
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"after {patience} s still not: {what}; {self.summary()}") from None
        self._check()

    def _check(self) -> None:
        if self.failure:
            raise self.failure

    async def until_all(self, patience: float) -> None:
        await self.until(lambda: not self.lost(), "every confirmed record is delivered", patience)

    def summary(self) -> str:
        twice = sum(count - 1 for count in self.counts().values())
        return (
            f"{len(self.confirmed)} confirmed, {len(self.deliveries)} deliveries, {len(self.lost())} lost, "
            f"{twice} again, {len(self.fenced)} leases fenced"
        )

    # the checker

    def counts(self) -> Counter[Position]:
        return Counter(delivered.position for delivered in self.deliveries)

    def lost(self) -> list[Position]:
        seen = {delivered.position for delivered in self.deliveries}
        return sorted(position for position in self.confirmed if position not in seen)

    def assert_complete(self) -> None:
        """Nothing confirmed is missing, nothing is delivered that nobody published, all bytes are as they were."""
        lost = self.lost()
        assert not lost, f"{len(lost)} lost, the first {lost[0]}; {self.summary()}"
        for delivered in self.deliveries:
            record = self.confirmed.get(delivered.position)
            if record is not None:
                assert (delivered.key, delivered.value) == (record.key, record.value), f"changed: {delivered.position}"

    def assert_once(self) -> None:
        again = [position for position, count in self.counts().items() if count > 1]
        assert not again, f"{len(again)} delivered again though nothing failed, the first {again[0]}"

    def assert_ordered(self) -> None:
        """First deliveries keep the order of offsets in a partition, hence of each key, and of publishing."""
        last: dict[tuple[str, int], int] = defaultdict(lambda: -1)
        seen: set[Position] = set()
        for delivered in self.deliveries:
            topic, partition, offset = delivered.position
            if delivered.position in seen:
                continue
            seen.add(delivered.position)
            assert offset > last[topic, partition], f"{delivered.position} came after {last[topic, partition]}"
            last[topic, partition] = offset

    def by_key(self, values: Iterable[bytes | None] | None = None) -> dict[bytes | None, list[bytes | None]]:
        """The values of each key, in the order of their first deliveries."""
        out: dict[bytes | None, list[bytes | None]] = defaultdict(list)
        seen: set[Position] = set()
        for delivered in self.deliveries:
            if delivered.position not in seen:
                seen.add(delivered.position)
                out[delivered.key].append(delivered.value)
        return out
