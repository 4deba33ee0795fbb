"""sqlite:// shared by processes: one file, one group, and a process that is killed."""

import asyncio
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import Awaitable, Iterator
from typing import TypeVar

import pytest

from busline.record import Record
from busline.transport.base import Received, TopicSpec
from busline.transport.sqlite.engine import SqliteTransport

TOPIC = "orders.order-placed"
T = TypeVar("T")
CONSUMER = """
import asyncio, sys
from busline.errors import Fenced
from busline.transport.base import Received
from busline.transport.sqlite.engine import SqliteTransport

async def main(path):
    transport = SqliteTransport(path)
    await transport.start()
    consumer = await transport.consume(["orders.order-placed"], "billing/invoicing")
    print("ready", flush=True)
    while True:
        for item in await consumer.receive():
            if not isinstance(item, Received):
                await consumer.release(item.lease)
                continue
            for record in item.records:
                print(record.value.decode(), flush=True)
            try:
                await consumer.commit({item.lease: item.records[-1].offset + 1})
            except Fenced:
                pass

asyncio.run(main(sys.argv[1]))
"""
PUBLISHER = """
import asyncio, sys
from busline.record import Position, Record
from busline.transport.sqlite.engine import SqliteTransport

async def main(path, name):
    transport = SqliteTransport(path)
    await transport.start()
    for i in range(40):
        batch = [Record("orders.order-placed", b"%d" % j, f"{name}.{i}.{j}".encode()) for j in range(5)]
        for outcome, record in zip(await transport.publish(batch), batch):
            assert isinstance(outcome, Position)
            print(record.value.decode(), flush=True)
    await transport.aclose()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
def path() -> Iterator[str]:
    """Short, so that the sockets of killed processes lie beside the file and go with it."""
    with tempfile.TemporaryDirectory(prefix="busline-") as folder:
        yield f"{folder}/log.db"


async def start(code: str, *arguments: str) -> Process:
    return await asyncio.create_subprocess_exec(sys.executable, "-c", code, *arguments, stdout=PIPE)


async def within(awaitable: Awaitable[T]) -> T:
    async with asyncio.timeout(30):
        return await awaitable


async def line(process: Process) -> str:
    assert process.stdout
    return (await within(process.stdout.readline())).decode().strip()


async def end(*processes: Process) -> None:
    for process in processes:
        if process.returncode is None:
            process.kill()
        await within(process.communicate())


async def test_processes_publish_to_one_file_and_nothing_is_lost(path: str) -> None:
    transport = SqliteTransport(path)
    await transport.start()
    await transport.create_topics([TopicSpec(name=TOPIC, partitions=3)])
    publishers = [await start(PUBLISHER, path, f"p{i}") for i in range(3)]
    outputs = [await within(process.communicate()) for process in publishers]
    assert [process.returncode for process in publishers] == [0, 0, 0]
    confirmed = {text for out, _ in outputs for text in out.decode().split()}
    assert len(confirmed) == 600
    consumer = await transport.consume([TOPIC], "g/g")
    seen: list[str] = []
    while len(seen) < 600:
        for item in await within(consumer.receive()):
            assert isinstance(item, Received)
            seen += [(record.value or b"").decode() for record in item.records]
    assert Counter(seen) == Counter(confirmed)
    for publisher in range(3):
        for key in range(5):
            own = [int(v.split(".")[1]) for v in seen if v.startswith(f"p{publisher}.") and v.endswith(f".{key}")]
            assert own == list(range(40)), "the order of each key is each publisher's"
    await transport.aclose()


async def test_a_busy_writer_gives_the_lock_away_when_its_turn_ends(path: str) -> None:
    """The other is served although this process never stops publishing."""
    transport = SqliteTransport(path)
    await transport.start()
    await transport.create_topics([TopicSpec(name=TOPIC)])

    async def hog() -> None:
        while True:
            await transport.publish([Record(TOPIC, b"hog", b"v")])

    hogging = asyncio.create_task(hog())
    other = await start(PUBLISHER, path, "other")
    try:
        out, _ = await within(other.communicate())
        assert other.returncode == 0
        assert len(out.split()) == 200
        assert not hogging.done()
    finally:
        hogging.cancel()
        await asyncio.gather(hogging, return_exceptions=True)
        await end(other)
        await transport.aclose()


async def test_a_commit_in_one_process_wakes_another(path: str) -> None:
    """By the datagram, or by the poll that is its net: nothing else happens here that could."""
    transport = SqliteTransport(path)
    await transport.start()
    await transport.create_topics([TopicSpec(name=TOPIC)])
    process = await start(CONSUMER, path)
    try:
        assert await line(process) == "ready"
        for i in range(20):
            await transport.publish([Record(TOPIC, b"k", b"%d" % i)])
            assert await line(process) == str(i)
    finally:
        await end(process)
        await transport.aclose()


async def test_a_killed_process_is_replaced_without_waiting_for_ttl_and_nothing_is_lost(path: str) -> None:
    """ttl is its default of 10 s, and the whole of it takes less: the kernel says that nobody is behind the socket."""
    transport = SqliteTransport(path)
    await transport.start()
    await transport.create_topics([TopicSpec(name=TOPIC, partitions=2)])
    killed = await start(CONSUMER, path)
    heir = None
    try:
        assert await line(killed) == "ready"
        await transport.publish([Record(TOPIC, b"k", b"before")])
        assert await line(killed) == "before"
        killed.send_signal(signal.SIGKILL)
        await within(killed.communicate())
        began = asyncio.get_running_loop().time()
        heir = await start(CONSUMER, path)
        assert await line(heir) == "ready"
        await transport.publish([Record(TOPIC, b"k%d" % i, b"after %d" % i) for i in range(10)])
        seen: set[str] = set()
        while len(seen - {"before"}) < 10:
            seen.add(await line(heir))
        assert seen - {"before"} == {f"after {i}" for i in range(10)}
        assert asyncio.get_running_loop().time() - began < 9
    finally:
        await end(*(process for process in (killed, heir) if process))
        await transport.aclose()
