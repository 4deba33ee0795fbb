"""What is published is handled: at least once, in order per key, or dead-lettered; and a bus ends in order."""

import asyncio
import gc
import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from busline import Bus, Concurrency, Deleted, Delivery, Event, Reject, Retry, State
from busline.bus import life
from busline.errors import HandlerInvalid, PublishError, StorageFailed, TransportClosed
from busline.record import Position, Record, StoredRecord, TopicPartition
from busline.transport.base import Received

QUICK = Retry(attempts=3, initial=0.001, maximum=0.002)


class Placed(Event, contract="orders.placed", key="user"):
    user: str
    n: int


class Invoiced(Event, contract="billing.invoiced", key="user"):
    user: str
    n: int


class Stats(State, contract="marketing.stats", key="user"):
    user: str
    orders: int


@pytest.fixture
def make(url: str) -> Callable[..., Bus]:
    return lambda service="billing/invoicing", **options: Bus(url, service=service, **options)


async def records_of(bus: Bus, topic: str) -> list[StoredRecord]:
    """Everything that a topic holds."""
    engine: Any = bus._running().session.transport
    bounds = await engine.bounds(topic)
    left = {TopicPartition(topic, p): b.first for p, b in bounds.items() if b.first < b.next}
    count = sum(b.next - b.first for b in bounds.values())
    out: list[StoredRecord] = []
    if not left:
        return out
    reader = await engine.read(left)
    while len(out) < count:
        out += [r for item in await reader.receive() if isinstance(item, Received) for r in item.records]
    await reader.aclose()
    return out


async def test_a_published_event_is_handled(make: Callable[..., Bus]) -> None:
    bus, seen = make(), []

    @bus.subscribe(Placed)
    async def handle(event: Placed) -> None:
        seen.append(event)

    async with bus:
        await bus.publish(Placed(user="a", n=1))
        await bus.caught_up(30)
        assert seen == [Placed(user="a", n=1)]


async def test_what_was_published_before_the_first_start_is_handled_and_announced(
    make: Callable[..., Bus], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "busline")
    bus, seen = make(), []

    @bus.subscribe(Placed)
    async def handle(event: Placed) -> None:
        seen.append(event.n)

    async with make("orders/checkout") as publisher:
        await publisher.publish(*(Placed(user="a", n=n) for n in range(5)))
        async with bus:
            await bus.caught_up(30)
    assert seen == list(range(5))
    assert "5 events come first" in caplog.text


async def test_a_group_that_starts_at_the_latest_sees_what_comes_then(make: Callable[..., Bus]) -> None:
    bus, seen = make(), []

    @bus.subscribe(Placed, start="latest")
    async def handle(event: Placed) -> None:
        seen.append(event.n)

    async with make("orders/checkout") as publisher:
        await publisher.publish(Placed(user="a", n=1))
        async with bus:
            await bus.caught_up(30)
            await publisher.publish(Placed(user="a", n=2))
            await bus.caught_up(30)
    assert seen == [2]


async def test_order_per_key_holds_with_retries(make: Callable[..., Bus]) -> None:
    bus = make()
    seen: dict[str, list[int]] = {}
    failed: set[int] = set()

    @bus.subscribe(Placed, retry=QUICK)
    async def handle(event: Placed) -> None:
        await asyncio.sleep(0)
        if event.n % 7 == 0 and event.n not in failed:
            failed.add(event.n)
            raise RuntimeError("flaky")
        seen.setdefault(event.user, []).append(event.n)

    async with bus:
        async with bus.publisher(Placed) as stream:
            for n in range(800):
                await stream.send(Placed(user=f"u{n % 16}", n=n))
        await bus.caught_up(60)
    assert seen == {f"u{k}": list(range(k, 800, 16)) for k in range(16)}
    assert len(failed) == 115


async def test_what_cannot_be_handled_is_a_dead_letter_and_the_rest_goes_on(make: Callable[..., Bus]) -> None:
    bus, seen, calls = make(), [], []

    @bus.subscribe(Placed, retry=QUICK)
    async def handle(event: Placed) -> None:
        calls.append(event.n)
        if event.n == 1:
            raise Reject("never")
        if event.n == 2:
            raise RuntimeError("always")
        seen.append(event.n)

    async with bus:
        await bus.publish(*(Placed(user="a", n=n) for n in range(4)))
        await bus.caught_up(30)
        letters = await records_of(bus, "busline.dlq.billing.invoicing")
    assert seen == [0, 3] and calls == [0, 1, 2, 2, 2, 3]
    assert len(letters) == 2


async def test_what_is_no_event_of_the_contract_is_a_dead_letter(make: Callable[..., Bus]) -> None:
    bus, seen = make(), []

    @bus.subscribe(Placed, retry=QUICK)
    async def handle(event: Placed) -> None:
        seen.append(event.n)

    async with bus:
        engine = bus._running().session.transport
        await engine.publish([Record("orders.placed", b"a", b"junk"), Record("orders.placed", b"a", None)])
        await bus.publish(Placed(user="a", n=1))
        await bus.caught_up(30)
        assert len(await records_of(bus, "busline.dlq.billing.invoicing")) == 2
    assert seen == [1]


async def test_a_restarted_service_goes_on_where_it_was(make: Callable[..., Bus]) -> None:
    bus, seen = make(), []

    @bus.subscribe(Placed)
    async def handle(event: Placed) -> None:
        seen.append(event.n)

    async with make("orders/checkout") as publisher:
        for n in range(3):
            async with bus:
                await publisher.publish(Placed(user="a", n=n))
                await bus.caught_up(30)
    assert seen == [0, 1, 2]


async def test_groups_of_one_service_each_get_every_event(make: Callable[..., Bus]) -> None:
    bus, seen = make(), []

    @bus.subscribe(Placed)
    async def first(event: Placed) -> None:
        seen.append("first")

    @bus.subscribe(Placed, name="audit")
    async def second(event: Placed) -> None:
        seen.append("second")

    async with bus:
        await bus.publish(Placed(user="a", n=1))
        await bus.caught_up(30)
        engine: Any = bus._running().session.transport
        groups = await engine.groups()
    assert sorted(seen) == ["first", "second"]
    assert {"billing/invoicing", "billing/invoicing/audit"} <= set(groups)


def test_a_second_handler_in_a_group_is_refused_with_the_fix() -> None:
    bus = Bus("memory://", service="billing/invoicing")

    @bus.subscribe(Placed)
    async def first(event: Placed) -> None: ...

    with pytest.raises(HandlerInvalid) as caught:

        @bus.subscribe(Placed)
        async def second(event: Placed) -> None: ...

    assert 'name="…"' in str(caught.value) and "first" in str(caught.value)


def test_a_handler_that_takes_something_else_is_refused() -> None:
    bus = Bus("memory://")
    with pytest.raises(HandlerInvalid):

        @bus.subscribe(Placed)
        async def wrong(event: Invoiced) -> None: ...

    with pytest.raises(HandlerInvalid) as caught:

        @bus.subscribe(Stats)
        async def forgot(event: Stats) -> None: ...

    assert "Deleted" in str(caught.value)


async def test_two_options_for_one_group_are_refused(make: Callable[..., Bus]) -> None:
    bus = make()

    @bus.subscribe(Placed, concurrency=Concurrency(keys=1))
    async def first(event: Placed) -> None: ...

    @bus.subscribe(Invoiced, concurrency=Concurrency(keys=2))
    async def second(event: Invoiced) -> None: ...

    with pytest.raises(HandlerInvalid):
        await bus.start()


def test_a_decorated_handler_is_returned_unchanged() -> None:
    async def handle(event: Placed) -> None: ...

    assert Bus("memory://").subscribe(Placed)(handle) is handle


async def test_a_state_handler_gets_values_and_deletions(make: Callable[..., Bus]) -> None:
    bus, seen = make(), []

    @bus.subscribe(Stats)
    async def handle(stats: Stats | Deleted) -> None:
        seen.append(stats)

    async with bus:
        await bus.publish(Stats(user="a", orders=1), Deleted(Stats, user="a"))
        await bus.caught_up(30)
    assert seen == [Stats(user="a", orders=1), Deleted(Stats, user="a")]


async def test_a_handler_gets_its_delivery_or_many_of_them(make: Callable[..., Bus]) -> None:
    bus = make()
    single: list[Delivery[Placed]] = []
    many: list[int] = []

    @bus.subscribe(Placed)
    async def one(delivery: Delivery[Placed]) -> None:
        single.append(delivery)

    @bus.subscribe(Placed, name="batches")
    async def batch(deliveries: list[Delivery[Placed]]) -> None:
        many.extend(d.event.n for d in deliveries)

    async with bus:
        await bus.publish(*(Placed(user="a", n=n) for n in range(10)), headers={"tenant": "t"})
        await bus.caught_up(30)
    assert [d.event.n for d in single] == many == list(range(10))
    assert single[0].header("tenant") == b"t" and single[0].contract == "orders.placed"


async def test_a_handler_publishes(make: Callable[..., Bus]) -> None:
    bus = make()

    @bus.subscribe(Placed)
    async def handle(event: Placed) -> None:
        await bus.publish(Invoiced(user=event.user, n=event.n))

    async with bus:
        await bus.publish(*(Placed(user="a", n=n) for n in range(50)))
        await bus.caught_up(30)
        assert [e.n async for e in bus.read(Invoiced)] == list(range(50))


async def test_a_group_says_what_it_reads_in_its_commits(make: Callable[..., Bus]) -> None:
    bus = make()

    @bus.subscribe(Placed)
    async def handle(event: Placed) -> None: ...

    async with bus:
        await bus.publish(Placed(user="a", n=1))
        await bus.caught_up(30)
        engine: Any = bus._running().session.transport
        notes = {mark.note for mark in (await engine.committed("billing/invoicing")).values()}
    assert notes == {'{"b":1,"v":1,"f":["user","n"]}'}


async def test_closing_during_a_burst_loses_nothing(make: Callable[..., Bus]) -> None:
    bus, seen = make(), set()
    begun = asyncio.Event()

    @bus.subscribe(Placed, concurrency=Concurrency(keys=4))
    async def handle(event: Placed) -> None:
        begun.set()
        await asyncio.sleep(0.001)
        seen.add(event.n)

    async with make("orders/checkout") as publisher:
        async with publisher.publisher(Placed) as stream:
            for n in range(500):
                await stream.send(Placed(user=f"u{n % 8}", n=n))
        for _ in range(3):
            begun.clear()
            async with bus:
                if len(seen) < 500:
                    await asyncio.wait_for(begun.wait(), 30)
        async with bus:
            await bus.caught_up(60)
    assert seen == set(range(500))


async def test_a_bus_that_closes_under_publishers_gives_each_a_clear_answer(make: Callable[..., Bus]) -> None:
    bus = make()
    outcomes: list[str] = []
    enough = asyncio.Event()

    async def flood(k: int) -> None:
        for n in range(10_000):
            try:
                await bus.publish(Placed(user=f"u{k}", n=n))
                outcomes.append("published")
                if len(outcomes) >= 50:
                    enough.set()
            except (PublishError, TransportClosed) as error:
                outcomes.append(type(error).__name__)
                return

    async with bus:
        await bus.publish(Placed(user="a", n=0))
        floods = [asyncio.create_task(flood(k)) for k in range(8)]
        await asyncio.wait_for(enough.wait(), 30)
    await asyncio.wait_for(asyncio.gather(*floods), 30)
    assert outcomes.count("published") >= 50 and len(outcomes) - outcomes.count("published") == 8


async def test_what_a_subscription_cannot_go_on_from_is_raised(make: Callable[..., Bus]) -> None:
    bus = make()

    @bus.subscribe(Placed)
    async def handle(event: Placed) -> None: ...

    await bus.start()
    runner = bus._running()
    runner.failed.set_result(StorageFailed("the disk is full"))
    assert isinstance(bus.failure, StorageFailed)
    with pytest.raises(StorageFailed):
        await bus.caught_up(5)
    assert isinstance(await bus.wait_failed(), StorageFailed)
    with pytest.raises(StorageFailed):
        async with _ending(bus):
            pass


class _ending:
    """`async with bus`, for a bus that is started already."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *error: Any) -> None:
        await self.bus.__aexit__(*error)


async def test_caught_up_gives_up_at_its_time(make: Callable[..., Bus]) -> None:
    bus, gate = make(), asyncio.Event()

    @bus.subscribe(Placed)
    async def handle(event: Placed) -> None:
        await gate.wait()

    async with bus:
        await bus.publish(Placed(user="a", n=1))
        with pytest.raises(TimeoutError):
            await bus.caught_up(0.2)
        gate.set()
        await bus.caught_up(30)


async def test_a_start_that_fails_leaves_nothing_open(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    broken = Bus(f"sqlite:///{tmp_path}/file/bus.db", service="orders/checkout")
    with pytest.raises(StorageFailed):
        await broken.start()
    with pytest.raises(TransportClosed):
        await broken.publish(Placed(user="a", n=1))


async def test_each_contract_of_a_group_begins_where_its_subscription_says(make: Callable[..., Bus]) -> None:
    bus, seen = make(), []

    @bus.subscribe(Placed, start="latest")
    async def first(event: Placed) -> None:
        seen.append(event)

    @bus.subscribe(Invoiced, start="earliest")
    async def second(event: Invoiced) -> None:
        seen.append(event)

    async with make("orders/checkout") as publisher:
        await publisher.publish(Placed(user="a", n=1), Invoiced(user="a", n=2))
        async with bus:
            await bus.caught_up(30)
    assert seen == [Invoiced(user="a", n=2)]


async def test_health_is_green_while_it_runs_and_red_when_a_subscription_cannot_go_on(make: Callable[..., Bus]) -> None:
    bus = make()

    @bus.subscribe(Placed)
    async def handle(event: Placed) -> None: ...

    assert (bus.health().alive, bus.health().ready) == (True, False)
    async with bus:
        await bus.publish(Placed(user="a", n=1))
        await bus.caught_up(30)
        health = bus.health()
        assert (health.alive, health.ready, health.reason) == (True, True, None)
        assert [group.group for group in health.groups] == ["billing/invoicing"]
        assert health.to_json()["alive"] is True
        bus._running().failed.set_result(StorageFailed("the disk is full"))
        assert not bus.health().alive and "disk is full" in str(bus.health().reason)
        with pytest.raises(StorageFailed):
            await bus.__aexit__(None, None, None)


async def test_a_memory_bus_that_hears_nothing_says_that_it_is_one_process(
    unique: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(life, "LONELY_AFTER", 0.0)
    bus = Bus(f"memory://{unique}")

    @bus.subscribe(Placed)
    async def handle(event: Placed) -> None: ...

    async with bus:
        lonely = bus._running()._lonely
        assert lonely is not None
        await asyncio.wait_for(lonely, 30)
    assert "one process" in caplog.text


async def test_nothing_is_kept_of_events_that_are_done(tmp_path: Path) -> None:
    bus, count = Bus(f"sqlite:///{tmp_path}/bus.db"), 0

    @bus.subscribe(Placed)
    async def handle(event: Placed) -> None:
        nonlocal count
        count += 1

    async def flow(events: int) -> None:
        async with bus.publisher(Placed) as stream:
            for n in range(events):
                await stream.send(Placed(user=f"u{n % 100}", n=n))
        await bus.caught_up(60)

    def kept() -> Counter[str]:
        gc.collect()
        kinds = (Placed, Record, StoredRecord, Position, asyncio.Future, Delivery)
        return Counter(type(thing).__name__ for thing in gc.get_objects() if isinstance(thing, kinds))

    async with bus:
        await flow(2_000)
        before = kept()
        await flow(6_000)
        grown = kept() - before
    assert count == 8_000
    assert grown.total() < 2_000, "more than the last runs, whose size is bounded"
