"""Dead letters: what could not be handled, kept as it came, with why and where from.

One topic a service. A letter is the original record, its bytes, key and headers untouched, plus headers of ours; what
does not fit goes as position and reason. First the letter, then the commit: while letters cannot be written, nothing
that waits for one is committed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any

from busline.bus.letter import PREFIX, Letter, explained, parse_letter
from busline.bus.options import DeadLetter
from busline.bus.retry import Undecodable, is_refused
from busline.errors import BuslineError, DeadLetterFailed
from busline.record import Headers, Position, Record, StoredRecord
from busline.transport.base import Outcome, Transport

logger = logging.getLogger("busline.bus")

REASON_BYTES = 2048
OVERHEAD = 128
"""Bytes that an engine may count for a record besides key, value and headers."""


@dataclass(frozen=True, kw_only=True)
class Why:
    """contract and group: whose handling failed. error: the exception's class; code: busline's own, empty for others.
    calls: handler calls so far, over all attempts."""

    contract: str
    group: str
    error: str
    reason: str
    calls: int
    code: str = ""

    @classmethod
    def of(cls, error: BaseException, *, contract: str, group: str, calls: int) -> Why:
        cause = error.__cause__ if isinstance(error, Undecodable) and error.__cause__ else error
        name = f"{type(cause).__module__}.{type(cause).__qualname__}"
        for plain in ("builtins.", "busline.errors."):
            name = name.removeprefix(plain)
        code = cause.code if isinstance(cause, BuslineError) else ""
        text = str(cause).removeprefix(f"[{code}] ")
        reason = "\n".join([*([text] if text else []), *getattr(cause, "__notes__", ())])
        return cls(contract=contract, group=group, error=name, code=code, reason=reason, calls=calls)

    def __str__(self) -> str:
        return explained(asdict(self))


class DeadLetters:
    """Writes one service's dead letters. `failing` holds the last failure while a letter cannot be written; `refused`:
    it is for lack of a right."""

    def __init__(
        self, transport: Transport, topic: str, *, release: str = "", options: DeadLetter | None = None
    ) -> None:
        self._transport, self.topic, self._release = transport, topic, release
        self._options = options or DeadLetter()
        self.failing: str | None = None
        self.refused = False
        self.written = 0

    async def write(
        self, source: Position, record: StoredRecord, why: Why, pause: Callable[[float], Awaitable[None]]
    ) -> Position:
        """Returns when the letter is durable. `pause` waits between two tries, and may raise to give the event back.

        A record of the dead letter topic itself keeps its source, with attempt + 1. Raises DeadLetterFailed, but not
        while the engine refuses it for lack of a right.
        """
        letter = self._letter(source, record, why)
        begun, wait = time.monotonic(), self._options.initial
        while True:
            outcome = await self._publish(letter)
            if isinstance(outcome, Position):
                self.failing, self.refused = None, False
                self.written += 1
                return outcome
            self.failing, self.refused = str(outcome), is_refused(outcome)
            if self.refused:
                begun = time.monotonic()  # a right may be given again after days
            elif time.monotonic() - begun >= self._options.patience:
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
            "code": why.code,
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
