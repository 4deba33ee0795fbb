"""An event in a handler's hands: a view over its record, made only for handlers and middleware that ask for it."""

from __future__ import annotations

import datetime as dt
from typing import Generic, TypeVar

from busline.record import Headers, Position, StoredRecord

E = TypeVar("E", covariant=True)

Source = tuple[str, int, str, int | None]
"""(topic, partition, contract, version): what all records of one run share. version None: not told by the decoder."""


class Delivery(Generic[E]):
    """One event as it was delivered. attempt counts the handler's calls for this event, from 1."""

    __slots__ = ("_partition", "_topic", "attempt", "contract", "event", "record", "version")

    def __init__(self, event: E, record: StoredRecord, source: Source, attempt: int = 1) -> None:
        self.event = event
        self.record = record
        self._topic, self._partition, self.contract, self.version = source
        self.attempt = attempt

    @property
    def position(self) -> Position:
        return Position(self._topic, self._partition, self.record.offset)

    @property
    def key(self) -> bytes | None:
        return self.record.key

    @property
    def headers(self) -> Headers:
        """All headers, in order; names may repeat."""
        return self.record.headers

    def header(self, name: str) -> bytes | None:
        """The last value of a header."""
        return next((value for key, value in reversed(self.record.headers) if key == name), None)

    def _text(self, name: str) -> str | None:
        value = self.header(name)
        return None if value is None else value.decode("utf-8", "replace")

    @property
    def event_id(self) -> str | None:
        """CloudEvents `id`: what to deduplicate on. None when a foreign publisher gave none."""
        return self._text("ce_id")

    @property
    def time(self) -> dt.datetime | None:
        """CloudEvents `time`: when it happened, as the publisher says. None when absent or unreadable."""
        text = self._text("ce_time")
        try:
            return dt.datetime.fromisoformat(text) if text else None
        except ValueError:
            return None

    @property
    def log_time(self) -> dt.datetime:
        """When the log took it: what start, retention and replay go by."""
        return dt.datetime.fromtimestamp(self.record.timestamp / 1000, dt.UTC)

    def __repr__(self) -> str:
        return f"Delivery({self.contract} {self.position}, attempt {self.attempt}, {self.event!r})"
