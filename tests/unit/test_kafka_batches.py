"""A batch closes when the sender takes it, and what it builds is what Kafka's format says."""

import inspect
import re

import aiokafka.producer.message_accumulator as accumulator
import pytest
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from busline.errors import PublishUnknown
from busline.record import Record, TopicPartition
from busline.transport.kafka.batches import COMPRESS_FROM, Batch

AT = TopicPartition("t", 0)
headers = st.lists(st.tuples(st.text(max_size=10), st.binary(max_size=20)), max_size=3).map(tuple)
records = st.lists(
    st.builds(Record, st.just("t"), st.none() | st.binary(max_size=9), st.none() | st.binary(max_size=900), headers),
    min_size=1,
    max_size=20,
)


def taken(batch: Batch) -> bytes:
    batch._set_producer_state(7, 1, 42)
    return batch._build()


@given(records)
def test_what_is_appended_is_in_the_built_batch(given: list[Record]) -> None:
    batch = Batch(AT)
    assert [batch.append(record) for record in given] == list(range(len(given)))
    built = MemoryRecords(taken(batch)).next_batch()
    assert built.validate_crc()
    assert (built.producer_id, built.base_offset) == (7, 0)
    read = [(one.offset, one.key, one.value, tuple(one.headers)) for one in built]
    assert read == [(i, one.key, one.value, one.headers) for i, one in enumerate(given)]


def test_a_large_batch_is_compressed_and_a_small_one_is_not() -> None:
    small, large = Batch(AT), Batch(AT)
    small.append(Record("t", b"k", b"x" * 10))
    for _ in range(100):
        large.append(Record("t", b"k", b"x" * 100))
    assert MemoryRecords(taken(small)).next_batch().compression_type == 0
    assert MemoryRecords(built := taken(large)).next_batch().compression_type == 4
    assert len(built) < COMPRESS_FROM


def test_a_batch_takes_nothing_after_it_was_popped() -> None:
    """aiokafka's own goes on taking records, which are then lost."""
    batch = Batch(AT)
    assert batch.append(Record("t", b"k", b"1")) == 0
    batch._set_producer_state(7, 1, 0)
    assert batch.append(Record("t", b"k", b"2")) is None
    assert batch.record_count() == 1
    assert batch.popped


def test_a_full_batch_refuses_the_next_record_but_never_the_first() -> None:
    batch = Batch(AT, size=1000)
    assert batch.append(Record("t", b"k", b"x" * 5000)) == 0
    assert batch.append(Record("t", b"k", b"x")) is None


async def test_the_first_outcome_stays() -> None:
    batch = Batch(AT)
    batch.append(Record("t", b"k", b"1"))
    unknown = PublishUnknown("late")
    batch.settle(unknown)
    batch.settle(5)
    assert await batch.settled() is unknown


def test_aiokafka_calls_nothing_that_a_batch_lacks() -> None:
    """The stand-in covers each use of a builder in the pinned aiokafka."""
    text = inspect.getsource(accumulator.MessageBatch) + inspect.getsource(accumulator.MessageAccumulator)
    used = set(re.findall(r"(?<!self\.)_builder\.(\w+)\(", text)) | set(re.findall(r"self\._builder\.(\w+)\(", text))
    assert used >= {"_set_producer_state", "_build", "record_count", "closed", "close"}
    assert [name for name in used if not callable(getattr(Batch, name, None))] == []


@pytest.mark.parametrize("count", [1, 3])
def test_singles_are_the_same_records_one_by_one(count: int) -> None:
    batch = Batch(AT)
    for i in range(count):
        batch.append(Record("t", b"k", b"%d" % i))
    singles = batch.singles()
    assert [single.records for single in singles] == [[record] for record in batch.records]
    assert all(single.sealed and not single.popped for single in singles)
