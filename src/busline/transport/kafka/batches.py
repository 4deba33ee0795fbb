"""One batch on its way: built record by record, closed when the sender takes it, compressed when it is worth it.

aiokafka's own builder stays open after it was popped, and what is appended then is lost: so this one is ours. It
stands in for aiokafka.producer.message_accumulator.BatchBuilder of 0.14; the methods below the line are all that
aiokafka calls (a test holds that). Format: Kafka's record batch, magic 2 (https://kafka.apache.org/documentation/#recordbatch).
"""

from __future__ import annotations

import asyncio
import struct
from typing import Any, TypeAlias

import cramjam
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

from busline.errors import NotPublished, PublishUnknown
from busline.record import Record, TopicPartition

BATCH_BYTES = 256 * 1024
COMPRESS_FROM = 1024
"""Smaller batches are not compressed: setting a compressor up costs more than it saves."""
ZSTD_LEVEL = 1
_HEADER = 61
_LENGTH = struct.Struct(">i")
_CHECKSUM = struct.Struct(">I")
_ATTRIBUTES_AT = 21
_ZSTD = 4


Settled: TypeAlias = "int | NotPublished | PublishUnknown | list[Batch]"


class Batch:
    """Records of one partition. outcome: the first one's offset, why there is none, or a batch for each record."""

    __slots__ = ("_buffer", "_builder", "_waiters", "outcome", "partition", "popped", "records", "sealed")

    def __init__(self, partition: TopicPartition, size: int = BATCH_BYTES) -> None:
        self.partition = partition
        self.records: list[Record] = []
        self.popped = False
        self.sealed = False
        self.outcome: Settled | None = None
        self._waiters: list[asyncio.Future[None]] = []
        self._buffer: bytes | None = None
        self._builder: Any = DefaultRecordBatchBuilder(
            2, 0, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=0, batch_size=size
        )

    def append(self, record: Record) -> int | None:
        """The record's place in the batch; None when it is full or closed. The first record always fits."""
        if self.sealed:
            return None
        at = len(self.records)
        if self._builder.append(at, None, record.key, record.value, list(record.headers)) is None:
            self.sealed = True
            return None
        self.records.append(record)
        return at

    async def settled(self) -> Settled:
        """The outcome; may be cancelled without harm to the other waiters."""
        if self.outcome is None:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
        assert self.outcome is not None
        return self.outcome

    def settle(self, outcome: Settled) -> None:
        """Answer, once: what comes later changes nothing."""
        if self.outcome is not None:
            return
        self.outcome = outcome
        self.sealed = True
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    def singles(self) -> list[Batch]:
        """The same records, each in a batch of its own."""
        out = []
        for record in self.records:
            batch = Batch(self.partition)
            batch.append(record)
            batch.sealed = True
            out.append(batch)
        return out

    # ---- what aiokafka calls

    def _set_producer_state(self, producer_id: int, producer_epoch: int, base_sequence: int) -> None:
        self.sealed = self.popped = True
        self._builder.set_producer_state(producer_id, producer_epoch, base_sequence)

    def _build(self) -> bytes:
        if self._buffer is None:
            self.sealed = True
            self._buffer = compressed(bytes(self._builder.build()))
            self._builder = None
        return self._buffer

    def close(self) -> None:
        self.sealed = True

    def closed(self) -> bool:
        return self.sealed

    def size(self) -> int:
        return len(self._buffer) if self._buffer is not None else int(self._builder.size())

    def record_count(self) -> int:
        return len(self.records)


def compressed(batch: bytes) -> bytes:
    """The batch with its records compressed by zstd, or as it was where that does not make it smaller."""
    if len(batch) < COMPRESS_FROM:
        return batch
    body = bytes(cramjam.zstd.compress(memoryview(batch)[_HEADER:], level=ZSTD_LEVEL))
    if len(body) >= len(batch) - _HEADER:
        return batch
    out = bytearray(batch[:_HEADER]) + body
    _LENGTH.pack_into(out, 8, len(out) - 12)
    out[_ATTRIBUTES_AT + 1] |= _ZSTD
    _CHECKSUM.pack_into(out, 17, calc_crc32c(bytes(memoryview(out)[_ATTRIBUTES_AT:])))
    return bytes(out)
