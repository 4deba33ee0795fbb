"""What a model writes where a plain annotation does not fix the Avro type.

    quantity: Int32                                             int, 32 bits; a plain int is Avro's long
    weight: Float32                                             float, 32 bits; a plain float is Avro's double
    seen: Annotated[AwareDatetime, Millis]                      timestamp-millis; without it micros
    digest: Annotated[bytes, Fixed(32)]                         fixed; also for Decimal, UUID (16) and Duration (12)
    price: Annotated[Decimal, Field(max_digits=12, decimal_places=2)]     pydantic's own constraints: decimal(12, 2)
    state: Annotated[State, Fallback("unknown")]                what a reader takes for a symbol that it does not know
    total: Annotated[Decimal, Aliases("sum")]                   the field's former names

Nanoseconds, which Python's datetime cannot hold, and Avro's duration are types of their own.
"""

from __future__ import annotations

import datetime as dt
import struct
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, NamedTuple, Self, TypeAlias

from pydantic import AfterValidator, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

INT32: Final = (-(2**31), 2**31 - 1)
INT64: Final = (-(2**63), 2**63 - 1)
UINT32: Final = 2**32 - 1
_MICROSECOND: Final = dt.timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Width:
    """Marks which of Avro's number types a Python number is."""

    type: Literal["int", "long", "float", "double"]


@dataclass(frozen=True, slots=True)
class Unit:
    """Marks what a time of day, a timestamp or a local timestamp counts. Use `Millis` and `Micros`."""

    name: Literal["millis", "micros"]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Milliseconds cut finer values at construction, so that an event equals what its readers get."""
        schema = handler(source)
        return schema if self.name == "micros" else core_schema.no_info_after_validator_function(whole_millis, schema)


@dataclass(frozen=True, slots=True)
class Fixed:
    """Exactly `size` bytes: Avro's fixed."""

    size: int

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        if schema["type"] == "bytes":
            schema = core_schema.bytes_schema(min_length=self.size, max_length=self.size)
        return schema


@dataclass(frozen=True, slots=True)
class Fallback:
    """The symbol that a reader takes for one that its enum lacks (Avro's enum default)."""

    symbol: str


@dataclass(frozen=True, slots=True, init=False)
class Aliases:
    """Former names of a field: a reader finds its value under any of them."""

    names: tuple[str, ...]

    def __init__(self, *names: str) -> None:
        object.__setattr__(self, "names", names)


def whole_millis(value: Any) -> Any:
    """A time or datetime, cut to milliseconds."""
    return value.replace(microsecond=value.microsecond // 1000 * 1000)


def to_float32(value: float) -> float:
    """The nearest 32-bit float, so that an event equals what its readers get."""
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        raise ValueError("larger than a 32-bit float") from None


Millis: Final = Unit("millis")
Micros: Final = Unit("micros")
Int32: TypeAlias = Annotated[int, Width("int"), Field(ge=INT32[0], le=INT32[1])]
Int64: TypeAlias = Annotated[int, Width("long"), Field(ge=INT64[0], le=INT64[1])]
Float32: TypeAlias = Annotated[float, Width("float"), AfterValidator(to_float32)]


class _SinceEpoch(int):
    """Nanoseconds since 1970-01-01T00:00, a signed 64-bit number."""

    __slots__ = ()
    _zone: dt.timezone | None = None

    @classmethod
    def of(cls, when: dt.datetime) -> Self:
        """From a datetime, whose resolution is a microsecond."""
        return cls((when - dt.datetime(1970, 1, 1, tzinfo=cls._zone)) // _MICROSECOND * 1000)

    def datetime(self) -> dt.datetime:
        """As a datetime; what is finer than a microsecond is cut."""
        return dt.datetime(1970, 1, 1, tzinfo=self._zone) + dt.timedelta(microseconds=self // 1000)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({int(self)})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        number = core_schema.int_schema(ge=INT64[0], le=INT64[1])
        return core_schema.no_info_after_validator_function(cls, number)


class Nanos(_SinceEpoch):
    """An instant: nanoseconds since 1970-01-01T00:00 UTC (timestamp-nanos)."""

    __slots__ = ()
    _zone = dt.UTC


class LocalNanos(_SinceEpoch):
    """A wall-clock time, wherever that is: nanoseconds since 1970-01-01T00:00 there (local-timestamp-nanos)."""

    __slots__ = ()


class Duration(NamedTuple):
    """Avro's duration: three unsigned 32-bit counts that do not convert into each other."""

    months: Annotated[int, Field(ge=0, le=UINT32)] = 0
    days: Annotated[int, Field(ge=0, le=UINT32)] = 0
    millis: Annotated[int, Field(ge=0, le=UINT32)] = 0
