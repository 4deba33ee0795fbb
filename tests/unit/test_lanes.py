"""The lanes: order per key, a low-water mark that passes nothing unfinished, bounds, giving back, and failures."""

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from busline.bus.lanes import Lanes
from busline.bus.slot import Interrupted, Slot
from busline.errors import HandlerTimeout
from busline.transport.base import Lease

LEASE = Lease("t", 0, 1)
OTHER = Lease("t", 1, 1)
Failed = Callable[[Slot, Exception], Awaitable[bool]]


class Item(NamedTuple):
    offset: int
    key: bytes | None


async def finished(slot: Slot, error: Exception) -> bool:
    return False


async def again(slot: Slot, error: Exception) -> bool:
    await slot.pause(0)
    return True


@asynccontextmanager
async def running(failed: Failed = finished, **options: int) -> AsyncIterator[Lanes]:
    lanes = Lanes(failed, **options)
    try:
        yield lanes
    finally:
        await lanes.aclose()


async def until(condition: Callable[[], object], within: float = 20.0) -> None:
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - a turn of the loop each
            await asyncio.sleep(0)


def keyed(*keys: str, start: int = 0) -> list[Item]:
    return [Item(start + n, key.encode()) for n, key in enumerate(keys)]


async def test_an_idle_lease_may_be_committed_up_to_what_was_fed() -> None:
    async def handle(item: Item, attempt: int) -> None: ...

    async with running() as lanes:
        assert lanes.low_water() == {}
        lanes.feed(LEASE, keyed("a", "b"), handle)
        assert lanes.low_water() == {LEASE: 0}
        await until(lambda: lanes.low_water() == {LEASE: 2})
        lanes.feed(OTHER, keyed("a", start=7), handle, 40)
        await until(lambda: lanes.low_water() == {LEASE: 2, OTHER: 40})


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 8), st.integers(1, 40))
def test_any_schedule_keeps_order_and_bounds_and_the_low_water_mark(seed: int, keys: int, window: int) -> None:
    asyncio.run(_schedule(random.Random(seed), keys, window))


async def _schedule(draw: random.Random, keys: int, window: int) -> None:
    seen: dict[tuple[Lease, bytes | None], list[int]] = defaultdict(list)
    in_hand: set[tuple[Lease, int]] = set()
    done: set[tuple[Lease, int]] = set()
    failed: set[tuple[Lease, int]] = set()
    most = 0

    def handler(lease: Lease) -> Callable[[Item, int], Awaitable[None]]:
        async def handle(item: Item, attempt: int) -> None:
            nonlocal most
            in_hand.add((lease, item.offset))
            most = max(most, len(in_hand))
            try:
                for _ in range(draw.choice((0, 0, 1, 3, 9))):
                    await asyncio.sleep(0)
                if attempt == 1 and draw.random() < 0.1:
                    failed.add((lease, item.offset))
                    raise ValueError
            finally:
                in_hand.discard((lease, item.offset))
            seen[lease, item.key].append(item.offset)
            done.add((lease, item.offset))

        return handle

    def check(lanes: Lanes) -> None:
        for lease, low in lanes.low_water().items():
            assert all((lease, offset) in done for offset in range(low))

    leases = [LEASE, OTHER]
    async with running(again, keys=keys, window=window) as lanes:
        fed = dict.fromkeys(leases, 0)
        for _ in range(20):
            lease = draw.choice(leases)
            size = draw.randrange(1, 30)
            items = [Item(fed[lease] + n, draw.choice((b"hot", b"b", b"c", b"d"))) for n in range(size)]
            lanes.feed(lease, items, handler(lease))
            fed[lease] += size
            for _ in range(draw.randrange(4)):
                await asyncio.sleep(0)
                check(lanes)
            async with asyncio.timeout(20):
                await lanes.room()
        await until(lambda: check(lanes) or lanes.low_water() == {x: n for x, n in fed.items() if n})
        assert not lanes.in_hand and lanes.waiting == 0
    assert all(offsets == sorted(offsets) for offsets in seen.values())
    assert len(done) == sum(fed.values()) == sum(map(len, seen.values()))
    assert most <= keys


async def test_records_without_a_key_do_not_wait_for_each_other() -> None:
    meeting = asyncio.Barrier(3)

    async def handle(item: Item, attempt: int) -> None:
        await meeting.wait()

    async with running() as lanes:
        lanes.feed(LEASE, [Item(n, None) for n in range(3)], handle)
        await until(lambda: lanes.low_water() == {LEASE: 3})


@pytest.mark.parametrize("resumed_first", [False, True])
async def test_a_handler_may_wait_for_handlers_of_other_keys(resumed_first: bool) -> None:
    told = asyncio.Event()

    async def handle(item: Item, attempt: int) -> None:
        if resumed_first and item.offset == 0:
            await asyncio.sleep(0)
        elif item.offset == 1:
            await told.wait()
        elif item.offset == 40:
            told.set()

    async with running(keys=3) as lanes:
        lanes.feed(LEASE, keyed(*(f"k{n}" for n in range(50))), handle)
        await until(lambda: lanes.low_water() == {LEASE: 50})


async def test_a_failing_key_waits_while_others_flow_and_is_called_again_with_its_attempt() -> None:
    mended = asyncio.Event()
    seen: list[tuple[int, int]] = []

    async def failed(slot: Slot, error: Exception) -> bool:
        assert isinstance(error, ValueError)
        await mended.wait()
        return True

    async def handle(item: Item, attempt: int) -> None:
        seen.append((item.offset, attempt))
        if item.offset == 0 and attempt == 1:
            raise ValueError

    async with running(failed) as lanes:
        lanes.feed(LEASE, keyed("a", "a", "b", "c"), handle)
        await until(lambda: (3, 1) in seen)
        assert seen == [(0, 1), (2, 1), (3, 1)]
        assert lanes.low_water() == {LEASE: 0}
        mended.set()
        await until(lambda: lanes.low_water() == {LEASE: 4})
    assert seen[3:] == [(0, 2), (1, 1)]


async def test_the_error_of_a_retry_does_not_quote_the_one_before() -> None:
    seen: list[Exception] = []

    async def twice(slot: Slot, error: Exception) -> bool:
        seen.append(error)
        await slot.pause(0)
        return len(seen) < 3

    async def handle(item: Item, attempt: int) -> None:
        try:
            raise KeyError(attempt)
        except KeyError:
            raise ValueError(attempt)  # noqa: B904

    async with running(twice) as lanes:
        lanes.feed(LEASE, keyed("a"), handle)
        await until(lambda: len(seen) == 3)
    assert [type(error.__context__) for error in seen] == [KeyError] * 3
    assert [error.__context__.__context__ for error in seen if error.__context__] == [None] * 3


async def test_a_full_window_stops_reading_until_keys_move() -> None:
    gate = asyncio.Event()

    async def handle(item: Item, attempt: int) -> None:
        await gate.wait()

    async with running(window=10) as lanes:
        for n in range(5):
            lanes.feed(LEASE, keyed(*["a"] * 10, start=10 * n), handle)
        await until(lambda: lanes.waiting == 49)
        assert not lanes.has_room
        gate.set()
        async with asyncio.timeout(10):
            await lanes.room()
        await until(lambda: lanes.low_water() == {LEASE: 50})


async def test_a_revoked_lease_finishes_what_is_in_hand_and_drops_the_rest() -> None:
    gate = asyncio.Event()
    seen: list[int] = []

    async def handle(item: Item, attempt: int) -> None:
        await gate.wait()
        seen.append(item.offset)

    async def other(item: Item, attempt: int) -> None: ...

    async with running(keys=2) as lanes:
        lanes.feed(LEASE, keyed("a", "a", "b", "c", "d"), handle)
        lanes.feed(OTHER, keyed("a", "b"), other)
        await until(lambda: len(lanes.in_hand) == 2)
        revoking = asyncio.create_task(lanes.revoke(LEASE, 10))
        await until(lambda: lanes.waiting <= 2)
        gate.set()
        await revoking
        assert seen == [0, 2]
        assert lanes.low_water()[LEASE] == 1
        await until(lambda: lanes.low_water()[OTHER] == 2)
        lanes.forget(LEASE)
        assert lanes.low_water() == {OTHER: 2}


async def test_what_does_not_finish_in_time_is_cancelled_and_is_neither_finished_nor_failed() -> None:
    ended: list[str] = []
    failures: list[Exception] = []

    async def failed(slot: Slot, error: Exception) -> bool:
        failures.append(error)
        return False

    async def handle(item: Item, attempt: int) -> None:
        if item.offset == 0:
            return
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            if item.offset == 2:
                raise RuntimeError("made of a cancellation") from None
            raise

    async with running(failed) as lanes:
        lanes.feed(LEASE, keyed("a", "b", "c"), handle)
        await until(lambda: len(lanes.in_hand) == 2)
        await lanes.revoke(LEASE, 0)
        assert ended == ["cancelled"] * 2
        assert failures == []
        assert lanes.low_water() == {LEASE: 1}
        served: list[int] = []

        async def serve(item: Item, attempt: int) -> None:
            served.append(item.offset)

        lanes.feed(OTHER, keyed("b", "c"), serve)
        await until(lambda: lanes.low_water()[OTHER] == 2)
        assert served == [0, 1]


async def test_a_pause_before_a_retry_ends_at_once_when_the_lease_goes() -> None:
    pausing = asyncio.Event()

    async def failed(slot: Slot, error: Exception) -> bool:
        pausing.set()
        await slot.pause(3600)
        return True

    async def handle(item: Item, attempt: int) -> None:
        raise ValueError

    async with running(failed) as lanes:
        lanes.feed(LEASE, keyed("a"), handle)
        await pausing.wait()
        async with asyncio.timeout(10):
            await lanes.revoke(LEASE, 3600)
        assert lanes.low_water() == {LEASE: 0}


async def test_a_new_lease_of_a_partition_waits_for_what_the_old_one_has_in_hand() -> None:
    gate = asyncio.Event()
    order: list[str] = []

    async def old(item: Item, attempt: int) -> None:
        try:
            await gate.wait()
        finally:
            await gate.wait()
            order.append("old")

    async def new(item: Item, attempt: int) -> None:
        order.append("new")

    async with running() as lanes:
        lanes.feed(LEASE, keyed("a"), old)
        await until(lambda: lanes.in_hand)
        revoking = asyncio.create_task(lanes.revoke(LEASE, 0))
        lanes.feed(LEASE._replace(epoch=2), keyed("a"), new)
        for _ in range(5):
            await asyncio.sleep(0)
        assert order == []
        gate.set()
        await revoking
        await until(lambda: order == ["old", "new"])


async def test_a_time_limit_cancels_one_handler_and_its_worker_goes_on() -> None:
    failures: list[Exception] = []

    async def failed(slot: Slot, error: Exception) -> bool:
        failures.append(error)
        return False

    async def handle(item: Item, attempt: int) -> None:
        if item.offset == 0:
            await asyncio.Event().wait()
        async with asyncio.timeout(10):  # would misfire in a task with a cancellation left over
            await asyncio.sleep(0)

    async with running(failed, keys=1) as lanes:
        lanes.feed(LEASE, keyed("a", "a", "b"), handle)
        await until(lambda: lanes.in_hand)
        lanes.in_hand[0].expire(0.5)
        await until(lambda: lanes.low_water() == {LEASE: 3})
        assert [type(error) for error in failures] == [HandlerTimeout]
        assert lanes.slots[0].task.cancelling() == 0


async def test_a_handler_that_swallows_its_cancellation_has_finished() -> None:
    async def handle(item: Item, attempt: int) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return

    async with running() as lanes:
        lanes.feed(LEASE, keyed("a"), handle)
        await until(lambda: lanes.in_hand)
        lanes.in_hand[0].expire(0.5)
        await until(lambda: lanes.low_water() == {LEASE: 1})
        assert lanes.slots[0].task.cancelling() == 0


async def test_a_handler_that_cancels_itself_is_told_apart_and_kills_no_worker() -> None:
    failures: list[Exception] = []

    async def failed(slot: Slot, error: Exception) -> bool:
        failures.append(error)
        return True

    async def handle(item: Item, attempt: int) -> None:
        task = asyncio.current_task()
        assert task is not None
        if attempt == 1:
            raise asyncio.CancelledError
        if attempt == 2:
            task.cancel()
            await asyncio.sleep(0)

    async with running(failed) as lanes:
        lanes.feed(LEASE, keyed("a"), handle)
        await until(lambda: lanes.low_water() == {LEASE: 1})
    assert [type(error) for error in failures] == [Interrupted, Interrupted]


async def test_what_cannot_be_settled_is_fatal_and_stays_unfinished() -> None:
    async def failed(slot: Slot, error: Exception) -> bool:
        raise LookupError("no dead letters")

    async def handle(item: Item, attempt: int) -> None:
        if item.offset == 1:
            raise ValueError

    async with running(failed) as lanes:
        lanes.feed(LEASE, keyed("a", "b", "c"), handle)
        with pytest.raises(LookupError):
            await lanes.fatal
        await until(lambda: lanes.waiting == 0)
        assert lanes.low_water() == {LEASE: 1}


async def test_draining_gives_everything_back_but_what_finishes() -> None:
    gate = asyncio.Event()

    async def handle(item: Item, attempt: int) -> None:
        if item.offset % 2:
            await gate.wait()

    async with running(keys=4) as lanes:
        lanes.feed(LEASE, keyed(*(f"k{n}" for n in range(100))), handle)
        await until(lambda: len(lanes.in_hand) == 4)
        gate_opens = asyncio.get_running_loop().call_soon(gate.set)
        await lanes.drain(10)
        gate_opens.cancel()
        assert lanes.in_hand == [] and lanes.waiting == 0
        assert lanes.low_water() == {LEASE: 8}


async def test_closing_cancels_handlers_and_leaves_no_task() -> None:
    async def handle(item: Item, attempt: int) -> None:
        await asyncio.Event().wait()

    before: set[asyncio.Task[Any]] = asyncio.all_tasks()
    async with running() as lanes:
        lanes.feed(LEASE, keyed(*"abcdef"), handle)
        await until(lambda: len(lanes.in_hand) == 6)
    assert lanes.low_water() == {LEASE: 0}
    assert asyncio.all_tasks() == before
