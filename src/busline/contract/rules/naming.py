"""Names within a contract: fields in snake_case, symbols in UPPER_CASE, and none that look alike."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from busline.contract.nodes import Enum
from busline.contract.rules.rule import Found, Page, error, warning
from busline.contract.rules.subject import Site, Subject

_SNAKE: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_SYMBOL: Final = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def _snake(name: str) -> str:
    return re.sub(r"_+", "_", _HUMP.sub("_", name)).strip("_").lower()


def _field_naming(subject: Subject, site: Site) -> Found | None:
    name = site.field.name
    if _SNAKE.fullmatch(name):
        return None
    return Found(f"{name!r} is not in snake_case", f"Name it {_snake(name)!r}.", site.path)


def _enum_naming(subject: Subject, site: Site) -> Found | None:
    if not isinstance(site.type, Enum):
        return None
    wrong = [symbol for symbol in site.type.symbols if not _SYMBOL.fullmatch(symbol)]
    if not wrong:
        return None
    fix = f"Write {', '.join(_snake(symbol).upper() for symbol in wrong[:3])}."
    return Found(f"symbols are not in UPPER_CASE: {', '.join(wrong[:3])}", fix, site.path)


def _look(name: str) -> str:
    """Equal for names that people mix up."""
    return name.lower().replace("_", "").replace("1", "l").replace("0", "o")


def _look_alikes(subject: Subject) -> Iterable[Found]:
    seen: dict[tuple[int, str], str] = {}
    for site in subject.sites:
        first = seen.setdefault((id(site.record), _look(site.field.name)), site.field.name)
        if first != site.field.name:
            what = f"{site.field.name!r} looks like {first!r} beside it"
            yield Found(what, "Choose names that nobody mixes up.", site.path)


FIELD_NAMING: Final = error(
    "field-naming",
    "Fields are named in snake_case.",
    Page(
        why="One way to write a name is one way to look for it. A mixture makes every reader look twice, and every"
        " table that is made from the stream has its own spelling.",
        bad='{"name": "orderId", "type": "string"}',
        good='{"name": "order_id", "type": "string"}',
        mend="Name it so in the next version and keep the old name as an alias, or deprecate the old field first."
        " `busline diff` shows whom it would hurt.",
    ),
    field=_field_naming,
)
ENUM_NAMING: Final = warning(
    "enum-naming",
    "Enum symbols are named in UPPER_CASE.",
    Page(
        why="Symbols are constants in every language that the schema is read from; one spelling spares each its own.",
        bad='"symbols": ["paid", "onAccount"]',
        good='"symbols": ["PAID", "ON_ACCOUNT"]',
        mend="Symbols cannot be renamed without hurting readers: do it before the first version is published.",
    ),
    field=_enum_naming,
)
LOOK_ALIKES: Final = error(
    "look-alike-fields",
    "No two fields of a record look alike.",
    Page(
        why="`user_id` and `userid` side by side are read for one another; both decode, and nothing fails.",
        bad="user_id, userid",
        good="user_id, account_id",
        mend="Name the newer one for what it is before it is published.",
    ),
    contract=_look_alikes,
)
