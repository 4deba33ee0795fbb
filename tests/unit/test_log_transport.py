"""What memory and sqlite share beyond the conformance suite: grace, trouble, retention, stored headers."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busline.errors import Fenced, RetentionGap, StorageFailed
from busline.record import Record, TopicPartition
from busline.transport import log_consumer, memory
from busline.transport.base import Bounds, Lease, Received, Revoked, TopicSpec
from busline.transport.log import FETCH_BYTES, FETCH_TOTAL
from busline.transport.log_consumer import GroupConsumer
from busline.transport.memory import MemoryLog, MemoryTransport
from busline.transport.sqlite.headers import decode_headers, encode_headers

TOPIC = "orders.order-placed"


@asynccontextmanager
async def opened(**settings: int | bool) -> AsyncIterator[MemoryTransport]:
    transport = MemoryTransport(ttl=1)
    await transport.start()
    await transport.create_topics([TopicSpec(name=TOPIC, **settings)])  # type: ignore[arg-type]
    try:
        yield transport
    finally:
        await transport.aclose()


async def receive(consumer: GroupConsumer) -> list[Received | Revoked]:
    async with asyncio.timeout(10):
        return [item for item in await consumer.receive() if isinstance(item, Received | Revoked)]


@given(st.lists(st.tuples(st.text(max_size=20), st.binary(max_size=40)), max_size=12))
def test_headers_come_back_as_they_went(headers: list[tuple[str, bytes]]) -> None:
    assert decode_headers(encode_headers(tuple(headers))) == tuple(headers)


async def test_a_member_without_a_partition_says_once_for_whom_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_consumer, "WAITING", 0.01)
    said = asyncio.Event()
    lines: list[str] = []

    def info(text: str, *values: object) -> None:
        lines.append(text % values)
        said.set()

    monkeypatch.setattr(log_consumer.logger, "info", info)
    async with opened() as transport:
        holder = await transport.consume([TOPIC], "g/g")
        await transport.consume([TOPIC], "g/g")
        async with asyncio.timeout(10):
            await said.wait()
        [line] = lines
        assert holder._member._name in line
        assert "group g/g: waiting for partitions held by" in line and "1 s after its last beat" in line


async def test_who_does_not_give_back_in_time_loses_the_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_consumer, "GRACE", 0.05)
    async with opened(partitions=2) as transport:
        slow = await transport.consume([TOPIC], "g/g")
        other = await transport.consume([TOPIC], "g/g")
        [revoked] = await receive(slow)
        assert isinstance(revoked, Revoked)
        assert 0 < revoked.deadline <= 0.05
        records = [Record(TOPIC, None, b"v", partition=revoked.lease.partition)]
        await transport.publish(records)
        [run] = await receive(other)  # nobody has released it but the deadline
        assert isinstance(run, Received)
        assert run.lease.partition == revoked.lease.partition
        with pytest.raises(Fenced):
            await slow.commit({revoked.lease: 1})


async def test_a_member_that_cannot_beat_stops_delivering_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(self: MemoryLog, key: str, revision: int, value: bytes | None) -> bool:
        raise StorageFailed("the log failed", why="the disk is full")

    async with opened() as transport:
        consumer = await transport.consume([TOPIC], "g/g")
        with monkeypatch.context() as patch:
            patch.setattr(MemoryLog, "cas", full)
            with pytest.raises(StorageFailed, match="the disk is full"):
                await receive(consumer)
        await transport.publish([Record(TOPIC, b"k", b"v")])
        [run] = await receive(consumer)  # there is room again
        assert isinstance(run, Received)


async def test_an_unexpected_error_in_a_tick_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(self: MemoryLog, prefix: str) -> dict[str, object]:
        raise ZeroDivisionError

    async with opened() as transport:
        consumer = await transport.consume([TOPIC], "g/g")
        with monkeypatch.context() as patch:
            patch.setattr(MemoryLog, "list", broken)
            with pytest.raises(ZeroDivisionError):
                await receive(consumer)


async def test_retention_bounds_the_log_and_a_live_reader_learns_of_the_gap() -> None:
    async with opened(retention=1) as transport:
        await transport.publish([Record(TOPIC, b"k", b"%d" % i) for i in range(50)])
        reader = await transport.read({TopicPartition(TOPIC, 0): 0})
        await asyncio.sleep(0.005)  # the log's clock must pass the retention
        await transport.publish([Record(TOPIC, b"k", b"last")])
        assert (await transport.bounds(TOPIC))[0] == Bounds(50, 51)
        with pytest.raises(RetentionGap, match=r"begins at 50, not at 0.*50 offset"):
            await reader.receive()


async def test_a_group_that_retention_overtook_goes_on_and_says_how_much_is_gone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with opened() as transport:
        await transport.publish([Record(TOPIC, b"k", b"%d" % i) for i in range(50)])
        consumer = await transport.consume([TOPIC], "g/g")
        await transport.purge(TOPIC, {0: 20})
        with caplog.at_level(logging.WARNING, "busline.transport"):
            [run] = await receive(consumer)
        assert isinstance(run, Received)
        assert run.records[0].offset == 20
        assert "retention removed 20 offset(s)" in caplog.text


async def test_compaction_bounds_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "COMPACT_AT", 100)
    async with opened(compacted=True) as transport:
        for i in range(100):
            await transport.publish([Record(TOPIC, b"k%d" % (j % 5), b"%d" % (20 * i + j)) for j in range(20)])
        reader = await transport.read({TopicPartition(TOPIC, 0): 0})
        count, state = 0, dict[bytes | None, bytes | None]()
        while state.get(b"k4") != b"1999":
            for item in await reader.receive():
                assert isinstance(item, Received)
                count += len(item.records)
                state |= {record.key: record.value for record in item.records}
        assert count < 300
        assert state == {b"k%d" % j: b"%d" % (1995 + j) for j in range(5)}


async def test_a_fetch_is_bounded_and_the_partition_served_first_is_asked_last() -> None:
    async with opened(partitions=12, max_record=FETCH_BYTES) as transport:
        for partition in range(12):
            value = b"x" * (FETCH_BYTES // 2)
            await transport.publish([Record(TOPIC, None, value, partition=partition) for _ in range(4)])
        consumer = await transport.consume([TOPIC], "g/g")
        seen: list[int] = []
        while len(set(seen)) < 12:
            items = await receive(consumer)
            runs = [item for item in items if isinstance(item, Received)]
            assert sum(len(r.value or b"") for run in runs for r in run.records) <= FETCH_TOTAL + 2 * FETCH_BYTES
            seen += [run.lease.partition for run in runs]
        assert len(seen) == len(set(seen)), "each partition is served once before any is served twice"


async def test_a_reader_releases_what_it_no_longer_wants() -> None:
    async with opened(partitions=2) as transport:
        reader = await transport.read({TopicPartition(TOPIC, 0): 0, TopicPartition(TOPIC, 1): 0})
        await reader.release(Lease(TOPIC, 0, 0))
        await transport.publish([Record(TOPIC, None, b"v", partition=p) for p in (0, 1)])
        [run] = await reader.receive()
        assert run.lease == Lease(TOPIC, 1, 0)
