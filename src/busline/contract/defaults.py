"""A default value in Avro's JSON (spec, "Complex Types: Records", table of default values), both ways.

bytes and fixed are strings of code points 0 to 255; logical types are written as what they stand on.
"""

from __future__ import annotations

import datetime as dt
import enum
import math
import struct
import uuid
from collections.abc import Callable, Mapping
from decimal import ROUND_DOWN, Context, Decimal
from typing import Any, Final, NoReturn

from pydantic import BaseModel

from busline.contract.annotations import attributes
from busline.contract.nodes import MISSING, Array, Enum, Fixed, Logical, Map, Node, Primitive, Record, Union
from busline.contract.types import INT32, INT64, Duration, LocalNanos, Nanos
from busline.errors import SchemaInvalid

MAX_VALUES: Final = 10_000
_DIGITS: Final = Context(prec=1000)
_EPOCH: Final = dt.datetime(1970, 1, 1)
_UTC_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)
_PYTHON: Final[dict[str, tuple[type, ...]]] = {
    "boolean": (bool,),
    "int": (int,),
    "long": (int,),
    "float": (float, int),
    "double": (float, int),
    "bytes": (bytes,),
    "string": (str,),
}


def to_json(node: Node, value: Any) -> Any:
    """The default of a field of that type. Raises ValueError saying what does not fit."""
    match node:
        case Primitive() | Fixed():
            return _scalar_to_json(node, value)
        case Enum():
            return _enum_to_json(node, value)
        case Array():
            return (
                [to_json(node.items, v) for v in value] if isinstance(value, list | tuple) else _misfit(value, "list")
            )
        case Map():
            fits = isinstance(value, Mapping) and all(isinstance(k, str) for k in value)
            return {k: to_json(node.values, v) for k, v in value.items()} if fits else _misfit(value, "dict[str, ...]")
        case Union():
            return to_json(node.branches[branch_of(node, value)], value)
        case Record():
            return _record_to_json(node, value)


def branch_of(node: Union, value: Any) -> int:
    """The index of the first branch that the value fits. Raises ValueError when there is none."""
    for index, branch in enumerate(node.branches):
        try:
            to_json(branch, value)
        except ValueError:
            continue
        return index
    return _misfit(value, "a value of any of the union's types")


def _enum_to_json(node: Enum, value: Any) -> str:
    symbol = value.value if isinstance(value, enum.Enum) else value
    if isinstance(node.python, type) and not isinstance(value, node.python):
        _misfit(value, f"a {node.python.__name__}")
    return str(symbol) if symbol in node.symbols else _misfit(value, f"one of {', '.join(node.symbols)}")


def _record_to_json(node: Record, value: Any) -> dict[str, Any]:
    model = node.python
    if model is None and isinstance(value, Mapping) and value.keys() == {f.name for f in node.fields}:
        return {f.name: to_json(f.type, value[f.name]) for f in node.fields}
    if not isinstance(model, type) or not issubclass(model, BaseModel) or not isinstance(value, model):
        return _misfit(value, getattr(model, "__name__", node.name))
    names = attributes(model)
    held = vars(value)  # not by attribute: reading a deprecated field warns
    return {f.name: to_json(f.type, held[names[f.name]]) for f in node.fields}


def _scalar_to_json(node: Primitive | Fixed, value: Any) -> Any:
    """The value that the logical type stands on, checked against what the type holds."""
    if node.logical is not None:
        value = _logical_to_plain(node, node.logical, value)
    if isinstance(node, Fixed):
        fits = isinstance(value, bytes) and len(value) == node.size
        return value.decode("latin-1") if fits else _misfit(value, f"{node.size} bytes")
    if node.type == "null":
        return None if value is None else _misfit(value, "None")
    if not _is(value, node.type):
        _misfit(value, node.type)
    match node.type:
        case "int" | "long":
            low, high = INT32 if node.type == "int" else INT64
            return int(value) if low <= value <= high else _misfit(value, f"{node.type} (from {low} to {high})")
        case "float" | "double":
            return float(value) if math.isfinite(value) else _misfit(value, "a finite number: JSON has no other")
        case "bytes":
            return value.decode("latin-1")
    return value


def _is(value: Any, type_: str) -> bool:
    return isinstance(value, _PYTHON[type_]) and (type_ == "boolean" or not isinstance(value, bool))


def _logical_to_plain(node: Primitive | Fixed, logical: Logical, value: Any) -> Any:
    of: dict[str, tuple[type, Callable[[Any], Any]]] = {
        "uuid": (uuid.UUID, lambda v: v.bytes if isinstance(node, Fixed) else str(v)),
        "decimal": (Decimal, lambda v: unscaled_bytes(v, logical, node.size if isinstance(node, Fixed) else None)),
        "date": (dt.date, lambda v: v.toordinal() - _EPOCH.toordinal()),
        "time-millis": (dt.time, lambda v: _micros_of_day(v) // 1000),
        "time-micros": (dt.time, _micros_of_day),
        "timestamp-millis": (dt.datetime, lambda v: _micros(v) // 1000),
        "timestamp-micros": (dt.datetime, _micros),
        "timestamp-nanos": (Nanos, int),
        "local-timestamp-millis": (dt.datetime, lambda v: _local_micros(v) // 1000),
        "local-timestamp-micros": (dt.datetime, _local_micros),
        "local-timestamp-nanos": (LocalNanos, int),
        "duration": (Duration, lambda v: struct.pack("<III", *v)),
    }
    kind, plain = of[logical.name]
    if not isinstance(value, kind) or (kind is dt.date and isinstance(value, dt.datetime)):
        return _misfit(value, kind.__name__)
    return plain(value)


def _micros_of_day(value: dt.time) -> int:
    return ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond


def _micros(value: dt.datetime) -> int:
    return (value - _UTC_EPOCH) // _MICROSECOND if value.tzinfo else _misfit(value, "a datetime with a time zone")


def _local_micros(value: dt.datetime) -> int:
    return _misfit(value, "a datetime without a time zone") if value.tzinfo else (value - _EPOCH) // _MICROSECOND


def unscaled_bytes(value: Decimal, logical: Logical, size: int | None) -> bytes:
    """A decimal's unscaled value, two's complement, big-endian; size None: the fewest bytes. Raises ValueError."""
    if not value.is_finite():
        return _misfit(value, "a finite number")
    unscaled = value.scaleb(logical.scale, _DIGITS)
    number = int(unscaled.to_integral_value(ROUND_DOWN, _DIGITS))
    if number != unscaled or len(str(abs(number))) > logical.precision:
        return _misfit(value, f"decimal({logical.precision}, {logical.scale})")
    length = size if size is not None else (number + (number < 0)).bit_length() // 8 + 1
    try:
        return number.to_bytes(length, "big", signed=True)
    except OverflowError:
        return _misfit(value, f"a decimal on {size} bytes")


def from_json(node: Node, value: Any, left: list[int] | None = None) -> Any:
    """The plain Python value of a default that `parse` took: records are dicts, enums their symbols.

    Raises ValueError where the default is none of the type. Of a union it is a value of the first branch that fits.
    left: how many values it may still make. Fields that are left out have defaults of their own, which double with
    every level of records; SchemaInvalid is raised beyond MAX_VALUES.
    """
    left = [MAX_VALUES] if left is None else left
    left[0] -= 1
    if left[0] < 0:
        raise SchemaInvalid(f"a default makes more than {MAX_VALUES} values", fix="Make it null, or smaller.")
    match node:
        case Primitive() | Fixed():
            return _scalar_from_json(node, value)
        case Enum():
            return value if value in node.symbols else _misfit(value, f"one of {', '.join(node.symbols)}")
        case Array():
            return (
                [from_json(node.items, v, left) for v in value] if isinstance(value, list) else _misfit(value, "array")
            )
        case Map():
            return (
                {k: from_json(node.values, v, left) for k, v in value.items()}
                if isinstance(value, dict)
                else _misfit(value, "object")
            )
        case Union():
            return _of_first_branch(node, value, left)
        case Record():
            return _record_from_json(node, value, left)


def _of_first_branch(node: Union, value: Any, left: list[int]) -> Any:
    for branch in node.branches:
        try:
            return from_json(branch, value, left)
        except ValueError:
            continue
    return _misfit(value, "a value of any of the union's types")


def json_branch(node: Union, value: Any) -> tuple[Node, Any]:
    """The first branch that a default in JSON fits, and the default. Raises ValueError when there is none."""
    for branch in node.branches:
        try:
            from_json(branch, value)
        except ValueError:
            continue
        return branch, value
    return _misfit(value, "a value of any of the union's types")


def _record_from_json(node: Record, value: Any, left: list[int]) -> dict[str, Any]:
    if not isinstance(value, dict):
        return _misfit(value, f"an object: {node.name}")
    lacking = [f.name for f in node.fields if f.name not in value and f.default is MISSING]
    if lacking or value.keys() - {f.name for f in node.fields}:
        return _misfit(value, f"an object with the fields of {node.name}")
    return {f.name: from_json(f.type, value.get(f.name, f.default), left) for f in node.fields}


def _scalar_from_json(node: Primitive | Fixed, value: Any) -> Any:
    plain = _plain_from_json(node, value)
    return plain if node.logical is None else _plain_to_logical(node.logical, plain)


def _plain_from_json(node: Primitive | Fixed, value: Any) -> Any:
    if isinstance(node, Fixed) or node.type == "bytes":
        try:
            data = value.encode("latin-1")
        except (AttributeError, UnicodeEncodeError):
            return _misfit(value, "a string of code points from 0 to 255")
        return data if not isinstance(node, Fixed) or len(data) == node.size else _misfit(value, f"{node.size} bytes")
    return _scalar_to_json(Primitive(node.type), value)


def _plain_to_logical(logical: Logical, plain: Any) -> Any:
    to: dict[str, Callable[[Any], Any]] = {
        "uuid": lambda v: uuid.UUID(bytes=v) if isinstance(v, bytes) else uuid.UUID(v),
        "decimal": lambda v: _decimal(v, logical),
        "date": lambda v: dt.date.fromordinal(v + _EPOCH.toordinal()),
        "time-millis": lambda v: _time(v * 1000),
        "time-micros": _time,
        "timestamp-millis": lambda v: _UTC_EPOCH + dt.timedelta(milliseconds=v),
        "timestamp-micros": lambda v: _UTC_EPOCH + dt.timedelta(microseconds=v),
        "timestamp-nanos": Nanos,
        "local-timestamp-millis": lambda v: _EPOCH + dt.timedelta(milliseconds=v),
        "local-timestamp-micros": lambda v: _EPOCH + dt.timedelta(microseconds=v),
        "local-timestamp-nanos": LocalNanos,
        "duration": lambda v: Duration(*struct.unpack("<III", v)),
    }
    try:
        return to[logical.name](plain)
    except OverflowError:
        return _misfit(plain, f"a {logical.name} that Python can hold")


def _decimal(unscaled: bytes, logical: Logical) -> Decimal:
    number = int.from_bytes(unscaled, "big", signed=True)
    if abs(number) >= 10**logical.precision:
        _misfit(number, f"a number of {logical.precision} digits")
    return Decimal(number).scaleb(-logical.scale, _DIGITS)


def _time(micros: int) -> dt.time:
    if not 0 <= micros < 86_400_000_000:
        return _misfit(micros, "a time of day")
    return (_EPOCH + dt.timedelta(microseconds=micros)).time()


def _misfit(value: object, expected: str) -> NoReturn:
    raise ValueError(f"{value!r:.80} is not {expected}")
