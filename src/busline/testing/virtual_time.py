"""An asyncio loop whose clock jumps to the next timer: minutes of leases and freezes in milliseconds, repeatably."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.SelectSelector):
    """Never waits: the time that the loop would sleep is added to its clock instead."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout and timeout > 0:
            self.now += timeout
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """For coroutines that wait for timers and each other only: IO and threads have no virtual time."""

    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` from time 0 on a loop of its own. Not inside a running loop of the same thread."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
