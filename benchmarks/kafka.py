"""On one broker: busline against bare aiokafka, which moves ready bytes, and FastStream, which moves JSON."""

import asyncio
import itertools
import os
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from faststream import AckPolicy

from benchmarks import peers
from benchmarks.harness import Case, side_by_side
from benchmarks.models import OrderPlaced, order
from busline import Bus
from busline.codec.codec import Codec
from busline.contract.infer import infer
from busline.contract.model import Publication, ServiceSpec, Subscription
from busline.governance.apply.apply import apply
from busline.governance.plan.plan import Goal, plan_changes
from busline.governance.users.secrets import SecretPlaces, Secrets
from busline.names import ContractName, Service
from busline.transport.base import Admin, TopicSpec
from busline.transport.resolve import resolve

WRITER, READER = Service("orders/checkout"), Service("orders/reading")
CONTRACT = ContractName("orders.order-placed")
BARE, JSON, LATENCY = "bench.bare", "bench.json", "bench.latency"
PARTITIONS = 6
EVENTS = 20_000
TASKS = 200
ONE_BY_ONE = 1_500
_group = itertools.count()


@asynccontextmanager
async def broker() -> AsyncIterator[str]:
    """The URL of a broker: BENCH_KAFKA, or one that is started for this run. The contract is applied on it."""
    given = os.environ.get("BENCH_KAFKA")
    if given:
        await prepare(given)
        yield given
        return
    from scripts import kafka_server

    server = await asyncio.to_thread(kafka_server.start)
    try:
        await prepare(server.url)
        yield server.url
    finally:
        await asyncio.to_thread(server.stop)


async def prepare(url: str) -> None:
    engine = resolve(url)
    await engine.start()
    try:
        [contract] = infer([OrderPlaced])
        writer = ServiceSpec(name=WRITER, publishes=(Publication(contract=CONTRACT, version=1),))
        reader = ServiceSpec(name=READER, subscribes=(Subscription(contract=CONTRACT, version=1),))
        goal = Goal(contracts={CONTRACT: contract}, services={WRITER: writer, READER: reader}, teams={})
        with tempfile.TemporaryDirectory() as folder:
            secrets = Secrets(SecretPlaces(folder=Path(folder)))
            await apply(await plan_changes(goal, engine), engine, secrets=secrets)
        assert isinstance(engine, Admin)
        await engine.create_topics([TopicSpec(name=name, partitions=PARTITIONS) for name in (BARE, JSON, LATENCY)])
    finally:
        await engine.aclose()


def fresh(events: Sequence[OrderPlaced]) -> list[OrderPlaced]:
    """As they are before they are published: an event's id is made then, and stays."""
    return [event.model_copy() for event in events]


async def publish_stream(url: str, events: Sequence[OrderPlaced]) -> float:
    events = fresh(events)
    async with Bus(url, service=WRITER) as bus, bus.publisher(OrderPlaced) as stream:
        await stream.send(events[0])
        await stream.flush()
        began = time.perf_counter()
        for event in events:
            await stream.send(event)
        await stream.flush()
        return len(events) / (time.perf_counter() - began)


async def publish_tasks(url: str, events: Sequence[OrderPlaced]) -> float:
    events = fresh(events)
    async with Bus(url, service=WRITER) as bus:
        await bus.publish(events[0])

        async def work(mine: Sequence[OrderPlaced]) -> None:
            for event in mine:
                await bus.publish(event)

        began = time.perf_counter()
        await asyncio.gather(*(work(events[i::TASKS]) for i in range(TASKS)))
        return len(events) / (time.perf_counter() - began)


async def latencies(url: str, events: Sequence[OrderPlaced]) -> list[float]:
    events = fresh(events)
    async with Bus(url, service=WRITER) as bus:
        await bus.publish(events[0])
        out = []
        for event in events:
            began = time.perf_counter()
            await bus.publish(event)
            out.append((time.perf_counter() - began) * 1000)
        return out


async def handle(url: str, count: int) -> float:
    """Events a second, one by one in a typed handler, from the first to the last."""
    bus = Bus(url, service=READER)
    done, seen, began = asyncio.Event(), 0, 0.0

    @bus.subscribe(OrderPlaced, name=f"bench-{next(_group)}-{uuid.uuid4().hex[:8]}")
    async def one(event: OrderPlaced) -> None:
        nonlocal seen, began
        began = began or time.perf_counter()
        seen += 1
        if seen >= count:
            done.set()

    async with bus:
        await done.wait()
        return seen / (time.perf_counter() - began)


async def cases() -> list[Case]:
    events = [order(number) for number in range(EVENTS)]
    codec = Codec(OrderPlaced)
    pairs = [(str(event.order_id).encode(), codec.encode(event)) for event in events]
    keyed = [(key, event) for (key, _), event in zip(pairs, events, strict=True)]
    async with broker() as url:
        bootstrap = url.removeprefix("kafka://")
        stream = await side_by_side(
            "kafka: publish a stream",
            "events/s",
            {
                "busline": lambda: publish_stream(url, events),
                "aiokafka, ready bytes": lambda: peers.aiokafka_publish(bootstrap, BARE, pairs),
                "FastStream, JSON": lambda: peers.faststream_publish_tasks(bootstrap, JSON, keyed[: EVENTS // 10], 1),
                "FastStream, JSON, unconfirmed": lambda: peers.faststream_publish(bootstrap, JSON, keyed),
            },
        )
        tasks = await side_by_side(
            f"kafka: publish from {TASKS} tasks",
            "events/s",
            {
                "busline": lambda: publish_tasks(url, events),
                "aiokafka, ready bytes": lambda: peers.aiokafka_publish_tasks(bootstrap, BARE, pairs, TASKS),
                "FastStream, JSON": lambda: peers.faststream_publish_tasks(bootstrap, JSON, keyed, TASKS),
            },
        )
        handled = await side_by_side(
            "kafka: handle one by one",
            "events/s",
            {
                "busline": lambda: handle(url, EVENTS),
                "aiokafka, ready bytes": lambda: peers.aiokafka_consume(bootstrap, BARE, EVENTS),
                "FastStream, JSON, auto-commit": lambda: peers.faststream_handle(bootstrap, JSON, OrderPlaced, EVENTS),
                "FastStream, JSON, at least once": lambda: peers.faststream_handle(
                    bootstrap, JSON, OrderPlaced, EVENTS // 5, AckPolicy.NACK_ON_ERROR
                ),
            },
            rounds=3,
        )
        return [stream, tasks, handled, *await latency(url, bootstrap, events, pairs)]


async def latency(
    url: str, bootstrap: str, events: Sequence[OrderPlaced], pairs: Sequence[tuple[bytes, bytes]], rounds: int = 4
) -> list[Case]:
    """One publish after the other; rounds alternate, so that both meet the same machine."""
    ours: list[float] = []
    theirs: list[float] = []
    for number in range(rounds + 1):
        mine = await latencies(url, events[:ONE_BY_ONE])
        bare = await peers.aiokafka_latencies(bootstrap, LATENCY, pairs[:ONE_BY_ONE])
        if number:
            ours += mine
            theirs += bare
    out = []
    for name, percent in (("p50", 50), ("p99", 99)):
        ours_at, theirs_at = (statistics.quantiles(figures, n=100)[percent - 1] for figures in (ours, theirs))
        peers_ = {"aiokafka send_and_wait": theirs_at}
        out.append(Case(case=f"kafka: latency of one publish, {name}", unit="ms", busline=ours_at, peers=peers_))
    return out


if __name__ == "__main__":
    from benchmarks.harness import table

    sys.stdout.write(table(asyncio.run(cases())) + "\n")
