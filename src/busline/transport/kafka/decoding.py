"""What a fetch brought, as records: bounded in decompression and in size, and never stuck on a batch that is damaged.

aiokafka unpacks a batch without a bound (256 MB of zeros pass a topic of 1 MiB) and raises at a damaged one for ever.
Here each fetched partition is read through a `Run`: it makes StoredRecord directly, and a batch that cannot be read
becomes a `Hole` at its place. Only consumers that `adopt` was called for are touched; aiokafka is pinned to 0.14.
"""

from __future__ import annotations

import struct
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, NamedTuple

import aiokafka.codec as codec
import aiokafka.errors as kafka
import cramjam
from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.record._crecords import default_records, legacy_records

from busline.record import StoredRecord

BOUND = 64 * 1024 * 1024
"""Bytes that one batch may unpack to."""
RUN_BYTES = 8 * 1024 * 1024
"""Bytes of keys, values and headers after which one look at the fetched records ends."""
MAX_RECORDS = 1000
_FIRST_GUESS = 300_000
_SMALL = 2_000
_BROKEN = (kafka.CorruptRecordException, kafka.UnsupportedCodecError, cramjam.DecompressionError, zlib.error,
           struct.error, ValueError, MemoryError, AssertionError, IndexError, EOFError, OSError)  # fmt: skip
_sizes: ContextVar[list[int] | None] = ContextVar("busline_kafka_sizes", default=None)
"""Where our unpacking notes how much it made; None: unpack as aiokafka does."""
_new = tuple.__new__  # a NamedTuple's own constructor costs twice as much, for each record


class TooLarge(ValueError):
    """A batch unpacks to more than BOUND bytes."""

    def __init__(self) -> None:
        super().__init__(f"it unpacks to more than {BOUND >> 20} MiB")


class Hole(NamedTuple):
    """Stands among records for a batch that cannot be read: offsets `first` up to before `next`."""

    first: int
    next: int
    why: str


def _unpack(into: Any, data: Any) -> bytes:
    """Unpack by `into(data, buffer)`, which raises when the buffer is too small; a larger one is tried up to BOUND."""
    size = min(BOUND, max(_FIRST_GUESS if len(data) > _SMALL else _FIRST_GUESS // 8, len(data) * 8))
    while True:
        buffer = bytearray(size)
        try:
            return bytes(memoryview(buffer)[: into(data, buffer)])
        except cramjam.DecompressionError as error:
            if "write whole buffer" not in str(error) and "output" not in str(error).lower():
                raise
            if size >= BOUND:
                raise TooLarge from None
            del buffer  # before the next one is made
        size = min(BOUND, size * 8)


def gzip(data: Any) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    out = unpacker.decompress(bytes(data), BOUND + 1)
    if len(out) > BOUND:
        raise TooLarge
    return out


def snappy(data: Any) -> bytes:
    """Raw, or in the xerial frame that Java's client writes: each block states its size first."""
    raw = memoryview(bytes(data))
    blocks = [raw]
    if codec._detect_xerial_stream(raw):
        blocks, at = [], 16
        while at < len(raw):
            (size,) = struct.unpack_from("!i", raw, at)
            blocks.append(raw[at + 4 : at + 4 + size])
            at += 4 + max(0, size)
    if sum(cramjam.snappy.decompress_raw_len(block) for block in blocks) > BOUND:
        raise TooLarge
    return b"".join(bytes(cramjam.snappy.decompress_raw(block)) for block in blocks)


def lz4(data: Any) -> bytes:
    return _unpack(cramjam.lz4.decompress_into, data)


def zstd(data: Any) -> bytes:
    return _unpack(cramjam.zstd.decompress_into, data)


def _install() -> None:
    """aiokafka's compiled modules look these functions up by name: ours act for a `_BoundedBatch`, else theirs do."""
    for module in (default_records, legacy_records):
        for name, ours in (("gzip", gzip), ("snappy", snappy), ("lz4", lz4), ("zstd", zstd)):
            if (theirs := getattr(module, f"{name}_decode", None)) is not None:
                setattr(module, f"{name}_decode", _switch(ours, theirs))


def _switch(ours: Any, theirs: Any) -> Any:
    def unpack(data: Any) -> Any:
        sizes = _sizes.get()
        if sizes is None:
            return theirs(data)
        out = ours(data)
        sizes.append(len(out))
        return out

    return unpack


_install()


class _BoundedBatch:
    """One fetched batch; it is unpacked when it is iterated, as aiokafka does, but within the bound."""

    def __init__(self, batch: Any) -> None:
        self._batch = batch
        self.unpacked = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Any]:
        sizes: list[int] = []
        token = _sizes.set(sizes)
        try:
            return iter(self._batch)
        finally:
            _sizes.reset(token)
            self.unpacked = sum(sizes)

    def __next__(self) -> Any:
        return next(self._batch)


class _Batches:
    """aiokafka's MemoryRecords, remembering the batch at hand: a failure is one of that batch."""

    def __init__(self, records: Any) -> None:
        self._records = records
        self.at_hand: Any = None

    def has_next(self) -> bool:
        return bool(self._records.has_next())

    def next_batch(self) -> Any:
        self.at_hand = None
        self.at_hand = _BoundedBatch(self._records.next_batch())
        return self.at_hand


class Run(PartitionRecords):  # type: ignore[misc]  # aiokafka is not typed
    """The records of one partition that one fetch brought."""

    _records: Any
    _records_iterator: Any
    next_fetch_offset: int

    def begin(self) -> None:
        self.ended = False
        self._records = _Batches(self._records)
        self._records_iterator = self._unpack_records()

    def take(self, limit: int, room: int) -> tuple[list[StoredRecord | Hole], int]:
        """At most `limit` records, of about `room` bytes; and the room that is left. A Hole is always the last item.

        `ended` says that there is nothing more. Sizes matter only where a batch unpacks to more than the room.
        """
        out: list[StoredRecord | Hole] = []
        batches = self._records
        try:
            for record in self._records_iterator:
                out.append(record)
                if batches.at_hand.unpacked > room:
                    room -= _size(record)
                    if room <= 0:
                        break
                if len(out) >= limit:
                    break
            else:
                self.ended = True
        except _BROKEN as error:
            out.append(self._skip(error))
        return out, room

    def _skip(self, error: Exception) -> Hole:
        batch = self._records.at_hand
        if batch is None:
            raise kafka.CorruptRecordException(f"{self._tp}: what was fetched is no record batch") from error
        first, self.next_fetch_offset = self.next_fetch_offset, max(batch.next_offset, self.next_fetch_offset + 1)
        self._records_iterator = self._unpack_records()
        return Hole(first, self.next_fetch_offset, str(error) or type(error).__name__)

    def _consumer_record(self, tp: Any, record: Any) -> StoredRecord:  # pyright: ignore[reportIncompatibleMethodOverride]
        headers = record.headers
        for header in headers:
            if header[1] is None:
                headers = _without_null(headers)
                break
        return _new(StoredRecord, (record.offset, record.timestamp, record.key, record.value, tuple(headers)))


def _without_null(headers: Any) -> tuple[tuple[str, bytes], ...]:
    return tuple((name, value or b"") for name, value in headers)


class Fetched(OrderedDict[Any, Any]):
    """aiokafka's store of fetched partitions; each is read as a Run. `room`: bytes that may still be handed over."""

    room = RUN_BYTES

    def __setitem__(self, partition: Any, result: Any) -> None:
        if type(result) is FetchResult:
            run: Any = result._partition_records
            run.__class__ = Run
            run.begin()
            result.getall = lambda max_records=None: self._take(result, max_records)
        super().__setitem__(partition, result)

    def _take(self, result: Any, limit: int | None) -> list[StoredRecord | Hole]:
        """In place of FetchResult.getall."""
        if self.room <= 0 or not result.check_assignment(result._topic_partition) or not result.has_more():
            return []
        run: Run = result._partition_records
        out, self.room = run.take(limit or MAX_RECORDS, self.room)
        result._update_position()
        if run.ended:
            result._partition_records = None
        return out


def _size(item: StoredRecord) -> int:
    size = len(item.value) if item.value is not None else 0
    for name, value in item.headers:
        size += len(name) + len(value)
    return size + (len(item.key) if item.key is not None else 0)


def adopt(consumer: Any) -> Fetched:
    """Make a started AIOKafkaConsumer, before its first assignment, hand over StoredRecord and Hole."""
    fetched = consumer._fetcher._records = Fetched()
    return fetched
