"""Gathering records of one partition for a batch handler: at most `size`, after waiting `linger` seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from busline.bus.lanes import Lanes
from busline.bus.options import Batch
from busline.bus.route import Chunk
from busline.bus.slot import Handle
from busline.record import StoredRecord
from busline.transport.base import Lease


class _Gathered(NamedTuple):
    records: list[StoredRecord]
    handle: Handle
    batch: Batch
    timer: asyncio.TimerHandle


class Batches:
    """What is gathered here is not fed yet, so no low-water mark passes it."""

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes
        self._gathered: dict[Lease, _Gathered] = {}

    def feed(self, lease: Lease, records: Sequence[StoredRecord], handle: Handle, batch: Batch) -> None:
        gathered = self._gathered.get(lease)
        if gathered is None:
            if not batch.linger:
                self._hand_over(lease, list(records), handle, batch)
                return
            timer = asyncio.get_running_loop().call_later(batch.linger, self.flush, lease)
            gathered = self._gathered[lease] = _Gathered([], handle, batch, timer)
        gathered.records.extend(records)
        if len(gathered.records) >= batch.size:
            self.flush(lease)

    def flush(self, lease: Lease) -> None:
        """Hand over what is there."""
        gathered = self._gathered.pop(lease, None)
        if gathered:
            gathered.timer.cancel()
            self._hand_over(lease, gathered.records, gathered.handle, gathered.batch)

    def _hand_over(self, lease: Lease, records: list[StoredRecord], handle: Handle, batch: Batch) -> None:
        size = batch.size
        chunks = [Chunk(records[at : at + size]) for at in range(0, len(records), size)]
        self._lanes.feed(lease, chunks, handle, records[-1].offset + 1)

    def drop(self, lease: Lease) -> None:
        gathered = self._gathered.pop(lease, None)
        if gathered:
            gathered.timer.cancel()

    def clear(self) -> None:
        for lease in list(self._gathered):
            self.drop(lease)
