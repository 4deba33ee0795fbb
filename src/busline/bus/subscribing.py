"""One consumer group in this process: receive, hand to the lanes, commit what is finished."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from busline.bus.delivery import Delivery
from busline.bus.options import Batch, Concurrency, Retry
from busline.record import Positions, StoredRecord
from busline.transport.base import Received, Start, Transport

Decode = Callable[[StoredRecord], Any]
Middleware = Callable[[Callable[[Delivery[Any]], Awaitable[None]]], Callable[[Delivery[Any]], Awaitable[None]]]


@dataclass(frozen=True, kw_only=True)
class Route:
    """What becomes of one topic's records in one group."""

    contract: str
    topic: str
    decode: Decode
    handler: Any
    version: int | None = None
    retry: Retry = field(default_factory=Retry)
    timeout: float | None = None
    batch: Batch = field(default_factory=Batch)
    middleware: tuple[Middleware, ...] = ()
    refresh: Callable[[], Awaitable[None]] | None = None


@dataclass(frozen=True, kw_only=True)
class GroupSpec:
    group: str
    routes: tuple[Route, ...]
    start: Start | Mapping[str, Start] = "earliest"
    note: str = ""
    concurrency: Concurrency = field(default_factory=Concurrency)
    until: Positions | None = None


class GroupRunner:
    def __init__(self, transport: Transport, spec: GroupSpec, dead_letters: Any) -> None:
        self._transport, self._spec = transport, spec
        self._routes = {route.topic: route for route in spec.routes}
        self._stopping = asyncio.Event()
        self._consumer: Any = None

    async def run(self) -> None:
        start = self._spec.start if not isinstance(self._spec.start, Mapping) else "earliest"
        self._consumer = await self._transport.consume(
            list(self._routes), self._spec.group, start=start, note=self._spec.note
        )
        try:
            while not self._stopping.is_set():
                for item in await self._consumer.receive():
                    if isinstance(item, Received):
                        route = self._routes[item.lease.topic]
                        for record in item.records:
                            await route.handler.function(route.decode(record))
                        await self._consumer.commit({item.lease: item.records[-1].offset + 1})
                    else:
                        await self._consumer.release(item.lease)
        finally:
            await self._consumer.aclose()

    async def stop(self, within: float) -> None:
        self._stopping.set()
        if self._consumer:
            await self._consumer.aclose()

    async def caught_up(self, ends: Positions) -> None:
        raise NotImplementedError
