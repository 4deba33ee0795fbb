"""A process that is killed on Kafka: a restarted one waits for the session of the dead, says so, and catches up."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from typing import Any

import pytest

from busline.record import Position, Record
from busline.transport.base import Admin, TopicSpec, Transport
from busline.transport.resolve import resolve

WITHIN = 60.0
CONSUMER = """
import asyncio, logging, sys
from busline.transport.base import Received
from busline.transport.resolve import resolve

async def main(url, topic, group):
    logging.basicConfig(level=logging.WARNING)
    logging.getLogger("busline").setLevel(logging.INFO)
    transport = resolve(url)
    await transport.start()
    consumer = await transport.consume([topic], group)
    while True:
        for item in await consumer.receive():
            if not isinstance(item, Received):
                await consumer.release(item.lease)
                continue
            await consumer.commit({item.lease: item.records[-1].offset + 1})
            for record in item.records:
                print(record.value.decode(), flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
async def engine(kafka: Any, unique: str) -> AsyncIterator[Transport]:
    transport = resolve(kafka.url)
    await transport.start()
    assert isinstance(transport, Admin)
    await transport.create_topics([TopicSpec(name=f"{unique}.thing", partitions=2)])
    yield transport
    await transport.aclose()


async def start(url: str, name: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", CONSUMER, url, f"{name}.thing", f"{name}/reader", stdout=PIPE, stderr=PIPE
    )


async def lines(process: Process, count: int) -> set[str]:
    assert process.stdout
    async with asyncio.timeout(WITHIN):
        return {(await process.stdout.readline()).decode().strip() for _ in range(count)}


async def end(process: Process) -> bytes:
    """Its stderr."""
    if process.returncode is None:
        process.kill()
    async with asyncio.timeout(WITHIN):
        return (await process.communicate())[1]


async def test_a_restarted_process_says_for_whom_it_waits_and_catches_up(
    kafka: Any, engine: Transport, unique: str
) -> None:
    async def publish(*values: str) -> None:
        records = [Record(f"{unique}.thing", value.encode(), value.encode()) for value in values]
        assert all(isinstance(outcome, Position) for outcome in await engine.publish(records))

    killed = await start(kafka.url, unique)
    try:
        await publish("before")
        assert await lines(killed, 1) == {"before"}
    finally:
        killed.send_signal(signal.SIGKILL)
        await end(killed)
    after = {f"after-{i}" for i in range(20)}
    await publish(*after)
    heir = await start(kafka.url, unique)
    try:
        assert await lines(heir, 20) == after, "nothing twice, nothing lost: what was committed does not come again"
    finally:
        said = await end(heir)
    assert said.count(b"waiting for partitions held by other members") == 1
