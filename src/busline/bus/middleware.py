"""What goes around every handler: `(Handler) -> Handler`, composed once a subscription. Three come with busline."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from busline.bus.delivery import Delivery

Handler: TypeAlias = Callable[[Delivery[Any]], Awaitable[Any]]
Middleware: TypeAlias = Callable[[Handler], Handler]

traceparent: ContextVar[bytes | None] = ContextVar("busline_traceparent", default=None)
"""W3C trace context of the event in hand; publishing in the handler passes it on."""
_delivery: ContextVar[Delivery[Any] | None] = ContextVar("busline_delivery", default=None)


def compose(handler: Handler, middleware: Iterable[Middleware]) -> Handler:
    """The first middleware is the outermost."""
    for layer in reversed(list(middleware)):
        handler = layer(handler)
    return handler


def describe(delivery: Delivery[Any]) -> dict[str, object]:
    """The fields of a log record about one event, for `extra=` and for structlog's `bind`."""
    topic, partition, offset = delivery.position
    return {
        "contract": delivery.contract,
        "topic": topic,
        "partition": partition,
        "offset": offset,
        "event_id": delivery.event_id,
    }


class EventFields(logging.Filter):
    """Put it on a logging handler: everything logged inside an event handler carries contract, partition, offset and
    event id. Needs the middleware `log_context`."""

    def filter(self, record: logging.LogRecord) -> bool:
        delivery = _delivery.get()
        if delivery is not None:
            for name, value in describe(delivery).items():
                if name not in record.__dict__:
                    record.__dict__[name] = value
        return True


def log_context(handler: Handler) -> Handler:
    """Make the event in hand known to `EventFields`."""

    async def with_context(delivery: Delivery[Any]) -> None:
        token = _delivery.set(delivery)
        try:
            await handler(delivery)
        finally:
            _delivery.reset(token)

    return with_context


def trace_context(handler: Handler) -> Handler:
    """Pass the event's `traceparent` header through the handler (https://www.w3.org/TR/trace-context/)."""

    async def with_trace(delivery: Delivery[Any]) -> None:
        token = traceparent.set(delivery.header("traceparent"))
        try:
            await handler(delivery)
        finally:
            traceparent.reset(token)

    return with_trace


@dataclass(kw_only=True)
class Counters:
    """calls and failures; seconds: sum and greatest of the handler's own time, waiting included."""

    calls: int = 0
    failures: int = 0
    seconds: float = 0.0
    slowest: float = 0.0

    def add(self, seconds: float, *, failed: bool) -> None:
        self.calls += 1
        self.failures += failed
        self.seconds += seconds
        self.slowest = max(self.slowest, seconds)


@dataclass(kw_only=True)
class Timing:
    """Middleware that counts: `bus.use(timing := Timing())`, then read `timing.contracts`."""

    contracts: dict[str, Counters] = field(default_factory=dict)

    def __call__(self, handler: Handler) -> Handler:
        async def timed(delivery: Delivery[Any]) -> None:
            begun, failed = time.perf_counter(), True
            try:
                await handler(delivery)
                failed = False
            finally:
                counters = self.contracts.setdefault(delivery.contract, Counters())
                counters.add(time.perf_counter() - begun, failed=failed)

        return timed
