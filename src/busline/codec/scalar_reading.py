"""Reading of single values: primitives, and the logical types that Python has a type for.

Every check that Avro's own decoders leave out is here: 32 bits for an int, 0 or 1 for a boolean, strict UTF-8, whole
UUIDs, decimals within their precision, times and dates that Python can hold.
"""

from __future__ import annotations

import datetime as dt
import struct
import uuid
from binascii import unhexlify
from collections.abc import Callable
from decimal import Context, Decimal
from typing import Any, Final

from busline.codec.wire import INT_MAX, INT_MIN, Left, Misfit, Read, blob, varint
from busline.contract.nodes import Fixed, Logical, Primitive
from busline.contract.types import Duration, LocalNanos, Nanos, to_float32

EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
LOCAL_EPOCH: Final = dt.datetime(1970, 1, 1)
_EPOCH_DAY: Final = LOCAL_EPOCH.toordinal()
_MAX_DAY: Final = dt.date.max.toordinal()
_DAY: Final = 86_400_000_000
_FLOAT: Final = struct.Struct("<f").unpack_from
DOUBLE: Final = struct.Struct("<d").unpack_from
NEW_UUID: Final = uuid.UUID.__new__
SET_INT: Final = vars(uuid.UUID)["int"].__set__
SET_SAFE: Final = vars(uuid.UUID)["is_safe"].__set__
_DURATION: Final = struct.Struct("<III").unpack


def scalar_reader(written: Primitive | Fixed, wanted: Primitive | Fixed) -> Read:
    """From the bytes of one type the value of the other; the two are known to resolve."""
    if written.logical is not None and wanted.logical is not None:
        return logical_reader(written, written.logical)
    if wanted.logical is not None:
        return logical_reader(written, wanted.logical)
    if isinstance(written, Fixed):
        return _fixed(written.size)
    if isinstance(wanted, Primitive) and wanted.type != written.type:
        return _promoted(written.type, wanted.type)
    return _PRIMITIVES[written.type]


def logical_reader(node: Primitive | Fixed, logical: Logical) -> Read:
    size = node.size if isinstance(node, Fixed) else None
    if logical.name == "decimal":
        return _decimal(logical, size)
    if logical.name == "uuid":
        return _uuid_text if size is None else _uuid_fixed
    return _LOGICAL[logical.name]


def _null(data: bytes, p: int, left: Left) -> tuple[None, int]:
    return None, p


def _boolean(data: bytes, p: int, left: Left) -> tuple[bool, int]:
    x = data[p]
    if x > 1:
        raise Misfit(f"the byte {x} as a boolean")
    return x == 1, p + 1


def read_long(data: bytes, p: int, left: Left) -> tuple[int, int]:
    x = data[p]
    if x < 128:
        return (x >> 1) ^ -(x & 1), p + 1
    return varint(data, p)


def read_int(data: bytes, p: int, left: Left) -> tuple[int, int]:
    x = data[p]
    if x < 128:
        return (x >> 1) ^ -(x & 1), p + 1
    n, p = varint(data, p)
    if not INT_MIN <= n <= INT_MAX:
        raise Misfit(f"{n} in an int of 32 bits")
    return n, p


def _float(data: bytes, p: int, left: Left) -> tuple[float, int]:
    return _FLOAT(data, p)[0], p + 4


def _double(data: bytes, p: int, left: Left) -> tuple[float, int]:
    return DOUBLE(data, p)[0], p + 8


def _bytes(data: bytes, p: int, left: Left) -> tuple[bytes, int]:
    return blob(data, p)


def read_string(data: bytes, p: int, left: Left) -> tuple[str, int]:
    n = data[p]
    if n < 128 and not n & 1:
        p += 1
        end = p + (n >> 1)
        if end <= len(data):
            return data[p:end].decode(), end
        raise Misfit(f"{n >> 1} bytes announced, {len(data) - p} left")
    value, p = blob(data, p)
    return value.decode(), p


def _fixed(size: int) -> Read:
    def read(data: bytes, p: int, left: Left) -> tuple[bytes, int]:
        end = p + size
        if end > len(data):
            raise Misfit(f"{size} bytes announced, {len(data) - p} left")
        return data[p:end], end

    return read


_PRIMITIVES: Final[dict[str, Read]] = {
    "null": _null,
    "boolean": _boolean,
    "int": read_int,
    "long": read_long,
    "float": _float,
    "double": _double,
    "bytes": _bytes,
    "string": read_string,
}


def _same(value: Any) -> Any:
    return value


_CONVERSIONS: Final[dict[tuple[str, str], Callable[[Any], Any]]] = {
    ("int", "long"): _same,
    ("int", "float"): to_float32,
    ("int", "double"): float,
    ("long", "float"): to_float32,
    ("long", "double"): float,
    ("float", "double"): _same,
    ("string", "bytes"): str.encode,
    ("bytes", "string"): bytes.decode,
}
PROMOTIONS: Final = frozenset(_CONVERSIONS)


def _promoted(written: str, wanted: str) -> Read:
    inner, convert = _PRIMITIVES[written], _CONVERSIONS[written, wanted]
    if convert is _same:
        return inner

    def read(data: bytes, p: int, left: Left) -> tuple[Any, int]:
        value, p = inner(data, p, left)
        return convert(value), p

    return read


def _uuid(raw: bytes) -> uuid.UUID:
    """As UUID(bytes=raw), which spends most of its time on finding out how it was called."""
    made = NEW_UUID(uuid.UUID)
    SET_INT(made, int.from_bytes(raw, "big"))
    SET_SAFE(made, uuid.SafeUUID.unknown)
    return made


def _uuid_text(data: bytes, p: int, left: Left) -> tuple[uuid.UUID, int]:
    text, p = blob(data, p)
    if len(text) != 36 or not text[8] == text[13] == text[18] == text[23] == 45:
        raise Misfit(f"{text[:40]!r} is not a UUID")
    try:
        raw = unhexlify(text.replace(b"-", b""))
    except ValueError:
        raise Misfit(f"{text!r} is not a UUID") from None
    if len(raw) != 16:
        raise Misfit(f"{text!r} is not a UUID")
    return _uuid(raw), p


def _uuid_fixed(data: bytes, p: int, left: Left) -> tuple[uuid.UUID, int]:
    raw = data[p : p + 16]
    if len(raw) < 16:
        raise Misfit(f"16 bytes announced, {len(raw)} left")
    return _uuid(raw), p + 16


def decimal_bounds(logical: Logical) -> tuple[int, Context, int]:
    """Of the unscaled number: what it stays under; the context of its `scaleb`; the most bytes it may take."""
    limit = 10**logical.precision
    return limit, Context(prec=max(28, logical.precision + logical.scale)), limit.bit_length() // 8 + 16


def _decimal(logical: Logical, size: int | None) -> Read:
    fixed = None if size is None else _fixed(size)
    limit, context, longest = decimal_bounds(logical)
    scale, scaleb = -logical.scale, Decimal.scaleb

    def read(data: bytes, p: int, left: Left) -> tuple[Decimal, int]:
        if fixed is not None:
            value, p = fixed(data, p, left)
        else:
            value, p = blob(data, p)
            if len(value) > longest:
                raise Misfit(f"{len(value)} bytes in a decimal of {logical.precision} digits")
        n = int.from_bytes(value, "big", signed=True)
        if not -limit < n < limit:
            raise Misfit(f"more than {logical.precision} digits")
        return scaleb(Decimal(n), scale, context), p

    return read


def _date(data: bytes, p: int, left: Left) -> tuple[dt.date, int]:
    n, p = read_int(data, p, left)
    day = n + _EPOCH_DAY
    if not 1 <= day <= _MAX_DAY:
        raise Misfit(f"the day {n} lies outside the years 1 to 9999")
    return dt.date.fromordinal(day), p


def _time(number: Read, micros: int) -> Read:
    def read(data: bytes, p: int, left: Left) -> tuple[dt.time, int]:
        n, p = number(data, p, left)
        n *= micros
        if not 0 <= n < _DAY:
            raise Misfit(f"{n} microseconds after midnight are not a time of day")
        seconds, micro = divmod(n, 1_000_000)
        minutes, second = divmod(seconds, 60)
        return dt.time(minutes // 60, minutes % 60, second, micro), p

    return read


def _instant(epoch: dt.datetime, micros: int) -> Read:
    delta = dt.timedelta

    def read(data: bytes, p: int, left: Left) -> tuple[dt.datetime, int]:
        n, p = varint(data, p)
        try:
            return epoch + delta(0, 0, n * micros), p
        except OverflowError:
            raise Misfit(f"the timestamp {n} lies outside the years 1 to 9999") from None

    return read


def _nanos(kind: type[int]) -> Read:
    def read(data: bytes, p: int, left: Left) -> tuple[int, int]:
        n, p = varint(data, p)
        return kind(n), p

    return read


def _duration(data: bytes, p: int, left: Left) -> tuple[Duration, int]:
    return Duration(*_DURATION(data[p : p + 12])), p + 12


_LOGICAL: Final[dict[str, Read]] = {
    "date": _date,
    "time-millis": _time(read_int, 1000),
    "time-micros": _time(read_long, 1),
    "timestamp-millis": _instant(EPOCH, 1000),
    "timestamp-micros": _instant(EPOCH, 1),
    "timestamp-nanos": _nanos(Nanos),
    "local-timestamp-millis": _instant(LOCAL_EPOCH, 1000),
    "local-timestamp-micros": _instant(LOCAL_EPOCH, 1),
    "local-timestamp-nanos": _nanos(LocalNanos),
    "duration": _duration,
}
