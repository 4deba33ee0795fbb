"""Writing of single values, strict: the right Python type, the type's range, nothing rounded or cut in silence."""

from __future__ import annotations

import datetime as dt
import struct
import uuid
from collections.abc import Callable
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from typing import Any, Final

from busline.codec.scalar_reading import EPOCH, LOCAL_EPOCH
from busline.codec.wire import INT_MAX, INT_MIN, LONG_MAX, LONG_MIN, SMALL, Add, Misfit, Write, number, zigzag
from busline.contract.nodes import Fixed, Logical, Primitive
from busline.contract.types import UINT32, Duration, LocalNanos, Nanos

_EPOCH_DAY: Final = LOCAL_EPOCH.toordinal()
_FLOAT: Final = struct.Struct("<f")
DOUBLE: Final = struct.Struct("<d").pack
_DURATION: Final = struct.Struct("<III").pack


def scalar_writer(given: Primitive | Fixed, target: Primitive | Fixed) -> Write:
    """A value of the type `given`, written as the type `target`; the two are known to resolve."""
    logical = given.logical or target.logical
    if logical is None:
        wire = target.type if isinstance(target, Primitive) else "fixed"
        kind = given.type if isinstance(given, Primitive) else "fixed"
        if isinstance(target, Fixed):
            return _fixed(target.size)
        return _PROMOTED.get((kind, wire)) or _PRIMITIVES[wire]
    finest = target.logical if given.logical and target.logical else logical
    return logical_writer(target, finest)


def logical_writer(target: Primitive | Fixed, logical: Logical) -> Write:
    size = target.size if isinstance(target, Fixed) else None
    if logical.name == "decimal":
        return _decimal(logical, size)
    if logical.name == "uuid":
        return _uuid_text if size is None else _uuid_fixed
    return _LOGICAL[logical.name]


def misfit(expected: str, value: object) -> Misfit:
    return Misfit(f"expected {expected}, not {type(value).__name__} {short(value)}")


def short(value: object) -> str:
    """A value for a message: never long."""
    try:
        text = repr(value)
    except Exception:
        return "that has no repr"
    return text if len(text) <= 80 else f"{text[:60]}… ({len(text)} characters)"


def _null(value: Any, add: Add) -> None:
    if value is not None:
        raise misfit("None", value)


def _boolean(value: Any, add: Add) -> None:
    if value is True:
        add(b"\x01")
    elif value is False:
        add(b"\x00")
    else:
        raise misfit("a bool", value)


def _long(value: Any, add: Add) -> None:
    if type(value) is not int:
        value = _as_int(value)
    if 0 <= value < 8192:
        add(SMALL[value])
    elif LONG_MIN <= value <= LONG_MAX:
        add(zigzag(value))
    else:
        raise misfit("a long (64 bits)", value)


def _int(value: Any, add: Add) -> None:
    if type(value) is not int:
        value = _as_int(value)
    if not INT_MIN <= value <= INT_MAX:
        raise misfit("an int (32 bits)", value)
    add(number(value))


def _as_int(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    raise misfit("an int", value)


def _as_float(value: Any) -> float:
    if isinstance(value, float):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            if int(float(value)) == value:
                return float(value)
        except OverflowError:
            pass
        raise misfit("a float; this int has no exact one", value)
    raise misfit("a float", value)


def _float(value: Any, add: Add) -> None:
    try:
        add(_FLOAT.pack(_as_float(value)))
    except OverflowError:
        raise misfit("a float (32 bits)", value) from None


def _double(value: Any, add: Add) -> None:
    add(DOUBLE(value if type(value) is float else _as_float(value)))


def write_string(value: Any, add: Add) -> None:
    if type(value) is not str and not isinstance(value, str):
        raise misfit("a str", value)
    data = value.encode()
    size = len(data)
    add(SMALL[size] if size < 8192 else zigzag(size))
    add(data)


def _bytes(value: Any, add: Add) -> None:
    if not isinstance(value, bytes | bytearray | memoryview):
        raise misfit("bytes", value)
    data = bytes(value)
    add(number(len(data)))
    add(data)


def _fixed(size: int) -> Write:
    def write(value: Any, add: Add) -> None:
        if not isinstance(value, bytes | bytearray | memoryview) or len(value) != size:
            raise misfit(f"{size} bytes", value)
        add(bytes(value))

    return write


_PRIMITIVES: Final[dict[str, Write]] = {
    "null": _null,
    "boolean": _boolean,
    "int": _int,
    "long": _long,
    "float": _float,
    "double": _double,
    "bytes": _bytes,
    "string": write_string,
}


def _converted(check: Callable[[Any], Any], write: Write) -> Write:
    return lambda value, add: write(check(value), add)


def _text_as_bytes(value: Any) -> bytes:
    if not isinstance(value, str):
        raise misfit("a str", value)
    return value.encode()


def _bytes_as_text(value: Any) -> str:
    if not isinstance(value, bytes):
        raise misfit("bytes", value)
    return value.decode()


def _exact_float32(value: Any) -> float:
    n = _as_int(value)
    if int(_FLOAT.unpack(_FLOAT.pack(n))[0]) != n:
        raise misfit("an int that a float of 32 bits holds exactly", value)
    return float(n)


_PROMOTED: Final[dict[tuple[str, str], Write]] = {
    ("string", "bytes"): _converted(_text_as_bytes, _bytes),
    ("bytes", "string"): _converted(_bytes_as_text, write_string),
    ("int", "float"): _converted(_exact_float32, _float),
    ("long", "float"): _converted(_exact_float32, _float),
}


def _uuid_text(value: Any, add: Add) -> None:
    if not isinstance(value, uuid.UUID):
        raise misfit("a UUID", value)
    add(b"H%b" % str(value).encode())


def _uuid_fixed(value: Any, add: Add) -> None:
    if not isinstance(value, uuid.UUID):
        raise misfit("a UUID", value)
    add(value.bytes)


def decimal_context(logical: Logical) -> Context:
    """For `scaleb`. Emax keeps the int of a hostile exponent from being made."""
    precision = logical.precision
    return Context(prec=precision + 1, Emax=precision, traps=[InvalidOperation, Overflow, Inexact])


def _decimal(logical: Logical, size: int | None) -> Write:
    precision, scale = logical.precision, logical.scale
    limit = 10**precision
    context = decimal_context(logical)
    scaleb = Decimal.scaleb
    expected = f"a decimal({precision}, {scale})"

    def write(value: Any, add: Add) -> None:
        if not isinstance(value, Decimal):
            raise misfit("a Decimal", value)
        try:
            unscaled = scaleb(value, scale, context)
            n = int(unscaled)
        except (ArithmeticError, ValueError):
            raise misfit(expected, value) from None
        if not -limit < n < limit or n != unscaled:
            raise misfit(expected, value)
        width = (n + (n < 0)).bit_length() // 8 + 1
        if size is None:
            add(number(width))
            add(n.to_bytes(width, "big", signed=True))
        else:
            add(n.to_bytes(size, "big", signed=True))

    return write


def _date(value: Any, add: Add) -> None:
    if not isinstance(value, dt.date) or isinstance(value, dt.datetime):
        raise misfit("a date", value)
    add(number(value.toordinal() - _EPOCH_DAY))


def _time(micros: int) -> Write:
    def write(value: Any, add: Add) -> None:
        if not isinstance(value, dt.time) or value.tzinfo is not None:
            raise misfit("a time without a time zone", value)
        n = ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond
        whole, rest = divmod(n, micros)
        if rest:
            raise misfit("a time in whole milliseconds", value)
        add(number(whole))

    return write


def _instant(epoch: dt.datetime, micros: int) -> Write:
    aware = epoch.tzinfo is not None
    expected = f"a datetime {'with' if aware else 'without'} a time zone"

    def write(value: Any, add: Add) -> None:
        if not isinstance(value, dt.datetime) or (value.utcoffset() is not None) is not aware:
            raise misfit(expected, value)
        delta = value - epoch
        n = (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
        if micros != 1:
            n, rest = divmod(n, micros)
            if rest:
                raise misfit("a datetime in whole milliseconds", value)
        add(zigzag(n))

    return write


def _nanos(kind: type[int]) -> Write:
    def write(value: Any, add: Add) -> None:
        if not isinstance(value, kind):
            raise misfit(kind.__name__, value)
        _long(int(value), add)

    return write


def _duration(value: Any, add: Add) -> None:
    fits = isinstance(value, Duration) and all(type(n) is int and 0 <= n <= UINT32 for n in value)
    if not fits:
        raise misfit("a Duration of three unsigned 32-bit counts", value)
    add(_DURATION(*value))


_LOGICAL: Final[dict[str, Write]] = {
    "date": _date,
    "time-millis": _time(1000),
    "time-micros": _time(1),
    "timestamp-millis": _instant(EPOCH, 1000),
    "timestamp-micros": _instant(EPOCH, 1),
    "timestamp-nanos": _nanos(Nanos),
    "local-timestamp-millis": _instant(LOCAL_EPOCH, 1000),
    "local-timestamp-micros": _instant(LOCAL_EPOCH, 1),
    "local-timestamp-nanos": _nanos(LocalNanos),
    "duration": _duration,
}
