"""Time-ordered identifiers: UUID version 7 (RFC 9562 section 5.7, monotonic as its section 6.2 asks)."""

from __future__ import annotations

import os
import random
import time
from typing import Final

_SOURCE: Final = random.Random()  # our own, so that a program's random.seed() cannot make ids repeat
_TAIL: Final = 62
_TAIL_MASK: Final = (1 << _TAIL) - 1
_VARIANT: Final = 0b10 << _TAIL
_VERSION: Final = 7 << 76
_last = 0

os.register_at_fork(after_in_child=lambda: _SOURCE.seed())


def uuid7() -> str:
    """A new id in its canonical form. Within a process each is greater than the one before, clock set back or not."""
    global _last
    milliseconds = time.time_ns() // 1_000_000
    _last = max(milliseconds << 74 | _SOURCE.getrandbits(74), _last + 1)
    head, tail = _last >> _TAIL, _last & _TAIL_MASK
    text = "%032x" % ((head >> 12) << 80 | _VERSION | (head & 0xFFF) << 64 | _VARIANT | tail)
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
