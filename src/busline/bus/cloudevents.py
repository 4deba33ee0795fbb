"""The headers of an event: CloudEvents 1.0, Kafka protocol binding, binary content mode; and W3C Trace Context.

What is the same for every event of one publisher is made once; the time is formatted once a millisecond.
"""

from __future__ import annotations

import datetime as dt
import re
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias, cast

from busline.errors import ConfigurationError
from busline.names import ContractName, Service
from busline.record import Headers

ID: Final = "ce_id"
SOURCE: Final = "ce_source"
SPEC_VERSION: Final = "ce_specversion"
TYPE: Final = "ce_type"
TIME: Final = "ce_time"
CONTENT_TYPE: Final = "content-type"
TRACE_PARENT: Final = "traceparent"
AVRO: Final = b"application/avro"

UserHeaders: TypeAlias = Mapping[str, str | bytes] | Iterable[tuple[str, str | bytes]]
_TRACE_PARENT = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}.*")
_MAX_ID: Final = 1024


class Stamp:
    """Makes the headers of one service's events of one contract. source is `/<team>/<service>`, type the contract."""

    __slots__ = ("_content", "_head", "_millisecond", "_time")

    def __init__(self, service: Service, contract: ContractName) -> None:
        self._head: Headers = (
            (SPEC_VERSION, b"1.0"),
            (TYPE, contract.encode()),
            (SOURCE, f"/{service}".encode()),
        )
        self._content: tuple[str, bytes] = (CONTENT_TYPE, AVRO)
        self._millisecond = -1
        self._time: tuple[str, bytes] = (TIME, b"")

    def headers(self, event_id: bytes, extra: Headers = ()) -> Headers:
        """For an event that happens now. extra is appended as it is."""
        now = time.time_ns() // 1_000_000
        if now != self._millisecond:
            self._millisecond = now
            self._time = (TIME, _format(dt.datetime.fromtimestamp(now / 1000, dt.UTC)))
        return ((ID, event_id), *self._head, self._time, self._content, *extra)

    def headers_at(self, event_id: bytes, when: dt.datetime, extra: Headers = ()) -> Headers:
        """For an event that happened at `when` (aware)."""
        return ((ID, event_id), *self._head, (TIME, _format(when)), self._content, *extra)


def _format(when: dt.datetime) -> bytes:
    """RFC 3339 in UTC: milliseconds, or microseconds where there are any."""
    precision = "microseconds" if when.microsecond % 1000 else "milliseconds"
    return when.astimezone(dt.UTC).isoformat(timespec=precision).replace("+00:00", "Z").encode()


def checked_time(when: dt.datetime) -> dt.datetime:
    """Raises ConfigurationError for a naive datetime."""
    if when.tzinfo is None or when.utcoffset() is None:
        raise ConfigurationError("time= has no time zone", fix="Pass an aware datetime, e.g. datetime.now(UTC).")
    return when


def checked_id(event_id: str) -> bytes:
    """Raises ConfigurationError for an empty or overlong id."""
    if not isinstance(event_id, str) or not 0 < len(event_id) <= _MAX_ID:
        raise ConfigurationError(f"id= is not a text of 1 to {_MAX_ID} characters")
    return event_id.encode()


def checked_headers(headers: UserHeaders | None) -> Headers:
    """A publisher's own headers as bytes, in order. Raises ConfigurationError for names that are CloudEvents'."""
    if not headers:
        return ()
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return tuple(_pair(name, value) for name, value in cast(Iterable[tuple[str, str | bytes]], pairs))


def _pair(name: str, value: str | bytes) -> tuple[str, bytes]:
    if not isinstance(name, str) or not name:
        raise ConfigurationError(f"{name!r} is not a header name", fix="Use a non-empty text.")
    lower = name.lower()
    if lower.startswith("ce_") or lower == CONTENT_TYPE:
        fix = "The id and the time are publish(…, id=, time=); the rest follows from contract and service."
        raise ConfigurationError(f"the header {name!r} is busline's own", fix=fix)
    if isinstance(value, str):
        value = value.encode()
    if not isinstance(value, bytes):
        raise ConfigurationError(f"the header {name!r} is {type(value).__name__}", fix="Pass text or bytes.")
    if lower == TRACE_PARENT and not _TRACE_PARENT.fullmatch(value):
        fix = "See https://www.w3.org/TR/trace-context/#traceparent-header."
        raise ConfigurationError(f"{value!r} is not a traceparent", fix=fix)
    return name, value


def trace_headers() -> Headers:
    """The current OpenTelemetry span as `traceparent`; nothing where the program does not use OpenTelemetry."""
    trace: Any = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return ()
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return ()
    return ((TRACE_PARENT, b"00-%032x-%016x-%02x" % (context.trace_id, context.span_id, context.trace_flags)),)
