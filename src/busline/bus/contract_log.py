"""`busline.contracts`: what is applied on an engine. Written by apply, read by every bus.

One partition, compacted, one record a contract and one a version. A reader parses only the contracts it is asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from busline.bus.stretch import Span, read_stretch
from busline.contract.entries import Catalog
from busline.errors import BuslineError, ConfigurationError, StorageFailed, Unreachable
from busline.names import CONTRACT_LOG
from busline.record import Position, Record, TopicPartition
from busline.transport.base import Admin, Seekable, TopicSpec, Transactional, Transport, Unreadable

_log = logging.getLogger("busline.contract_log")
SPEC: Final = TopicSpec(name=CONTRACT_LOG, partitions=1, compacted=True, retention=None, max_record=8_388_608)
PARTITION: Final = TopicPartition(CONTRACT_LOG, 0)
TRANSACTION: Final = "busline.apply"
"""Of two applies at once, the engine fences one."""
REREAD: Final = 0.5
"""Seconds between two reads that unknown schemas ask for: a flood of them must not become a flood of reads."""
FRESHEN: Final = 300.0
"""Seconds between two reads that nobody asked for."""
WATCH: Final = 1.0
"""The same on an engine whose rights nobody else guards: what was taken away holds no longer than that."""
VISIBLE_WITHIN: Final = 30.0
_PAUSE: Final = 0.02
"""Seconds between two looks for what was written just now."""


class Entry(NamedTuple):
    """One record of the log as it was read. value None: it is gone."""

    offset: int
    key: bytes
    value: bytes | None


class ContractLog:
    """An engine's contracts as this process knows them: `records` as they are, `catalog` what they say.

    generation: grows with every read that found something new; `changed` is called then.
    """

    def __init__(self, transport: Transport) -> None:
        if not isinstance(transport, Seekable):
            what = f"{type(transport).__name__} cannot be read from a position"
            raise ConfigurationError(what, fix="An engine needs the power Seekable to hold contracts.")
        self._engine: Seekable = transport
        self.catalog = Catalog()
        self.records: dict[bytes, bytes] = {}
        self.next = 0
        self.generation = 0
        self.changed: list[Callable[[], None]] = []
        self._reading = asyncio.Lock()
        self._read_at = -REREAD
        self._asked: asyncio.Task[None] | None = None

    async def read(self) -> list[Entry]:
        """To the end as it is now, asked once; the records that were new, in order.

        Raises UnknownTopic where nothing was ever applied, NotAuthorized, Unreachable, StorageFailed.
        """
        async with self._reading:
            first, end = (await self._engine.bounds(CONTRACT_LOG))[0]
            begin = max(first, self.next)
            new = await self._read_to(begin, end) if begin < end else []
            self._read_at = time.monotonic()
            for offset, key, value in new:
                self._take(key, value)
                self.next = offset + 1
            if new:
                self.generation += 1
                for call in self.changed:
                    call()
            return new

    def _take(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            self.records.pop(key, None)
        else:
            self.records[key] = value
        self.catalog.apply(key, value)

    async def _read_to(self, begin: int, end: int) -> list[Entry]:
        new: list[Entry] = []
        span = {PARTITION.partition: Span(begin, end)}
        async with contextlib.aclosing(read_stretch(self._engine, CONTRACT_LOG, span)) as stretch:
            async for item in stretch:
                if isinstance(item, Unreadable):
                    raise StorageFailed(f"the contract log cannot be read at {item.first}", why=item.why)
                new += [Entry(r.offset, r.key, r.value) for r in item.records if r.key is not None]
        return new

    async def read_past(self, offset: int) -> list[Entry]:
        """Until what was written at `offset` is read: a transaction's end is acknowledged a little before readers see
        what is in it. Raises Unreachable after VISIBLE_WITHIN seconds, and what `read` raises."""
        new: list[Entry] = []
        try:
            async with asyncio.timeout(VISIBLE_WITHIN):
                while self.next <= offset:
                    new += await self.read()
                    if self.next <= offset:
                        await asyncio.sleep(_PAUSE)
        except TimeoutError:
            what = f"what was written is not to be read after {VISIBLE_WITHIN:g} s"
            raise Unreachable(what, where=CONTRACT_LOG, fix="Run it again: it goes on from here.") from None
        return new

    async def reread(self) -> None:
        """Read on because something is unknown here: by a read that begins after this call, one for all who ask
        meanwhile, and REREAD seconds after the one before."""
        if self._asked is None or self._asked.done():
            self._asked = asyncio.create_task(self._reread(), name="busline: read the contract log on")
        await asyncio.shield(self._asked)

    async def _reread(self) -> None:
        await asyncio.sleep(self._read_at + REREAD - time.monotonic())
        self._asked = None
        await self.read()

    async def aclose(self) -> None:
        """End a read that was asked for."""
        if (asked := self._asked) is not None:
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)

    async def keep_fresh(self, every: float) -> None:
        """For a task of its own: read on every so many seconds; a failure is logged, the next round tries again."""
        while True:
            await asyncio.sleep(every)
            try:
                await self.read()
            except BuslineError as error:
                _log.warning("the contract log could not be read: %s", error)


async def write(transport: Transport, changes: Mapping[bytes, bytes | None]) -> list[Position]:
    """All of them visible together where the engine can. The topic is created where it is missing.

    Raises NotAuthorized, NotPublished, PublishUnknown, Unreachable.
    """
    if isinstance(transport, Admin):
        await transport.create_topics([SPEC])
    return await write_records(transport, [Record(CONTRACT_LOG, key, value) for key, value in changes.items()])


async def write_records(transport: Transport, records: Sequence[Record]) -> list[Position]:
    """As `write`, of any topics that are there."""
    if isinstance(transport, Transactional):
        return await transport.publish_atomically(records, TRANSACTION)
    outcomes = await transport.publish(records)
    for outcome in outcomes:
        if not isinstance(outcome, Position):
            raise outcome
    return [outcome for outcome in outcomes if isinstance(outcome, Position)]
