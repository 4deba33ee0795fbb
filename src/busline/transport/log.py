"""What an engine without a broker has to bring: a partitioned log and a compare-and-set store.

`LogTransport` makes a whole transport of it: groups, rebalance, replay and administration are the same for all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Literal, Protocol, TypeAlias

from busline.errors import BuslineError, NotPublished, RecordTooLarge, TransportError, UnknownTopic
from busline.record import Positions, Record, StoredRecord, TopicPartition
from busline.transport.base import Bounds, Outcome, TopicSpec
from busline.transport.members import Store

Change: TypeAlias = Literal["records", "groups"]
"""What a listener is told of: something may have been appended, or a group's members may have changed."""

FETCH_BYTES = 1_048_576
"""The run of one partition ends with the record that passes this: memory stays bounded whatever the records' size."""
FETCH_TOTAL = 8 * FETCH_BYTES
"""A fetch ends with the partition that passes this; the consumer asks first for those that it served last."""


class Log(Store, Protocol):
    """A partitioned log. Methods may be called concurrently from tasks of one event loop, and none blocks it."""

    async def open(self) -> None:
        """Raises StorageFailed."""
        ...

    async def close(self) -> None:
        """Finish the appends under way, let go of everything."""
        ...

    async def topics(self) -> dict[str, TopicSpec]: ...

    async def create(self, specs: Sequence[TopicSpec]) -> None:
        """Create what is missing, leave what is there."""
        ...

    async def alter(self, specs: Sequence[TopicSpec]) -> None:
        """Set retention and max_record, of all or of none; appends go by them within a second, in every process.
        Raises UnknownTopic."""
        ...

    def append(self, records: Sequence[Record], *, atomic: bool = False) -> Awaitable[list[Outcome]]:
        """One outcome a record. The order of calls is the order in the log, awaited or not. Visible to readers only
        when durable. atomic: one refusal refuses all."""
        ...

    async def fetch(self, positions: Positions, max_records: int) -> dict[TopicPartition, Sequence[StoredRecord]]:
        """From each partition up to max_records and about FETCH_BYTES, first those at or after its position; a
        partition without any is left out. In the order of `positions`, until FETCH_TOTAL is passed. Cancelling it
        takes nothing."""
        ...

    async def bounds(self, topic: str) -> dict[int, Bounds]:
        """Raises UnknownTopic."""
        ...

    async def at_time(self, topic: str, timestamp: int) -> dict[int, int]:
        """As Seekable.at_time. Raises UnknownTopic."""
        ...

    async def purge(self, topic: str, before: Mapping[int, int]) -> None:
        """Raises UnknownTopic."""
        ...

    def member_name(self) -> str:
        """A new name for a member of this process: never used before."""
        ...

    def gone(self, member: str) -> bool:
        """Whether the process of a member has certainly ended. False when in doubt: then ttl decides."""
        ...

    def nudge(self) -> None:
        """Tell the other members, wherever they run, that a group changed. Best effort: their ticks are the net."""
        ...

    def listen(self, callback: Callable[[Change], None]) -> Callable[[], None]:
        """Call back, on the caller's event loop, whenever something changed; returns what ends it. Too often is
        allowed, too seldom is not."""
        ...


def unknown_topic(topic: str) -> UnknownTopic:
    return UnknownTopic(f"there is no topic {topic!r}", fix="Create it: busline apply does, for every contract.")


def refuse(record: Record, cause: BuslineError) -> NotPublished:
    key = "" if record.key is None else f" with key {record.key[:40]!r}"
    return NotPublished(f"a record{key} was not published to {record.topic!r}", cause=cause)


def run_bytes(run: Sequence[StoredRecord]) -> int:
    return sum([len(record.value or b"") for record in run])


def record_size(record: Record) -> int:
    """Bytes of key, value and headers."""
    size = len(record.key or b"") + len(record.value or b"")
    if record.headers:
        size += sum(len(name) + len(value) for name, value in record.headers)
    return size


def refusal(record: Record, spec: TopicSpec | None) -> NotPublished | None:
    """Why the topic does not take the record, if so. Checked by every engine before anything is written."""
    if spec is None:
        return refuse(record, unknown_topic(record.topic))
    size = record_size(record)
    if size > spec.max_record:
        what = f"the record has {size:,} bytes, {record.topic!r} takes {spec.max_record:,}"
        return refuse(record, RecordTooLarge(what, fix="Publish less, or raise storage.max_record in the contract."))
    if spec.compacted and record.key is None:
        return refuse(record, TransportError("a compacted topic keeps the latest record per key: a key is needed"))
    if record.partition is not None and not 0 <= record.partition < spec.partitions:
        return refuse(record, TransportError(f"partition {record.partition} is not one of {spec.partitions}"))
    return None
