"""Which partition a record goes to: murmur2 of its key, exactly as Java's Kafka client does it.

Every publisher of a topic must agree on this or order per key breaks. librdkafka's default is another hash
(`consistent_random`, CRC-32): such publishers set `partitioner=murmur2_random`.
Source: org.apache.kafka.common.utils.Utils.murmur2 and BuiltInPartitioner.partitionForKey.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import count

_SEED = 0x9747B28C
_M = 0x5BD1E995
_WORD = 0xFFFFFFFF
_POSITIVE = 0x7FFFFFFF
_CACHED_KEYS = 16_384
_CACHED_LENGTH = 256
_MANY = 16
"""Keys of one length that are worth hashing together."""
_hashes: dict[bytes, int] = {}


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


def murmur2_of_many(keys: list[bytes]) -> tuple[int, ...]:
    """`murmur2` of keys that have one length: each step is one operation on a long integer with a lane for each key.

    A lane is 64 bits wide, so that a product of two words stays in it; what a step leaves above a word is masked off.
    """
    length, data = len(keys[0]), b"".join(keys)
    ones = int.from_bytes(b"\1\0\0\0\0\0\0\0" * len(keys), "little")
    word = ones * _WORD
    lanes = bytearray(8 * len(keys))
    h = ones * (_SEED ^ length)
    for at in range(0, length, 4):
        for byte in range(4):
            lanes[byte::8] = data[at + byte :: length] if at + byte < length else bytes(len(keys))
        k = int.from_bytes(lanes, "little")
        if at + 4 <= length:
            k = k * _M & word
            h = (h * _M & word) ^ ((k ^ k >> 24 & word) * _M & word)
        else:
            h = (h ^ k) * _M & word
    h = (h ^ h >> 13 & word) * _M & word
    return struct.unpack(f"<{len(keys)}Q", (h ^ h >> 15 & word).to_bytes(len(lanes), "little"))


def remember(keys: Iterable[bytes | None]) -> None:
    """Hash many keys together, so that `partition_for` finds them: one by one they cost eight times as much."""
    lengths: dict[int, list[bytes]] = {}
    for key in keys:
        if key and key not in _hashes and len(key) <= _CACHED_LENGTH:
            lengths.setdefault(len(key), []).append(key)
    for alike in lengths.values():
        if len(alike) >= _MANY:
            _make_room()
            some = alike[:_CACHED_KEYS]
            _hashes.update(zip(some, murmur2_of_many(some), strict=True))


def partition_for(key: bytes, partitions: int) -> int:
    """toPositive(murmur2(key)) % partitions. Short keys are cached: in pure Python the hash costs microseconds."""
    found = _hashes.get(key)
    if found is None:
        found = murmur2(key)
        if len(key) <= _CACHED_LENGTH:
            _make_room()
            _hashes[key] = found
    return (found & _POSITIVE) % partitions


def _make_room() -> None:
    """Bounded by forgetting all: cheaper than an order of use, and a key costs little to hash again."""
    if len(_hashes) >= _CACHED_KEYS:
        _hashes.clear()


class Partitioner:
    """Chooses for records with and without a key; one object a publisher."""

    def __init__(self) -> None:
        self._turn = count()

    def __call__(self, key: bytes | None, partitions: int) -> int:
        """A record without a key takes the next partition in turn."""
        if key is None:
            return next(self._turn) % partitions
        return partition_for(key, partitions)
