"""A route: what becomes of one topic's records in one group, compiled to the call that the lanes make."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from busline.bus.delivery import Delivery, Source
from busline.bus.handlers import Handler, Shape
from busline.bus.middleware import Middleware, compose
from busline.bus.options import Batch, Retry
from busline.bus.retry import Undecodable
from busline.bus.slot import Handle
from busline.record import StoredRecord
from busline.transport.base import Lease

Decode = Callable[[StoredRecord], Any]


@dataclass(frozen=True, kw_only=True)
class Route:
    """decode: raises for what is no event of the contract; UnknownSchema calls `refresh` once and is asked again.
    timeout: seconds of one handler call. middleware goes around handlers of single events, outermost first.
    """

    contract: str
    topic: str
    decode: Decode
    handler: Handler
    version: int | None = None
    retry: Retry = field(default_factory=Retry)
    timeout: float | None = None
    batch: Batch = field(default_factory=Batch)
    middleware: tuple[Middleware, ...] = ()
    refresh: Callable[[], Awaitable[None]] | None = None

    def retry_of(self, item: Any) -> Retry:
        """How this item is retried."""
        return self.retry

    def bind(self, lease: Lease) -> Handle:
        """The lanes' call for one partition: decodes in the lane, and makes a Delivery only where one is asked for."""
        source: Source = (lease.topic, lease.partition, self.contract, self.version)
        if self.handler.shape is Shape.BATCH:
            return _batch(self.handler.function, self.decode, source)
        if self.handler.shape is Shape.EVENT and not self.middleware:
            return _event(self.handler.function, self.decode)
        return _delivery(compose(self._taking_delivery(), self.middleware), self.decode, source)

    def _taking_delivery(self) -> Callable[[Delivery[Any]], Awaitable[Any]]:
        function = self.handler.function
        return function if self.handler.shape is Shape.DELIVERY else lambda delivery: function(delivery.event)


def _event(function: Callable[[Any], Awaitable[Any]], decode: Decode) -> Handle:
    def call(record: StoredRecord, attempt: int) -> Awaitable[Any]:
        try:
            event = decode(record)
        except Exception as error:
            raise Undecodable from error
        return function(event)

    return call


def _delivery(function: Callable[[Delivery[Any]], Awaitable[Any]], decode: Decode, source: Source) -> Handle:
    def call(record: StoredRecord, attempt: int) -> Awaitable[Any]:
        try:
            event = decode(record)
        except Exception as error:
            raise Undecodable from error
        return function(Delivery(event, record, source, attempt))

    return call


class PartDone(Exception):
    """A part of a chunk is handled; there are more."""


class Chunk:
    """Records of one partition that a batch handler takes together: one item for the lanes.

    `parts` is what is left to handle, call by call: at first one part, after the last failed try one for each record,
    so that the good ones are not dead-lettered with the bad. All chunks of a partition have one key: they keep order.
    """

    __slots__ = ("attempt", "bad", "key", "offset", "parts")

    def __init__(self, records: Sequence[StoredRecord]) -> None:
        self.offset, self.key = records[0].offset, b""
        self.parts: list[list[StoredRecord]] = [list(records)]
        self.attempt = 1
        self.bad: StoredRecord | None = None

    def split(self) -> None:
        self.parts[:1] = [[record] for record in self.parts[0]]

    def remove_bad(self) -> StoredRecord:
        """Take the record that could not be decoded out of the first part."""
        bad, self.bad = self.bad, None
        assert bad is not None
        self.parts[0].remove(bad)
        return bad


def _batch(function: Callable[[Any], Awaitable[Any]], decode: Decode, source: Source) -> Handle:
    async def call(chunk: Chunk, _: int) -> None:
        if chunk.parts and (deliveries := [_decoded(chunk, record, decode, source) for record in chunk.parts[0]]):
            await function(deliveries)
        del chunk.parts[:1]
        if chunk.parts:
            raise PartDone

    return call


def _decoded(chunk: Chunk, record: StoredRecord, decode: Decode, source: Source) -> Delivery[Any]:
    try:
        return Delivery(decode(record), record, source, chunk.attempt)
    except Exception as error:
        chunk.bad = record
        raise Undecodable from error
