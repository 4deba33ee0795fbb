"""The transport protocol: bytes in, bytes out, in batches. A transport never knows contracts.

Ordering: records of one partition are received in the order of their offsets; nothing is said across partitions.
Concurrency: every method may be called from any task of one event loop; `receive` from one task at a time.
Cancellation: cancelling `receive` takes nothing; cancelling `publish` leaves its records maybe published; cancelling
`commit` leaves it maybe committed. No method blocks the loop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

from busline.errors import NotPublished, PublishUnknown
from busline.record import Position, Positions, Record, StoredRecord

Start: TypeAlias = Literal["earliest", "latest"] | int
"""Where a group without a committed position begins. An int is a log time, milliseconds since the Unix epoch."""

Outcome: TypeAlias = Position | NotPublished | PublishUnknown
"""What became of one record; failures are values here, so that one refused record does not hide its neighbours."""


class Lease(NamedTuple):
    """One assignment of one partition to one consumer: what commit and release name."""

    topic: str
    partition: int
    epoch: int


class Received(NamedTuple):
    """A run of records of one partition, in order of offset, never empty."""

    lease: Lease
    records: Sequence[StoredRecord]


class Revoked(NamedTuple):
    """Finish or drop what is in flight for the lease, commit, then release it.

    deadline: seconds from now; 0 when the lease is gone already (nothing of it can be committed any more).
    """

    lease: Lease
    deadline: float


class Unreadable(NamedTuple):
    """Records from `first` up to before `next` that cannot be read (a batch that is damaged, or that unpacks to more
    than the bound). Count them, dead-letter them by position, and go on: what follows comes as usual."""

    lease: Lease
    first: int
    next: int
    why: str


Item: TypeAlias = Received | Revoked | Unreadable
"""What a consumer hands over."""


@dataclass(frozen=True, kw_only=True)
class Features:
    """What an engine guarantees, as data: tests, docs and the bus read it; nobody asks for the engine's name."""

    partitions: bool = True
    groups: bool = True
    order: Literal["key", "none"] = "key"
    replay: Literal["time", "position", "none"] = "time"
    headers: Literal["binary", "text"] = "binary"
    durable: Literal["disk", "memory", "process"] = "process"
    enforced: bool = False
    tombstones: bool = True
    rebalance: Literal["eager", "cooperative"] = "cooperative"


SAFE_REPLICAS: Final = 3
SAFE_COPIES: Final = 2
"""Of so many copies so many have a record before it is confirmed: then one may be lost."""


@dataclass(frozen=True, kw_only=True)
class TopicSpec:
    """A topic as it should be. retention: milliseconds, None for ever; max_record: bytes of key, value and headers.

    append_time: records carry the time of their writing, not their publisher's. min_insync: copies that a confirmed
    record is in at least; None: as the engine sees fit.
    """

    name: str
    partitions: int = 1
    compacted: bool = False
    retention: int | None = None
    max_record: int = 1_048_576
    replicas: int | None = None
    append_time: bool = True
    min_insync: int | None = None


class Bounds(NamedTuple):
    """A partition's log: `first` kept offset, and `next`, the offset that the next record will get."""

    first: int
    next: int


class Committed(NamedTuple):
    """A group's position in one partition: next offset to read, and the note that rode on the commit."""

    next: int
    note: str


class Consumer(Protocol):
    """A member of one group, or a reader without one."""

    async def receive(self) -> Sequence[Item]:
        """What has come since the last call; waits until there is something. Revocations come before any record.

        Raises NotAuthorized, AuthenticationFailed, UnknownTopic, Unreachable, StorageFailed, TransportClosed.
        """
        ...

    async def commit(self, positions: Mapping[Lease, int]) -> None:
        """Next offset to read, by lease. Raises Fenced naming the leases that are gone; the others are committed."""
        ...

    async def release(self, lease: Lease) -> None:
        """Give a revoked lease back: another member may have its partition from now on. Idempotent."""
        ...

    async def aclose(self) -> None:
        """Leave the group. Commits nothing. Idempotent, also when called concurrently."""
        ...


@runtime_checkable
class Revoking(Protocol):
    """Power of a consumer: tell what is revoked to a user who has no room for records just now."""

    async def revoked(self) -> Sequence[Revoked]:
        """What is revoked since the last call; waits until something is. Takes no record; cancelling takes nothing.

        Instead of `receive`, not beside it. Raises as `receive` does.
        """
        ...


class Transport(Protocol):
    """An engine. Constructed without IO by `resolve`; connected by `start`, ended by `aclose`."""

    @property
    def features(self) -> Features: ...

    async def start(self) -> None:
        """Connect. Raises Unreachable, AuthenticationFailed, StorageFailed."""
        ...

    async def publish(self, records: Sequence[Record]) -> list[Outcome]:
        """One outcome a record, in order. Position: durable by the engine's own promise.

        Records of one key keep their order, also over several calls of one transport, each awaited or not. A refused
        record (too large, unknown topic, no permission) is NotPublished with its cause; its neighbours go on.
        """
        ...

    async def consume(
        self,
        topics: Sequence[str],
        group: str,
        *,
        start: Start = "earliest",
        note: str = "",
        max_records: int = 1000,
    ) -> Consumer:
        """Join a group. `note` rides on every commit, the first one made at assignment. max_records: of one Received.

        Raises UnknownTopic, NotAuthorized, AuthenticationFailed, Unreachable.
        """
        ...

    async def aclose(self) -> None:
        """End every consumer and publish under way. Idempotent, also when called concurrently."""
        ...


@runtime_checkable
class Seekable(Protocol):
    """Power: read without a group, from any position or time."""

    async def bounds(self, topic: str) -> dict[int, Bounds]:
        """Every partition's bounds, asked at the engine. Raises UnknownTopic, NotAuthorized, Unreachable."""
        ...

    async def at_time(self, topic: str, timestamp: int) -> dict[int, int]:
        """By partition, the first offset whose append time (ms since the Unix epoch) is at or after `timestamp`,
        or the partition's `next` where there is none."""
        ...

    async def read(self, positions: Positions, *, max_records: int = 1000) -> Consumer:
        """A consumer of exactly these partitions from these offsets, live, without a group; commit raises Fenced.
        Only committed records. Raises RetentionGap where an offset lies before the first kept one."""
        ...


@runtime_checkable
class Groups(Protocol):
    """Power: look at groups, and commit for one that nobody has joined."""

    async def groups(self) -> list[str]: ...

    async def committed(self, group: str) -> dict[tuple[str, int], Committed]:
        """By (topic, partition)."""
        ...

    async def mark(self, group: str, positions: Positions, note: str) -> None:
        """Commit positions with a note without joining. Raises Fenced when the group has members."""
        ...


@runtime_checkable
class Admin(Protocol):
    """Power: topics. Used by apply, and by a bus that brings its own embedded engine up."""

    async def topics(self) -> dict[str, TopicSpec]: ...

    async def create_topics(self, specs: Sequence[TopicSpec]) -> None:
        """Create what is missing and leave what is there. Raises NotAuthorized, Unreachable, TransportError."""
        ...

    async def alter_topics(self, specs: Sequence[TopicSpec]) -> None:
        """Give topics that are there the retention and max_record of these; all else of a topic stays as it is.

        Holds at once for who asks `topics`, or soon; a publisher that is connected may go by the old limit for minutes.
        Raises UnknownTopic, NotAuthorized, Unreachable, TransportError: of Kafka's topics the first refusal, after all
        have been tried.
        """
        ...

    async def purge(self, topic: str, before: Mapping[int, int]) -> None:
        """Delete the records below these offsets, by partition."""
        ...


@runtime_checkable
class TopicRemoval(Protocol):
    """Power of an Admin: what hurts who uses the topic. For apply, where a person has named the topic."""

    async def delete_topics(self, names: Sequence[str]) -> None:
        """With all records; what is gone already is gone. Raises as `create_topics`."""
        ...

    async def grow_topics(self, partitions: Mapping[str, int]) -> None:
        """To so many partitions: from then on keys go to other partitions than before, so their order is lost once."""
        ...


@runtime_checkable
class Transactional(Protocol):
    """Power: publish all or nothing."""

    async def publish_atomically(self, records: Sequence[Record], transaction: str) -> list[Position]:
        """All records become visible together or not at all. `transaction` is an id: whoever used it before and has
        not ended is fenced. Raises NotPublished, PublishUnknown."""
        ...


class Transactions(Protocol):
    """One holder of a transactional id: its transactions, one after the other."""

    async def publish(self, records: Sequence[Record]) -> list[Position]:
        """One transaction, as of `publish_atomically`. Raises NotPublished, with Fenced as its cause when somebody
        else has opened the id since, and PublishUnknown. After either it publishes nothing more: open the id again."""
        ...


@runtime_checkable
class Fencing(Protocol):
    """Power: several transactions by one holder, so that of two who interleave the earlier one is stopped."""

    def transactions(self, transaction: str) -> AbstractAsyncContextManager[Transactions]:
        """Opening fences whoever holds the id. Raises NotAuthorized, Unreachable, AuthenticationFailed."""
        ...
