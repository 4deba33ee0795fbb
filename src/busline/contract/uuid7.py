"""Time-ordered identifiers: UUID version 7 (RFC 9562 section 5.7, monotonic as its section 6.2 asks)."""

from __future__ import annotations

import os
import random
import time
from typing import Final

_SOURCE: Final = random.Random()  # our own, so that a program's random.seed() cannot make ids repeat
_TAIL: Final = 1 << 62
_VARIANT: Final = 0b10 << 62
_millisecond = 0
_head = ""
_tail = _TAIL

os.register_at_fork(after_in_child=lambda: _SOURCE.seed())


def uuid7() -> str:
    """A new id in its canonical form. Within a process each is greater than the one before, clock set back or not.

    Within a millisecond the last 62 bits grow by a random step (method 2 of the RFC's section 6.2).
    """
    global _tail
    now = time.time_ns() // 1_000_000
    if now > _millisecond:
        _begin(now)
    else:
        _tail += 1 + _SOURCE.getrandbits(32)
        if _tail >= _TAIL:
            _begin(_millisecond + 1)
    tail = "%016x" % (_VARIANT | _tail)
    return f"{_head}{tail[:4]}-{tail[4:]}"


def _begin(millisecond: int) -> None:
    global _millisecond, _head, _tail
    _millisecond = millisecond
    time48 = f"{millisecond & 0xFFFF_FFFF_FFFF:012x}"
    _head = f"{time48[:8]}-{time48[8:]}-7{_SOURCE.getrandbits(12):03x}-"
    _tail = _SOURCE.getrandbits(62)
