"""Publishing all or nothing (KIP-98): one producer a holder of an id, which fences whoever had it before."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiokafka.errors as kafka
from aiokafka import AIOKafkaProducer
from aiokafka.protocol.offset import OffsetRequest
from aiokafka.structs import TopicPartition

from busline.errors import BuslineError, NotPublished, PublishError, PublishUnknown
from busline.record import Position, Record
from busline.transport.kafka.batches import BATCH_BYTES
from busline.transport.kafka.connection import Connection, partitions_of
from busline.transport.kafka.failures import FOREIGN, translate
from busline.transport.kafka.producer import end
from busline.transport.partitioner import Partitioner

log = logging.getLogger("busline.transport.kafka")
TIMEOUT = 60.0
READ_COMMITTED = 1
LATEST = -1


class Holder:
    """Who has a transactional id, until another opens it. See transport.base.Transactions."""

    def __init__(self, connection: Connection, producer: Any) -> None:
        self._connection, self._producer = connection, producer
        self._failure: BuslineError | None = None
        self._turn = asyncio.Lock()

    async def publish(self, records: Sequence[Record]) -> list[Position]:
        async with self._turn:
            if self._failure is not None:
                raise _not_published(self._failure)
            return await self._publish(records)

    async def _publish(self, records: Sequence[Record]) -> list[Position]:
        producer, committing = self._producer, False
        try:
            async with asyncio.timeout(TIMEOUT):
                await producer.begin_transaction()
                confirmed = await _send(producer, records)
                committing = True
                await producer.commit_transaction()
                await _visible(producer.client, confirmed)
        except FOREIGN as error:
            self._failure = translate(error, where=self._connection.name)
            await _abort(producer)
            if committing:
                raise PublishUnknown("the transaction gave no clear answer", why=str(self._failure)) from error
            raise _not_published(self._failure) from error
        return [Position(done.topic, done.partition, done.offset) for done in confirmed]


@asynccontextmanager
async def transactions(connection: Connection, transaction: str) -> AsyncIterator[Holder]:
    """See transport.base.Fencing. aiokafka's producer is no good after a failure, and a new one would fence whoever has
    the id by then: so a holder that has failed once publishes nothing more."""
    producer = AIOKafkaProducer(
        bootstrap_servers=connection.bootstrap,
        transactional_id=transaction,
        acks="all",
        max_batch_size=BATCH_BYTES,
        max_request_size=2**31 - 1,  # the topic's own limit decides, not this client's
        transaction_timeout_ms=int(TIMEOUT * 1000),
        **await connection.options(),
    )
    try:
        try:
            async with asyncio.timeout(TIMEOUT):
                await connection.start(producer.client, producer.start)
        except TimeoutError as error:
            raise translate(error, where=connection.name) from error
        yield Holder(connection, producer)
    finally:
        await _abort(producer)
        await end(producer)


async def publish_atomically(connection: Connection, records: Sequence[Record], transaction: str) -> list[Position]:
    """See transport.base.Transactional."""
    try:
        async with transactions(connection, transaction) as holder:
            return await holder.publish(records)
    except PublishError:
        raise
    except BuslineError as error:
        raise _not_published(error) from error


def _not_published(cause: BuslineError) -> NotPublished:
    return NotPublished("the transaction is not published", cause=cause)


async def _send(producer: Any, records: Sequence[Record]) -> list[Any]:
    """The broker's confirmation of each record. Raises its first refusal; then the transaction is aborted."""
    partitions = {topic: await partitions_of(producer.client, topic) for topic in {record.topic for record in records}}
    choose = Partitioner()
    waiting = []
    for record in records:
        at = record.partition
        if at is None:
            at = choose(record.key, len(partitions[record.topic]))
        waiting.append(await producer.send(record.topic, record.value, record.key, at, None, list(record.headers)))
    await producer.flush()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return answers


async def _visible(client: Any, confirmed: Sequence[Any]) -> None:
    """Wait until readers see it: Kafka confirms a commit before its markers are in every partition."""
    ends = {TopicPartition(done.topic, done.partition): done.offset for done in confirmed}
    for at, last in ends.items():
        while await _stable_end(client, at) <= last:  # noqa: ASYNC110 - the broker's state, which has no event
            await asyncio.sleep(0.01)


async def _stable_end(client: Any, at: TopicPartition) -> int:
    """Where the records end that readers see; -1 while the partition is between two leaders."""
    request = OffsetRequest(-1, READ_COMMITTED, [(at.topic, [(at.partition, LATEST)])])
    try:
        leader = client.cluster.leader_for_partition(at)
        if leader is None or leader < 0:
            raise kafka.LeaderNotAvailableError(str(at))
        answer = await client.send(leader, request)
        ((_, ((_, code, _, stable),)),) = answer.topics
        if code != 0:
            raise kafka.for_code(code)(str(at))
    except kafka.KafkaError as error:
        if not error.retriable:
            raise
        await client.force_metadata_update()
        return -1
    return int(stable)


async def _abort(producer: Any) -> None:
    """What is open: the next owner of the id would abort it too, but readers wait until then."""
    manager = producer._txn_manager
    try:
        async with asyncio.timeout(5):
            if manager is not None and manager.is_in_transaction() and not manager.is_fatal_error():
                await producer.abort_transaction()
    except FOREIGN as error:
        log.debug("aborting: %s", error)
