"""Dead letters: what could not be handled, kept as it came, with why and where from.

One topic a service. A letter is the original record, its bytes, key and headers untouched, plus headers of ours; what
does not fit goes as position and reason. First the letter, then the commit: while letters cannot be written, nothing
that waits for one is committed.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from busline.bus.options import DeadLetter
from busline.errors import BuslineError, DeadLetterFailed
from busline.record import Headers, Position, Record, StoredRecord
from busline.transport.base import Outcome, Transport

logger = logging.getLogger("busline.bus")

PREFIX = "busline_dlq_"
REASON_BYTES = 2048
OVERHEAD = 128
"""Bytes that an engine may count for a record besides key, value and headers."""


@dataclass(frozen=True, kw_only=True)
class Why:
    """contract and group: whose handling failed. calls: handler calls so far, over all attempts."""

    contract: str
    group: str
    error: str
    reason: str
    calls: int

    @classmethod
    def of(cls, error: BaseException, *, contract: str, group: str, calls: int) -> Why:
        cause = error.__cause__ if type(error).__name__ == "Undecodable" and error.__cause__ else error
        name = f"{type(cause).__module__}.{type(cause).__qualname__}".removeprefix("builtins.")
        reason = "".join(traceback.format_exception_only(cause)).strip()
        return cls(contract=contract, group=group, error=name, reason=reason, calls=calls)


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A dead letter, read back. source: where the event is (or was) in its own topic. attempt: how often it has been
    dead-lettered, 1 the first time. time: milliseconds since the Unix epoch. omitted: size in bytes of a value that did
    not fit (then `value` is None and key and headers may be missing too)."""

    position: Position
    source: Position
    contract: str
    group: str
    error: str
    reason: str
    attempt: int
    calls: int
    time: int
    release: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    omitted: int | None = None

    def record(self) -> StoredRecord:
        """The event as it came, for the decoder and the handler."""
        return StoredRecord(self.source.offset, self.time, self.key, self.value, self.headers)


def parse_letter(topic: str, partition: int, record: StoredRecord) -> Letter:
    """Raises ValueError for a record that is no letter."""
    ours = {name.removeprefix(PREFIX): value.decode() for name, value in record.headers if name.startswith(PREFIX)}
    try:
        source = Position(ours["topic"], int(ours["partition"]), int(ours["offset"]))
        return Letter(
            position=Position(topic, partition, record.offset),
            source=source,
            contract=ours["contract"],
            group=ours["group"],
            error=ours["error"],
            reason=ours["reason"],
            attempt=int(ours["attempt"]),
            calls=int(ours["calls"]),
            time=int(ours["time"]),
            release=ours.get("release", ""),
            key=record.key,
            value=record.value,
            headers=tuple(header for header in record.headers if not header[0].startswith(PREFIX)),
            omitted=int(ours["omitted"]) if "omitted" in ours else None,
        )
    except KeyError as error:
        missing = f"{PREFIX}{error.args[0]}"
        raise ValueError(f"{topic}[{partition}]@{record.offset} is no dead letter: no header {missing}") from error


class DeadLetters:
    """Writes one service's dead letters. `failing` holds the last failure while a letter cannot be written."""

    def __init__(
        self, transport: Transport, topic: str, *, release: str = "", options: DeadLetter | None = None
    ) -> None:
        self._transport, self.topic, self._release = transport, topic, release
        self._options = options or DeadLetter()
        self.failing: str | None = None
        self.written = 0

    async def write(
        self, source: Position, record: StoredRecord, why: Why, pause: Callable[[float], Awaitable[None]]
    ) -> Position:
        """Returns when the letter is durable. `pause` waits between two tries, and may raise to give the event back.

        A record of the dead letter topic itself keeps its source, with attempt + 1. Raises DeadLetterFailed.
        """
        letter = self._letter(source, record, why)
        begun, wait = time.monotonic(), self._options.initial
        while True:
            outcome = await self._publish(letter)
            if isinstance(outcome, Position):
                self.failing = None
                self.written += 1
                return outcome
            self.failing = str(outcome)
            if time.monotonic() - begun >= self._options.patience:
                raise self._gave_up(source, outcome) from outcome
            logger.error("dead letter of %s not written, trying again in %.1f s: %s", source, wait, outcome)
            await pause(wait)
            wait = min(wait * 2, self._options.maximum)

    async def _publish(self, letter: Record) -> Outcome | BuslineError:
        try:
            (outcome,) = await self._transport.publish([letter])
        except BuslineError as error:
            return error
        return outcome

    def _gave_up(self, source: Position, error: BuslineError) -> DeadLetterFailed:
        return DeadLetterFailed(
            f"the dead letter of {source} could not be written for {self._options.patience:g} s",
            where=self.topic,
            why=str(error),
            fix="Mend the topic or its access (`busline apply`) and start again: the event is not committed.",
        )

    def _letter(self, source: Position, record: StoredRecord, why: Why) -> Record:
        earlier: Letter | None = None
        if source.topic == self.topic:
            try:
                earlier = parse_letter(source.topic, source.partition, record)
            except ValueError:
                pass
        original = earlier.headers if earlier else record.headers
        ours = self._headers(earlier.source if earlier else source, why, earlier)
        letter = Record(self.topic, record.key, record.value, original + ours)
        if _size(letter) <= self._options.max_record:
            return letter
        omitted = (f"{PREFIX}omitted", str(len(record.value or b"")).encode())
        return Record(self.topic, record.key if len(record.key or b"") <= 1024 else None, None, (*ours, omitted))

    def _headers(self, source: Position, why: Why, earlier: Letter | None) -> Headers:
        fields: dict[str, Any] = {
            "topic": source.topic,
            "partition": source.partition,
            "offset": source.offset,
            "contract": earlier.contract if earlier else why.contract,
            "group": earlier.group if earlier else why.group,
            "error": why.error,
            "reason": why.reason,
            "attempt": earlier.attempt + 1 if earlier else 1,
            "calls": why.calls + (earlier.calls if earlier else 0),
            "time": time.time_ns() // 1_000_000,
            "release": self._release,
        }
        if earlier and earlier.omitted is not None:
            fields["omitted"] = earlier.omitted
        return tuple((f"{PREFIX}{name}", _bounded(str(value))) for name, value in fields.items())


def _bounded(text: str) -> bytes:
    return text.encode("utf-8", "replace")[:REASON_BYTES].decode("utf-8", "ignore").encode()


def _size(record: Record) -> int:
    headers = sum(len(name.encode()) + len(value) + 16 for name, value in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers + OVERHEAD
