"""Avro schema resolution: what a reader gets from what another version wrote, and what is refused beforehand."""

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import pytest

from busline.codec.codec import Codec
from busline.errors import ContractMismatch, DecodeError


def record(*fields: Any, name: str = "R", **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields), **more}


def field(name: str, kind: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **more}


def carried(writer: Any, reader: Any, value: Any) -> Any:
    return Codec(writer, reader).decode(Codec(writer).encode(value))


def enum(*symbols: str, name: str = "E", **more: Any) -> dict[str, Any]:
    return {"type": "enum", "name": name, "symbols": list(symbols), **more}


@pytest.mark.parametrize(
    ("writer", "reader", "value", "expected"),
    [
        ("int", "long", 5, 5),
        ("int", "float", 5, 5.0),
        ("int", "double", 5, 5.0),
        ("long", "float", 2**24 + 1, 16777216.0),
        ("long", "double", 5, 5.0),
        ("float", "double", 0.5, 0.5),
        ("string", "bytes", "ü", "ü".encode()),
        ("bytes", "string", "ü".encode(), "ü"),
    ],
)
def test_promotions(writer: str, reader: str, value: object, expected: object) -> None:
    got = carried(record(field("a", writer)), record(field("a", reader)), {"a": value})["a"]
    assert (got, type(got)) == (expected, type(expected))
    inner = carried(["null", writer], ["null", reader], value)
    assert (inner, type(inner)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("writer", "reader"),
    [("long", "int"), ("double", "float"), ("string", "int"), ("boolean", "int"), ("null", "string")],
)
def test_what_has_no_promotion_is_refused_with_its_path(writer: str, reader: str) -> None:
    with pytest.raises(ContractMismatch) as caught:
        Codec(
            record(field("a", {"type": "array", "items": writer})),
            record(field("a", {"type": "array", "items": reader})),
        )
    assert caught.value.where == "a[]"


def test_fields_are_matched_by_name_skipped_and_defaulted() -> None:
    writer = record(field("gone", {"type": "map", "values": "string"}), field("b", "int"), field("a", "string"))
    reader = record(
        field("a", "string"), field("new", {"type": "array", "items": "int"}, default=[1]), field("b", "long")
    )
    value = carried(writer, reader, {"gone": {"x": "y"}, "b": 1, "a": "t"})
    assert value == {"a": "t", "new": [1], "b": 1}
    assert list(value) == ["a", "new", "b"]


def test_a_mutable_default_is_new_each_time() -> None:
    codec = Codec(record(), record(field("l", {"type": "array", "items": "int"}, default=[])))
    codec.decode(b"")["l"].append(1)
    assert codec.decode(b"") == {"l": []}


def test_a_field_without_default_that_is_not_written_is_refused() -> None:
    with pytest.raises(ContractMismatch, match="no default"):
        Codec(record(), record(field("a", "int")))


def test_an_alias_finds_the_former_name() -> None:
    reader = record(field("b", "int", aliases=["a"]), name="New", aliases=["R"])
    assert carried(record(field("a", "int")), reader, {"a": 7}) == {"b": 7}


def test_an_alias_that_fits_two_written_fields_is_refused() -> None:
    writer = record(field("a", "int"), field("b", "int"))
    for aliases, name in ((["a", "b"], "c"), (["a"], "b")):
        with pytest.raises(ContractMismatch, match="several written fields"):
            Codec(writer, record(field(name, "int", aliases=aliases)))


def test_two_fields_that_want_the_same_written_one_are_refused() -> None:
    with pytest.raises(ContractMismatch, match="already"):
        Codec(record(field("a", "int")), record(field("a", "int"), field("b", "int", aliases=["a"])))


def test_an_unknown_symbol_takes_the_default_or_is_refused_when_it_comes() -> None:
    assert carried(enum("A", "B"), enum("A", "X", default="X"), "B") == "X"
    codec = Codec(enum("A", "B"), enum("A"))
    assert codec.decode(b"\x00") == "A"
    with pytest.raises(DecodeError, match="'B'"):
        codec.decode(b"\x02")


def test_symbols_are_matched_by_name_and_not_by_place() -> None:
    assert carried(enum("A", "B"), enum("B", "A"), "A") == "A"


def test_a_union_takes_the_same_type_before_a_promotion() -> None:
    assert carried("int", ["double", "int"], 3) == 3
    assert type(carried("int", ["string", "double", "long"], 3)) is float


def test_a_written_union_may_be_read_as_one_of_its_types() -> None:
    codec = Codec(["null", "string"], "string")
    assert codec.decode(b"\x02\x02a") == "a"
    with pytest.raises(DecodeError):
        codec.decode(b"\x00")


def test_a_union_of_records_is_matched_by_name() -> None:
    a, b = record(field("x", "int"), name="A"), record(field("x", "int"), name="B")
    tagged = [
        record(field("x", "int"), field("k", "string", default="a"), name="A"),
        record(field("x", "int"), field("k", "string", default="b"), name="B"),
    ]
    written = Codec([a, b]).encode(("B", {"x": 1}))
    assert Codec([a, b], tagged).decode(written) == {"x": 1, "k": "b"}
    assert Codec([a, b], tagged[::-1]).decode(written) == {"x": 1, "k": "b"}


def test_named_types_match_by_their_unqualified_name() -> None:
    assert carried(record(field("a", "int"), name="x.R"), record(field("a", "int"), name="y.R"), {"a": 1}) == {"a": 1}
    with pytest.raises(ContractMismatch, match="alias"):
        Codec(record(name="R"), record(name="S"))


def test_fixed_sizes_must_agree() -> None:
    with pytest.raises(ContractMismatch, match="sizes"):
        Codec({"type": "fixed", "name": "F", "size": 3}, {"type": "fixed", "name": "F", "size": 4})


def logical(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "logicalType": name, **more}


@pytest.mark.parametrize(
    ("writer", "reader"),
    [
        (logical("bytes", "decimal", precision=9, scale=2), logical("bytes", "decimal", precision=9, scale=3)),
        (logical("bytes", "decimal", precision=9, scale=2), logical("bytes", "decimal", precision=8, scale=2)),
        (logical("long", "timestamp-micros"), logical("long", "timestamp-millis")),
        (logical("long", "timestamp-micros"), logical("long", "local-timestamp-micros")),
        (logical("int", "date"), logical("int", "time-millis")),
        ("long", logical("long", "timestamp-millis")),
        ("bytes", logical("bytes", "decimal", precision=9, scale=2)),
    ],
)
def test_logical_types_that_mean_something_else_are_refused(writer: Any, reader: Any) -> None:
    with pytest.raises(ContractMismatch):
        Codec(writer, reader)


def test_logical_types_that_convert_exactly_are_read() -> None:
    noon = dt.datetime(2026, 1, 2, 12, tzinfo=dt.UTC)
    assert carried(logical("long", "timestamp-millis"), logical("long", "timestamp-micros"), noon) == noon
    assert carried(logical("int", "time-millis"), logical("long", "time-micros"), dt.time(1, 2)) == dt.time(1, 2)
    digits = [logical("bytes", "decimal", precision=p, scale=2) for p in (5, 9)]
    assert carried(*digits, Decimal("1.25")) == Decimal("1.25")
    same = uuid.UUID(int=5)
    assert carried("string", logical("string", "uuid"), str(same)) == same
    assert carried(logical("string", "uuid"), "string", same) == str(same)
    assert carried(logical("long", "timestamp-millis"), "long", dt.datetime(1970, 1, 1, 0, 0, 1, tzinfo=dt.UTC)) == 1000


def test_recursive_records_resolve() -> None:
    def tree(*more: Any) -> dict[str, Any]:
        return record(field("v", "int"), *more, field("l", {"type": "array", "items": "R"}))

    value = {"v": 1, "l": [{"v": 2, "l": []}]}
    assert carried(tree(), tree(field("d", "int", default=9)), value) == {
        "v": 1,
        "d": 9,
        "l": [{"v": 2, "d": 9, "l": []}],
    }
