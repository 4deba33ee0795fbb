"""A group at work on a real engine: at least once, order per key, commits behind the work, dead letters, stopping."""

import asyncio
import contextlib
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from busline.bus.dead_letter import DeadLetters
from busline.bus.delivery import Delivery
from busline.bus.handlers import inspect_handler
from busline.bus.letter import Letter, parse_letter
from busline.bus.middleware import Timing, log_context, trace_context, traceparent
from busline.bus.options import Batch, Concurrency, DeadLetter, Retry
from busline.bus.replay import Replay
from busline.bus.route import Route
from busline.bus.subscribing import GroupRunner, GroupSpec
from busline.errors import (
    DeadLetterFailed,
    DecodeError,
    Fenced,
    NotPublished,
    Reject,
    TransportClosed,
    UnknownSchema,
    UnknownTopic,
    Unreachable,
)
from busline.names import Service
from busline.record import Position, Record, StoredRecord, TopicPartition
from busline.transport.base import Lease, Received, Revoked, TopicSpec, Unreadable
from busline.transport.resolve import resolve

TOPIC, DLQ, GROUP = "shop.order", "busline.dlq.shop.billing", "shop/billing"
QUICK = Retry(initial=0.001, maximum=0.01)
Engine = Any


@pytest.fixture(params=["memory", "sqlite"])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Engine]:
    transport: Engine = resolve("memory://" if request.param == "memory" else f"sqlite:///{tmp_path}/bus.db")
    await transport.start()
    await transport.create_topics([TopicSpec(name=TOPIC, partitions=3), TopicSpec(name=DLQ)])
    yield transport
    await transport.aclose()


def decode(record: StoredRecord) -> bytes:
    if record.value is None or record.value == b"junk":
        raise DecodeError("not an order")
    return record.value


def make_route(handler: Callable[..., Awaitable[None]], **options: Any) -> Route:
    options = {"decode": decode, "retry": QUICK, "contract": TOPIC, "topic": TOPIC} | options
    return Route(handler=inspect_handler(handler), **options)


def make(engine: Engine, *routes: Route, dead: DeadLetters | None = None, **options: Any) -> GroupRunner:
    spec = GroupSpec(**({"group": GROUP, "routes": routes} | options))
    return GroupRunner(engine, spec, dead or DeadLetters(engine, DLQ))


@contextlib.asynccontextmanager
async def running(runner: GroupRunner) -> AsyncIterator[GroupRunner]:
    task = asyncio.create_task(runner.run())
    try:
        yield runner
    finally:
        await runner.stop(5)
        await task


async def publish(engine: Engine, values: Sequence[bytes], keys: int = 8) -> None:
    records = [Record(TOPIC, b"k%d" % (n % keys), value) for n, value in enumerate(values)]
    assert all(isinstance(outcome, Position) for outcome in await engine.publish(records))


async def ends(engine: Engine, topic: str = TOPIC) -> dict[TopicPartition, int]:
    return {TopicPartition(topic, p): bounds.next for p, bounds in (await engine.bounds(topic)).items()}


async def caught_up(runner: GroupRunner, engine: Engine) -> None:
    async with asyncio.timeout(30):
        await runner.caught_up(await ends(engine))


async def committed(engine: Engine, group: str = GROUP, topic: str = TOPIC) -> dict[TopicPartition, int]:
    found = await engine.committed(group)
    return {TopicPartition(*tp): value.next for tp, value in found.items() if tp[0] == topic}


async def letters(engine: Engine) -> list[Letter]:
    count = (await engine.bounds(DLQ))[0].next
    reader, found = await engine.read({TopicPartition(DLQ, 0): 0}), []
    while len(found) < count:
        for run in await reader.receive():
            found += [parse_letter(DLQ, 0, record) for record in run.records]
    await reader.aclose()
    return found


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - a turn of the loop each
            await asyncio.sleep(0.001)


async def test_everything_is_handled_in_order_per_key_and_committed(engine: Engine) -> None:
    seen: dict[int, list[int]] = defaultdict(list)
    flaky: set[int] = set()

    async def handle(value: bytes) -> None:
        n = int(value)
        if n % 7 == 0:
            await asyncio.sleep(0)
        if n % 50 == 3 and n not in flaky:
            flaky.add(n)
            raise ValueError("flaky")
        seen[n % 8].append(n)

    await publish(engine, [b"%d" % n for n in range(2000)])
    async with running(make(engine, make_route(handle), note='{"b":1}')) as runner:
        await caught_up(runner, engine)
        assert sum(map(len, seen.values())) == 2000
        assert all(numbers == sorted(numbers) for numbers in seen.values())
        assert await committed(engine) == await ends(engine)
        assert {value.note for value in (await engine.committed(GROUP)).values()} == {'{"b":1}'}
        health = runner.health
        assert (health.alive, health.ready, health.state, health.retried) == (True, True, "running", len(flaky))
        assert json.loads(json.dumps(health.to_json()))["group"] == GROUP
    assert runner.health.state == "stopped"
    assert not runner.health.ready


async def test_a_commit_never_passes_unfinished_work(engine: Engine) -> None:
    gate = asyncio.Event()
    done: list[bytes] = []

    async def handle(value: bytes) -> None:
        if value == b"0":
            await gate.wait()
        done.append(value)

    await engine.publish([Record(TOPIC, b"k%d" % n, b"%d" % n, (), 0) for n in range(20)])
    async with running(make(engine, make_route(handle), concurrency=Concurrency(commit_every=0.01))) as runner:
        await until(lambda: len(done) == 19)
        await runner._commit()
        assert (await committed(engine))[TopicPartition(TOPIC, 0)] == 0
        gate.set()
        await caught_up(runner, engine)
        assert (await committed(engine))[TopicPartition(TOPIC, 0)] == 20


async def test_rejected_undecodable_and_hopeless_events_are_dead_lettered_and_the_rest_goes_on(engine: Engine) -> None:
    calls: dict[bytes, list[int]] = defaultdict(list)

    async def handle(delivery: Delivery[bytes]) -> None:
        calls[delivery.event].append(delivery.attempt)
        if delivery.event == b"1":
            raise Reject("no such customer")
        if delivery.event == b"3":
            raise ValueError("always")

    await publish(engine, [b"0", b"1", b"junk", b"3", b"4"])
    async with running(make(engine, make_route(handle))) as runner:
        await caught_up(runner, engine)
        assert runner.health.dead_lettered == 3
    assert dict(calls) == {b"0": [1], b"1": [1], b"3": [1, 2, 3, 4, 5], b"4": [1]}
    found = {letter.value: letter for letter in await letters(engine)}
    assert {value: (letter.error, letter.calls) for value, letter in found.items()} == {
        b"1": ("Reject", 1),
        b"junk": ("DecodeError", 1),
        b"3": ("ValueError", 5),
    }
    assert "no such customer" in found[b"1"].reason
    assert found[b"junk"].group == GROUP
    assert await committed(engine) == await ends(engine)


async def test_an_unknown_schema_is_looked_up_once_before_it_is_refused(engine: Engine) -> None:
    known: set[bytes] = set()
    asked: list[None] = []
    seen: list[bytes] = []

    def decode_known(record: StoredRecord) -> bytes:
        assert record.value is not None
        if record.value not in known:
            raise UnknownSchema("not yet")
        return record.value

    async def refresh() -> None:
        asked.append(None)
        if len(asked) == 1:
            raise Unreachable("the log is away")
        known.add(b"new")

    async def handle(value: bytes) -> None:
        seen.append(value)

    await publish(engine, [b"new", b"never"], keys=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("busline.bus.settling.REFRESH_AFTER", 0.001)
        async with running(make(engine, make_route(handle, decode=decode_known, refresh=refresh))) as runner:
            await caught_up(runner, engine)
    assert seen == [b"new"]
    assert [letter.value for letter in await letters(engine)] == [b"never"]


async def test_without_its_dead_letter_an_event_is_never_committed_and_the_run_ends(engine: Engine) -> None:
    async def handle(value: bytes) -> None:
        raise Reject("no")

    dead = DeadLetters(engine, "no.such-topic", options=DeadLetter(patience=0.05, initial=0.01))
    await publish(engine, [b"0"])
    runner = make(engine, make_route(handle), dead=dead)
    with pytest.raises(DeadLetterFailed):
        await runner.run()
    assert (runner.health.alive, runner.health.state) == (False, "failed")
    assert sum((await committed(engine)).values()) == 0
    with pytest.raises(TransportClosed, match="DeadLetterFailed"):
        await runner.caught_up(await ends(engine))


async def test_health_is_red_while_dead_letters_fail(engine: Engine) -> None:
    async def handle(value: bytes) -> None:
        raise Reject("no")

    dead = DeadLetters(engine, DLQ, options=DeadLetter(initial=0.001, maximum=0.001))
    real, broken = engine.publish, True

    async def flaky_publish(records: Sequence[Record]) -> list[Any]:
        return [NotPublished("full")] if broken else await real(records)

    await publish(engine, [b"0"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "publish", flaky_publish)
        async with running(make(engine, make_route(handle), dead=dead)) as runner:
            await until(lambda: not runner.health.alive)
            assert "full" in str(runner.health.reason)
            assert sum((await committed(engine)).values()) == 0
            broken = False
            await caught_up(runner, engine)
            assert runner.health.alive
    assert len(await letters(engine)) == 1


async def test_stopping_finishes_what_is_in_hand_and_gives_back_the_rest(engine: Engine) -> None:
    gate, begun, done = asyncio.Event(), [], []

    async def handle(value: bytes) -> None:
        begun.append(value)
        await gate.wait()
        done.append(value)

    await publish(engine, [b"%d" % n for n in range(200)], keys=100)
    runner = make(engine, make_route(handle), concurrency=Concurrency(keys=4))
    task = asyncio.create_task(runner.run())
    await until(lambda: len(begun) == 4)
    stopping = asyncio.create_task(runner.stop(10))
    await until(lambda: runner.health.state == "stopping")
    gate.set()
    await stopping
    await task
    assert sorted(done) == sorted(begun)
    async with running(make(engine, make_route(handle))) as second:
        await caught_up(second, engine)
    assert set(done) == {b"%d" % n for n in range(200)}


async def test_a_handler_cancelled_at_the_deadline_is_delivered_again(engine: Engine) -> None:
    begun = asyncio.Event()
    first: list[str] = []

    async def endless(value: bytes) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            first.append("cancelled")
            raise

    await publish(engine, [b"0"])
    runner = make(engine, make_route(endless))
    task = asyncio.create_task(runner.run())
    await begun.wait()
    await runner.stop(0)
    await task
    assert first == ["cancelled"]
    assert await letters(engine) == []
    seen: list[bytes] = []

    async def handle(value: bytes) -> None:
        seen.append(value)

    async with running(make(engine, make_route(handle))) as second:
        await caught_up(second, engine)
    assert seen == [b"0"]


async def test_cancelling_the_run_leaves_the_group_and_no_task(engine: Engine) -> None:
    begun = asyncio.Event()

    async def endless(value: bytes) -> None:
        begun.set()
        await asyncio.Event().wait()

    await publish(engine, [b"0"])
    before = asyncio.all_tasks()
    task = asyncio.create_task(make(engine, make_route(endless)).run())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() <= before
    assert sum((await committed(engine)).values()) == 0


async def test_a_handler_over_its_time_is_a_failure_of_its_own_event_only(engine: Engine) -> None:
    seen: list[bytes] = []

    async def handle(value: bytes) -> None:
        if value == b"1":
            await asyncio.Event().wait()
        seen.append(value)

    await publish(engine, [b"0", b"1", b"2"])
    route = make_route(handle, timeout=0.05, retry=Retry(attempts=2, initial=0.001))
    async with running(make(engine, route)) as runner:
        await caught_up(runner, engine)
    assert sorted(seen) == [b"0", b"2"]
    (letter,) = await letters(engine)
    assert (letter.value, letter.calls, letter.error) == (b"1", 2, "HandlerTimeout")


async def test_members_share_the_work_and_hand_it_over_without_loss(engine: Engine) -> None:
    seen: list[int] = []

    async def handle(value: bytes) -> None:
        await asyncio.sleep(0)
        seen.append(int(value))

    async with running(make(engine, make_route(handle))) as first:
        await publish(engine, [b"%d" % n for n in range(500)], keys=50)
        second = make(engine, make_route(handle))
        async with running(second):
            await until(lambda: second.health.ready)
            await publish(engine, [b"%d" % n for n in range(500, 1000)], keys=50)
            await caught_up(first, engine)
            await caught_up(second, engine)
        await publish(engine, [b"%d" % n for n in range(1000, 1100)], keys=50)
        await caught_up(first, engine)
    assert set(seen) == set(range(1100))
    assert await committed(engine) == await ends(engine)


async def test_a_batch_handler_gets_runs_of_one_partition_in_order(engine: Engine) -> None:
    batches: list[list[Position]] = []

    async def handle(batch: list[Delivery[bytes]]) -> None:
        batches.append([delivery.position for delivery in batch])

    await publish(engine, [b"%d" % n for n in range(300)])
    async with running(make(engine, make_route(handle, batch=Batch(size=40, linger=0.01)))) as runner:
        await caught_up(runner, engine)
    assert all(len(batch) <= 40 and len({p.partition for p in batch}) == 1 for batch in batches)
    for partition in range(3):
        offsets = [p.offset for batch in batches for p in batch if p.partition == partition]
        assert offsets == sorted(offsets)
    assert sum(map(len, batches)) == 300


async def test_a_batch_that_keeps_failing_is_handled_one_by_one_so_only_the_bad_are_dead_lettered(
    engine: Engine,
) -> None:
    done: list[bytes] = []
    sizes: list[int] = []

    async def handle(batch: list[Delivery[bytes]]) -> None:
        sizes.append(len(batch))
        if any(delivery.event in (b"3", b"5") for delivery in batch):
            raise ValueError("bad one inside")
        done.extend(delivery.event for delivery in batch)

    values = [b"%d" % n for n in range(8)] + [b"junk"]
    await engine.publish([Record(TOPIC, b"k", value, (), 0) for value in values])
    async with running(make(engine, make_route(handle, retry=Retry(attempts=3, initial=0.001)))) as runner:
        await caught_up(runner, engine)
    assert sizes == [8, 8, 8, *[1] * 8]
    assert done == [b"0", b"1", b"2", b"4", b"6", b"7"]
    assert [(x.value, x.calls) for x in await letters(engine)] == [(b"junk", 1), (b"3", 3), (b"5", 3)]


async def test_each_topic_of_a_group_begins_where_it_says(engine: Engine) -> None:
    seen: dict[str, list[bytes]] = defaultdict(list)
    other = "shop.refund"
    await engine.create_topics([TopicSpec(name=other)])
    await publish(engine, [b"old"])
    await engine.publish([Record(other, b"k", b"old")])

    async def handle(delivery: Delivery[bytes]) -> None:
        seen[delivery.position.topic].append(delivery.event)

    routes = (make_route(handle), make_route(handle, topic=other, contract=other))
    async with running(make(engine, *routes, start={TOPIC: "earliest", other: "latest"})) as runner:
        await until(lambda: runner.health.ready)
        await engine.publish([Record(other, b"k", b"new")])
        async with asyncio.timeout(30):
            await runner.caught_up(await ends(engine) | await ends(engine, other))
    assert dict(seen) == {TOPIC: [b"old"], other: [b"new"]}


async def test_middleware_goes_around_each_call_outermost_first(engine: Engine) -> None:
    timing, traced, order = Timing(), [], []

    def outer(handler: Callable[[Delivery[Any]], Awaitable[Any]]) -> Callable[[Delivery[Any]], Awaitable[Any]]:
        async def around(delivery: Delivery[Any]) -> None:
            order.append("outer")
            await handler(delivery)

        return around

    async def handle(value: bytes) -> None:
        order.append("handler")
        traced.append(traceparent.get())
        if len(traced) == 1:
            raise ValueError("once")

    await engine.publish([Record(TOPIC, b"k", b"v", (("traceparent", b"00-abc"),))])
    route = make_route(handle, middleware=(outer, timing, trace_context, log_context))
    async with running(make(engine, route)) as runner:
        await caught_up(runner, engine)
    assert order == ["outer", "handler"] * 2
    assert traced == [b"00-abc"] * 2
    counters = timing.contracts[TOPIC]
    assert (counters.calls, counters.failures) == (2, 1)
    assert 0 < counters.slowest <= counters.seconds
    assert traceparent.get() is None


async def test_a_topic_that_does_not_exist_ends_the_run_with_its_reason(engine: Engine) -> None:
    async def handle(value: bytes) -> None: ...

    runner = make(engine, make_route(handle, topic="shop.missing"))
    with pytest.raises(UnknownTopic):
        await runner.run()
    assert runner.health.state == "failed"
    await runner.stop(1)


async def test_a_replay_handles_the_letters_up_to_their_end_and_appends_what_fails_again(engine: Engine) -> None:
    broken = {b"1", b"2"}
    seen: list[tuple[Position, bytes]] = []

    async def handle(delivery: Delivery[bytes]) -> None:
        if delivery.event in broken:
            raise Reject("broken")
        seen.append((delivery.position, delivery.event))

    route = make_route(handle)
    await publish(engine, [b"0", b"1", b"2"])
    runner = make(engine, route)
    async with running(runner):
        await caught_up(runner, engine)
    seen.clear()
    broken.remove(b"1")
    first, second = await letters(engine)
    replay = Replay(engine, Service(GROUP), [runner.spec], DeadLetters(engine, DLQ))
    plan = await replay.plan()
    assert plan.letters == 2
    told: list[Letter] = []
    result = await replay.run(plan, progress=told.append)
    assert (dict(result.handled), result.failed) == ({(GROUP, TOPIC): 1}, 1)
    (mended,) = [letter for letter in (first, second) if letter.value == b"1"]
    assert seen == [(mended.source, b"1")]
    assert [letter.value for letter in told] == [b"1"]
    last = (await letters(engine))[-1]
    assert (last.value, last.attempt, last.contract, last.group) == (b"2", 2, TOPIC, GROUP)
    assert last.source != last.position

    broken.clear()
    again = Replay(engine, Service(GROUP), [runner.spec], DeadLetters(engine, DLQ))
    plan = await again.plan()
    assert plan.letters == 1
    await again.run(plan)
    assert seen[-1] == (last.source, b"2")
    assert (await again.plan()).letters == 0
    assert await ends(engine) == await committed(engine)


async def test_a_letter_without_a_handler_stays_a_letter(engine: Engine) -> None:
    async def handle(value: bytes) -> None:
        raise Reject("no")

    runner = make(engine, make_route(handle))
    await publish(engine, [b"0"])
    async with running(runner):
        await caught_up(runner, engine)
    replay = Replay(engine, Service(GROUP), [], DeadLetters(engine, DLQ))
    await replay.run(await replay.plan())
    first, second = await letters(engine)
    assert (first.attempt, second.attempt) == (1, 2)
    assert "no handler" in second.reason
    assert (first.value, first.source) == (second.value, second.source)


class Scripted:
    """A consumer whose events are put in by hand, and which keeps what is asked of it."""

    def __init__(self) -> None:
        self.items: asyncio.Queue[list[Any]] = asyncio.Queue()
        self.log: list[tuple[str, Any]] = []
        self.gone: set[Lease] = set()
        self.commit_error: Exception | None = None

    async def consume(self, topics: object, group: object, **options: object) -> "Scripted":
        self.log.append(("join", None))
        return self

    async def publish(self, records: Sequence[Record]) -> list[Position]:
        self.log += [("publish", record) for record in records]
        return [Position(record.topic, 0, 0) for record in records]

    async def revoked(self) -> list[Any]:
        return await self.receive()

    async def receive(self) -> list[Any]:
        items = await self.items.get()
        if isinstance(items, Exception):
            raise items
        return items

    async def commit(self, positions: dict[Lease, int]) -> None:
        if self.commit_error:
            error, self.commit_error = self.commit_error, None
            raise error
        self.log.append(("commit", {x: n for x, n in positions.items() if x not in self.gone}))
        if gone := self.gone & positions.keys():
            raise Fenced(list(gone))

    async def release(self, lease: Lease) -> None:
        self.log.append(("release", lease))

    async def aclose(self) -> None:
        self.log.append(("close", None))


def run_of(lease: Lease, *offsets: int) -> Received:
    return Received(lease, [StoredRecord(n, 0, b"k%d" % n, b"%d" % n) for n in offsets])


async def test_a_revoked_partition_is_finished_committed_and_released_in_that_order() -> None:
    gate, begun = asyncio.Event(), []
    lease, kept = Lease(TOPIC, 0, 1), Lease(TOPIC, 1, 1)

    async def handle(value: bytes) -> None:
        begun.append(value)
        await gate.wait()

    script: Any = Scripted()
    async with running(make(script, make_route(handle), concurrency=Concurrency(keys=2, commit_every=60))):
        script.items.put_nowait([run_of(lease, 0, 1, 2)])
        await until(lambda: len(begun) == 2)
        script.items.put_nowait([Revoked(lease, 10.0), run_of(kept, 7)])
        await until(lambda: script.items.empty())
        gate.set()
        await until(lambda: ("release", lease) in script.log)
        assert script.log[1:] == [("commit", {lease: 2}), ("release", lease)]
        await until(lambda: b"7" in begun)
    assert script.log[3:] == [("commit", {kept: 8}), ("close", None)]


async def test_a_fenced_lease_is_dropped_and_the_others_go_on() -> None:
    lease, kept = Lease(TOPIC, 0, 1), Lease(TOPIC, 1, 1)
    done: list[bytes] = []

    async def handle(value: bytes) -> None:
        done.append(value)

    script: Any = Scripted()
    script.gone = {lease}
    script.commit_error = Unreachable("for a moment")
    async with running(make(script, make_route(handle), concurrency=Concurrency(commit_every=0.01))) as runner:
        script.items.put_nowait(Unreachable("for a moment"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("busline.bus.subscribing.RETRY_AFTER", 0.001)
            script.items.put_nowait([run_of(lease, 0), run_of(kept, 0)])
            await until(lambda: ("release", lease) in script.log)
        assert runner.health.partitions == (f"{TOPIC}[1]",)
        script.items.put_nowait([run_of(kept, 1)])
        await until(lambda: ("commit", {kept: 2}) in script.log)
    assert sorted(done) == [b"0", b"0", b"1"]
    assert all(lease not in positions for what, positions in script.log if what == "commit")


async def test_a_hole_in_the_log_is_dead_lettered_by_its_position_and_passed() -> None:
    lease = Lease(TOPIC, 2, 1)

    async def handle(value: bytes) -> None: ...

    script: Any = Scripted()
    async with running(make(script, make_route(handle), concurrency=Concurrency(commit_every=0.01))) as runner:
        script.items.put_nowait([run_of(lease, 0), Unreadable(lease, 1, 5, "unpacks to 256 MB"), run_of(lease, 5)])
        await until(lambda: ("commit", {lease: 6}) in script.log)
        assert runner.health.dead_lettered == 1
        script.items.put_nowait([Unreadable(lease, 6, 9, "damaged")])
        await until(lambda: ("commit", {lease: 9}) in script.log)
    first = next(value for what, value in script.log if what == "publish")
    letter = parse_letter(DLQ, 0, StoredRecord(0, 0, first.key, first.value, first.headers))
    assert (letter.source, letter.value) == (Position(TOPIC, 2, 1), None)
    assert "256 MB" in letter.reason and "before 5" in letter.reason


async def test_a_full_window_still_gives_partitions_back() -> None:
    gate = asyncio.Event()
    lease = Lease(TOPIC, 0, 1)

    async def handle(value: bytes) -> None:
        await gate.wait()

    script: Any = Scripted()
    options = Concurrency(keys=1, window=1, commit_every=60)
    async with running(make(script, make_route(handle), concurrency=options)) as runner:
        script.items.put_nowait([run_of(lease, n) for n in range(8)])
        await until(lambda: runner.health.waiting == 7)
        assert not runner._lanes.has_room
        script.items.put_nowait([Revoked(lease, 10.0)])
        await until(lambda: runner.health.waiting == 0)
        gate.set()
        await until(lambda: ("release", lease) in script.log)
        assert ("commit", {lease: 1}) in script.log


async def test_a_consumer_that_does_not_recover_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    lease = Lease(TOPIC, 0, 1)
    done: list[bytes] = []

    async def handle(value: bytes) -> None:
        done.append(value)

    monkeypatch.setattr("busline.bus.subscribing.RETRY_AFTER", 0.001)
    script: Any = Scripted()
    async with running(make(script, make_route(handle), concurrency=Concurrency(commit_every=60))) as runner:
        script.items.put_nowait([run_of(lease, 0)])
        script.items.put_nowait(Unreachable("gone"))
        script.items.put_nowait(Unreachable("still gone"))
        await until(lambda: script.log == [("join", None), ("close", None), ("join", None)])
        assert not runner.health.ready
        script.items.put_nowait([run_of(lease, 0, 1)])
        await until(lambda: len(done) == 3)
        assert runner.health.ready
    assert script.log[3:] == [("commit", {lease: 2}), ("close", None)]


async def test_a_lease_whose_last_commit_fails_is_released_all_the_same() -> None:
    lease = Lease(TOPIC, 0, 1)
    done: list[bytes] = []

    async def handle(value: bytes) -> None:
        done.append(value)

    script: Any = Scripted()
    async with running(make(script, make_route(handle), concurrency=Concurrency(commit_every=60))):
        script.items.put_nowait([run_of(lease, 0)])
        await until(lambda: len(done) == 1)
        script.commit_error = UnknownTopic("deleted")
        script.items.put_nowait([Revoked(lease, 10.0)])
        await until(lambda: ("release", lease) in script.log)
    assert "commit" not in dict(script.log)
