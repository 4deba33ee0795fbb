"""The peers on Kafka: bare aiokafka moving ready bytes, and FastStream with the same pydantic model as JSON."""

import asyncio
import time
import uuid
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from pydantic import BaseModel


async def aiokafka_publish(bootstrap: str, topic: str, pairs: Sequence[tuple[bytes, bytes]]) -> float:
    """Records a second by `send` of ready bytes without headers, idempotent, acks=all, then flushed."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True, acks="all", linger_ms=0)
    await producer.start()
    try:
        await producer.send_and_wait(topic, b"warm", key=b"warm")
        began = time.perf_counter()
        sent = [await producer.send(topic, value, key=key) for key, value in pairs]
        await producer.flush()
        await asyncio.gather(*sent)
        return len(pairs) / (time.perf_counter() - began)
    finally:
        await producer.stop()


async def aiokafka_publish_tasks(bootstrap: str, topic: str, pairs: Sequence[tuple[bytes, bytes]], tasks: int) -> float:
    """Records a second by `send_and_wait` in as many tasks at once."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True, acks="all", linger_ms=0)
    await producer.start()

    async def work(mine: Sequence[tuple[bytes, bytes]]) -> None:
        for key, value in mine:
            await producer.send_and_wait(topic, value, key=key)

    try:
        await producer.send_and_wait(topic, b"warm", key=b"warm")
        began = time.perf_counter()
        await asyncio.gather(*(work(pairs[i::tasks]) for i in range(tasks)))
        return len(pairs) / (time.perf_counter() - began)
    finally:
        await producer.stop()


async def aiokafka_latencies(bootstrap: str, topic: str, pairs: Sequence[tuple[bytes, bytes]]) -> list[float]:
    """Milliseconds of each `send_and_wait`, one after the other."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True, acks="all", linger_ms=0)
    await producer.start()
    try:
        await producer.send_and_wait(topic, b"warm", key=b"warm")
        out = []
        for key, value in pairs:
            began = time.perf_counter()
            await producer.send_and_wait(topic, value, key=key)
            out.append((time.perf_counter() - began) * 1000)
        return out
    finally:
        await producer.stop()


async def aiokafka_consume(bootstrap: str, topic: str, count: int) -> float:
    """Records a second by `getmany`, bytes only, committed at the end."""
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=f"bare-{uuid.uuid4().hex}",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        seen, began = 0, 0.0
        while seen < count:
            batch = await consumer.getmany(timeout_ms=500, max_records=1000)
            began = began or time.perf_counter()
            seen += sum(len(records) for records in batch.values())
        await consumer.commit()
        return seen / (time.perf_counter() - began)
    finally:
        await consumer.stop()


async def faststream_publish(bootstrap: str, topic: str, events: Sequence[tuple[bytes, BaseModel]]) -> float:
    """Events a second by `publish(no_confirm=True)`, the futures awaited at the end; idempotent, acks=all."""
    broker = KafkaBroker(bootstrap, enable_idempotence=True, acks="all", linger_ms=0, logger=None)
    async with broker:
        await broker.publish(events[0][1], topic, key=b"warm")
        began = time.perf_counter()
        sent = [await broker.publish(event, topic, key=key, no_confirm=True) for key, event in events]
        await asyncio.gather(*sent)
        return len(events) / (time.perf_counter() - began)


async def faststream_publish_tasks(
    bootstrap: str, topic: str, events: Sequence[tuple[bytes, BaseModel]], tasks: int
) -> float:
    """Events a second by `publish`, as its users write it, in as many tasks at once; idempotent, acks=all."""
    broker = KafkaBroker(bootstrap, enable_idempotence=True, acks="all", linger_ms=0, logger=None)

    async def work(mine: Sequence[tuple[bytes, BaseModel]]) -> None:
        for key, event in mine:
            await broker.publish(event, topic, key=key)

    async with broker:
        await broker.publish(events[0][1], topic, key=b"warm")
        began = time.perf_counter()
        await asyncio.gather(*(work(events[i::tasks]) for i in range(tasks)))
        return len(events) / (time.perf_counter() - began)


async def faststream_handle(
    bootstrap: str, topic: str, model: type[BaseModel], count: int, policy: AckPolicy = AckPolicy.ACK_FIRST
) -> float:
    """Events a second handled one by one as instances of the model.

    ACK_FIRST, its default, commits by a timer and may lose events; NACK_ON_ERROR commits after each handler.
    """
    broker = KafkaBroker(bootstrap, logger=None)
    done, seen, began = asyncio.Event(), 0, 0.0

    async def handle(event: BaseModel) -> None:
        nonlocal seen, began
        began = began or time.perf_counter()
        seen += 1
        if seen >= count:
            done.set()

    handle.__annotations__["event"] = model
    broker.subscriber(topic, group_id=f"fs-{uuid.uuid4().hex}", auto_offset_reset="earliest", ack_policy=policy)(handle)
    async with broker:
        await broker.start()
        await done.wait()
        return seen / (time.perf_counter() - began)
