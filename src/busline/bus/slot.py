"""What one worker of the lanes has in hand, and how it is told to let go."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from busline.transport.base import Lease

Handle = Callable[[Any, int], Awaitable[Any]]
"""(item, attempt), attempt from 1."""
Chain = deque[tuple["Share", Any]]
Busy = dict[bytes, Chain | None]


class Abandoned(Exception):
    """The item was given back: neither finished nor failed."""


class Interrupted(Exception):
    """A handler raised CancelledError although nobody here cancelled it."""


class Share:
    """One lease's part of the lanes. busy is common to all leases of the partition, so that a new lease of it waits for
    what an old one has still in hand."""

    __slots__ = ("busy", "handle", "lease", "next", "stuck")

    def __init__(self, lease: Lease, busy: Busy) -> None:
        self.lease, self.busy = lease, busy
        self.handle: Handle
        self.next = 0
        self.stuck: int | None = None

    def abandon(self, offset: int) -> None:
        """Something of the lease is given back: its low-water mark stays at or before it."""
        self.stuck = offset if self.stuck is None else min(self.stuck, offset)


class Slot:
    """What one worker has in hand. `signal` is the only thing looked at after every handler call."""

    __slots__ = (
        "attempt",
        "done",
        "dropped",
        "expired",
        "item",
        "killed",
        "pausing",
        "settling",
        "share",
        "signal",
        "task",
        "uncounted",
    )

    def __init__(self) -> None:
        self.task: asyncio.Task[None]
        self.share: Share | None = None
        self.item: Any = None
        self.attempt = 1
        self.uncounted = 0
        self.done: asyncio.Future[None] | None = None
        self.pausing: asyncio.Future[None] | None = None
        self.signal = self.settling = self.dropped = self.killed = False
        self.expired: float | None = None

    @property
    def calls(self) -> int:
        """Handler calls that count as tries: interrupted ones do not."""
        return self.attempt - self.uncounted

    @property
    def lease(self) -> Lease:
        assert self.share is not None
        return self.share.lease

    async def pause(self, seconds: float) -> None:
        """Wait between two calls. Raises Abandoned at once when the item is to be given back."""
        loop = asyncio.get_running_loop()
        self.pausing = loop.create_future()
        timer = loop.call_later(seconds, self._resume)
        try:
            if not self.dropped:
                await self.pausing
        finally:
            timer.cancel()
            self.pausing = None
        if self.dropped:
            raise Abandoned

    def _resume(self) -> None:
        if self.pausing and not self.pausing.done():
            self.pausing.set_result(None)

    def drop(self) -> asyncio.Future[None]:
        """Let the handler finish but do not call it again. The future is done when nothing is in hand any more."""
        self.dropped = self.signal = True
        self._resume()
        if self.done is None:
            self.done = asyncio.get_running_loop().create_future()
        return self.done

    def kill(self) -> None:
        """Cancel the handler; its item is abandoned."""
        self.killed = self.signal = True
        self.task.cancel()

    def expire(self, limit: float) -> None:
        """Cancel the handler alone: a retryable failure."""
        self.expired, self.signal = limit, True
        self.task.cancel()

    def clear(self) -> None:
        """After an item with a signal: the worker is whole again."""
        while self.task.cancelling():
            self.task.uncancel()
        if self.done and not self.done.done():
            self.done.set_result(None)
        self.done, self.expired = None, None
        self.signal = self.dropped = self.killed = False
