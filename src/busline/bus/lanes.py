"""Key-ordered concurrency by leader and followers: nothing is created for a record.

Workers share one queue of runs. The worker that leads calls handlers in a plain loop; while a handler is suspended the
event loop runs the standby, which leads on. A record whose key is in hand is parked on that key, and whoever holds the
key takes it next. So order per key holds, at most `keys` handlers are in hand, and a handler may wait for handlers of
other keys. What may be committed (the low-water mark) is computed when a commit is due.

Records without a key have no order among themselves.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from busline.bus.slot import Abandoned, Busy, Chain, Handle, Interrupted, Share, Slot
from busline.errors import HandlerTimeout
from busline.transport.base import Lease

RUNS = 4
"""Queued runs from which on the feeder has to wait for room; it may go on at half of them."""
UNWIND = 5.0
"""Seconds that a cancelled handler has to unwind before its worker is left alone with it."""


class Item(Protocol):
    """What the lanes order: a record, or a chunk of them."""

    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...


Failed = Callable[[Slot, Exception], Awaitable[bool]]
"""What becomes of an item whose handler raised. True: call it again. False: it is finished. It may raise: that is
fatal, and the item stays unfinished."""


class _Run:
    __slots__ = ("at", "items", "share")

    def __init__(self, share: Share, items: Sequence[Any]) -> None:
        self.share, self.items, self.at = share, items, 0


class Lanes:
    """keys: workers at most. window: parked items, beyond which nothing new is begun. `fatal` ends with what `failed`
    raised; then the lanes go on with other items and the caller is expected to close them."""

    def __init__(self, failed: Failed, *, keys: int = 64, window: int = 4096) -> None:
        self._failed, self._keys, self._window = failed, keys, window
        self._runs: deque[_Run] = deque()
        self._shares: dict[Lease, Share] = {}
        self._busy: dict[tuple[str, int], Busy] = {}
        self._parked = 0
        self.slots: list[Slot] = []
        self._idle: deque[asyncio.Future[None]] = deque()
        self._standby = self._closing = False
        self._room = asyncio.Event()
        self._room.set()
        self.fatal: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.taken = 0

    @property
    def has_room(self) -> bool:
        return self._room.is_set()

    async def room(self) -> None:
        """Wait until more may be fed."""
        await self._room.wait()

    @property
    def waiting(self) -> int:
        """Items fed and not yet begun."""
        return self._parked + sum(len(run.items) - run.at for run in self._runs)

    @property
    def in_hand(self) -> list[Slot]:
        return [slot for slot in self.slots if slot.share is not None]

    @property
    def leases(self) -> list[Lease]:
        return list(self._shares)

    def feed(self, lease: Lease, items: Sequence[Any], handle: Handle, following: int | None = None) -> None:
        """Items in order of offset. following: the offset after the last of them, for items that cover several."""
        share = self._share(lease)
        share.handle, share.next = handle, items[-1].offset + 1 if following is None else following
        self._runs.append(_Run(share, items))
        if len(self._runs) > RUNS or self._parked > self._window:
            self._room.clear()
        self._wake()

    def skip(self, lease: Lease, following: int) -> None:
        """There is nothing to handle up to this offset."""
        self._share(lease).next = following

    def _share(self, lease: Lease) -> Share:
        share = self._shares.get(lease)
        if share is None:
            busy = self._busy.setdefault((lease.topic, lease.partition), {})
            share = self._shares[lease] = Share(lease, busy)
        return share

    def _wake(self) -> None:
        """See to it that a standby is on its way."""
        if self._standby or self._closing:
            return
        while self._idle:
            resting = self._idle.pop()
            if not resting.done():
                resting.set_result(None)
                self._standby = True
                return
        if len(self.slots) < self._keys:
            slot = Slot()
            self.slots.append(slot)
            slot.task = asyncio.get_running_loop().create_task(self._work(slot), name="busline lane")
            self._standby = True

    async def _work(self, slot: Slot) -> None:
        while True:
            self._standby = False
            if not self._runs or self._parked > self._window:
                resting = asyncio.get_running_loop().create_future()
                self._idle.append(resting)
                await resting
                continue
            self._wake()
            await self._lead(slot, self._runs[0])
            slot.share = slot.item = None
            await asyncio.sleep(0)  # once a run: everything else on the loop gets its turn

    async def _lead(self, slot: Slot, run: _Run) -> None:
        """The hot loop: every line here is paid for each record."""
        share, items, runs = run.share, run.items, self._runs
        handle, busy, count = share.handle, share.busy, len(items)
        while run.at < count:
            item = items[run.at]
            run.at += 1
            key = item.key
            if key in busy:
                if self._park(share, item, key):
                    continue
                return
            if key is not None:
                busy[key] = None
            slot.share, slot.item, slot.attempt = share, item, 1
            if not self._standby:
                self._wake()
            try:
                await handle(item, 1)
            except (Exception, asyncio.CancelledError) as error:
                await self._trouble(slot, error)
            if slot.signal:
                slot.clear()
            if key is not None:
                chain = busy.pop(key)
                if chain:
                    await self._follow(slot, busy, chain)
            if not runs or runs[0] is not run:
                return
        if runs and runs[0] is run:
            runs.popleft()
            self.taken += count
            if len(runs) <= RUNS // 2:
                self._room.set()

    def _park(self, share: Share, item: Any, key: bytes) -> bool:
        chain = share.busy[key]
        if chain is None:
            chain = share.busy[key] = deque()
        chain.append((share, item))
        self._parked += 1
        return self._parked <= self._window

    async def _follow(self, slot: Slot, busy: Busy, chain: Chain) -> None:
        """What came for the key while it was in hand, in order."""
        key = chain[0][1].key
        busy[key] = chain
        while chain:
            share, item = chain.popleft()
            self._parked -= 1
            slot.share, slot.item, slot.attempt = share, item, 1
            if not self._standby:
                self._wake()
            try:
                await share.handle(item, 1)
            except (Exception, asyncio.CancelledError) as error:
                await self._trouble(slot, error)
            if slot.signal:
                slot.clear()
        del busy[key]

    async def _trouble(self, slot: Slot, error: BaseException) -> None:
        """Off the hot path: call again until the item is finished, or abandoned."""
        assert slot.share is not None
        slot.settling, slot.uncounted = True, 0
        try:
            again: BaseException | None = error
            while again is not None and await self._failed(slot, self._cause(slot, again)):
                slot.attempt += 1
                again = _unchained(await self._call(slot), error)
            return
        except Abandoned:
            pass
        except asyncio.CancelledError:
            if self._closing:
                raise
        except Exception as fatal:
            if not self.fatal.done():
                self.fatal.set_exception(fatal)
        finally:
            slot.settling = False
        slot.share.abandon(slot.item.offset)

    async def _call(self, slot: Slot) -> BaseException | None:
        assert slot.share is not None
        slot.settling = False
        try:
            await slot.share.handle(slot.item, slot.attempt)
        except (Exception, asyncio.CancelledError) as error:
            return error
        finally:
            slot.settling = True
        return None

    def _cause(self, slot: Slot, error: BaseException) -> Exception:
        """What an exception from a handler means: a cancellation is a limit, a giving back, or the handler's own."""
        if self._closing and isinstance(error, asyncio.CancelledError):
            raise error
        while slot.task.cancelling():
            slot.task.uncancel()
        if slot.killed:
            raise Abandoned
        if slot.expired is not None:
            limit, slot.expired = slot.expired, None
            timeout = HandlerTimeout(f"the handler ran longer than {limit:g} s")
            timeout.__cause__ = error
            return timeout
        if isinstance(error, Exception):
            return error
        interrupted = Interrupted("the handler was cancelled from outside")
        interrupted.__cause__ = error
        return interrupted

    def low_water(self) -> dict[Lease, int]:
        """Next offset to read, by lease: nothing below it is unfinished. Costs what is queued in runs, parked and in
        hand, at the moment of a commit."""
        low = {share: share.next if share.stuck is None else share.stuck for share in self._shares.values()}

        def unfinished(share: Share, offset: int) -> None:
            if share in low and offset < low[share]:
                low[share] = offset

        for run in self._runs:
            if run.at < len(run.items):
                unfinished(run.share, run.items[run.at].offset)
        for slot in self.slots:
            if slot.share is not None:
                unfinished(slot.share, slot.item.offset)
        for busy in self._busy.values():
            for chain in busy.values():
                for share, item in chain or ():
                    unfinished(share, item.offset)
        return {share.lease: offset for share, offset in low.items()}

    async def revoke(self, lease: Lease, within: float) -> None:
        """Give a lease back: what is queued is dropped, what is in hand finishes within so many seconds or is
        cancelled. Its low-water mark can be asked until `forget`."""
        share = self._shares.get(lease)
        if share is not None:
            self._drop_queued({share})
            await self._let_go([slot for slot in self.slots if slot.share is share], within)

    def forget(self, lease: Lease) -> None:
        """The lease is released: nothing of it is committed any more."""
        self._shares.pop(lease, None)

    async def drain(self, within: float) -> None:
        """Give everything back, as `revoke` does."""
        self._drop_queued(set(self._shares.values()))
        await self._let_go(self.in_hand, within)

    async def aclose(self) -> None:
        """End the workers; handlers still in hand are cancelled, their items stay unfinished."""
        self._closing = True
        tasks = [slot.task for slot in self.slots]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if not self.fatal.done():
            self.fatal.cancel()

    def _drop_queued(self, shares: set[Share]) -> None:
        kept: deque[_Run] = deque()
        for run in self._runs:
            if run.share not in shares:
                kept.append(run)
            elif run.at < len(run.items):
                run.share.abandon(run.items[run.at].offset)
                run.at = len(run.items)
        self._runs.clear()  # in place: the workers hold the queue itself
        self._runs.extend(kept)
        for busy in {id(share.busy): share.busy for share in shares}.values():
            for chain in filter(None, busy.values()):
                self._drop_parked(chain, shares)
        if len(self._runs) <= RUNS // 2:
            self._room.set()
        self._wake()

    def _drop_parked(self, chain: Chain, shares: set[Share]) -> None:
        kept = [entry for entry in chain if entry[0] not in shares]
        for share, item in chain:
            if share in shares:
                share.abandon(item.offset)
        self._parked -= len(chain) - len(kept)
        chain.clear()
        chain.extend(kept)

    async def _let_go(self, slots: list[Slot], within: float) -> None:
        """Drop, wait, cancel, wait a little for the unwinding."""
        pending = {slot.drop(): slot for slot in slots}
        if pending and within > 0:
            await asyncio.wait(pending, timeout=within)
        left = [done for done in pending if not done.done()]
        for done in left:
            pending[done].kill()
        if left:
            await asyncio.wait(left, timeout=UNWIND)


def _unchained(error: BaseException | None, first: BaseException) -> BaseException | None:
    """Retries are called while the first error is handled, and would quote it in every traceback."""
    link = error
    while link is not None:
        if link.__context__ is first:
            link.__context__ = None
        link = link.__context__
    return error
