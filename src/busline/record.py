"""What a transport carries: plain bytes with a key, headers and a place. Nothing here knows contracts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

Headers: TypeAlias = tuple[tuple[str, bytes], ...]
"""Ordered; names may repeat, values may be empty and are never None (Kafka's null header value reads as b"")."""


class Position(NamedTuple):
    """Where a record is: its topic, partition and offset."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"


class Record(NamedTuple):
    """A record to be published. value None is a tombstone; partition None: murmur2 of the key decides.

    A record without key and partition goes to any partition.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None


class StoredRecord(NamedTuple):
    """A record as the log holds it. timestamp: append time, milliseconds since the Unix epoch."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class TopicPartition(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int


Positions: TypeAlias = Mapping[TopicPartition, int]
"""Next offset to read, by partition."""
