"""Where to begin and to end: `earliest`, `latest`, a duration back (`7d`, `12h`, `30m`, `90s`), an ISO 8601 time."""

from __future__ import annotations

import datetime as dt
import re
from typing import Final

from busline.errors import ConfigurationError
from busline.transport.base import Start

_DURATION = re.compile(r"(\d{1,9})([smhdw])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_FORMS: Final = "Write earliest, latest, a duration back (7d, 12h, 30m, 90s), or a time (2026-03-01T00:00:00Z)."

Moment = str | dt.datetime | dt.timedelta


def parse_start(text: Moment, *, now: dt.datetime | None = None) -> Start:
    """Times are log times, in milliseconds since the Unix epoch. Raises ConfigurationError."""
    if text == "earliest" or text == "latest":
        return "earliest" if text == "earliest" else "latest"
    return _milliseconds(text, now or dt.datetime.now(dt.UTC))


def parse_end(text: Moment, *, now: dt.datetime | None = None) -> int | None:
    """None: the end of the log as it is now. Raises ConfigurationError."""
    return None if text == "now" else _milliseconds(text, now or dt.datetime.now(dt.UTC))


def _milliseconds(text: Moment, now: dt.datetime) -> int:
    try:
        return max(0, int(_moment(text, now).timestamp() * 1000))
    except OverflowError:
        return 0


def _moment(text: Moment, now: dt.datetime) -> dt.datetime:
    if isinstance(text, dt.timedelta):
        return now - text
    if isinstance(text, str):
        if found := _DURATION.fullmatch(text):
            return now - dt.timedelta(seconds=int(found[1]) * _SECONDS[found[2]])
        try:
            text = dt.datetime.fromisoformat(text)
        except ValueError:
            raise ConfigurationError(f"{text!r} is not a place in time", fix=_FORMS) from None
    if not isinstance(text, dt.datetime):
        raise ConfigurationError(f"{text!r} is not a place in time", fix=_FORMS)
    if text.tzinfo is None:
        raise ConfigurationError(
            f"{text.isoformat()} has no time zone", fix=f"Write {text.isoformat()}Z, if UTC is meant."
        )
    return text
