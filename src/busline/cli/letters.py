"""A service's dead letters as the log holds them: read to their end, decoded where their contract is known."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from busline.bus.contract_log import ContractLog
from busline.bus.dead_letter import PREFIX
from busline.bus.decoding import Decoder
from busline.bus.stretch import Span, read_stretch
from busline.codec.json_form import to_json as plain
from busline.errors import BuslineError, ConfigurationError, UnknownTopic
from busline.names import ContractName, Service
from busline.record import StoredRecord
from busline.transport.base import Bounds, Received, Seekable, Transport


@dataclass(frozen=True, kw_only=True)
class Letter:
    """One record of a dead letter topic; also one that is no letter is shown.

    about: what the service said of it when it gave it up (reason, error, calls, attempt, its source), as text.
    """

    partition: int
    record: StoredRecord

    @property
    def place(self) -> str:
        return f"{self.partition}:{self.record.offset}"

    @property
    def when(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self.record.timestamp / 1000, dt.UTC)

    @property
    def headers(self) -> dict[str, str]:
        """The event's own."""
        return {name: _text(value) for name, value in self.record.headers if not name.startswith(PREFIX)}

    @property
    def about(self) -> dict[str, str]:
        ours = ((name.removeprefix(PREFIX), value) for name, value in self.record.headers if name.startswith(PREFIX))
        return {name: _text(value) for name, value in ours}

    @property
    def contract(self) -> str:
        return self.about.get("contract") or self.headers.get("ce_type", "")

    @property
    def source(self) -> str:
        """Where the event is, or was, in its own topic."""
        about = self.about
        return f"{about.get('topic', '?')} {about.get('partition', '?')}:{about.get('offset', '?')}"

    def summary(self) -> dict[str, object]:
        shown = {"place": self.place, "log_time": self.when, "contract": self.contract}
        return {**shown, "id": self.headers.get("ce_id"), "key": _text(self.record.key or b""), "about": self.about}

    def whole(self, log: ContractLog) -> dict[str, object]:
        """With all headers and the event; where it cannot be decoded, why, and its bytes in hexadecimal."""
        event, undecodable = _decoded(self, log)
        raw = self.record.value.hex() if undecodable and self.record.value is not None else None
        found = {"headers": self.headers, "event": event, "undecodable": undecodable, "bytes": raw}
        return self.summary() | found


def _decoded(letter: Letter, log: ContractLog) -> tuple[Any, str | None]:
    try:
        return plain(Decoder(log, ContractName(letter.contract))(letter.record)), None
    except BuslineError as error:
        return None, str(error)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


async def letter_bounds(engine: Transport, service: Service) -> dict[int, Bounds]:
    """Raises ConfigurationError where the service has no dead letter topic."""
    if not isinstance(engine, Seekable):
        raise ConfigurationError(f"{type(engine).__name__} cannot be read from a position")
    try:
        return await engine.bounds(service.dead_letters)
    except UnknownTopic:
        raise ConfigurationError(
            f"{service} has no dead letters here",
            why=f"there is no topic {service.dead_letters}",
            fix="Look at the service's name. The topic is made by apply for services that subscribe.",
        ) from None


async def read_letters(
    engine: Transport, service: Service, begins: dict[int, int] | None = None
) -> AsyncGenerator[Letter, None]:
    """To the end as it is now; `begins` restricts it to these partitions, from these offsets."""
    bounds = await letter_bounds(engine, service)
    starts = begins if begins is not None else {p: bound.first for p, bound in bounds.items()}
    spans = {p: Span(start, bounds[p].next) for p, start in starts.items() if p in bounds}
    if not isinstance(engine, Seekable):
        return
    async with contextlib.aclosing(read_stretch(engine, service.dead_letters, spans)) as stretch:
        async for run in stretch:
            if isinstance(run, Received):
                for record in run.records:
                    yield Letter(partition=run.lease.partition, record=record)
