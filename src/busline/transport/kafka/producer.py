"""One aiokafka producer's life, and what it must know of a topic before the first record: partitions and limits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator
from typing import Any, TypeAlias

from aiokafka import AIOKafkaProducer
from aiokafka.protocol.admin import DescribeConfigsRequest

from busline.errors import Unreachable
from busline.record import TopicPartition
from busline.transport.kafka.batches import BATCH_BYTES, Batch
from busline.transport.kafka.connection import Connection, partitions_of
from busline.transport.kafka.failures import FOREIGN, translate

TOPIC = 2  # a resource type of Kafka's protocol
BROKER_LIMIT = 1_048_588
"""Kafka's default of max.message.bytes."""
REQUEST_LIMIT = 100_000_000
"""What a broker reads at all (socket.request.max.bytes is 100 MiB): the bound where we may not read a topic's own. A
right to write does not include that; the broker decides then."""
OVERHEAD = 1024
"""What max.message.bytes counts beside key, value and headers: the batch's own header, lengths, header names."""
FRESH = 300.0
GIVE_UP = 2.0


class Topic:
    """A topic as the publisher sees it, for FRESH seconds. open: by partition, the batch that still grows."""

    __slots__ = ("batch_bytes", "compacted", "max_record", "open", "partitions", "until")

    def __init__(self, partitions: int, limit: int, compacted: bool) -> None:
        self.partitions = partitions
        self.max_record = limit - OVERHEAD
        self.batch_bytes = min(BATCH_BYTES, max(self.max_record, 0))  # so what joins a batch is never too large
        self.compacted = compacted
        self.open: list[Batch | None] = [None] * partitions
        self.until = asyncio.get_running_loop().time() + FRESH


Told: TypeAlias = "Callable[[Producer, Batch, asyncio.Future[Any]], None]"


class _Answer(asyncio.Future[Any]):
    """The future of a batch that aiokafka sends. A success is told while it is set: a callback comes a turn later."""

    def __init__(self, producer: Producer, batch: Batch, told: Told) -> None:
        super().__init__(loop=asyncio.get_running_loop())
        self.producer, self.batch, self.told = producer, batch, told

    def set_result(self, result: Any) -> None:
        super().set_result(result)
        self.told(self.producer, self.batch, self)

    def set_exception(self, exception: Any) -> None:
        super().set_exception(exception)
        self.get_loop().call_soon(self.told, self.producer, self.batch, self)


class Producer:
    """An idempotent producer with acks=all. It sends each partition's batches one after the other, in their order."""

    def __init__(self, producer: Any) -> None:
        self._producer = producer
        self._batches = producer._message_accumulator

    @classmethod
    async def open(cls, connection: Connection, timeout: float) -> Producer:
        """Raises AuthenticationFailed, NotAuthorized (no right to write anywhere), Unreachable, ConfigurationError."""
        options = await connection.options()
        producer = AIOKafkaProducer(
            bootstrap_servers=connection.bootstrap, acks="all", enable_idempotence=True, linger_ms=0, **options
        )
        self = cls(producer)
        try:
            async with asyncio.timeout(timeout):
                await connection.start(producer.client, producer.start)
        except TimeoutError:
            await self.close()
            raise Unreachable("Kafka gave no producer id", where=connection.name) from None
        except BaseException:
            await self.close()
            raise
        return self

    def when_forbidden(self, told: Callable[[Collection[str]], None]) -> None:
        """`told` is called with the topics that we may not see (any more), each time that the cluster says so. aiokafka
        keeps what is queued for them, and asks again."""

        def look(cluster: Any) -> None:
            if cluster.unauthorized_topics:
                told(cluster.unauthorized_topics)

        self._producer.client.cluster.add_listener(look)

    @property
    def failed(self) -> bool:
        return self._batches._exception is not None

    def send(self, batch: Batch, told: Told) -> None:
        """Queue a batch that may still grow until it is popped. `told` is called with its answer, aiokafka's future."""
        message = self._batches._append_batch(batch, batch.partition)
        message.future = _Answer(self, batch, told)

    def _queued(self) -> Iterator[tuple[TopicPartition, Any]]:
        for partition, queue in list(self._batches._batches.items()):
            yield from ((partition, message) for message in list(queue))

    def take_back(self, wanted: Batch | None = None) -> list[Batch]:
        """Withdraw what was never popped, or that one batch: certainly not sent, and it never will be."""
        taken = []
        for partition, message in self._queued():
            batch: Batch = message._builder
            if batch.popped or (wanted is not None and batch is not wanted):
                continue
            queue = self._batches._batches[partition]
            queue.remove(message)
            if not queue:
                del self._batches._batches[partition]
            taken.append(batch)
        return taken

    async def settle(self, timeout: float) -> None:
        """Wait until the batches that were popped have their answers."""
        going = [message.future for message in self._batches._pending_batches]
        going += [message.future for _, message in self._queued()]
        if going and not self.failed:
            await asyncio.wait(going, timeout=timeout)

    async def close(self) -> None:
        """End it; call `settle` before, as what is in flight is abandoned."""
        await end(self._producer)

    async def look_up(self, name: str) -> Topic:
        """Raises UnknownTopic, NotAuthorized, Unreachable."""
        client = self._producer.client
        try:
            partitions = await partitions_of(client, name)
            limit, compacted = await self._settings(name)
        except FOREIGN as error:
            raise translate(error, where=name) from error
        return Topic(len(partitions), limit, compacted)

    async def _settings(self, name: str) -> tuple[int, bool]:
        """max.message.bytes, and whether the topic is compacted; where we may not read them, what refuses nothing."""
        client = self._producer.client
        wanted = [(TOPIC, name, ["max.message.bytes", "cleanup.policy"])]
        answer = await client.send(client.get_random_node(), DescribeConfigsRequest(wanted, False))
        found: dict[str, str] = {}
        for code, _, _, _, entries in answer.resources:
            if code == 0:
                found |= {entry[0]: entry[1] for entry in entries}
        return int(found.get("max.message.bytes", REQUEST_LIMIT)), "compact" in found.get("cleanup.policy", "")


async def end(producer: Any) -> None:
    """Stop an AIOKafkaProducer within seconds, without the flush of its own `stop`, which may never end."""
    producer._closed = True
    task = producer._sender.sender_task
    if task is not None:
        task.cancel()
        await asyncio.wait({task}, timeout=GIVE_UP)
    await producer.client.close()
    while task is not None and not task.done():
        task.cancel()  # it waits for a request that waits for the client that is closed
        await asyncio.wait({task}, timeout=0.1)
