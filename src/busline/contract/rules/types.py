"""Types that say what they hold: instants and dates as logical types, enums that can grow."""

from __future__ import annotations

from typing import Final

from busline.contract.finding import Severity
from busline.contract.nodes import Enum, Primitive
from busline.contract.rules.rule import Found, Page, error, warning
from busline.contract.rules.subject import Site, Subject


def _instant(subject: Subject, site: Site) -> Found | None:
    node = site.type
    if (
        not isinstance(node, Primitive)
        or node.logical is not None
        or node.type not in ("int", "long", "string", "double")
    ):
        return None
    if site.words.date and node.type in ("int", "string"):
        return Found(
            f"{site.path!r} is a date, and a plain {node.type}",
            'Take {"type": "int", "logicalType": "date"}.',
            site.path,
        )
    if site.words.moment and not site.words.unit:
        fix = 'Take {"type": "long", "logicalType": "timestamp-micros"}.'
        return Found(f"{site.path!r} is a moment, and a plain {node.type}", fix, site.path)
    return None


def _enum_default(subject: Subject, site: Site) -> Found | None:
    if not isinstance(site.type, Enum) or site.type.default is not None:
        return None
    what = f"the enum of {site.path!r} has no default: readers fail at the first symbol that they do not know"
    return Found(
        what,
        f'Give the enum {site.type.name} a "default" among its symbols: UNKNOWN, where nobody reads it yet.',
        site.path,
    )


INSTANT: Final = error(
    "instant-type",
    "A moment is a timestamp, a day a date: as logical types.",
    Page(
        why="A long may be seconds, milliseconds or microseconds, and a string any local time. Readers guess, and"
        " a wrong guess is a date in 1970 or the year 53000, without an error.",
        bad='{"name": "placed_at", "type": "long"}',
        good='{"name": "placed_at", "type": {"type": "long", "logicalType": "timestamp-micros"}}',
        mend="In a model write `AwareDatetime` or `date`. A published field keeps its type: add a new one and deprecate"
        " this.",
    ),
    field=_instant,
)
ENUM_DEFAULT: Final = warning(
    "enum-default",
    "An enum has a default, so that symbols can be added.",
    Page(
        why="A reader that meets a symbol it does not know takes the enum's default; without one it fails, so that no"
        " symbol can ever be added without hurting it.",
        bad='{"type": "enum", "name": "Status", "symbols": ["PAID", "OPEN"]}',
        good='{"type": "enum", "name": "Status", "symbols": ["UNKNOWN", "PAID", "OPEN"], "default": "UNKNOWN"}',
        mend="Make one of its symbols the default in the next version; a symbol UNKNOWN comes with the first version,"
        " or when every reader has a default to meet it with. Where a made-up value would be worse than a stop (a"
        " currency), switch the rule off for that field and say so.",
    ),
    field=_enum_default,
    inside=Severity.NOTE,
    outside=Severity.ERROR,
)
