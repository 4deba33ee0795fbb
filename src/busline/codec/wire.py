"""Avro's binary building blocks, strict: numbers, lengths, blocks, and the bounds of one message.

A reading function is `read(data, position, left) -> (value, position)`; a writing one is `write(value, add)`, where
`add` takes pieces of bytes. `left` is the message's budget: [elements, levels of recursion]. What is wrong with bytes
or values is raised as `Misfit` (or as Python's own IndexError and the like where a check would cost time) and becomes
one of the public errors in `codec.codec`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

Left: TypeAlias = list[int]
Read: TypeAlias = Callable[[bytes, int, Left], tuple[Any, int]]
Skip: TypeAlias = Callable[[bytes, int, Left], int]
Add: TypeAlias = Callable[[bytes], None]
Write: TypeAlias = Callable[[Any, Add], None]

MAX_ELEMENTS: Final = 1_000_000
"""Items of arrays and maps in one message, and values that came without bytes (defaults, empty records)."""
MAX_LEVELS: Final = 64
"""How often a record may contain itself, on one way down."""
MAX_DEFAULTS: Final = 100_000
"""Values that the defaults of one reader make, all together."""
EMPTY_ITEM: Final = 64
"""What an item without bytes costs: millions of them fit into five bytes."""
INT_MIN: Final = -(2**31)
INT_MAX: Final = 2**31 - 1
LONG_MIN: Final = -(2**63)
LONG_MAX: Final = 2**63 - 1


class Misfit(ValueError):
    """Bytes or a value that do not fit; `path` grows from the leaf outwards when the failure is traced."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def budget() -> Left:
    return [MAX_ELEMENTS, MAX_LEVELS]


def varint(data: bytes, p: int) -> tuple[int, int]:
    """A zigzag number of at most 64 bits."""
    x = data[p]
    p += 1
    if x < 128:
        return (x >> 1) ^ -(x & 1), p
    n = x & 127
    shift = 7
    while True:
        x = data[p]
        p += 1
        n |= (x & 127) << shift
        if x < 128:
            if shift == 63 and x > 1:
                raise Misfit("a number longer than 64 bits")
            return (n >> 1) ^ -(n & 1), p
        shift += 7
        if shift > 63:
            raise Misfit("a number longer than 64 bits")


def blob(data: bytes, p: int) -> tuple[bytes, int]:
    """Bytes behind their length."""
    n = data[p]
    if n < 128 and not n & 1:
        n >>= 1
        p += 1
    else:
        n, p = varint(data, p)
        if n < 0:
            raise Misfit(f"the length {n}")
    end = p + n
    if end > len(data):
        raise Misfit(f"{n} bytes announced, {len(data) - p} left")
    return data[p:end], end


def block(data: bytes, p: int, left: Left, least: int) -> tuple[int, int, int]:
    """A block's (item count, position, end or -1). least: the fewest bytes of one item."""
    n, p = varint(data, p)
    end = -1
    if n < 0:
        n = -n
        size, p = varint(data, p)
        end = p + size
        if size < 0 or end > len(data):
            raise Misfit(f"a block of {size} bytes where {len(data) - p} are left")
    if least and n > (len(data) - p) // least:
        raise Misfit(f"a block of {n} items where {len(data) - p} bytes are left")
    charge(left, n if least else n * EMPTY_ITEM)
    return n, p, end


def charge(left: Left, elements: int) -> None:
    left[0] -= elements
    if left[0] < 0:
        raise Misfit(f"more than {MAX_ELEMENTS} elements in one message")


_TAILS: Final = tuple(bytes((n,)) if n < 128 else bytes((n & 127 | 128, n >> 7)) for n in range(16384))
"""Numbers of one and two bytes as they stand at the end of a number."""
_PAIRS: Final = tuple(bytes((n & 127 | 128, n >> 7 | 128)) for n in range(16384))
"""Two bytes that are followed by more."""
SMALL: Final = _TAILS[::2]
"""The numbers that are met most, 0 to 8191, as written: lengths, counts, indexes."""


def zigzag(n: int) -> bytes:
    """A number of at most 64 bits, as written."""
    n = (n << 1) ^ (n >> 63)
    if n < 16384:
        return _TAILS[n]
    out = _PAIRS[n & 16383]
    n >>= 14
    while n > 16383:
        out += _PAIRS[n & 16383]
        n >>= 14
    return out + _TAILS[n]


def number(n: int) -> bytes:
    """`zigzag`, quicker for the small ones."""
    return SMALL[n] if 0 <= n < 8192 else zigzag(n)


def written(write: Write, value: Any = None) -> bytes:
    """What a writing function makes of a value."""
    pieces: list[bytes] = []
    write(value, pieces.append)
    return b"".join(pieces)
