"""A bus as a process: it runs until its work is done, a signal comes, or a subscription cannot go on.

The first SIGTERM or SIGINT ends it in order, within a deadline; the second ends it at once, and then what was not
committed comes again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol

_log = logging.getLogger("busline.running")
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_MACHINERY: Final = (str(Path(__file__).parents[1]), str(Path(asyncio.__file__).parent))
Main = Callable[[], Awaitable[object]]


class Runnable(Protocol):
    """What a process runs: a Bus."""

    async def start(self) -> None: ...
    async def aclose(self) -> None: ...
    async def wait_failed(self) -> BaseException: ...


async def serve(bus: Runnable, main: Main | None = None) -> signal.Signals | None:
    """Start, run, end in order. Without `main`: until a signal. Returns the signal that ended it, if one did.

    Raises what `main` raises, and what a subscription could not go on from.
    """
    stopped: asyncio.Future[signal.Signals] = asyncio.get_running_loop().create_future()
    with _signals(stopped):
        try:
            await _until_stopped(bus.start(), stopped)
            if not stopped.done():
                await _work(bus, main, stopped)
        finally:
            await bus.aclose()
    return stopped.result() if stopped.done() else None


async def _until_stopped(work: Awaitable[object], stopped: asyncio.Future[signal.Signals]) -> None:
    """`work` to its end, or cancelled when a signal comes."""
    task = asyncio.ensure_future(work)
    try:
        await _first(task, stopped)
        if task.done():
            task.result()
    finally:
        await _cancel(task)


async def _work(bus: Runnable, main: Main | None, stopped: asyncio.Future[signal.Signals]) -> None:
    failed = asyncio.ensure_future(bus.wait_failed())
    work: set[asyncio.Future[object]] = {asyncio.ensure_future(main())} if main else set()
    try:
        await _first(failed, stopped, *work)
        if failed.done():
            raise failed.result()
        for task in work:
            if task.done():
                task.result()
    finally:
        await _cancel(failed, *work)


async def _first(*futures: asyncio.Future[Any]) -> None:
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)


async def _cancel(*tasks: asyncio.Future[Any]) -> None:
    open_tasks = [task for task in tasks if not task.done()]
    for task in open_tasks:
        task.cancel()
    for outcome in await asyncio.gather(*open_tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            _log.error("failed while it was stopped: %s", outcome, exc_info=outcome)


@contextlib.contextmanager
def _signals(stopped: asyncio.Future[signal.Signals]) -> Iterator[None]:
    """Where the loop is not the main thread's, signals are somebody else's: nothing is installed."""

    def stop(number: signal.Signals) -> None:
        if stopped.done():
            sys.stderr.write(f"busline: {number.name} again: ending at once\n")
            sys.stderr.flush()
            os._exit(128 + number)
        _log.info("%s: stopping in order; once more ends at once", number.name)
        stopped.set_result(number)

    loop = asyncio.get_running_loop()
    installed = []
    try:
        for number in SIGNALS:
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(number, stop, number)
                installed.append(number)
        yield
    finally:
        for number in installed:
            loop.remove_signal_handler(number)


def without_machinery(found: TracebackType | None) -> TracebackType | None:
    """The program's own frames alone: a BuslineError says by itself what is wrong. All with BUSLINE_DEBUG."""
    if found is None or os.environ.get("BUSLINE_DEBUG"):
        return found
    rest = without_machinery(found.tb_next)
    if found.tb_frame.f_code.co_filename.startswith(_MACHINERY):
        return rest
    return TracebackType(rest, found.tb_frame, found.tb_lasti, found.tb_lineno)
