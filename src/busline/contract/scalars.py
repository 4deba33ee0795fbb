"""The Avro types of plain values: primitives, fixed and the logical types, from an unwrapped annotation."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from decimal import Decimal
from types import NoneType
from typing import Any, Final

from pydantic import AwareDatetime, NaiveDatetime

from busline.contract.annotations import Hint, is_enum, is_literal
from busline.contract.nodes import Fixed, Logical, Node, Primitive
from busline.contract.types import Aliases, Duration, Fallback, LocalNanos, Nanos, Unit, Width
from busline.contract.types import Fixed as FixedSize

ADVICE: Final = (
    "Use bool, int, float, str, bytes, Decimal, UUID, date, time, AwareDatetime, NaiveDatetime, Nanos, Duration, "
    "an Enum, a Literal, list[...], dict[str, ...], a pydantic model, or a union of these."
)


class NoType(Exception):
    """why, and how to mend it."""

    def __init__(self, why: str, fix: str) -> None:
        super().__init__(why)
        self.why = why
        self.fix = fix


def takes(annotation: Any, marker: object) -> bool:
    """Whether a marker of `contract.types` means something on a type; what is no marker of ours always does."""
    match marker:
        case Fallback():
            return is_enum(annotation) or is_literal(annotation)
        case Width(type="int" | "long"):
            return annotation is int
        case Width():
            return annotation is float
        case Unit():
            return annotation in (dt.time, AwareDatetime, NaiveDatetime)
        case Aliases():
            return False  # of a field, not of a type
        case FixedSize():
            return annotation in (bytes, Decimal, uuid.UUID, Duration)
    return True


def scalar(hint: Hint) -> Node | None:
    """The node of a plain value, a fixed without its name; None for what is none. Raises NoType."""
    make = _SCALARS.get(hint.type) if hint.type.__hash__ else None
    return make(hint) if make else None


def python_type(node: Node) -> object:
    """What a value of the node is in Python: two branches of a union that agree in it cannot be told apart."""
    logical = getattr(node, "logical", None)
    if logical is not None:
        return _LOGICAL[logical.name]
    if isinstance(node, Primitive):
        return _PRIMITIVE[node.type]
    return bytes if isinstance(node, Fixed) else getattr(node, "python", None) or type(node)


def decimal_digits(size: int) -> int:
    """The digits that any decimal on so many bytes can have (Avro spec, "Decimal")."""
    return len(str((1 << (8 * size - 1)) - 1)) - 1 if size else 0


def _int(hint: Hint) -> Node:
    width = hint.marker(Width)
    return Primitive(width.type if width else "long")


def _float(hint: Hint) -> Node:
    width = hint.marker(Width)
    return Primitive(width.type if width else "double")


def _bytes(hint: Hint) -> Node:
    marker = hint.marker(FixedSize)
    least, most = hint.constraint("min_length"), hint.constraint("max_length")
    size = marker.size if marker else least if least == most else None
    return Primitive("bytes") if size is None else Fixed("", size)


def _decimal(hint: Hint) -> Node:
    digits, places = hint.constraint("max_digits"), hint.constraint("decimal_places")
    if digits is None or places is None:
        raise NoType(
            "a bare Decimal has no precision and scale",
            "Say both: Annotated[Decimal, Field(max_digits=12, decimal_places=2)].",
        )
    if not 0 <= places <= digits or digits < 1:
        raise NoType(f"decimal({digits}, {places}) is no decimal", "Take 0 <= decimal_places <= max_digits.")
    marker, logical = hint.marker(FixedSize), Logical("decimal", digits, places)
    if marker is None:
        return Primitive("bytes", logical)
    if digits > decimal_digits(marker.size):
        raise NoType(f"{digits} digits on {marker.size} bytes", f"They hold {decimal_digits(marker.size)}.")
    return Fixed("", marker.size, logical=logical)


def _uuid(hint: Hint) -> Node:
    marker = hint.marker(FixedSize)
    if marker is not None and marker.size != 16:
        raise NoType(f"a UUID on {marker.size} bytes", "It has 16.")
    return Fixed("", 16, logical=Logical("uuid")) if marker else Primitive("string", Logical("uuid"))


def _time(hint: Hint) -> Node:
    millis = _unit(hint) == "millis"
    return Primitive("int" if millis else "long", Logical("time-millis" if millis else "time-micros"))


def _timestamp(hint: Hint) -> Node:
    return Primitive("long", Logical(f"timestamp-{_unit(hint)}"))


def _local_timestamp(hint: Hint) -> Node:
    return Primitive("long", Logical(f"local-timestamp-{_unit(hint)}"))


def _datetime(hint: Hint) -> Node:
    raise NoType(
        "a plain datetime may have a time zone or not",
        "Use pydantic's AwareDatetime for an instant, NaiveDatetime for a wall-clock time.",
    )


def _duration(hint: Hint) -> Node:
    marker = hint.marker(FixedSize)
    if marker is not None and marker.size != 12:
        raise NoType(f"a Duration on {marker.size} bytes", "It has 12.")
    return Fixed("", 12, logical=Logical("duration"))


def _timedelta(hint: Hint) -> Node:
    raise NoType("Avro has no timedelta", "Use an int and name its unit (elapsed_ms), or contract.types.Duration.")


def _unit(hint: Hint) -> str:
    unit = hint.marker(Unit)
    return unit.name if unit else "micros"


_SCALARS: Final[dict[Any, Callable[[Hint], Node]]] = {
    NoneType: lambda _: Primitive("null"),
    None: lambda _: Primitive("null"),
    bool: lambda _: Primitive("boolean"),
    str: lambda _: Primitive("string"),
    int: _int,
    float: _float,
    bytes: _bytes,
    Decimal: _decimal,
    uuid.UUID: _uuid,
    dt.date: lambda _: Primitive("int", Logical("date")),
    dt.time: _time,
    AwareDatetime: _timestamp,
    NaiveDatetime: _local_timestamp,
    Nanos: lambda _: Primitive("long", Logical("timestamp-nanos")),
    LocalNanos: lambda _: Primitive("long", Logical("local-timestamp-nanos")),
    Duration: _duration,
    dt.datetime: _datetime,
    dt.timedelta: _timedelta,
}
_PRIMITIVE: Final[dict[str, type]] = {
    "null": NoneType,
    "boolean": bool,
    "int": int,
    "long": int,
    "float": float,
    "double": float,
    "bytes": bytes,
    "string": str,
}
_LOGICAL: Final[dict[str, type]] = {
    "uuid": uuid.UUID,
    "decimal": Decimal,
    "date": dt.date,
    "time-millis": dt.time,
    "time-micros": dt.time,
    "timestamp-millis": dt.datetime,
    "timestamp-micros": dt.datetime,
    "timestamp-nanos": Nanos,
    "local-timestamp-millis": dt.datetime,
    "local-timestamp-micros": dt.datetime,
    "local-timestamp-nanos": LocalNanos,
    "duration": Duration,
}
