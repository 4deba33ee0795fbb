"""What the demo sees of the log: counts while it runs, and every decoded value at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Protocol

from busline.bus.contract_log import ContractLog
from busline.bus.decoding import Decoder
from busline.bus.stretch import Span, read_stretch
from busline.names import ContractName, Service
from busline.record import StoredRecord
from busline.transport.base import Admin, Groups, Received, Seekable, Transport
from busline.transport.resolve import resolve


class _Engine(Transport, Seekable, Groups, Admin, Protocol):
    """Every embedded engine has these powers."""


class Progress(NamedTuple):
    """Records in a topic, and how many of them a group has behind it."""

    written: int
    committed: int


class DemoLog:
    """A look from outside: through the transport, not through the services."""

    def __init__(self, engine: _Engine) -> None:
        self._engine = engine
        self._log = ContractLog(engine)

    async def ready(self, topics: list[str]) -> bool:
        """Whether all of these topics are there."""
        return set(topics) <= set(await self._engine.topics())

    async def written(self, topic: str) -> int:
        """How many records were ever written: head offsets, which compaction and retention do not move."""
        return sum(bounds.next for bounds in (await self._engine.bounds(topic)).values())

    async def progress(self, topic: str, group: str) -> Progress:
        committed = await self._engine.committed(group)
        behind = sum(at.next for (name, _), at in committed.items() if name == topic)
        return Progress(await self.written(topic), behind)

    async def values(self, contract: str) -> list[Mapping[str, Any]]:
        """Every value of a contract, partition by partition, in order."""
        await self._log.read()
        decode = Decoder(self._log, ContractName(contract))
        return [decode(record) for record in await self._records(contract)]

    async def letters(self, service: str, contract: str) -> list[Mapping[str, Any]]:
        """The dead letters of a service, decoded as what they were: values of `contract`."""
        await self._log.read()
        decode = Decoder(self._log, ContractName(contract))
        return [decode(record) for record in await self._records(Service(service).dead_letters)]

    async def _records(self, topic: str) -> list[StoredRecord]:
        bounds = await self._engine.bounds(topic)
        out: dict[int, list[StoredRecord]] = {partition: [] for partition in sorted(bounds)}
        async for run in read_stretch(self._engine, topic, {p: Span(*bound) for p, bound in bounds.items()}):
            if isinstance(run, Received):
                out[run.lease.partition] += run.records
        return [record for records in out.values() for record in records]


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[DemoLog]:
    """The log behind a URL, for as long as the block lasts."""
    engine: Any = resolve(url)
    await engine.start()
    try:
        yield DemoLog(engine)
    finally:
        await engine.aclose()
