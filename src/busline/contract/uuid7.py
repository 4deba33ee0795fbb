"""Time-ordered identifiers: UUID version 7 (RFC 9562 section 5.7, monotonic as its section 6.2 asks)."""

from __future__ import annotations

import os
import random
import time
from typing import Final

_SOURCE: Final = random.Random()  # our own, so that a program's random.seed() cannot make ids repeat
_TAIL: Final = 62
_TAIL_MASK: Final = (1 << _TAIL) - 1
_FORM: Final = "%08x-%04x-7%03x-%04x-%012x"
_VARIANT: Final = 0b10 << 14
_last = 0

os.register_at_fork(after_in_child=lambda: _SOURCE.seed())


def uuid7() -> str:
    """A new id in its canonical form. Within a process each is greater than the one before, clock set back or not."""
    global _last
    milliseconds = time.time_ns() // 1_000_000
    _last = max(milliseconds << 74 | _SOURCE.getrandbits(74), _last + 1)
    head, tail = _last >> _TAIL, _last & _TAIL_MASK
    return _FORM % (head >> 28, head >> 12 & 0xFFFF, head & 0xFFF, _VARIANT | tail >> 48, tail & 0xFFFF_FFFF_FFFF)
