"""Quantities as people write them in files: `7d`, `10MiB`, and where a subscription starts."""

from __future__ import annotations

import datetime as dt
import re
from typing import Final

_MILLISECONDS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_BYTES: Final = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "kB": 1000, "MB": 1000**2, "GB": 1000**3}
_DURATION: Final = re.compile(r"([1-9][0-9]{0,18})(ms|[smhdw])")
_BACK: Final = re.compile(r"[1-9][0-9]{0,8}(ms|[smhdw])")
LONGEST: Final = 2**63 - 1
"""Milliseconds: Kafka's longest retention, which some topics that were there before have."""
_SIZE: Final = re.compile(r"([1-9][0-9]{0,11}) ?(B|[KMG]iB|kB|MB|GB)")


def milliseconds(text: str) -> int:
    """`90s`, `15m`, `36h`, `7d`, `2w`, `500ms`. Raises ValueError."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r:.80} is not a duration: a number and ms, s, m, h, d or w, e.g. 7d")
    given = int(found[1]) * _MILLISECONDS[found[2]]
    if given > LONGEST:
        raise ValueError(f"{text!r} is longer than any engine keeps anything: write forever")
    return given


def duration_text(milliseconds: int | None) -> str:
    """As it is written in a file, in the largest unit up to days that gives a whole number; None: `forever`."""
    if milliseconds is None:
        return "forever"
    unit = next(unit for unit in ("d", "h", "m", "s", "ms") if milliseconds % _MILLISECONDS[unit] == 0)
    return f"{milliseconds // _MILLISECONDS[unit]}{unit}"


def size_bytes(text: str) -> int:
    """`512KiB`, `10 MB`. Raises ValueError."""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a size: a number and B, KiB, MiB, GiB, kB, MB or GB, e.g. 1MiB")
    return int(found[1]) * _BYTES[found[2]]


def check_start(text: str) -> str:
    """`earliest`, `latest`, a duration back, or an ISO 8601 time with an offset. Raises ValueError."""
    if text in ("earliest", "latest") or _BACK.fullmatch(text):
        return text
    try:
        when = dt.datetime.fromisoformat(text)
    except ValueError:
        why = "earliest, latest, a duration back (7d) or a time (2026-01-31T00:00:00Z)"
        raise ValueError(f"{text!r} is not a start: {why}") from None
    if when.tzinfo is None:
        raise ValueError(f"{text!r} has no offset from UTC: write Z or +01:00 behind the time")
    return text
