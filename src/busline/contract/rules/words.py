"""What a field's name tells: its words, and whether they speak of money, moments, persons, quantities or units.

Conservative on purpose: a rule that is wrong once in ten times is switched off. Each distinct name is looked at once.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

_SPLIT: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MONEY: Final = _words(
    "price prices cost costs fee fees salary wage revenue turnover tax vat refund money surcharge premium"
    " tip payout deposit subtotal"
)
MAYBE_MONEY: Final = _words("amount total sum balance discount charge payment")
CURRENCIES: Final = _words("eur euro euros usd dollar dollars gbp pound pence chf cent cents yen jpy sek")
QUANTITIES: Final = _words(
    "duration timeout delay interval ttl latency elapsed distance weight height width depth speed temperature"
    " pressure volume bandwidth size capacity altitude"
)
UNITS: Final = _words(
    "ns nanos nanoseconds nanosecond us micros microseconds microsecond ms millis milliseconds millisecond s sec secs"
    " seconds second minutes minute mins min hours hour h days day weeks week months month years year"
    " byte bytes kb kib mb mib gb gib tb tib kilobytes megabytes gigabytes bits bit bps kbps mbps"
    " mm cm m km metre metres meter meters kilometre kilometres kilometer kilometers mile miles inch inches foot feet"
    " ft yard yards mg g gram grams kg kilogram kilograms lb lbs pound pounds ounce ounces oz ton tons tonnes"
    " ml l litre litres liter liters gallon gallons celsius fahrenheit kelvin hpa pascal bar psi"
    " percent pct percentage ratio kmh mph knots watt watts kw kwh wh volt volts ampere amperes hz khz mhz ghz"
    " pixel pixels px degrees degree pieces items rows records entries characters chars seats units"
    " minor"
)
_MOMENT_END: Final = _words("at timestamp datetime")
_DURATION_BEFORE_TIME: Final = _words(
    "response wait waiting processing process lead run running elapsed cpu up down cycle execution idle travel total"
    " air dwell busy service handling round trip transit turnaround average avg mean max min median playing play"
    " reaction real full part over screen load loading half first last any some by per in"
)
_PERSONS: Final = (
    ("email",),
    ("mail",),
    ("email", "address"),
    ("mail", "address"),
    ("e", "mail"),
    ("phone",),
    ("phone", "number"),
    ("mobile",),
    ("mobile", "number"),
    ("telephone",),
    ("telephone", "number"),
    ("birth", "date"),
    ("birth", "day"),
    ("birth", "place"),
    ("birthdate",),
    ("birthday",),
    ("birthplace",),
    ("date", "of", "birth"),
    ("year", "of", "birth"),
    ("birth", "year"),
    ("dob",),
    ("first", "name"),
    ("last", "name"),
    ("given", "name"),
    ("family", "name"),
    ("middle", "name"),
    ("maiden", "name"),
    ("full", "name"),
    ("firstname",),
    ("lastname",),
    ("surname",),
    ("street",),
    ("street", "address"),
    ("home", "address"),
    ("postal", "address"),
    ("passport",),
    ("passport", "number"),
    ("ssn",),
    ("social", "security", "number"),
    ("national", "id"),
    ("iban",),
    ("ip", "address"),
    ("credit", "card"),
    ("credit", "card", "number"),
    ("card", "number"),
    ("licence", "number"),
    ("gender",),
    ("religion",),
    ("ethnicity",),
)
_ID: Final = _words("id uuid guid key ref hash token code number")


class Words(NamedTuple):
    """words in lower case, and what they speak of. unit: one of them is a unit of measure or a currency."""

    words: tuple[str, ...]
    money: bool
    maybe_money: bool
    quantity: bool
    unit: bool
    moment: bool
    date: bool
    person: bool
    identifier: bool


@lru_cache(maxsize=65_536)
def words_of(name: str) -> Words:
    words = tuple(word.lower() for word in _SPLIT.findall(name))
    if not words:
        return Words((), *(False,) * 8)
    last, given = words[-1], set(words)
    return Words(
        words=words,
        money=bool(given & CURRENCIES) or last in MONEY,
        maybe_money=last in MAYBE_MONEY and not given & QUANTITIES and not given & UNITS,
        quantity=last in QUANTITIES,
        unit=bool(given & UNITS) or bool(given & CURRENCIES),
        moment=last in _MOMENT_END or (last == "time" and not given & _DURATION_BEFORE_TIME),
        date=last == "date" or words[-2:] == ("birth", "day") or last in ("birthdate", "birthday"),
        person=any(words[-len(ending) :] == ending for ending in _PERSONS),
        identifier=last in _ID,
    )


_UNIT_SIGN: Final = re.compile(r"[%°€$£¥]|\b(?:EUR|USD|GBP|CHF|JPY|SEK)\b")


def speaks_of_unit(text: str) -> bool:
    """A doc that names a unit or a currency."""
    if _UNIT_SIGN.search(text):
        return True
    words = set(re.findall(r"[a-z]+", text.lower()))
    return bool(words & (UNITS - {"s", "m", "g", "h", "l", "us", "min", "items", "day", "bar", "second", "minor"}))


def speaks_of_currency(text: str) -> bool:
    return bool(_UNIT_SIGN.search(text)) or bool(
        set(re.findall(r"[a-z]+", text.lower())) & (CURRENCIES | {"currency", "currencies", "minor"})
    )
