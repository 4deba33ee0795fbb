"""One timer for all handlers of a group: who exceeds its time is cancelled alone; who blocks the loop is named."""

from __future__ import annotations

import asyncio
import functools
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from types import CodeType, FrameType
from typing import Any

from busline.bus.lanes import Lanes
from busline.bus.route import Route
from busline.bus.slot import Slot

logger = logging.getLogger("busline.bus.watchdog")

BLOCKED = 1.0
"""Seconds without a turn of the loop, after which a blocking handler is named."""


class TimeLimits:
    """Cancels handler calls that run longer than their route's timeout, to the precision of one look.

    A call is recognised by its item and attempt, so nothing is noted when a call begins.
    """

    def __init__(self, lanes: Lanes, routes: Mapping[str, Route]) -> None:
        self._lanes, self._routes = lanes, routes
        self._calls: dict[Slot, tuple[object, int, float]] = {}

    @property
    def interval(self) -> float:
        """Seconds between two looks: a tenth of the shortest limit."""
        limits = [route.timeout for route in self._routes.values() if route.timeout]
        return min(1.0, max(0.01, min(limits, default=10.0) / 10))

    def look(self, now: float) -> None:
        slots = self._lanes.in_hand
        for idle in self._calls.keys() - set(slots):
            del self._calls[idle]
        for slot in slots:
            item, attempt, since = self._calls.get(slot, (None, 0, now))
            if slot.settling or slot.item is not item or slot.attempt != attempt:
                self._calls[slot] = (slot.item, slot.attempt, now)
                continue
            limit = self._routes[slot.lease.topic].timeout
            if limit and now - since >= limit and slot.expired is None and not slot.killed:
                slot.expire(limit)


class LoopWatch:
    """A thread that sees when the loop stands still, and logs the stack of the handler that holds it.

    It names only handlers of its own group, so several of them do not report one blockage twice.
    """

    def __init__(self, handlers: Mapping[CodeType, str], *, blocked: float = BLOCKED) -> None:
        self._handlers, self._blocked = handlers, blocked
        self._beat = time.monotonic()
        self._told = False
        self._ended = threading.Event()
        self._thread_id = threading.get_ident()
        self._thread = threading.Thread(target=self._watch, name="busline watchdog", daemon=True)

    def start(self) -> None:
        """Called in the loop's own thread."""
        self._thread_id = threading.get_ident()
        self.beat()
        self._thread.start()

    def beat(self) -> None:
        """The loop has its turn."""
        self._beat, self._told = time.monotonic(), False

    def stop(self) -> None:
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.wait(self._blocked / 4):
            if not self._told and time.monotonic() - self._beat > self._blocked * 2:
                self._told = self._tell()

    def _tell(self) -> bool:
        frame = sys._current_frames().get(self._thread_id)
        name, depth = self._handler_in(frame)
        if frame is None or name is None:
            return False
        logger.error(
            "handler %s blocks the event loop for over %.1f s; use await, or asyncio.to_thread\n%s",
            name,
            self._blocked,
            "".join(traceback.format_stack(frame, depth)).rstrip(),
        )
        return True

    def _handler_in(self, frame: FrameType | None) -> tuple[str | None, int]:
        """Its name, and how many frames there are from it on: what called it is the same for all."""
        depth = 1
        while frame is not None:
            if frame.f_code in self._handlers:
                return self._handlers[frame.f_code], depth
            frame, depth = frame.f_back, depth + 1
        return None, 0


def handler_codes(routes: Iterable[Route]) -> dict[CodeType, str]:
    """The code of every handler, to find it in a stack."""
    found = {}
    for route in routes:
        code = getattr(_plain(route.handler.function), "__code__", None)
        if code is not None:
            found[code] = route.handler.name
    return found


def _plain(function: Any) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    if not hasattr(function, "__code__") and not hasattr(function, "__func__"):
        function = type(function).__call__
    return function


async def watch(limits: TimeLimits, loop_watch: LoopWatch, progress: Callable[[], None]) -> None:
    """Runs until cancelled: one timer for time limits, the loop's beat and progress."""
    interval = min(limits.interval, BLOCKED / 2)
    loop_watch.start()
    try:
        while True:
            await asyncio.sleep(interval)
            loop_watch.beat()
            limits.look(time.monotonic())
            progress()
    finally:
        loop_watch.stop()
