"""Values as plain JSON, for people and pipes, and back: nothing lost on the way.

ints are JSON numbers of any size, decimals strings with their scale, instants ISO 8601 in UTC with Z, local ones
without; those that count nanoseconds have nine digits, and a whole number is taken too. Bytes and fixed are base64,
UUIDs and enums text, durations objects, NaN and the infinities the strings "NaN", "Infinity" and "-Infinity". A union's
value stands bare; where two branches could have made it, the first that takes it does.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import enum
import json
import math
import re
import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from pydantic import BaseModel

from busline.codec.wire import Misfit
from busline.contract.annotations import attributes
from busline.contract.defaults import from_json as default_from_json
from busline.contract.nodes import MISSING, Array, Enum, Field, Fixed, Json, Map, Node, Primitive, Record, Union
from busline.contract.schema import Schema
from busline.contract.types import Duration, LocalNanos, Nanos
from busline.errors import EncodeError

_FRACTION: Final = re.compile(r"(\d{4}-?\d\d-?\d\d.\d\d:?\d\d:?\d\d)[.,](\d+)(.*)")
_FLOATS: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def to_json(value: object) -> Json:
    """Any value that a codec gives (instances and dicts alike) as plain JSON. Raises TypeError for what is none."""
    match value:
        case None | bool() | str():
            return value.value if isinstance(value, enum.Enum) else value
        case BaseModel():
            held = vars(value)  # not by attribute: reading a deprecated field warns
            return {name: to_json(held[attribute]) for name, attribute in attributes(type(value)).items()}
        case enum.Enum():
            return to_json(value.value)
        case Nanos():
            return f"{_nine_digits(value)}Z"
        case LocalNanos():
            return _nine_digits(value)
        case int():
            return int(value)
        case float():
            return value if math.isfinite(value) else "NaN" if value != value else f"{'-' * (value < 0)}Infinity"
        case Duration():
            return {"months": value.months, "days": value.days, "millis": value.millis}
        case Mapping():
            return {str(key): to_json(one) for key, one in value.items()}
        case list() | tuple():
            return [to_json(one) for one in value]
        case bytes():
            return base64.b64encode(value).decode()
        case Decimal():
            return f"{value:f}"
        case uuid.UUID():
            return str(value)
        case dt.datetime() if value.tzinfo is not None:
            return value.astimezone(dt.UTC).replace(tzinfo=None).isoformat() + "Z"
        case dt.datetime() | dt.date() | dt.time():
            return value.isoformat()
    raise TypeError(f"{type(value).__name__} is not a value of a codec")


def _nine_digits(value: Nanos | LocalNanos) -> str:
    return f"{value.datetime().replace(microsecond=0, tzinfo=None).isoformat()}.{value % 10**9:09d}"


def from_json(schema: Schema, value: object) -> Any:
    """The value that a codec of the schema encodes: records are dicts; a field left out has its default.

    Raises EncodeError with the field's path.
    """
    try:
        return _node(schema.root, value, "")
    except _At as error:
        raise EncodeError("the JSON does not fit the schema", where=error.path or None, why=error.why) from None
    except RecursionError:
        raise EncodeError("the JSON is nested too deeply") from None


class _At(Exception):
    def __init__(self, path: str, why: str) -> None:
        super().__init__(why)
        self.path = path
        self.why = why


def _node(node: Node, value: Any, path: str) -> Any:
    match node:
        case Record():
            return _record(node, value, path)
        case Array():
            if not isinstance(value, list):
                raise _At(path, f"expected an array, not {_shown(value)}")
            return [_node(node.items, one, f"{path}[{i}]") for i, one in enumerate(value)]
        case Map():
            if not isinstance(value, dict):
                raise _At(path, f"expected an object, not {_shown(value)}")
            return {key: _node(node.values, one, f"{path}{{{key}}}") for key, one in value.items()}
        case Union():
            return _union(node, value, path)
        case Enum():
            if value not in node.symbols:
                raise _At(path, f"expected one of {', '.join(node.symbols)}, not {_shown(value)}")
            return value
    try:
        return _scalar(node, value)
    except Misfit as error:
        raise _At(path, error.why) from None
    except (ValueError, OverflowError, InvalidOperation, binascii.Error) as error:
        raise _At(path, f"{_shown(value)}: {error}") from None


def _union(node: Union, value: Any, path: str) -> Any:
    errors: list[_At] = []
    for branch in node.branches:
        try:
            return _node(branch, value, path)
        except _At as error:
            errors.append(error)
    raise max(errors, key=lambda e: len(e.path)) if errors else _At(path, "a union without branches")


def _record(node: Record, value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _At(path, f"expected an object: {node.name}, not {_shown(value)}")
    extra = sorted(str(key) for key in value.keys() - {f.name for f in node.fields})
    if extra:
        raise _At(path, f"{node.name} has no field {', '.join(extra[:5])}")
    return {f.name: _field(f, value, f"{path}.{f.name}".lstrip(".")) for f in node.fields}


def _field(field: Field, value: dict[str, Any], path: str) -> Any:
    if field.name in value:
        return _node(field.type, value[field.name], path)
    if field.default is MISSING:
        raise _At(path, "the field is required")

    return default_from_json(field.type, field.default)


def _scalar(node: Primitive | Fixed, value: Any) -> Any:
    kind = node.logical.name if node.logical else node.type if isinstance(node, Primitive) else "bytes"
    expected, make = _FROM[kind]
    if not isinstance(value, expected) or (isinstance(value, bool) and kind != "boolean"):
        raise Misfit(f"expected {_SHAPES.get(kind, kind)}, not {_shown(value)}")
    return make(value)


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= 80 else f"{text[:60]}… ({len(text)} characters)"


def _text(value: Any) -> Decimal:
    return Decimal(str(value))


def _instant(text: str) -> dt.datetime:
    value = dt.datetime.fromisoformat(text)
    if value.tzinfo is None:
        raise ValueError("an instant needs a time zone, e.g. Z")
    return value.astimezone(dt.UTC)


def _local(text: str) -> dt.datetime:
    value = dt.datetime.fromisoformat(text)
    if value.tzinfo is not None:
        raise ValueError("a local time has no time zone")
    return value


def _nanos(value: Any) -> Nanos:
    return Nanos(value) if isinstance(value, int) else Nanos(_since_epoch(value, _instant))


def _local_nanos(value: Any) -> LocalNanos:
    return LocalNanos(value) if isinstance(value, int) else LocalNanos(_since_epoch(value, _local))


def _since_epoch(text: str, read: Callable[[str], dt.datetime]) -> int:
    """Nanoseconds: the fraction of a second by itself, as a datetime holds six digits of it."""
    found = _FRACTION.fullmatch(text)
    before, digits, zone = found.groups() if found else (text, "", "")
    if len(digits) > 9:
        raise ValueError("finer than a nanosecond")
    whole = read(before + zone).replace(tzinfo=None) - dt.datetime(1970, 1, 1)
    return whole // dt.timedelta(microseconds=1) * 1000 + int(digits.ljust(9, "0"))


def _float(value: Any) -> float:
    if isinstance(value, str):
        if value not in _FLOATS:
            raise ValueError("expected a number, NaN, Infinity or -Infinity")
        return _FLOATS[value]
    return float(value)


def _duration(value: dict[str, Any]) -> Duration:
    if value.keys() != {"months", "days", "millis"}:
        raise ValueError("expected months, days and millis")
    return Duration(**value)


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise ValueError("not base64") from None


def _same(value: Any) -> Any:
    return value


_FROM: Final[dict[str, tuple[Any, Callable[[Any], Any]]]] = {
    "null": (type(None), _same),
    "boolean": (bool, _same),
    "int": (int, _same),
    "long": (int, _same),
    "float": ((int, float, str), _float),
    "double": ((int, float, str), _float),
    "bytes": (str, _bytes),
    "string": (str, _same),
    "decimal": ((str, int), _text),
    "uuid": (str, uuid.UUID),
    "date": (str, dt.date.fromisoformat),
    "time-millis": (str, dt.time.fromisoformat),
    "time-micros": (str, dt.time.fromisoformat),
    "timestamp-millis": (str, _instant),
    "timestamp-micros": (str, _instant),
    "timestamp-nanos": ((int, str), _nanos),
    "local-timestamp-millis": (str, _local),
    "local-timestamp-micros": (str, _local),
    "local-timestamp-nanos": ((int, str), _local_nanos),
    "duration": (dict, _duration),
}
_SHAPES: Final[dict[str, str]] = {
    "boolean": "true or false",
    "int": "a whole number",
    "long": "a whole number",
    "float": "a number",
    "double": "a number",
    "bytes": 'base64 text, as "/wA="',
    "string": "text",
    "decimal": 'a decimal as text, as "12.50"',
    "uuid": "a UUID as text",
    "date": 'a date, as "2026-03-01"',
    "time-millis": 'a time of day, as "12:30:00.250"',
    "time-micros": 'a time of day, as "12:30:00.250"',
    "timestamp-millis": 'an instant, as "2026-03-01T12:30:00Z"',
    "timestamp-micros": 'an instant, as "2026-03-01T12:30:00Z"',
    "timestamp-nanos": 'an instant, as "2026-03-01T12:30:00.123456789Z"',
    "local-timestamp-millis": 'a local time, as "2026-03-01T12:30:00"',
    "local-timestamp-micros": 'a local time, as "2026-03-01T12:30:00"',
    "local-timestamp-nanos": 'a local time, as "2026-03-01T12:30:00.123456789"',
    "duration": "an object of months, days and millis",
}
