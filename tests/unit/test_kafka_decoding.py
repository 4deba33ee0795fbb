"""Unpacking is bounded for every codec, right for what is within the bound, and foreign consumers are left alone."""

import tracemalloc
from collections.abc import Callable

import aiokafka.codec as codec
import cramjam
import pytest
from aiokafka.record._crecords import default_records
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from busline.record import StoredRecord
from busline.transport.kafka import decoding
from busline.transport.kafka.decoding import BOUND, Hole, Run, TooLarge

AT = TopicPartition("t", 0)
CODECS: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    "gzip": (codec.gzip_encode, decoding.gzip),
    "snappy": (lambda data: codec.snappy_encode(data, xerial_compatible=False), decoding.snappy),
    "snappy in blocks": (codec.snappy_encode, decoding.snappy),
    "lz4": (codec.lz4_encode, decoding.lz4),
    "zstd": (codec.zstd_encode, decoding.zstd),
}


@pytest.mark.parametrize("name", CODECS)
@given(data=st.binary(min_size=1, max_size=300) | st.integers(1, 3_000_000).map(bytes))
def test_what_is_within_the_bound_is_unpacked(name: str, data: bytes) -> None:
    pack, unpack = CODECS[name]
    assert unpack(pack(data)) == data


@pytest.mark.parametrize("name", CODECS)
def test_what_is_beyond_the_bound_is_refused(name: str) -> None:
    pack, unpack = CODECS[name]
    bomb = pack(bytes(BOUND + 1))
    with pytest.raises(TooLarge, match="64 MiB"):
        unpack(bomb)


def test_a_bomb_takes_little_more_than_the_bound() -> None:
    bomb = bytes(cramjam.zstd.compress(bytes(4 * BOUND)))
    tracemalloc.start()
    with pytest.raises(TooLarge):
        decoding.zstd(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < BOUND * 1.2


@pytest.mark.parametrize("name", CODECS)
@given(data=st.binary(max_size=200))
def test_garbage_is_an_error_that_is_expected(name: str, data: bytes) -> None:
    try:
        CODECS[name][1](data)
    except decoding._BROKEN:
        pass


def test_other_users_of_aiokafka_keep_its_own_functions() -> None:
    data = bytes(BOUND + 1)
    assert default_records.zstd_decode(bytes(cramjam.zstd.compress(data))) == data


def batch(*values: bytes, offset: int, compression: int = 0, header: bytes = b"h") -> bytes:
    builder = DefaultRecordBatchBuilder(
        2, compression, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=0, batch_size=1 << 30
    )
    for i, value in enumerate(values):
        builder.append(i, 1000, b"k", value, [("h", header)])
    built = bytearray(builder.build())
    built[0:8] = offset.to_bytes(8, "big")
    return bytes(built)


def read(*batches: bytes, room: int = decoding.RUN_BYTES) -> list[StoredRecord | Hole]:
    run = Run(AT, MemoryRecords(b"".join(batches)), None, 0, None, None, True, 1)
    run.begin()
    items: list[StoredRecord | Hole] = []
    while not run.ended:
        items += run.take(1000, room)[0]
    return items


def test_records_are_made_as_ours() -> None:
    assert read(batch(b"a", b"b", offset=5)) == [
        StoredRecord(5, 1000, b"k", b"a", (("h", b"h"),)),
        StoredRecord(6, 1000, b"k", b"b", (("h", b"h"),)),
    ]


def test_a_bomb_is_a_hole_and_its_neighbours_are_read() -> None:
    bomb = batch(bytes(BOUND), b"x", offset=1, compression=4)
    items = read(batch(b"a", offset=0), bomb, batch(b"b", offset=3))
    assert [one.value if isinstance(one, StoredRecord) else (one.first, one.next) for one in items] == [
        b"a",
        (1, 3),
        b"b",
    ]
    assert isinstance(items[1], Hole)
    assert "64 MiB" in items[1].why


def test_a_damaged_batch_is_a_hole_and_never_comes_again() -> None:
    damaged = bytearray(batch(b"xx", b"yy", b"zz", offset=1))
    damaged[-4] ^= 0xFF  # so its checksum fails
    items = read(batch(b"a", offset=0), bytes(damaged), batch(b"b", offset=4))
    assert [type(one) for one in items] == [StoredRecord, Hole, StoredRecord]
    assert (items[1].first, items[1].next) == (1, 4)


def test_a_look_ends_where_the_room_is_used_up() -> None:
    run = Run(AT, MemoryRecords(batch(*[bytes(1000)] * 50, offset=0, compression=4)), None, 0, None, None, True, 1)
    run.begin()
    first, room = run.take(1000, 10_000)
    assert 9 <= len(first) <= 10
    assert room <= 0
    rest, _ = run.take(1000, decoding.RUN_BYTES)
    assert [item.offset for item in [*first, *rest] if isinstance(item, StoredRecord)] == list(range(50))


def test_a_null_header_reads_as_empty() -> None:
    builder = DefaultRecordBatchBuilder(
        2, 0, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=0, batch_size=1000
    )
    builder.append(0, 1, b"k", b"v", [("a", None), ("b", b"1")])
    (record,) = read(bytes(builder.build()))
    assert isinstance(record, StoredRecord)
    assert record.headers == (("a", b""), ("b", b"1"))
