"""Which partition a record goes to: murmur2 of its key, exactly as Java's Kafka client does it.

Every publisher of a topic must agree on this or order per key breaks. librdkafka's default is another hash
(`consistent_random`, CRC-32): such publishers set `partitioner=murmur2_random`.
Source: org.apache.kafka.common.utils.Utils.murmur2 and BuiltInPartitioner.partitionForKey.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import lru_cache
from itertools import count

_SEED = 0x9747B28C
_M = 0x5BD1E995
_WORD = 0xFFFFFFFF
_POSITIVE = 0x7FFFFFFF
_CACHED_KEYS = 16_384
_CACHED_LENGTH = 256


@lru_cache(maxsize=_CACHED_LENGTH // 4)
def _words(count: int) -> Callable[[bytes], tuple[int, ...]]:
    return struct.Struct(f"<{count}I").unpack_from


def murmur2(data: bytes) -> int:
    """The unsigned 32-bit hash (Java prints the same bits signed)."""
    length = len(data)
    h = _SEED ^ length
    for k in _words(length >> 2)(data):
        k = k * _M & _WORD
        h = (h * _M ^ (k ^ k >> 24) * _M) & _WORD
    if length & 3:
        h = (h ^ int.from_bytes(data[length & ~3 :], "little")) * _M & _WORD
    h = (h ^ h >> 13) * _M & _WORD
    return h ^ h >> 15


@lru_cache(maxsize=_CACHED_KEYS)
def _cached(key: bytes) -> int:
    return murmur2(key) & _POSITIVE


def partition_for(key: bytes, partitions: int) -> int:
    """toPositive(murmur2(key)) % partitions. Short keys are cached: in pure Python the hash costs microseconds."""
    if len(key) <= _CACHED_LENGTH:
        return _cached(key) % partitions
    return (murmur2(key) & _POSITIVE) % partitions


class Partitioner:
    """Chooses for records with and without a key; one object a publisher."""

    def __init__(self) -> None:
        self._turn = count()

    def __call__(self, key: bytes | None, partitions: int) -> int:
        """A record without a key takes the next partition in turn."""
        if key is None:
            return next(self._turn) % partitions
        return partition_for(key, partitions)
