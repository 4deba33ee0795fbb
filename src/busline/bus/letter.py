"""A dead letter as its topic holds it: the event's own bytes, key and headers, and what the service said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from busline.record import Headers, Position, StoredRecord

PREFIX = "busline_dlq_"
_NEEDED = ("contract", "group", "error", "reason")


@dataclass(frozen=True, kw_only=True)
class Letter:
    """One record of a dead letter topic, also one that is no letter: `about` tells what there is.

    stored: the record as it is there. about: what the service said, as text, without the prefix. headers: the event's
    own. The properties are of what `parse_letter` took.
    """

    position: Position
    stored: StoredRecord
    about: Mapping[str, str]
    headers: Headers

    @classmethod
    def of(cls, topic: str, partition: int, record: StoredRecord) -> Letter:
        ours = {n.removeprefix(PREFIX): v.decode("utf-8", "replace") for n, v in record.headers if n.startswith(PREFIX)}
        own = tuple(header for header in record.headers if not header[0].startswith(PREFIX))
        return cls(position=Position(topic, partition, record.offset), stored=record, about=ours, headers=own)

    @property
    def key(self) -> bytes | None:
        return self.stored.key

    @property
    def value(self) -> bytes | None:
        return self.stored.value

    @property
    def source(self) -> Position:
        """Where the event is, or was, in its own topic."""
        return Position(self.about["topic"], int(self.about["partition"]), int(self.about["offset"]))

    @property
    def contract(self) -> str:
        return self.about["contract"]

    @property
    def group(self) -> str:
        return self.about["group"]

    @property
    def error(self) -> str:
        """The exception's class; `code` is busline's own, empty for others."""
        return self.about["error"]

    @property
    def code(self) -> str:
        return self.about.get("code", "")

    @property
    def reason(self) -> str:
        return self.about["reason"]

    @property
    def attempt(self) -> int:
        """How often it has been dead-lettered, 1 the first time."""
        return int(self.about["attempt"])

    @property
    def calls(self) -> int:
        """Of the handler, over all attempts."""
        return int(self.about["calls"])

    @property
    def time(self) -> int:
        """Of giving up: milliseconds since the Unix epoch."""
        return int(self.about["time"])

    @property
    def release(self) -> str:
        return self.about.get("release", "")

    @property
    def omitted(self) -> int | None:
        """Size in bytes of a value that did not fit; then `value` is None, and key and headers may be missing too."""
        return int(self.about["omitted"]) if "omitted" in self.about else None

    def record(self) -> StoredRecord:
        """The event as it came, for the decoder and the handler."""
        return StoredRecord(self.source.offset, self.time, self.key, self.value, self.headers)


def parse_letter(topic: str, partition: int, record: StoredRecord) -> Letter:
    """Raises ValueError for a record that is no letter."""
    letter = Letter.of(topic, partition, record)
    try:
        for name in _NEEDED:
            letter.about[name]
        _ = letter.source, letter.attempt, letter.calls, letter.time, letter.omitted
    except KeyError as error:
        missing = f"{PREFIX}{error.args[0]}"
        raise ValueError(f"{topic}[{partition}]@{record.offset} is no dead letter: no header {missing}") from error
    return letter


def explained(about: Mapping[str, str]) -> str:
    """Class, code and reason as a person reads them: `Reject (BL0702): no such customer`."""
    error, code, reason = (about.get(name, "") for name in ("error", "code", "reason"))
    head = f"{error} ({code})" if code else error
    return f"{head}: {reason}" if head and reason else head or reason
