"""A service's dead letters as the log holds them: read to their end, decoded where their contract is known."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import AsyncGenerator
from typing import Any

from busline.bus.contract_log import ContractLog
from busline.bus.decoding import Decoder
from busline.bus.letter import Letter, explained
from busline.bus.stretch import Span, read_stretch
from busline.cli.output import to_json
from busline.codec.json_form import to_json as plain
from busline.errors import BuslineError, ConfigurationError, UnknownTopic
from busline.names import ContractName, Service
from busline.transport.base import Bounds, Received, Seekable, Transport


def place_of(letter: Letter) -> str:
    return f"{letter.position.partition}:{letter.position.offset}"


def time_of(letter: Letter) -> dt.datetime:
    """When it was written."""
    return dt.datetime.fromtimestamp(letter.stored.timestamp / 1000, dt.UTC)


def contract_of(letter: Letter) -> str:
    return letter.about.get("contract") or _headers(letter).get("ce_type", "")


def source_of(letter: Letter) -> str:
    """Where the event is, or was, in its own topic."""
    topic, partition, offset = (letter.about.get(name, "?") for name in ("topic", "partition", "offset"))
    return f"{topic} {partition}:{offset}"


def why_of(letter: Letter) -> str:
    return explained(letter.about) or to_json(_headers(letter))


def summary(letter: Letter) -> dict[str, object]:
    return {
        "place": place_of(letter),
        "log_time": time_of(letter),
        "contract": contract_of(letter),
        "id": _headers(letter).get("ce_id"),
        "key": _text(letter.key or b""),
        "about": dict(letter.about),
    }


def whole(letter: Letter, log: ContractLog) -> dict[str, object]:
    """With all headers and the event; where it cannot be decoded, why, and its bytes in hexadecimal."""
    event, undecodable = _decoded(letter, log)
    raw = letter.value.hex() if undecodable and letter.value is not None else None
    found = {"headers": _headers(letter), "event": event, "undecodable": undecodable, "bytes": raw}
    return summary(letter) | found


def _decoded(letter: Letter, log: ContractLog) -> tuple[Any, str | None]:
    try:
        return plain(Decoder(log, ContractName(contract_of(letter)))(letter.stored)), None
    except BuslineError as error:
        return None, str(error)


def _headers(letter: Letter) -> dict[str, str]:
    """The event's own, as text."""
    return {name: _text(value) for name, value in letter.headers}


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
                    yield Letter.of(service.dead_letters, run.lease.partition, record)
