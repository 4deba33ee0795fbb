"""The fused function that reads a record: see `fusing`."""

from __future__ import annotations

import datetime as dt
import uuid
from binascii import unhexlify
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, Final

from busline.codec.fusing import DEEPEST, Source, same_type
from busline.codec.instances import PUT_DICT, PUT_EXTRA, PUT_PRIVATE, PUT_SET, Constructor, Make
from busline.codec.resolution import Arrays, Chosen, Enums, Maps, Plan, Scalars, Unions, is_null
from busline.codec.scalar_reading import (
    DOUBLE,
    EPOCH,
    LOCAL_EPOCH,
    NEW_UUID,
    SET_INT,
    SET_SAFE,
    decimal_bounds,
    read_string,
)
from busline.codec.wire import Misfit, Read, Skip, block, charge, varint
from busline.contract.nodes import Fixed, Logical

FieldReader = tuple["str | None", "Plan | None", "Read | Skip"]
"""Where the value goes, how it is read: its plan, and the plan's closure; a skipping function where it goes nowhere."""

_STRING: Final = """
n = data[p]
end = p + 1 + (n >> 1)
if n < 128 and not n & 1 and end <= size:
    {v} = data[p + 1 : end].decode()
    p = end
else:
    {v}, p = {r}(data, p, left)
"""
_LONG: Final = """
n = data[p]
if n < 128:
    {v} = n >> 1 ^ -(n & 1)
    p += 1
else:
    {v}, p = {r}(data, p, left)
"""
_BOOLEAN: Final = """
n = data[p]
if n < 2:
    {v} = n == 1
    p += 1
else:
    {v}, p = {r}(data, p, left)
"""
_DOUBLE: Final = """
{v} = unpack_double(data, p)[0]
p += 8
"""
_UUID: Final = """
x = data[p + 1 : p + 37]
if data[p] == 72 and len(x) == 36 and x[8] == x[13] == x[18] == x[23] == 45:
    x = unhexlify(x.replace(b"-", b""))
    if len(x) != 16:
        {r}(data, p, left)
    {v} = new_uuid(UUID)
    set_int({v}, from_bytes(x, "big"))
    set_safe({v}, unknown)
    p += 37
else:
    {v}, p = {r}(data, p, left)
"""
_DECIMAL: Final = """
n = data[p]
end = p + 1 + (n >> 1)
if n <= {longest} and not n & 1 and end <= size:
    n = from_bytes(data[p + 1 : end], "big", signed=True)
    if not -{limit} < n < {limit}:
        {r}(data, p, left)
    {v} = scaleb(Decimal(n), {scale}, {context})
    p = end
else:
    {v}, p = {r}(data, p, left)
"""
_INSTANT: Final = """
a, b, c, d, e, f, g, h = data[p : p + 8] if p + 8 <= size else ZEROS
if a > 127 and b > 127 and c > 127 and d > 127 and e > 127 and f > 127 and g > 127 and h < 128:
    n = a + (b << 7) + (c << 14) + (d << 21) + (e + (f << 7) + (g << 14) + (h << 21) << 28) - MARKS
    n = n >> 1 ^ -(n & 1)
    p += 8
else:
    n, p = varint(data, p)
{v} = {epoch} + timedelta(0, 0, n{times})
"""
"""Eight bytes are what microseconds take from 1979 to 2540."""
_MARKS: Final = sum(128 << 7 * i for i in range(7))
_INSTANCE: Final = """
i = new({model})
put_dict(i, {values})
put_set(i, {given})
put_extra(i, None)
put_private(i, None)
return i, p
"""
_PRIMITIVES: Final = {"string": _STRING, "long": _LONG, "int": _LONG, "boolean": _BOOLEAN, "double": _DOUBLE}
_INSTANTS: Final = {
    "timestamp-millis": ("EPOCH", " * 1000"),
    "timestamp-micros": ("EPOCH", ""),
    "local-timestamp-millis": ("LOCAL_EPOCH", " * 1000"),
    "local-timestamp-micros": ("LOCAL_EPOCH", ""),
}
_COUNT: Final = """
n = data[p]
if n < 128 and not n & 1 and (n >> 1) * {fewest} < size - p and left[0] > 64:
    n >>= 1
    p += 1
    {end} = -1
    left[0] -= n
else:
    n, p, {end} = block(data, p, left, {fewest})
"""
_EMPTY_COUNT: Final = "n, p, {end} = block(data, p, left, 0)"


class Values:
    """What a record's dict is made of: where each value comes from, in the order of the model."""

    def __init__(self, order: Sequence[str], constants: Mapping[str, Any], fresh: Mapping[str, Callable[[], Any]]):
        self.order, self.constants, self.fresh = order, constants, fresh


def fused_reader(
    fields: Sequence[FieldReader],
    values: Values,
    make: Make | None,
    extra: int,
    reading: Callable[[Plan], tuple[Read, int]],
) -> Read:
    """A function that reads a record.

    make: the instance from the dict of its values; None for dicts. extra: what the record costs beside its bytes.
    reading: the closure of a plan, and the fewest bytes of its values.
    """
    out = _Reading(reading)
    source = out.source
    source.write("size = len(data)")
    if extra:
        source.write(f"charge(left, {extra})")
    found: dict[str, str] = {}
    for name, plan, read in fields:
        if name is None or plan is None:
            source.write(f"p = {source.bind(read)}(data, p, left)")
        else:
            found[name] = source.local()
            out.value(plan, read, found[name])
    for name, value in values.constants.items():
        found[name] = source.bind(value)
    for name, fresh in values.fresh.items():
        found[name] = f"{source.bind(fresh)}()"
    made = "{" + ", ".join(f"{name!r}: {found[name]}" for name in values.order) + "}"
    out.result(made, make)
    return source.function("read")


def enum_members(plan: Enums) -> tuple[Any, ...]:
    """The value of each written symbol, None for one that the reader does not know."""
    kind: Any = plan.wanted.python
    return tuple(s if s is None or not isinstance(kind, type) else kind(s) for s in plan.symbols)


class _Reading:
    def __init__(self, reading: Callable[[Plan], tuple[Read, int]]) -> None:
        self.reading = reading
        self.depth = 0
        self.source = Source(
            "def read(data, p, left):", unpack_double=DOUBLE, unhexlify=unhexlify, new_uuid=NEW_UUID, UUID=uuid.UUID,
            set_int=SET_INT, set_safe=SET_SAFE, unknown=uuid.SafeUUID.unknown, from_bytes=int.from_bytes,
            scaleb=Decimal.scaleb, Decimal=Decimal, varint=varint, timedelta=dt.timedelta, EPOCH=EPOCH,
            LOCAL_EPOCH=LOCAL_EPOCH, new=object.__new__, put_dict=PUT_DICT,
            put_set=PUT_SET, put_extra=PUT_EXTRA, put_private=PUT_PRIVATE, block=block, charge=charge, Misfit=Misfit,
            MARKS=_MARKS, ZEROS=bytes(8),
        )  # fmt: skip

    def value(self, plan: Plan, read: Read | Skip, v: str) -> None:
        """The lines that read into the variable `v`."""
        match plan:
            case Scalars():
                self.scalar(plan, read, v)
            case Enums() if None not in plan.symbols:
                self.enum(plan, read, v)
            case Chosen():
                self.value(plan.plan, read, v)
            case Unions() if len(plan.branches) == 2 and plan.nullable():
                self.nullable(plan, read, v)
            case Arrays() if self.depth < DEEPEST:
                self.array(plan, v)
            case Maps() if self.depth < DEEPEST:
                self.map(plan, v)
            case _:
                self.call(read, v)

    def result(self, values: str, make: Make | None) -> None:
        write, bind = self.source.write, self.source.bind
        if make is None:
            write(f"return {values}, p")
        elif isinstance(make, Constructor) and make.is_plain:
            given = bind(make.given) + ("" if make.frozen else ".copy()")
            write(_INSTANCE.format(values=values, model=bind(make.model), given=given))
        else:
            write(f"return {bind(make)}({values}), p")

    def call(self, read: Read | Skip, v: str) -> None:
        self.source.write(f"{v}, p = {self.source.bind(read)}(data, p, left)")

    def scalar(self, plan: Scalars, read: Read | Skip, v: str) -> None:
        given, wanted, write = plan.written, plan.wanted, self.source.write
        r = self.source.bind(read)
        if isinstance(given, Fixed) or isinstance(wanted, Fixed) or not same_type(given, wanted):
            self.call(read, v)
        elif (logical := given.logical) is None and given.type in _PRIMITIVES:
            write(_PRIMITIVES[given.type].format(v=v, r=r))
        elif logical is not None and logical.name == "uuid":
            write(_UUID.format(v=v, r=r))
        elif logical is not None and logical.name == "decimal":
            write(self.decimal(logical, r, v))
        elif logical is not None and logical.name in _INSTANTS:
            epoch, times = _INSTANTS[logical.name]
            write(_INSTANT.format(v=v, epoch=epoch, times=times))
        else:
            self.call(read, v)

    def decimal(self, logical: Logical, r: str, v: str) -> str:
        limit, context, longest = decimal_bounds(logical)
        bound = self.source.bind(context)
        longest = min(2 * longest, 126)
        return _DECIMAL.format(v=v, r=r, limit=limit, context=bound, scale=-logical.scale, longest=longest)

    def enum(self, plan: Enums, read: Read | Skip, v: str) -> None:
        by_byte = self.source.bind({2 * i: member for i, member in enumerate(enum_members(plan)[:64])})
        self.source.write(f"{v} = {by_byte}.get(data[p])")
        with self.source.under(f"if {v} is None:"):
            self.call(read, v)
        self.source.write("else:\n    p += 1")

    def nullable(self, plan: Unions, read: Read | Skip, v: str) -> None:
        null = next(i for i, node in enumerate(plan.written.branches) if is_null(node))
        other = plan.branches[1 - null]
        assert not isinstance(other, str)
        self.source.write("n = data[p]")
        with self.source.under(f"if n == {2 - 2 * null}:"):
            self.source.write("p += 1")
            self.value(other, self.reading(other)[0], v)
        self.source.write(f"elif n == {2 * null}:\n    {v} = None\n    p += 1")
        with self.source.under("else:"):
            self.call(read, v)

    def array(self, plan: Arrays, v: str) -> None:
        read, fewest = self.reading(plan.items)
        item = self.source.local()
        self.source.write(f"{v} = []")
        with self.blocks(fewest):
            self.value(plan.items, read, item)
            self.source.write(f"{v}.append({item})")
        if plan.wanted.python is tuple:
            self.source.write(f"{v} = tuple({v})")

    def map(self, plan: Maps, v: str) -> None:
        read, fewest = self.reading(plan.values)
        key, item, total = self.source.local(), self.source.local(), self.source.local()
        self.source.write(f"{v} = {{}}\n{total} = 0")
        with self.blocks(fewest + 1, total):
            self.source.write(_STRING.format(v=key, r=self.source.bind(read_string)))
            self.value(plan.values, read, item)
            self.source.write(f"{v}[{key}] = {item}")
        self.source.write(f'if len({v}) != {total}:\n    raise Misfit("a key that stands twice in a map")')

    @contextmanager
    def blocks(self, fewest: int, total: str | None = None) -> Iterator[None]:
        """Around the lines for one item. total: the variable that counts the items."""
        self.depth += 1
        source, end = self.source, self.source.local()
        with source.under("while data[p]:"):
            source.write((_COUNT if fewest else _EMPTY_COUNT).format(fewest=fewest, end=end))
            if total:
                source.write(f"{total} += n")
            with source.under("for _ in range(n):"):
                yield
            source.write(f'if {end} != -1 and {end} != p:\n    raise Misfit("a block that does not end where it says")')
        source.write("p += 1")
        self.depth -= 1
