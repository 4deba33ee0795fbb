"""Publishing: each record joins its partition's open batch at once, and the batch leaves when its node is idle.

So one publish costs what aiokafka's own costs, and many share batches. The broker's refusal of a batch breaks an
idempotent producer for that partition for good (the sequence has a hole): so after one the producer is replaced, and
what was not sent yet goes to the new one, in the same order. A batch with other records beside the refused one is sent
again record by record, so that only the guilty one fails.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Collection, Coroutine, Mapping, Sequence
from typing import Any, TypeAlias

import aiokafka.errors as kafka

from busline.errors import (
    BuslineError,
    NotAuthorized,
    NotPublished,
    PublishUnknown,
    RecordTooLarge,
    TransportClosed,
    TransportError,
    UnknownTopic,
    Unreachable,
)
from busline.record import Position, Record, TopicPartition
from busline.transport.base import Outcome
from busline.transport.kafka.batches import BATCH_BYTES, Batch, Settled
from busline.transport.kafka.connection import Connection
from busline.transport.kafka.failures import FIXES, REFUSED, WHAT, translate
from busline.transport.kafka.producer import Producer, Topic
from busline.transport.partitioner import Partitioner, remember

CLOSING = 5.0
REFUSED_FOR = 1.0
"""Seconds for which the broker's refusal of a topic is its answer: who publishes on in a loop makes no storm of it."""
Tickets: TypeAlias = tuple[list[Batch | NotPublished], list[int]]
"""For each record its batch, or why it goes nowhere; and its place there. No pairs: they would burden the collector."""
_new = tuple.__new__  # a NamedTuple's own constructor costs twice as much, for each record


class Publisher:
    """All publishing of one transport. deadline: seconds until a record is withdrawn, or called unknown."""

    def __init__(self, connection: Connection, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline
        self._producer: Producer | None = None
        self._topics: dict[str, Topic] = {}
        self._batch_bytes: defaultdict[str, int] = defaultdict(lambda: BATCH_BYTES)  # learned from refusals
        self._refusals: dict[str, tuple[NotAuthorized, float]] = {}  # until when
        self._parked: defaultdict[TopicPartition, deque[Batch]] = defaultdict(deque)
        self._live: dict[Batch, float] = {}  # until when, the oldest first
        self._clock: asyncio.TimerHandle | None = None
        self._replacing: asyncio.Task[None] | None = None
        self._probing: asyncio.Task[BuslineError | None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()
        self._preparing = 0
        self._partition_of = Partitioner()
        self._closed = False

    async def publish(self, records: Sequence[Record]) -> list[Outcome]:
        """See Transport.publish."""
        if self._closed:
            raise TransportClosed("this transport is closed")
        topics = {record.topic for record in records}
        if self._preparing == 0 and self._ready(topics):
            batches, places = self._append(records, {})
        else:
            batches, places = await self._prepare_and_append(records, topics)
        return [
            _new(Position, (record.topic, batch.partition.partition, batch.outcome + place))
            if type(batch) is Batch and type(batch.outcome) is int  # the common case, without a coroutine for it
            else await _outcome(record, batch, place)
            for record, batch, place in zip(records, batches, places, strict=True)
        ]

    def _ready(self, topics: set[str]) -> bool:
        if self._producer is None and self._replacing is None:
            return False
        return not self._stale(topics)

    def _stale(self, topics: set[str]) -> set[str]:
        now = asyncio.get_running_loop().time()
        return {name for name in topics if (topic := self._topics.get(name)) is None or topic.until <= now}

    async def _prepare_and_append(self, records: Sequence[Record], topics: set[str]) -> Tickets:
        """In turn with other calls that have to prepare: whoever came first appends first."""
        self._preparing += 1
        try:
            async with self._turn:
                failures = await self._prepare(topics)
                return self._append(records, failures)
        finally:
            self._preparing -= 1

    async def _prepare(self, topics: set[str]) -> dict[str, BuslineError]:
        """Start the producer, look the topics up; what failed, by topic. A topic that failed is not known after it."""
        failures = await self._look_up(topics)
        for name in failures:
            self._topics.pop(name, None)
        return failures

    async def _look_up(self, topics: set[str]) -> dict[str, BuslineError]:
        failures = self._refused_just_now(topics)
        if len(failures) == len(topics):
            return failures
        try:
            while self._replacing is not None:
                await asyncio.wait({self._replacing})
            if self._closed:
                raise TransportClosed("this transport is closed")
            if self._producer is None:
                self._producer = await self._open()
            producer = self._producer
        except BuslineError as error:
            self._remember_refusal(error, topics)
            return dict.fromkeys(topics, error)
        for name in self._stale(topics) - failures.keys():
            try:
                async with asyncio.timeout(self._deadline):
                    topic = self._topics[name] = await producer.look_up(name)
                    topic.batch_bytes = min(topic.batch_bytes, self._batch_bytes[name])
            except TimeoutError:
                failures[name] = await self._probe() or Unreachable("no answer from Kafka", where=self._connection.name)
            except BuslineError as error:
                self._remember_refusal(error, [name])
                failures[name] = error
        return failures

    def _remember_refusal(self, error: BuslineError, topics: Collection[str]) -> None:
        if isinstance(error, NotAuthorized):
            self._refusals |= dict.fromkeys(topics, (error, asyncio.get_running_loop().time() + REFUSED_FOR))
            for topic in (self._topics[name] for name in topics if name in self._topics):
                topic.until = 0

    def _refused_just_now(self, topics: Collection[str]) -> dict[str, BuslineError]:
        now = asyncio.get_running_loop().time()
        self._refusals = {name: known for name, known in self._refusals.items() if known[1] > now}
        return {name: self._refusals[name][0] for name in topics if name in self._refusals}

    async def _open(self) -> Producer:
        producer = await Producer.open(self._connection, self._deadline)
        producer.when_forbidden(self._forbidden)
        return producer

    def _append(self, records: Sequence[Record], failures: Mapping[str, BuslineError]) -> Tickets:
        """No await in here: the order of calls is the order in the log."""
        if len(records) > 1:
            remember(record.key for record in records)
        batches: list[Batch | NotPublished] = []
        places: list[int] = []
        for record in records:
            name, key, _, _, at = record
            topic = self._topics.get(name)
            place: int | None = None
            batch: Batch | NotPublished
            if topic is None:
                batch = _refused(record, failures[name])
            elif (key is None and topic.compacted) or not (at is None or 0 <= at < topic.partitions):
                batch = _refused(record, _misplaced(record, topic))
            else:
                if at is None:
                    at = self._partition_of(key, topic.partitions)
                current = topic.open[at]
                place = current.append(record) if current is not None else None
                batch = current if current is not None and place is not None else self._begin(record, topic, at)
            batches.append(batch)
            places.append(place or 0)
        return batches, places

    def _begin(self, record: Record, topic: Topic, at: int) -> Batch | NotPublished:
        """A batch that begins with the record: what joins a batch within its size is small enough by that alone."""
        if (fault := _too_large(record, topic)) is not None:
            return _refused(record, fault)
        batch = topic.open[at] = Batch(TopicPartition(record.topic, at), topic.batch_bytes)
        batch.append(record)
        self._hand_over(batch)
        return batch

    def _hand_over(self, batch: Batch) -> None:
        self._watch(batch)
        if self._producer is None:
            self._parked[batch.partition].append(batch)
        else:
            self._producer.send(batch, self._answered)

    def _watch(self, batch: Batch) -> None:
        """Its deadline runs from now on, once. One timer for all: they come due in the order in which they began."""
        if batch not in self._live:
            loop = asyncio.get_running_loop()
            self._live[batch] = loop.time() + self._deadline
            if self._clock is None:
                self._clock = loop.call_later(self._deadline, self._tick)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for batch in [one for one, until in self._live.items() if until <= now]:
            del self._live[batch]
            self._expire(batch)
        oldest = next(iter(self._live.values()), None)
        self._clock = None if oldest is None else loop.call_at(oldest, self._tick)

    def _settle(self, batch: Batch, outcome: Settled) -> None:
        self._live.pop(batch, None)
        batch.settle(outcome)

    def _answered(self, producer: Producer, batch: Batch, answer: asyncio.Future[Any]) -> None:
        error = answer.exception()
        if error is None:
            self._settle(batch, answer.result().offset)
            return
        self._retire(producer)
        if not batch.popped:
            return  # parked by _retire
        if not isinstance(error, REFUSED):
            self._settle(batch, PublishUnknown(f"{batch.partition} gave no clear answer", why=str(error)))
        elif len(batch.records) > 1 and not isinstance(error, kafka.TopicAuthorizationFailedError):
            if isinstance(error, kafka.MessageSizeTooLargeError | kafka.RecordListTooLargeError):
                self._use_smaller_batches(batch)
            singles = batch.singles()
            self._parked[batch.partition].extendleft(reversed(singles))
            for single in singles:
                self._watch(single)
            self._settle(batch, singles)
        else:
            if (topic := self._topics.get(batch.partition.topic)) is not None:
                topic.until = 0  # its limits or rights are not what we thought: ask again
            cause = translate(error, where=batch.partition.topic)
            self._remember_refusal(cause, [batch.partition.topic])
            self._settle(batch, _refused(batch.records[0], cause))

    def _use_smaller_batches(self, refused: Batch) -> None:
        """Only a topic whose limit we may not read refuses a batch as too large."""
        name = refused.partition.topic
        size = sum(len(record.key or b"") + len(record.value or b"") for record in refused.records)
        self._batch_bytes[name] = min(size, self._batch_bytes[name]) // 2
        if (topic := self._topics.get(name)) is not None:
            topic.batch_bytes = min(topic.batch_bytes, self._batch_bytes[name])

    def _forbidden(self, topics: Collection[str]) -> None:
        """What is queued for them waits for nothing: it is not sent, and says why."""
        for batch in [one for one in self._live if one.partition.topic in topics and not one.popped]:
            name = batch.partition.topic
            cause = NotAuthorized(WHAT[NotAuthorized], where=name, why="no grant allows it", fix=FIXES[NotAuthorized])
            self._remember_refusal(cause, [name])
            self._withdraw(batch)
            self._settle(batch, _refused(batch.records[0], cause))

    def _retire(self, producer: Producer) -> None:
        """Stop handing over to it; what it has not sent is parked for the next one."""
        if producer is self._producer:
            self._producer = None
            for batch in producer.take_back():
                self._parked[batch.partition].append(batch)
            self._replacing = asyncio.create_task(self._replace(producer))

    async def _replace(self, old: Producer) -> None:
        """What is in flight on other partitions is answered first: so order holds there too."""
        failure: BuslineError | None = None
        try:
            await old.settle(self._deadline)
            await old.close()
            if not self._closed:
                self._producer = await self._open()
        except BuslineError as error:
            failure = error
        finally:
            self._replacing = None
        parked, self._parked = self._parked, defaultdict(deque)
        for batch in (one for queue in parked.values() for one in queue if one.outcome is None):
            if self._producer is not None:
                self._hand_over(batch)
            else:
                self._settle(batch, _refused(batch.records[0], failure or TransportClosed("this transport is closed")))

    def _expire(self, batch: Batch) -> None:
        if batch.popped:
            self._settle(batch, PublishUnknown(f"{batch.partition} did not confirm within {self._deadline:g} s"))
            return
        self._withdraw(batch)
        self._spawn(self._explain(batch))

    def _withdraw(self, batch: Batch) -> None:
        batch.sealed = True
        if self._producer is not None:
            self._producer.take_back(batch)
        self._parked[batch.partition] = deque(one for one in self._parked[batch.partition] if one is not batch)

    async def _explain(self, batch: Batch) -> None:
        cause = await self._probe() or Unreachable(
            "the partition's broker took nothing", where=str(batch.partition), why=f"for {self._deadline:g} s"
        )
        self._settle(batch, _refused(batch.records[0], cause))

    async def _probe(self) -> BuslineError | None:
        """One probe for all that wonder at the same time."""
        if self._probing is None or self._probing.done():
            self._probing = asyncio.create_task(self._connection.probe())
        return await asyncio.shield(self._probing)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        """What is under way has its answers within CLOSING seconds, or is called unknown; the rest is withdrawn."""
        self._closed = True
        closed = TransportClosed("this transport is closed")
        async with self._turn:
            producer = self._producer
            waiting = [batch for queue in self._parked.values() for batch in queue]
            self._parked.clear()
            if producer is not None:
                await producer.settle(CLOSING)
                waiting += producer.take_back()
                self._producer = None
                await producer.close()
            for batch in waiting:
                self._settle(batch, _refused(batch.records[0], closed))
            for batch in [one for one in self._live if one.popped]:
                self._settle(
                    batch, PublishUnknown(f"{batch.partition} did not confirm before the transport was closed")
                )
            going = {*self._tasks, *(task for task in (self._replacing, self._probing) if task is not None)}
            if going:
                await asyncio.wait(going)
            if self._producer is not None:  # a replacement that was under way
                await self._producer.close()
                self._producer = None
            if self._clock is not None:
                self._clock.cancel()


async def _outcome(record: Record, batch: Batch | NotPublished, place: int) -> Outcome:
    if isinstance(batch, NotPublished):
        return batch
    outcome = batch.outcome if batch.outcome is not None else await batch.settled()
    if isinstance(outcome, int):
        return Position(record.topic, batch.partition.partition, outcome + place)
    if isinstance(outcome, list):
        return await _outcome(record, outcome[place], 0)
    return outcome


def _refused(record: Record, cause: BuslineError) -> NotPublished:
    return NotPublished(f"a record for {record.topic} is not published", cause=cause)


def _misplaced(record: Record, topic: Topic) -> BuslineError:
    """Why the broker would refuse the record: better to know before it breaks a producer."""
    if record.key is None and topic.compacted:
        return TransportError("a record without a key", where=record.topic, why="the topic is compacted by key")
    return UnknownTopic(f"{record.topic} has no partition {record.partition}", why=f"it has {topic.partitions}")


def _too_large(record: Record, topic: Topic) -> RecordTooLarge | None:
    size = len(record.key or b"") + len(record.value or b"")
    size += sum(len(name) + len(value) for name, value in record.headers)
    if size <= topic.max_record:
        return None
    return RecordTooLarge(
        f"a record of {size} bytes", where=record.topic, why=f"the topic takes {topic.max_record} bytes"
    )
