"""Python's garbage collector held off while much is made that stays: else it walks through all of it, many times."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected(*, for_good: bool = False) -> Iterator[None]:
    """What is made meanwhile goes to the oldest generation unseen: the next collection would walk through all of it.

    for_good: it is never looked at, in a command that ends soon.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if for_good:
            gc.freeze()
        elif not gc.get_freeze_count():  # else somebody froze what is theirs
            gc.freeze()
            gc.unfreeze()
        if was:
            gc.enable()
