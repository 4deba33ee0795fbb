"""Publishing all or nothing (KIP-98): one short-lived producer a call, which fences whoever had its id before."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import aiokafka.errors as kafka
from aiokafka import AIOKafkaProducer
from aiokafka.protocol.offset import OffsetRequest
from aiokafka.structs import TopicPartition

from busline.errors import NotPublished, PublishUnknown
from busline.record import Position, Record
from busline.transport.kafka.batches import BATCH_BYTES
from busline.transport.kafka.connection import Connection, partitions_of
from busline.transport.kafka.failures import FOREIGN, translate
from busline.transport.kafka.producer import end
from busline.transport.partitioner import Partitioner

TIMEOUT = 60.0
READ_COMMITTED = 1
LATEST = -1


async def publish_atomically(connection: Connection, records: Sequence[Record], transaction: str) -> list[Position]:
    """See transport.base.Transactional."""
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
        return await _publish(connection, producer, records)
    finally:
        await _stop(producer)


async def _publish(connection: Connection, producer: Any, records: Sequence[Record]) -> list[Position]:
    committing = False
    try:
        async with asyncio.timeout(TIMEOUT):
            await connection.start(producer.client, producer.start)
            await producer.begin_transaction()
            confirmed = await _send(producer, records)
            committing = True
            await producer.commit_transaction()
            await _visible(producer.client, confirmed)
    except FOREIGN as error:
        cause = translate(error, where=connection.name)
        if committing:
            raise PublishUnknown("the transaction gave no clear answer", why=str(cause)) from error
        raise NotPublished("the transaction is not published", cause=cause) from error
    return [Position(done.topic, done.partition, done.offset) for done in confirmed]


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


async def _stop(producer: Any) -> None:
    """End it, aborting what is open: the next owner of the id would abort it too, but readers wait until then."""
    manager = producer._txn_manager
    try:
        async with asyncio.timeout(5):
            if manager is not None and manager.is_in_transaction() and not manager.is_fatal_error():
                await producer.abort_transaction()
    except FOREIGN:
        pass
    await end(producer)
