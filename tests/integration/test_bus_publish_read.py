"""What a bus publishes can be read back: typed and untyped, in spans of time and position, on memory and sqlite."""

import asyncio
import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import pytest
from pydantic import AwareDatetime, Field

from busline import Bus, Deleted, Event, Position, State
from busline.codec.framing import SINGLE_OBJECT_MARK
from busline.errors import (
    ConfigurationError,
    ContractError,
    ContractMismatch,
    ContractUnknown,
    EncodeError,
    NotPublished,
    PublishFailed,
    RecordTooLarge,
    RetentionGap,
    TransportClosed,
    UnknownSchema,
)
from busline.names import ContractName
from busline.record import Record
from busline.transport.base import Groups


class OrderPlaced(Event, contract="orders.order-placed", key="order_id"):
    order_id: UUID
    total: Annotated[Decimal, Field(max_digits=12, decimal_places=2)]
    placed_at: AwareDatetime
    note: str = ""


class OrderTotal(Event, contract="orders.order-placed", key="order_id"):
    """A narrower reader's model."""

    order_id: UUID
    total: Annotated[Decimal, Field(max_digits=12, decimal_places=2)]


class UserStats(State, contract="marketing.user-stats", key="user_id"):
    user_id: str
    orders: int


WHEN = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


def order(n: int) -> OrderPlaced:
    return OrderPlaced(order_id=UUID(int=n), total=Decimal(n), placed_at=WHEN)


@pytest.fixture
def make(url: str) -> Callable[..., Bus]:
    return lambda **options: Bus(url, **{"service": "orders/checkout", **options})


async def test_an_event_comes_back_as_it_was(make: Callable[..., Bus]) -> None:
    async with make() as bus:
        position = await bus.publish(order(1))
        assert isinstance(position, Position) and position.topic == "orders.order-placed"
        assert [event async for event in bus.read(OrderPlaced)] == [order(1)]


async def test_several_events_give_a_list_of_positions(make: Callable[..., Bus]) -> None:
    async with make() as bus:
        found = await bus.publish(*(order(1) for _ in range(3)))
        assert [position.offset for position in found] == [0, 1, 2]
        assert await bus.publish() == []


async def test_a_narrower_model_and_no_model_read_the_same_events(make: Callable[..., Bus]) -> None:
    async with make() as bus:
        await bus.publish(order(7))
        assert [e async for e in bus.read(OrderTotal)] == [OrderTotal(order_id=UUID(int=7), total=Decimal(7))]
        [plain] = [e async for e in bus.read("orders.order-placed")]
        assert plain == {"order_id": UUID(int=7), "total": Decimal("7.00"), "placed_at": WHEN, "note": ""}


async def test_a_narrower_model_that_comes_first_does_not_stay_the_contract(make: Callable[..., Bus]) -> None:
    async with make() as bus:
        await bus.publish(OrderTotal(order_id=UUID(int=1), total=Decimal(1)))
        await bus.publish(order(2))
        assert {e.order_id.int async for e in bus.read(OrderTotal)} == {1, 2}
        assert len([e async for e in bus.read("orders.order-placed")]) == 2


async def test_the_record_on_the_log_is_for_every_other_client(make: Callable[..., Bus]) -> None:
    event = order(1)
    async with make() as bus:
        await bus.publish(event, headers={"tenant": "t1"}, time=WHEN)
        [delivery] = [d async for d in bus.read(OrderPlaced).deliveries()]
        headers = dict(delivery.headers)
        assert delivery.record.value is not None and delivery.record.value.startswith(SINGLE_OBJECT_MARK)
        assert delivery.key == str(UUID(int=1)).encode()
        assert headers["ce_type"] == b"orders.order-placed" and headers["ce_source"] == b"/orders/checkout"
        assert headers["tenant"] == b"t1"
        assert (delivery.event_id, delivery.time) == (event.event_id, WHEN)
        assert delivery.position.offset == 0


async def test_the_same_instance_published_again_keeps_its_id(make: Callable[..., Bus]) -> None:
    event = order(1)
    async with make() as bus:
        await bus.publish(event)
        await bus.publish(event)
        await bus.publish(event.model_copy())
        await bus.publish(event, id="mine")
        ids = [d.event_id async for d in bus.read(OrderPlaced).deliveries()]
        assert ids[0] == ids[1] != ids[2] and ids[3] == "mine"


async def test_a_deletion_is_a_tombstone_that_reads_as_deleted(make: Callable[..., Bus]) -> None:
    async with make() as bus:
        await bus.publish(UserStats(user_id="u1", orders=1))
        await bus.publish(Deleted(UserStats, user_id="u1"))
        found = [d async for d in bus.read(UserStats).deliveries()]
        assert [d.event for d in found] == [UserStats(user_id="u1", orders=1), Deleted(UserStats, user_id="u1")]
        assert found[0].key == found[1].key == b"u1" and found[1].record.value is None
        assert found[1].header("ce_type") == b"marketing.user-stats"


async def test_what_is_no_state_cannot_be_deleted(make: Callable[..., Bus]) -> None:
    async with make() as bus:
        await bus.publish(order(1))
        with pytest.raises(ContractError):
            await bus.publish(Deleted(ContractName("orders.order-placed"), order_id=UUID(int=1)))


async def test_a_dict_is_published_by_its_contracts_name(make: Callable[..., Bus]) -> None:
    async with make() as bus:
        await bus.publish(UserStats(user_id="u1", orders=1))
        async with bus.publisher("marketing.user-stats") as stream:
            await stream.send({"user_id": "u2", "orders": 2})
        assert {e.user_id async for e in bus.read(UserStats)} == {"u1", "u2"}


async def test_a_stream_of_events_is_confirmed_when_it_ends(make: Callable[..., Bus]) -> None:
    async with make() as bus:
        async with bus.publisher(OrderPlaced) as stream:
            for n in range(3_000):
                await stream.send(order(n % 16))
        assert len([e async for e in bus.read(OrderPlaced)]) == 3_000


async def test_order_per_key_is_the_order_of_the_calls(make: Callable[..., Bus]) -> None:
    async with make() as bus:
        await asyncio.gather(*(bus.publish(UserStats(user_id=f"u{n % 4}", orders=n)) for n in range(400)))
        seen: dict[str, list[int]] = {}
        async for event in bus.read(UserStats):
            seen.setdefault(event.user_id, []).append(event.orders)
        assert seen == {f"u{k}": list(range(k, 400, 4)) for k in range(4)}


async def test_a_value_that_does_not_fit_is_refused_before_anything_is_written(make: Callable[..., Bus]) -> None:
    async with make() as bus:
        bad = OrderPlaced.model_construct(order_id=UUID(int=1), total="x", placed_at=WHEN, note="")
        with pytest.raises(EncodeError) as caught:
            await bus.publish(order(1), bad)
        assert "total" in str(caught.value)
        assert [e async for e in bus.read(OrderPlaced)] == []


async def test_a_record_that_is_too_large_is_not_published_and_hides_no_neighbour(make: Callable[..., Bus]) -> None:
    big = OrderPlaced(order_id=UUID(int=1), total=Decimal(1), placed_at=WHEN, note="x" * 2_000_000)
    async with make() as bus:
        with pytest.raises(NotPublished) as single:
            await bus.publish(big)
        assert isinstance(single.value.cause, RecordTooLarge)
        with pytest.raises(PublishFailed) as several:
            await bus.publish(order(1), big, order(2))
        assert [isinstance(o, Position) for o in several.value.outcomes] == [True, False, True]


async def test_live_reading_sees_what_comes_later(make: Callable[..., Bus]) -> None:
    async with make() as bus:
        await bus.publish(order(1))
        reading = bus.read(OrderPlaced, start="latest", end=None).deliveries()
        coming = asyncio.ensure_future(anext(reading))
        async with asyncio.timeout(30):
            while not await _is_marked(bus):  # noqa: ASYNC110 - the engine's state, which has no event
                await asyncio.sleep(0.01)
        await bus.publish(order(2))
        assert (await asyncio.wait_for(coming, 10)).event == order(2)
        await reading.aclose()


async def _is_marked(bus: Bus) -> bool:
    engine = bus._running().session.transport
    assert isinstance(engine, Groups)
    return bool(await engine.committed("orders/checkout/~read"))


async def test_reading_begins_at_a_time_or_at_offsets(make: Callable[..., Bus]) -> None:
    async with make() as bus:
        await bus.publish(*(order(1) for _ in range(4)))
        [*all_of_them] = [d async for d in bus.read(OrderPlaced).deliveries()]
        place = all_of_them[2].position
        from_offset = bus.read(OrderPlaced, start={place.partition: place.offset}).deliveries()
        assert [d.position.offset async for d in from_offset] == [2, 3]
        later = all_of_them[-1].log_time + dt.timedelta(seconds=5)
        assert [e async for e in bus.read(OrderPlaced, start=later)] == []
        assert len([e async for e in bus.read(OrderPlaced, start="7d")]) == 4
        before = all_of_them[0].log_time - dt.timedelta(seconds=5)
        assert [e async for e in bus.read(OrderPlaced, end=before)] == []


async def test_a_start_before_the_oldest_kept_record_is_told(make: Callable[..., Bus]) -> None:
    async with make() as bus:
        positions = await bus.publish(*(order(1) for _ in range(4)))
        engine: Any = bus._running().session.transport
        await engine.purge("orders.order-placed", {positions[0].partition: 2})
        with pytest.raises(RetentionGap):
            _ = [e async for e in bus.read(OrderPlaced, start="7d")]
        assert len([e async for e in bus.read(OrderPlaced, start="earliest")]) == 2


async def test_a_reader_says_in_its_own_group_what_it_reads(make: Callable[..., Bus]) -> None:
    async with make() as bus:
        await bus.publish(order(1))
        _ = [e async for e in bus.read(OrderTotal)]
        engine: Any = bus._running().session.transport
        marks = await engine.committed("orders/checkout/~read")
        notes = {mark.note for mark in marks.values()}
        assert notes == {'{"b":1,"v":1,"f":["order_id","total"]}'}
        assert sum(mark.next for mark in marks.values()) == 1


async def test_a_schema_that_is_no_version_of_the_contract_is_refused(make: Callable[..., Bus]) -> None:
    async with make() as bus:
        await bus.publish(order(1))
        foreign = Record("orders.order-placed", b"k", SINGLE_OBJECT_MARK + bytes(8) + b"\x00")
        await bus._running().session.transport.publish([foreign])
        with pytest.raises(UnknownSchema):
            _ = [e async for e in bus.read(OrderPlaced)]


async def test_another_key_is_another_contract(make: Callable[..., Bus]) -> None:
    class Rekeyed(Event, contract="orders.order-placed", key="note"):
        note: str

    async with make() as bus:
        await bus.publish(order(1))
        with pytest.raises(ContractMismatch):
            await bus.publish(Rekeyed(note="x"))


async def test_an_unknown_contract_is_told_with_the_way_on(make: Callable[..., Bus]) -> None:
    async with make() as bus:
        with pytest.raises(ContractUnknown) as caught:
            _ = [e async for e in bus.read("orders.nothing")]
        assert "orders.nothing" in str(caught.value) and caught.value.fix


async def test_a_bus_that_is_not_started_says_how_to(make: Callable[..., Bus]) -> None:
    bus = make()
    with pytest.raises(TransportClosed) as caught:
        await bus.publish(order(1))
    assert "async with" in str(caught.value)


async def test_a_bus_can_be_started_again_and_not_twice(make: Callable[..., Bus]) -> None:
    bus = make()
    for _ in range(3):
        async with bus:
            with pytest.raises(ConfigurationError):
                await bus.start()
            await bus.publish(order(1))
    await bus.aclose()


async def test_an_id_is_for_one_event(make: Callable[..., Bus]) -> None:
    async with make() as bus:
        with pytest.raises(ConfigurationError):
            await bus.publish(order(1), order(2), id="x")  # type: ignore[call-overload]


async def test_no_engine_is_an_error_at_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BUSLINE_URL", raising=False)
    with pytest.raises(ConfigurationError) as caught:
        await Bus().start()
    assert "BUSLINE_URL" in str(caught.value)
