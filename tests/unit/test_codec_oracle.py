"""fastavro as the oracle: evolved readers and logical types read the same, and where the two differ Java decides.

Java: Avro's own implementation (Resolver.java, ResolvingDecoder.java), which is what most other readers are.
"""

import datetime as dt
import io
import itertools
import struct
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import fastavro
import pytest
from fastavro.schema import SchemaParseException
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from busline.codec.codec import Codec
from busline.codec.wire import zigzag
from busline.contract.schema import parse
from busline.contract.types import UINT32, Duration, LocalNanos, Nanos
from busline.errors import BuslineError, ContractMismatch
from busline.testing.strategies import values_of

SETTINGS = settings(
    deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
REFUSED = object()
INT = st.integers(-(2**31), 2**31 - 1)
LONG = st.integers(-(2**63), 2**63 - 1)
EXACT = st.integers(-(2**24), 2**24)
FLOAT = st.floats(width=32, allow_nan=False)
TEXT = st.text(max_size=6)
PROMOTIONS: list[tuple[str, str, st.SearchStrategy[Any]]] = [
    ("int", "int", INT),
    ("int", "long", INT),
    ("int", "float", EXACT),
    ("int", "double", INT),
    ("long", "long", LONG),
    ("long", "float", EXACT),
    ("long", "double", LONG),
    ("float", "float", FLOAT),
    ("float", "double", FLOAT),
    ("double", "double", st.floats(allow_nan=False)),
    ("string", "string", TEXT),
    ("string", "bytes", TEXT),
    ("bytes", "bytes", st.binary(max_size=6)),
    ("bytes", "string", TEXT.map(str.encode)),
    ("boolean", "boolean", st.booleans()),
]
ADDED: list[tuple[Any, Any]] = [
    ("int", 7),
    ("string", "new"),
    ("boolean", False),
    ("double", 0.5),
    (["null", "string"], None),
    ({"type": "array", "items": "long"}, [1, 2]),
    ({"type": "map", "values": "string"}, {"k": "v"}),
]


def same(a: Any, b: Any) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return type(a) is type(b) and (a == b or (a != a and b != b))


class Evolution:
    """Draws a written schema, the reader's version of it, and a value, all at once."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any]) -> None:
        self.draw = draw
        self.number = itertools.count()

    def one_of(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def pair(self, depth: int) -> tuple[Any, Any, Any]:
        makers = [self.scalar, self.scalar, self.enum, self.fixed]
        if depth < 3:
            nested = (self.array, self.map, self.record, self.record, self.optional, self.widened, self.union)
            makers += [lambda make=make: make(depth + 1) for make in nested]
        made: tuple[Any, Any, Any] = self.one_of(*makers)()
        return made

    def bare(self, depth: int) -> tuple[Any, Any, Any]:
        """Nothing that is a union itself: what a union may hold."""
        maker = self.one_of(self.scalar, self.enum, lambda: self.record(depth), lambda: self.array(depth))
        made: tuple[Any, Any, Any] = maker()
        return made

    def scalar(self) -> tuple[Any, Any, Any]:
        writer, reader, values = self.one_of(*PROMOTIONS)
        return writer, reader, self.draw(values)

    def enum(self) -> tuple[Any, Any, Any]:
        name, symbols = f"E{next(self.number)}", ["A", "B", "C"]
        known = self.draw(st.permutations(self.one_of(symbols, ["A", "C", "X"], ["B"])))
        default = {"default": known[0]} if self.draw(st.booleans()) else {}
        writer = {"type": "enum", "name": name, "symbols": symbols}
        return writer, {"type": "enum", "name": name, "symbols": known, **default}, self.one_of(*symbols)

    def fixed(self) -> tuple[Any, Any, Any]:
        name = f"F{next(self.number)}"
        writer = {"type": "fixed", "name": name, "size": 3}
        return writer, self.renamed(writer), self.draw(st.binary(min_size=3, max_size=3))

    def renamed(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The same, or under a new name with the old one as its alias."""
        if self.draw(st.booleans()):
            return dict(schema)
        return {**schema, "name": f"New{schema['name']}", "aliases": [schema["name"]]}

    def array(self, depth: int) -> tuple[Any, Any, Any]:
        writer, reader, value = self.pair(depth)
        return {"type": "array", "items": writer}, {"type": "array", "items": reader}, [value] * self.one_of(0, 1, 2)

    def map(self, depth: int) -> tuple[Any, Any, Any]:
        writer, reader, value = self.pair(depth)
        return {"type": "map", "values": writer}, {"type": "map", "values": reader}, {self.draw(TEXT): value}

    def optional(self, depth: int) -> tuple[Any, Any, Any]:
        """null and one other: both ways round, the reader's may have lost null."""
        writer, reader, value = self.bare(depth)
        wanted = self.one_of(["null", reader], [reader, "null"], reader)
        return ["null", writer], wanted, self.one_of(None, value)

    def widened(self, depth: int) -> tuple[Any, Any, Any]:
        writer, reader, value = self.bare(depth)
        return writer, self.one_of(["null", reader], [reader, "null"]), value

    def union(self, depth: int) -> tuple[Any, Any, Any]:
        """Several branches of which each has one place to go: where there are two, see below."""
        record = self.record(depth)
        string = self.one_of(*(p for p in PROMOTIONS if p[0] == "string"))
        number = self.one_of(*(p for p in PROMOTIONS if p[0] == "int"))
        branches = [
            (number[0], number[1], self.draw(EXACT)),
            (string[0], string[1], self.draw(TEXT)),
            ("null", "null", None),
            record,
        ]
        written = self.draw(st.permutations(branches))
        wanted = self.draw(st.permutations([reader for _, reader, _ in branches]))
        return [w for w, _, _ in written], wanted, self.one_of(*written)[2]

    def record(self, depth: int) -> tuple[Any, Any, Any]:
        name = f"R{next(self.number)}"
        written, wanted, value = [], [], {}
        for field in self.draw(st.permutations("abcd"))[: self.one_of(1, 2, 3)]:
            writer, reader, one = self.pair(depth)
            written.append({"name": field, "type": writer})
            value[field] = one
            kept = self.one_of("kept", "kept", "renamed", "removed")
            if kept == "kept":
                wanted.append({"name": field, "type": reader})
            elif kept == "renamed":
                wanted.append({"name": f"{field}2", "type": reader, "aliases": [field]})
        for field in self.one_of((), ("x",), ("x", "y")):
            kind, default = self.one_of(*ADDED)
            wanted.append({"name": field, "type": kind, "default": default})
        schema = {"type": "record", "name": name}
        return {**schema, "fields": written}, {**schema, "fields": self.draw(st.permutations(wanted))}, value


@given(st.data())
@SETTINGS
def test_an_evolved_reader_gets_what_fastavro_gets(data: st.DataObject) -> None:
    writer, reader, value = Evolution(data.draw).record(0)
    encoded = Codec(writer).encode(value)
    theirs = read_by_fastavro(encoded, writer, reader)
    try:
        ours = Codec(writer, reader).decode(encoded)
    except BuslineError:
        ours = REFUSED
    assert ours is theirs if REFUSED in (ours, theirs) else same(ours, theirs), (ours, theirs)


def read_by_fastavro(encoded: bytes, writer: Any, reader: Any) -> Any:
    try:
        return fastavro.schemaless_reader(io.BytesIO(encoded), writer, reader)
    except SchemaParseException:
        raise
    except Exception:
        return REFUSED


def record(*fields: Any, name: str = "R") -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields)}


def field(kind: Any, **more: Any) -> dict[str, Any]:
    return {"name": "a", "type": kind, **more}


@pytest.mark.parametrize(
    ("writer", "reader", "value", "java", "theirs"),
    [
        pytest.param("long", "float", 2**24 + 1, 16777216.0, 16777217.0, id="a float has 32 bits"),
        pytest.param("int", ["double", "int"], 3, 3, 3.0, id="the same type goes before a promotion"),
        pytest.param(
            record(), record(field("bytes", default="ÿ")), {}, {"a": b"\xff"}, {"a": "ÿ"}, id="a bytes default"
        ),
        pytest.param(record(), record(field("double", default=1)), {}, {"a": 1.0}, {"a": 1}, id="a double default"),
        pytest.param(
            record(field("int"), name="A"),
            ["null", record(field("int"), name="B")],
            {"a": 1},
            {"a": 1},
            REFUSED,
            id="a record of the same form in a union",
        ),
    ],
)
def test_where_fastavro_differs_java_is_followed(writer: Any, reader: Any, value: Any, java: Any, theirs: Any) -> None:
    encoded = Codec(writer).encode(value)
    got = read_by_fastavro(encoded, writer, reader)
    assert got is theirs if theirs is REFUSED else same(got, theirs)
    assert same(Codec(writer, reader).decode(encoded), java)


def test_records_of_other_names_are_refused_as_the_specification_says() -> None:
    """Java reads them: its resolver leaves this check out, by its own comment, for old tests' sake."""
    writer, reader = record(field("int"), name="A"), record(field("int"), name="B")
    assert read_by_fastavro(b"\x02", writer, reader) is REFUSED
    with pytest.raises(ContractMismatch):
        Codec(writer, reader)


def logical(kind: str, name: str, /, **more: Any) -> dict[str, Any]:
    return {"type": kind, "logicalType": name, **more}


@pytest.mark.parametrize(
    "schema",
    [
        logical("bytes", "decimal", precision=9, scale=2),
        logical("bytes", "decimal", precision=38, scale=38),
        logical("bytes", "decimal", precision=1, scale=0),
        logical("fixed", "decimal", name="D", size=12, precision=28, scale=4),
        logical("fixed", "decimal", name="D", size=1, precision=2, scale=1),
        logical("string", "uuid"),
        logical("int", "date"),
        logical("int", "time-millis"),
        logical("long", "time-micros"),
        logical("long", "timestamp-millis"),
        logical("long", "timestamp-micros"),
        logical("long", "local-timestamp-millis"),
        logical("long", "local-timestamp-micros"),
    ],
    ids=lambda s: f"{s['logicalType']} {s['type']} {s.get('precision', '')}".strip(),
)
@given(data=st.data())
@settings(SETTINGS, max_examples=50)
def test_logical_values_are_fastavros_both_ways(schema: Any, data: st.DataObject) -> None:
    value = data.draw(values_of(parse(schema).root))
    encoded = Codec(schema).encode(value)
    written = io.BytesIO()
    fastavro.schemaless_writer(written, schema, value)
    if encoded != written.getvalue():  # it gives -128 and its like a byte more than their two's complement has
        assert (schema["type"], value < 0, len(encoded)) == ("bytes", True, len(written.getvalue()) - 1)
    theirs = fastavro.schemaless_reader(io.BytesIO(encoded), schema, None)
    ours = Codec(schema).decode(encoded)
    assert ours == theirs == Codec(schema).decode(written.getvalue()) == value
    assert str(ours) == str(theirs)


def test_a_decimal_has_the_shortest_twos_complement() -> None:
    """As Java's BigInteger.toByteArray; fastavro takes a byte more here, which we read too."""
    schema = logical("bytes", "decimal", precision=3, scale=0)
    assert Codec(schema).encode(Decimal(-128)) == b"\x02\x80"
    assert Codec(schema).decode(b"\x04\xff\x80") == Decimal(-128)


@pytest.mark.parametrize(
    ("schema", "on_the_wire"),
    [
        (logical("fixed", "duration", name="D", size=12), lambda v: struct.pack("<III", *v)),
        (logical("fixed", "uuid", name="U", size=16), lambda v: v.bytes),
        (logical("long", "timestamp-nanos"), int),
        (logical("long", "local-timestamp-nanos"), int),
    ],
    ids=lambda s: s["logicalType"] if isinstance(s, dict) else "",
)
@given(data=st.data())
@settings(SETTINGS, max_examples=50)
def test_what_fastavro_does_not_know_has_the_bytes_of_its_plain_type(
    schema: Any, on_the_wire: Any, data: st.DataObject
) -> None:
    value = data.draw(values_of(parse(schema).root))
    written = io.BytesIO()
    plain = {key: item for key, item in schema.items() if key != "logicalType"}
    fastavro.schemaless_writer(written, plain, on_the_wire(value))
    assert Codec(schema).encode(value) == written.getvalue()
    again = Codec(schema).decode(written.getvalue())
    assert (again, type(again)) == (value, type(value))


def test_known_values_have_the_bytes_that_the_specification_gives() -> None:
    """Held by hand, so that a mistake shared with fastavro is seen."""
    day = dt.datetime(1970, 1, 2)
    given: list[tuple[Any, Any, bytes]] = [
        (logical("int", "date"), dt.date(1969, 12, 31), b"\x01"),
        (logical("int", "time-millis"), dt.time(0, 0, 1), b"\xd0\x0f"),
        (logical("long", "timestamp-millis"), day.replace(tzinfo=dt.UTC), zigzag(86_400_000)),
        (logical("long", "timestamp-micros"), day.replace(tzinfo=dt.UTC), zigzag(86_400_000_000)),
        (logical("long", "local-timestamp-millis"), day, zigzag(86_400_000)),
        (logical("long", "timestamp-nanos"), Nanos.of(day.replace(tzinfo=dt.UTC)), zigzag(86_400 * 10**9)),
        (logical("long", "local-timestamp-nanos"), LocalNanos.of(day), zigzag(86_400 * 10**9)),
        (logical("bytes", "decimal", precision=5, scale=2), Decimal("-1.28"), b"\x02\x80"),
        (logical("bytes", "decimal", precision=5, scale=2), Decimal("1.28"), b"\x04\x00\x80"),
        (logical("fixed", "decimal", name="D", size=3, precision=5, scale=2), Decimal("-1.28"), b"\xff\xff\x80"),
        (logical("fixed", "duration", name="D", size=12), Duration(1, 2, UINT32), b"\1\0\0\0\2\0\0\0\xff\xff\xff\xff"),
    ]
    for schema, value, data in given:
        assert (Codec(schema).encode(value), Codec(schema).decode(data)) == (data, value)
