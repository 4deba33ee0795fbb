"""The watchdog: who exceeds its time is cancelled alone, who blocks the loop is named."""

import asyncio
import logging
import threading
from typing import Any

import pytest

from busline.bus.handlers import inspect_handler
from busline.bus.lanes import Lanes
from busline.bus.route import Route
from busline.bus.slot import Slot
from busline.bus.watchdog import LoopWatch, TimeLimits, handler_codes
from busline.errors import HandlerTimeout
from busline.record import StoredRecord
from busline.transport.base import Lease

LEASE = Lease("t", 0, 1)


def route(function: Any, timeout: float | None = None) -> Route:
    return Route(
        contract="a.b", topic="t", decode=lambda r: r.value, handler=inspect_handler(function), timeout=timeout
    )


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - a turn of the loop each
            await asyncio.sleep(0)


async def test_a_call_over_its_limit_is_cancelled_and_the_next_call_has_its_own_time() -> None:
    errors: list[Exception] = []

    async def failed(slot: Slot, error: Exception) -> bool:
        errors.append(error)
        return len(errors) < 2

    async def slow(value: bytes) -> None:
        await asyncio.Event().wait()

    lanes = Lanes(failed)
    try:
        watched = route(slow, timeout=5)
        limits = TimeLimits(lanes, {"t": watched})
        lanes.feed(LEASE, [StoredRecord(0, 0, b"k", b"v")], watched.bind(LEASE))
        await until(lambda: lanes.in_hand)
        limits.look(100.0)
        limits.look(104.9)
        await asyncio.sleep(0)
        assert errors == []
        limits.look(105.0)
        await until(lambda: len(errors) == 1)
        await until(lambda: not lanes.slots[0].settling)
        limits.look(105.1)
        limits.look(110.0)
        await asyncio.sleep(0)
        assert len(errors) == 1
        limits.look(110.2)
        await until(lambda: len(errors) == 2)
        assert all(isinstance(error, HandlerTimeout) for error in errors)
        await until(lambda: lanes.low_water() == {LEASE: 1})
    finally:
        await lanes.aclose()


async def test_without_a_limit_nothing_is_cancelled() -> None:
    async def failed(slot: Slot, error: Exception) -> bool:
        raise AssertionError

    async def slow(value: bytes) -> None:
        await asyncio.Event().wait()

    lanes = Lanes(failed)
    try:
        limits = TimeLimits(lanes, {"t": route(slow)})
        lanes.feed(LEASE, [StoredRecord(0, 0, b"k", b"v")], route(slow).bind(LEASE))
        await until(lambda: lanes.in_hand)
        for now in (0.0, 1e9):
            limits.look(now)
        await asyncio.sleep(0)
        assert len(lanes.in_hand) == 1
        assert not lanes.slots[0].signal
    finally:
        await lanes.aclose()


async def test_a_handler_that_blocks_the_loop_is_named_with_its_stack() -> None:
    named, messages = threading.Event(), list[str]()

    class Told(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())
            named.set()

    async def blocking(value: bytes) -> None:
        assert named.wait(20)

    told = Told()
    logging.getLogger("busline.bus.watchdog").addHandler(told)
    watch = LoopWatch(handler_codes([route(blocking)]), blocked=0.02)
    watch.start()
    try:
        await blocking(b"")
    finally:
        watch.stop()
        logging.getLogger("busline.bus.watchdog").removeHandler(told)
    (message,) = messages
    assert "blocking blocks the event loop" in message
    assert "named.wait(20)" in message
    assert message.count('File "') == message.count("in blocking") + message.count("in wait")  # nothing of its callers


async def test_only_handlers_of_its_own_are_named() -> None:
    async def other(value: bytes) -> None: ...

    watch = LoopWatch(handler_codes([route(other)]), blocked=0.02)
    watch.beat()
    assert watch._tell() is False


def test_the_look_is_fine_enough_for_the_shortest_limit() -> None:
    async def one(value: bytes) -> None: ...

    limits = TimeLimits.__new__(TimeLimits)
    limits._routes = {"a": route(one, timeout=0.5), "b": route(one, timeout=60), "c": route(one)}
    assert limits.interval == pytest.approx(0.05)
    limits._routes = {"c": route(one)}
    assert limits.interval == 1.0
