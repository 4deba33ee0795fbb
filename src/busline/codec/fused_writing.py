"""The fused function that writes a record: see `fusing`."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Final

from busline.codec.fusing import DEEPEST, Source, same_type
from busline.codec.resolution import Arrays, Chosen, Enums, Maps, Plan, Scalars, Unions
from busline.codec.scalar_reading import EPOCH, LOCAL_EPOCH
from busline.codec.scalar_writing import DOUBLE, decimal_context, write_string
from busline.codec.wire import SMALL, Write, number, written, zigzag
from busline.contract.nodes import Fixed, Logical

FieldWriter = tuple[str, "Plan | None", Write]
"""Where the value is found (nowhere: "", for a constant), how it is written: its plan, and the closure of the plan."""

_SIZE: Final = "add(SMALL[n] if n < 8192 else zigzag(n))"
_STRING: Final = f"""
if type({{v}}) is str:
    b = {{v}}.encode()
    n = len(b)
    {_SIZE}
    add(b)
else:
    {{w}}({{v}}, add)
"""
_LONG: Final = """
if type({v}) is int and 0 <= {v} < 8192:
    add(SMALL[{v}])
else:
    {w}({v}, add)
"""
_BOOLEAN: Final = """
if {v} is True:
    add(b"\\x01")
elif {v} is False:
    add(b"\\x00")
else:
    {w}({v}, add)
"""
_DOUBLE: Final = """
if type({v}) is float:
    add(pack_double({v}))
else:
    {w}({v}, add)
"""
_UUID: Final = """
if type({v}) is UUID:
    x = "%032x" % {v}.int
    add(f"H{{x[:8]}}-{{x[8:12]}}-{{x[12:16]}}-{{x[16:20]}}-{{x[20:]}}".encode())
else:
    {w}({v}, add)
"""
_DECIMAL: Final = """
try:
    u = scaleb({v}, {scale}, {context})
    n = int(u)
except (ArithmeticError, ValueError, TypeError):
    {w}({v}, add)
else:
    if -{limit} < n < {limit} and n == u:
        k = (n + (n < 0)).bit_length() // 8 + 1
        add(SMALL[k])
        add(n.to_bytes(k, "big", signed=True))
    else:
        {w}({v}, add)
"""
_INSTANT: Final = """
if type({v}) is datetime and {v}.utcoffset() is {naive}None:
    d = {v} - {epoch}
    n = (d.days * 86400 + d.seconds) * 1000000 + d.microseconds
    {coarser}
    add(zigzag(n))
else:
    {w}({v}, add)
"""
_PRIMITIVES: Final = {"string": _STRING, "long": _LONG, "int": _LONG, "boolean": _BOOLEAN, "double": _DOUBLE}
_INSTANTS: Final = {
    "timestamp-millis": ("EPOCH", "not ", 1000),
    "timestamp-micros": ("EPOCH", "not ", 1),
    "local-timestamp-millis": ("LOCAL_EPOCH", "", 1000),
    "local-timestamp-micros": ("LOCAL_EPOCH", "", 1),
}


def fused_writer(
    model: type | None, admit: Write, fields: Sequence[FieldWriter], compiled: Callable[[Plan], Write]
) -> Write:
    """A function that writes a record. admit: refuses what is none, and makes no difference to what is one.

    model: the class whose instances are written; None for dicts.
    """
    out = _Writing(compiled)
    source = out.source
    if model is not None:
        source.write(f"if type(value) is not {source.bind(model)}:\n    {source.bind(admit)}(value, add)")
        source.write("values = value.__dict__")
    else:
        source.write(f"{source.bind(admit)}(value, add)\nvalues = value")
    for name, plan, write in fields:
        if name and plan is not None:
            value = source.local()
            source.write(f"{value} = values[{name!r}]")
            out.value(plan, write, value)
        else:
            source.write(f"{source.bind(write)}(None, add)")
    return source.function("write")


def enum_indexes(plan: Enums) -> dict[str, bytes]:
    """What stands for each symbol that can be written."""
    return {
        symbol: number(plan.wanted.symbols.index(wanted))
        for symbol, wanted in zip(plan.written.symbols, plan.symbols, strict=True)
        if wanted is not None
    }


class _Writing:
    def __init__(self, compiled: Callable[[Plan], Write]) -> None:
        self.compiled = compiled
        self.depth = 0
        self.source = Source(
            "def write(value, add):", SMALL=SMALL, zigzag=zigzag, pack_double=DOUBLE, UUID=uuid.UUID,
            scaleb=Decimal.scaleb, datetime=dt.datetime, EPOCH=EPOCH, LOCAL_EPOCH=LOCAL_EPOCH,
        )  # fmt: skip

    def value(self, plan: Plan, write: Write, v: str) -> None:
        """The lines that write the variable `v`."""
        match plan:
            case Scalars():
                self.scalar(plan, write, v)
            case Enums() if isinstance(plan.written.python, type):
                self.enum(plan, write, v)
            case Chosen():
                self.source.write(f"add({number(plan.index)!r})")
                self.value(plan.plan, self.compiled(plan.plan), v)
            case Unions() if (pair := plan.nullable()) is not None:
                self.nullable(*pair, v)
            case Arrays() if self.depth < DEEPEST:
                self.array(plan, write, v)
            case Maps() if self.depth < DEEPEST:
                self.map(plan, write, v)
            case _:
                self.call(write, v)

    def call(self, write: Write, v: str) -> None:
        self.source.write(f"{self.source.bind(write)}({v}, add)")

    def scalar(self, plan: Scalars, write: Write, v: str) -> None:
        given, target, bind = plan.written, plan.wanted, self.source.bind
        if isinstance(given, Fixed) or isinstance(target, Fixed) or not same_type(given, target):
            self.call(write, v)
        elif (logical := target.logical) is None and target.type in _PRIMITIVES:
            self.source.write(_PRIMITIVES[target.type].format(v=v, w=bind(write)))
        elif logical is not None and logical.name == "uuid":
            self.source.write(_UUID.format(v=v, w=bind(write)))
        elif logical is not None and logical.name == "decimal":
            context, limit = bind(decimal_context(logical)), 10**logical.precision
            self.source.write(_DECIMAL.format(v=v, w=bind(write), scale=logical.scale, context=context, limit=limit))
        elif logical is not None and logical.name in _INSTANTS:
            self.source.write(self.instant(logical, bind(write), v))
        else:
            self.call(write, v)

    def instant(self, logical: Logical, w: str, v: str) -> str:
        epoch, naive, micros = _INSTANTS[logical.name]
        coarser = f"n, x = divmod(n, {micros})\n    if x:\n        {w}({v}, add)" if micros > 1 else ""
        return _INSTANT.format(v=v, w=w, epoch=epoch, naive=naive, coarser=coarser)

    def enum(self, plan: Enums, write: Write, v: str) -> None:
        bind = self.source.bind
        self.source.write(
            f"if type({v}) is {bind(plan.written.python)}:\n    add({bind(enum_indexes(plan))}[{v}._value_])\n"
            f"else:\n    {bind(write)}({v}, add)"
        )

    def nullable(self, null: Plan, other: Plan, v: str) -> None:
        with self.source.under(f"if {v} is None:"):
            self.source.write(f"add({written(self.compiled(null))!r})")
        with self.source.under("else:"):
            self.value(other, self.compiled(other), v)

    def array(self, plan: Arrays, write: Write, v: str) -> None:
        item = self.source.local()
        with self.items("list", v, f"for {item} in {v}:", write):
            self.value(plan.items, self.compiled(plan.items), item)

    def map(self, plan: Maps, write: Write, v: str) -> None:
        key, item = self.source.local(), self.source.local()
        with self.items("dict", v, f"for {key}, {item} in {v}.items():", write):
            self.source.write(_STRING.format(v=key, w=self.source.bind(write_string)))
            self.value(plan.values, self.compiled(plan.values), item)

    @contextmanager
    def items(self, kind: str, v: str, loop: str, write: Write) -> Iterator[None]:
        self.depth += 1
        source = self.source
        with source.under(f"if type({v}) is {kind}:"):
            with source.under(f"if {v}:"):
                source.write(f"n = len({v})\n{_SIZE}")
                with source.under(loop):
                    yield
            source.write('add(b"\\x00")')
        with source.under("else:"):
            self.call(write, v)
        self.depth -= 1
