"""Publishing: coalesced into batches in the order of the calls, bounded, each event with its own outcome."""

import asyncio
from collections.abc import Sequence

import pytest

from busline.bus.cloudevents import Stamp
from busline.bus.publishing import CHUNK, WINDOW, Outbox, Outlet, Publisher, positions, within
from busline.errors import (
    NotPublished,
    PublishFailed,
    PublishUnknown,
    RecordTooLarge,
    TransportClosed,
    Unreachable,
)
from busline.names import ContractName, Service
from busline.record import Position, Record
from busline.transport.base import Outcome


class Engine:
    """Records every batch; `gate` holds answers back, `refuse` says what becomes of a value, `error` fails a call."""

    def __init__(self) -> None:
        self.batches: list[list[Record]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.refuse: dict[bytes, Outcome] = {}
        self.error: Exception | None = None
        self.offset = 0
        self.calls = asyncio.Semaphore(0)

    async def publish(self, records: Sequence[Record]) -> list[Outcome]:
        self.batches.append(list(records))
        self.calls.release()
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return [self._outcome(record) for record in records]

    def _outcome(self, record: Record) -> Outcome:
        self.offset += 1
        return self.refuse.get(record.value or b"") or Position(record.topic, 0, self.offset - 1)

    @property
    def values(self) -> list[bytes | None]:
        return [record.value for batch in self.batches for record in batch]


@pytest.fixture
async def engine() -> Engine:
    return Engine()


@pytest.fixture
async def outbox(engine: Engine) -> Outbox:
    return Outbox(engine)  # type: ignore[arg-type]


def record(value: bytes) -> Record:
    return Record("t", b"k", value)


def outlet() -> Outlet[bytes]:
    return Outlet(
        contract=ContractName("a.b"),
        topic="t",
        prefix=b"!",
        encode=lambda event: event,
        key=lambda event: b"k",
        event_id=lambda event: "id",
        stamp=Stamp(Service("a/s"), ContractName("a.b")),
    )


async def test_single_publishes_of_one_turn_are_one_batch_in_order(engine: Engine, outbox: Outbox) -> None:
    async def publish(n: int) -> Position:
        [found] = positions(await outbox.send([record(b"%d" % n)]))
        return found

    found = await asyncio.gather(*(publish(n) for n in range(200)))
    assert len(engine.batches) == 1
    assert engine.values == [b"%d" % n for n in range(200)]
    assert [position.offset for position in found] == list(range(200))


async def test_a_lone_publish_waits_for_nobody(engine: Engine, outbox: Outbox) -> None:
    engine.gate.clear()
    first = outbox.send([record(b"1")])
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert engine.values == [b"1"]
    second = outbox.send([record(b"2")])
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert engine.values == [b"1", b"2"]
    engine.gate.set()
    await asyncio.gather(first, second)


async def test_a_refused_event_does_not_hide_its_neighbours(engine: Engine, outbox: Outbox) -> None:
    refused = NotPublished("no", cause=RecordTooLarge("big"))
    engine.refuse = {b"2": refused}
    sent = [outbox.send([record(b"%d" % n)]) for n in range(4)]
    outcomes = [(await future)[0] for future in sent]
    assert [isinstance(outcome, Position) for outcome in outcomes] == [True, True, False, True]
    with pytest.raises(NotPublished) as caught:
        positions(outcomes[2:3])
    assert caught.value is refused


async def test_several_events_fail_with_one_outcome_each(engine: Engine, outbox: Outbox) -> None:
    engine.refuse = {b"1": PublishUnknown("maybe")}
    with pytest.raises(PublishFailed) as caught:
        positions(await outbox.send([record(b"0"), record(b"1"), record(b"2")]))
    assert [type(outcome) for outcome in caught.value.outcomes] == [Position, PublishUnknown, Position]


async def test_a_call_that_fails_as_a_whole_is_unknown_where_it_may_have_been_written(
    engine: Engine, outbox: Outbox
) -> None:
    engine.error = Unreachable("gone")
    [outcome] = await outbox.send([record(b"1")])
    assert isinstance(outcome, PublishUnknown)
    engine.error = TransportClosed("closed")
    [outcome] = await outbox.send([record(b"1")])
    assert isinstance(outcome, NotPublished) and isinstance(outcome.cause, TransportClosed)


async def test_a_cancelled_publish_leaves_the_others_alone(engine: Engine, outbox: Outbox) -> None:
    engine.gate.clear()
    first, second = outbox.send([record(b"1")]), outbox.send([record(b"2")])
    await asyncio.sleep(0)
    first.cancel()
    engine.gate.set()
    assert (await second) == [Position("t", 0, 1)]


async def test_no_answer_within_the_deadline_is_unknown(engine: Engine, outbox: Outbox) -> None:
    engine.gate.clear()
    with pytest.raises(PublishUnknown):
        await within(outbox.send([record(b"1")]), 0.01)
    engine.gate.set()
    await outbox.drain()


async def test_closing_waits_for_what_is_under_way_and_takes_no_more(engine: Engine, outbox: Outbox) -> None:
    engine.gate.clear()
    future = outbox.send([record(b"1")])
    closing = asyncio.create_task(outbox.aclose(5.0))
    await asyncio.sleep(0)
    with pytest.raises(TransportClosed):
        outbox.send([record(b"2")])
    engine.gate.set()
    await closing
    assert future.result() == [Position("t", 0, 0)]


async def test_what_has_no_answer_when_the_bus_ends_is_unknown(engine: Engine, outbox: Outbox) -> None:
    engine.gate.clear()
    future = outbox.send([record(b"1"), record(b"2")])
    await outbox.aclose(0.01)
    assert [type(outcome) for outcome in future.result()] == [PublishUnknown, PublishUnknown]


async def test_a_stream_keeps_order_and_confirms_at_flush(engine: Engine, outbox: Outbox) -> None:
    stream = Publisher(outlet(), outbox)
    for n in range(3 * CHUNK + 7):
        await stream.send(b"%d" % n)
    await stream.flush()
    assert engine.values == [b"!%d" % n for n in range(3 * CHUNK + 7)]
    assert max(len(batch) for batch in engine.batches) >= CHUNK


async def test_a_stream_holds_its_sender_back_when_the_engine_is_slow(engine: Engine, outbox: Outbox) -> None:
    engine.gate.clear()
    stream = Publisher(outlet(), outbox)
    sent = 0

    async def flood() -> None:
        nonlocal sent
        for _ in range(3 * WINDOW):
            await stream.send(b"x")
            sent += 1

    task = asyncio.create_task(flood())
    for _ in range(10 * WINDOW // CHUNK):
        await asyncio.sleep(0)
    assert WINDOW <= sent <= WINDOW + CHUNK
    engine.gate.set()
    await task
    await stream.flush()
    assert len(engine.values) == 3 * WINDOW


async def test_a_slow_streams_events_leave_at_once(engine: Engine, outbox: Outbox) -> None:
    stream = Publisher(outlet(), outbox)
    await stream.send(b"1")
    for _ in range(4):
        await asyncio.sleep(0)
    assert engine.values == [b"!1"]
    await stream.flush()


async def test_a_streams_failure_is_raised_once_by_the_next_flush(engine: Engine, outbox: Outbox) -> None:
    engine.refuse = {b"!2": NotPublished("no")}
    stream = Publisher(outlet(), outbox)
    for n in range(4):
        await stream.send(b"%d" % n)
    with pytest.raises(PublishFailed) as caught:
        await stream.flush()
    assert len(caught.value.outcomes) == 1 and "1 of 4" in str(caught.value)
    await stream.send(b"5")
    await stream.flush()


def test_an_outlet_frames_and_stamps_every_event() -> None:
    made = outlet().record(b"value", (("own", b"1"),))
    assert (made.topic, made.key, made.value) == ("t", b"k", b"!value")
    headers = dict(made.headers)
    assert headers["ce_id"] == b"id" and headers["ce_type"] == b"a.b" and headers["own"] == b"1"


async def test_what_is_published_alone_has_its_outcome_like_all_others(engine: Engine, outbox: Outbox) -> None:
    assert await outbox.publish([record(b"1")]) == [Position("t", 0, 0)]
    engine.error = TransportClosed("closed")
    [outcome] = await outbox.publish([record(b"2")])
    assert isinstance(outcome, NotPublished)


async def test_what_is_published_alone_is_unknown_when_the_bus_ends_before_its_answer(
    engine: Engine, outbox: Outbox
) -> None:
    engine.gate.clear()
    alone = asyncio.create_task(outbox.publish([record(b"1")]))
    await engine.calls.acquire()
    beside = asyncio.create_task(outbox.publish([record(b"2")]))
    await engine.calls.acquire()
    await outbox.aclose(0.01)
    assert [type(outcome) for outcome in (*await alone, *await beside)] == [PublishUnknown, PublishUnknown]
    with pytest.raises(TransportClosed):
        await outbox.publish([record(b"3")])


async def test_all_who_wait_for_a_lone_publish_see_it_end(engine: Engine, outbox: Outbox) -> None:
    engine.gate.clear()
    alone = asyncio.create_task(outbox.publish([record(b"1")]))
    await engine.calls.acquire()
    waiting = [asyncio.create_task(outbox.drain()), asyncio.create_task(outbox.aclose(10.0))]
    await asyncio.sleep(0)
    engine.gate.set()
    await asyncio.wait_for(asyncio.gather(*waiting), 5.0)
    assert [type(outcome) for outcome in await alone] == [Position]


async def test_cancelling_what_is_published_alone_cancels_it_and_nothing_else(engine: Engine, outbox: Outbox) -> None:
    engine.gate.clear()
    alone = asyncio.create_task(outbox.publish([record(b"1")]))
    await engine.calls.acquire()
    alone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await alone
    engine.gate.set()
    assert await outbox.publish([record(b"2")]) == [Position("t", 0, 0)]
