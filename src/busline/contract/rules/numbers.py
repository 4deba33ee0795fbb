"""Numbers: their unit is said, money is exact, and an id is not a row number of somebody's table."""

from __future__ import annotations

from typing import Final

from busline.contract.finding import Severity
from busline.contract.nodes import Fixed, Primitive
from busline.contract.rules.rule import Found, Page, error, warning
from busline.contract.rules.subject import Site, Subject
from busline.contract.rules.words import CURRENCIES, speaks_of_currency, speaks_of_unit


def _units(subject: Subject, site: Site) -> Found | None:
    words = site.words
    if site.number and words.quantity and not words.unit:
        if speaks_of_unit(site.field.doc):
            return None
        what = f"{site.path!r} is a number, and nothing says of what"
        return Found(what, f"Name it with its unit ({site.field.name}_ms, …), or name the unit in its doc.", site.path)
    if _is_amount(site) and not _has_currency(site):
        what = f"{site.path!r} is an amount, and nothing says in which currency"
        return Found(what, "Say it in the doc, or in a field `currency` beside it.", site.path)
    return None


def _is_amount(site: Site) -> bool:
    if site.words.money:
        return site.number is not None or _is_decimal(site)
    return site.words.maybe_money and _is_decimal(site)


def _is_decimal(site: Site) -> bool:
    node = site.type
    return isinstance(node, Primitive | Fixed) and node.logical is not None and node.logical.name == "decimal"


def _has_currency(site: Site) -> bool:
    if CURRENCIES & set(site.words.words) or speaks_of_currency(site.field.doc):
        return True
    return any("currency" in field.name.lower() for field in site.record.fields)


def _money(subject: Subject, site: Site) -> Found | None:
    words, number = site.words, site.number
    if number is None or number.type not in ("float", "double"):
        return None
    if words.money or (
        words.maybe_money and (speaks_of_currency(site.field.doc) or not speaks_of_unit(site.field.doc))
    ):
        what = f"{site.path!r} looks like money and is a {number.type}"
        return Found(
            what, "Take a decimal (`Decimal` with max_digits and decimal_places), or cents in a long.", site.path
        )
    return None


def _database_id(subject: Subject, site: Site) -> Found | None:
    number = site.number
    if number is None or site.words.words[-1:] != ("id",) or number.type not in ("int", "long"):
        return None
    what = f"{site.path!r} is a number, as a database counts its rows"
    return Found(what, "Give it out as a uuid or a string that means nothing by itself.", site.path)


UNITS: Final = warning(
    "units",
    "A number says its unit: in its name, or in its doc.",
    Page(
        why="Seconds taken for milliseconds decode without an error and are wrong by a thousand; so is an amount whose"
        " currency everybody assumes.",
        bad='{"name": "timeout", "type": "int", "doc": "How long to wait."}',
        good='{"name": "timeout_ms", "type": "int", "doc": "How long to wait."}',
        mend="Say it in the doc, which hurts nobody; for a new field, in its name.",
    ),
    field=_units,
)
MONEY: Final = error(
    "money-not-float",
    "Money is a decimal or a whole number, never float or double.",
    Page(
        why="0.1 + 0.2 is 0.30000000000000004 in binary: sums over many events are off by cents, and no two systems"
        " agree by how many.",
        bad='{"name": "price", "type": "double"}',
        good='{"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}}',
        mend="Add a decimal field, deprecate this one, and drop it when nobody reads it any more.",
    ),
    field=_money,
)
DATABASE_ID: Final = warning(
    "database-id",
    "An id is no row number: it leaks how many there are, and binds readers to a table.",
    Page(
        why="Counting ids tell every outsider how many orders there are and what the next one is called, and they"
        " change when the table is moved or split.",
        bad='{"name": "order_id", "type": "long"}',
        good='{"name": "order_id", "type": {"type": "string", "logicalType": "uuid"}}',
        mend="Publish an id of the domain beside it and deprecate the number. A number that the domain itself gives out"
        " (a flight's, an invoice's) may stay: switch the rule off for that field and say so.",
    ),
    field=_database_id,
    inside=None,
    outside=Severity.ERROR,
)
