"""No bytes kill or starve the process, and none decode to a silently wrong value (P9)."""

import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from busline.codec.codec import Codec
from busline.codec.wire import zigzag
from busline.contract.fake import Fakes
from busline.contract.schema import parse
from busline.errors import BuslineError, ContractMismatch, DecodeError, EncodeError, SchemaInvalid
from busline.testing.strategies import avro_schemas, values_of

RECURSIVE = {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}
LINE = {
    "type": "record",
    "name": "Line",
    "fields": [
        {"name": "sku", "type": "string"},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
    ],
}
ORDER = {
    "type": "record",
    "name": "Order",
    "fields": [
        {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "time", "type": {"type": "int", "logicalType": "time-millis"}},
        {"name": "state", "type": {"type": "enum", "name": "S", "symbols": ["A", "B"]}},
        {"name": "note", "type": ["null", "string", LINE]},
        {"name": "lines", "type": {"type": "array", "items": "Line"}},
        {"name": "tags", "type": {"type": "map", "values": "long"}},
        {"name": "raw", "type": {"type": "fixed", "name": "F", "size": 3}},
        {"name": "ok", "type": "boolean"},
        {"name": "f", "type": "float"},
    ],
}
SHAPES = [
    ORDER,
    RECURSIVE,
    {"type": "array", "items": "null"},
    {"type": "array", "items": {"type": "array", "items": "long"}},
    {"type": "map", "values": ["null", "bytes"]},
    {"type": "fixed", "name": "D", "size": 12, "logicalType": "duration"},
    {"type": "long", "logicalType": "local-timestamp-millis"},
    {"type": "long", "logicalType": "timestamp-nanos"},
]


def peak(call: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def refused(schema: Any, data: bytes) -> DecodeError:
    with pytest.raises(DecodeError) as caught:
        Codec(schema).decode(data)
    return caught.value


def test_a_recursive_payload_of_5_kb_is_refused() -> None:
    assert "nested too deeply" in str(refused(RECURSIVE, b"\x02" * 5000))


def test_what_nests_to_the_bound_is_read() -> None:
    codec, value = Codec(RECURSIVE), None
    for _ in range(64):
        value = {"next": value}
    assert codec.decode(codec.encode(value)) == value
    with pytest.raises(EncodeError, match="nested too deeply"):
        codec.encode({"next": value})


@pytest.mark.parametrize(
    "items", ["null", {"type": "record", "name": "E", "fields": []}, {"type": "fixed", "name": "Z", "size": 0}]
)
def test_five_bytes_do_not_make_a_giant_array(items: Any) -> None:
    data = zigzag(2**31) + b"\x00"
    codec = Codec({"type": "array", "items": items})

    def call() -> None:
        with pytest.raises(DecodeError):
            codec.decode(data)

    call()
    assert peak(call) < 1_000_000


@pytest.mark.parametrize("count", [2**31, 2**62, -(2**31), -(2**63), 1_000_001])
@pytest.mark.parametrize("items", ["long", "null", {"type": "array", "items": "null"}])
def test_a_block_announces_no_more_than_is_there(items: Any, count: int) -> None:
    refused({"type": "array", "items": items}, zigzag(count) + zigzag(5) + b"\x00" * 20)
    refused({"type": "map", "values": items}, zigzag(count) + zigzag(5) + b"\x00" * 20)


def test_many_blocks_share_one_budget() -> None:
    refused({"type": "array", "items": "null"}, (zigzag(10_000) * 3) + b"\x00")
    refused(
        {"type": "array", "items": {"type": "array", "items": "null"}},
        zigzag(3) + (zigzag(10_000) + b"\x00") * 3 + b"\x00",
    )


def test_skipped_fields_are_bounded_as_well() -> None:
    writer = {
        "type": "record",
        "name": "R",
        "fields": [
            {"name": "a", "type": {"type": "array", "items": "null"}},
            {"name": "b", "type": ["null", RECURSIVE]},
        ],
    }
    codec = Codec(writer, {"type": "record", "name": "R", "fields": []})
    for data in (zigzag(2**40) + b"\x00\x00", b"\x00" + b"\x02" * 5000, b"\x00" + zigzag(-1), b"\x00\x04"):
        with pytest.raises(DecodeError):
            codec.decode(data)
    assert codec.decode(b"\x00\x00") == {}


def test_defaults_cost_budget_too() -> None:
    fields = [{"name": f"f{i}", "type": {"type": "array", "items": "int"}, "default": [1] * 100} for i in range(50)]
    written = {"type": "array", "items": {"type": "record", "name": "R", "fields": [{"name": "x", "type": "int"}]}}
    wanted = {"type": "array", "items": {"type": "record", "name": "R", "fields": fields}}
    codec = Codec(written, wanted)
    assert len(codec.decode(zigzag(10) + b"\x02" * 10 + b"\x00")) == 10
    with pytest.raises(DecodeError, match="elements"):
        codec.decode(zigzag(100_000) + b"\x02" * 100_000 + b"\x00")


@pytest.mark.parametrize(
    ("schema", "data"),
    [
        (["null", "string"], zigzag(-1)),
        (["null", "string"], b"\x04"),
        (["null", "string", "long"], zigzag(-1) + b"\x00"),
        (["null", "string", "long"], zigzag(3) + b"\x00"),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, zigzag(-1)),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, zigzag(1)),
        ("boolean", b"\x02"),
        ("int", zigzag(2**31)),
        ("long", b"\xff" * 9 + b"\x02"),
        ("long", b"\x80" * 10 + b"\x00"),
        ("string", zigzag(-1)),
        ("string", zigzag(2**62)),
        ("string", b"\x04\xff\xff"),
        ("string", b"\x06\xed\xa0\x80"),
        ("bytes", b"\x04a"),
        ("float", b"\x00"),
        ("double", b"\x00" * 7),
        ({"type": "null"}, b"\x00"),
        ({"type": "fixed", "name": "F", "size": 4}, b"abc"),
        ({"type": "fixed", "name": "F", "size": 16, "logicalType": "uuid"}, b"abc"),
        ({"type": "string", "logicalType": "uuid"}, b"\x48" + b"-" * 36),
        ({"type": "string", "logicalType": "uuid"}, b"\x40" + b"0" * 32),
        ({"type": "string", "logicalType": "uuid"}, b"\x48" + b"0000000 -0000-0000-0000-000000000000"),
        ({"type": "int", "logicalType": "date"}, zigzag(2**31 - 1)),
        ({"type": "int", "logicalType": "time-millis"}, zigzag(86_400_000)),
        ({"type": "long", "logicalType": "time-micros"}, zigzag(-1)),
        ({"type": "long", "logicalType": "timestamp-millis"}, zigzag(2**62)),
        ({"type": "long", "logicalType": "timestamp-micros"}, zigzag(-(2**63))),
        ({"type": "bytes", "logicalType": "decimal", "precision": 2, "scale": 0}, b"\x02\x64"),
        ({"type": "map", "values": "int"}, b"\x04\x02a\x00\x02a\x00\x00"),
        ({"type": "array", "items": "int"}, b"\x01\x04\x02\x00"),
    ],
)
def test_what_is_out_of_range_is_refused(schema: Any, data: bytes) -> None:
    refused(schema, data)
    record = {"type": "record", "name": "R", "fields": [{"name": "a", "type": schema}]}
    assert "a" in str(refused(record, data))


def test_trailing_bytes_are_refused() -> None:
    assert "left over" in str(refused("long", b"\x02\x02"))


def test_the_failure_names_contract_and_field_path() -> None:
    codec = Codec(ORDER)
    good = Fakes(1).value(parse(ORDER))
    good["lines"] = [
        {"sku": "x", "price": good["lines"][0]["price"] if good["lines"] else __import__("decimal").Decimal(1)}
    ]
    data = codec.encode(good)
    with pytest.raises(DecodeError) as caught:
        codec.decode(data.replace(b"\x02x", b"\x02\xff", 1))
    assert caught.value.where == "Order: lines[0].sku"


def doubling(leaf: Any, *, depth: int = 40, **field: Any) -> Any:
    """A record of two of a record of two of ...: 2 ** depth leaves."""
    node = leaf
    for level in range(depth):
        again = node if isinstance(node, str) else node["name"]
        fields = [{"name": "a", "type": node, **field}, {"name": "b", "type": again, **field}]
        node = {"type": "record", "name": f"R{level}", "fields": fields}
    return node


def chain(depth: int) -> Any:
    node: Any = "long"
    for level in range(depth):
        node = {"type": "record", "name": f"R{level}", "fields": [{"name": "a", "type": node}]}
    return node


def holding(kind: Any, **more: Any) -> Any:
    return {"type": "record", "name": "Top", "fields": [{"name": "x", "type": kind, **more}]}


EMPTY = {"type": "record", "name": "Empty", "fields": []}
NOTHING: Any = {"type": "record", "name": "Top", "fields": []}


@pytest.mark.parametrize("leaf", [EMPTY, "null", "long"], ids=["empty", "null", "long"])
def test_records_that_double_make_no_more_than_the_bytes_pay_for(leaf: Any) -> None:
    top = holding(doubling(leaf))
    data = b"\x00" * 50
    assert peak(lambda: refused(top, data)) < 30_000_000
    assert peak(lambda: refused({"type": "array", "items": top}, zigzag(1) + data)) < 30_000_000
    with pytest.raises(DecodeError):
        Codec(top, NOTHING).decode(data)


def test_records_that_double_are_written_within_the_same_bounds() -> None:
    value: Any = {}
    for _ in range(16):
        value = {"a": value, "b": value}
    with pytest.raises(EncodeError, match="elements"):
        Codec(doubling(EMPTY, depth=16)).encode(value)
    small = {"a": {"a": {}, "b": {}}, "b": {"a": {}, "b": {}}}
    codec = Codec(doubling(EMPTY, depth=2))
    assert codec.decode(codec.encode(small)) == small


def test_one_byte_that_makes_many_records_pays_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("busline.codec.codec.MAX_ELEMENTS", 10_000)
    codec = Codec({"type": "array", "items": chain(50)})
    assert len(codec.decode(zigzag(100) + b"\x00" * 101)) == 100
    refused({"type": "array", "items": chain(50)}, zigzag(300) + b"\x00" * 301)
    assert len(Codec({"type": "array", "items": chain(1)}).decode(zigzag(9000) + b"\x00" * 9001)) == 9000


def test_a_default_that_doubles_is_refused_when_the_reader_is_compiled() -> None:
    wanted = holding(doubling(EMPTY, default={}), default={})
    with pytest.raises(SchemaInvalid, match="10000 values"):
        Codec(NOTHING, wanted)
    assert Codec(NOTHING, holding(doubling(EMPTY, depth=2, default={}), default={})).decode(b"") == {
        "x": {"a": {"a": {}, "b": {}}, "b": {"a": {}, "b": {}}}
    }


def test_a_default_that_contains_itself_is_refused() -> None:
    endless = {"type": "record", "name": "N", "fields": [{"name": "n", "type": "N", "default": {}}]}
    with pytest.raises(BuslineError):
        Codec(NOTHING, holding(endless, default={}))


def test_the_defaults_of_one_reader_are_bounded_together() -> None:
    kind = {"type": "array", "items": "int"}
    fields = [{"name": f"f{i}", "type": kind, "default": [1] * 9000} for i in range(20)]
    with pytest.raises(ContractMismatch, match="100000 values"):
        Codec(NOTHING, {**NOTHING, "fields": fields})


def test_what_a_small_default_makes_counts_against_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("busline.codec.codec.MAX_ELEMENTS", 20_000)
    item = {"type": "record", "name": "I", "fields": [{"name": "n", "type": "int"}]}
    added = {"name": "d", "type": doubling(EMPTY, depth=9, default={}), "default": {}}
    wanted = {"type": "array", "items": {**item, "fields": [*item["fields"], added]}}
    codec = Codec({"type": "array", "items": item}, wanted)
    assert len(codec.decode(zigzag(10) + b"\x00" * 11)) == 10
    with pytest.raises(DecodeError, match="elements"):
        codec.decode(zigzag(50) + b"\x00" * 51)


def unlike(leaf: str) -> Any:
    """Records of two records each, all of which end in a field that does not resolve, and could be null."""
    fields: list[Any] = [{"name": "r", "type": {**NOTHING, "name": "R0"}}]
    for level in range(1, 41):
        inner = [{"name": "deep", "type": f"R{level - 1}"}, {"name": "bad", "type": leaf}]
        bad = {"type": "record", "name": f"X{level}", "fields": inner}
        both = [{"name": "a", "type": ["null", bad]}, {"name": "b", "type": ["null", f"X{level}"]}]
        fields.append({"name": f"r{level}", "type": {"type": "record", "name": f"R{level}", "fields": both}})
    return {"type": "record", "name": "Top", "fields": fields}


def test_what_does_not_resolve_is_compared_once() -> None:
    codec = Codec(unlike("string"), unlike("int"))
    assert codec.decode(b"\x00" * 80)["r40"] == {"a": None, "b": None}
    with pytest.raises(DecodeError, match="no promotion"):
        codec.decode(b"\x02" + b"\x00" * 80)


@given(leaf=st.sampled_from([EMPTY, "null", "long"]), depth=st.integers(1, 60), data=st.binary(max_size=300))
@settings(deadline=None, max_examples=50)
def test_any_bytes_of_records_that_double_end_soon(leaf: Any, depth: int, data: bytes) -> None:
    top = holding(doubling(leaf, depth=depth))
    for reader in (top, NOTHING):
        try:
            Codec(top, reader).decode(data)
        except DecodeError:
            pass


@given(st.data())
@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_a_message_makes_no_more_values_than_its_budget_and_bytes(data: st.DataObject) -> None:
    schema = data.draw(avro_schemas())
    codec = Codec(schema)
    encoded = bytearray(codec.encode(data.draw(values_of(schema.root))))
    for place, byte in data.draw(st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), max_size=3)):
        if encoded:
            encoded[place % len(encoded)] = byte
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("busline.codec.codec.MAX_ELEMENTS", 200)
        try:
            value = codec.decode(bytes(encoded))
        except DecodeError:
            return
    assert made(value) <= 10 * (200 + len(encoded))


def made(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(made(one) for one in inner)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: json.dumps(s)[:30])
@given(data=st.binary(max_size=200))
@settings(deadline=None, max_examples=60)
def test_random_bytes_decode_or_are_refused(shape: Any, data: bytes) -> None:
    codec = Codec(shape)
    try:
        value = codec.decode(data)
    except DecodeError:
        return
    assert codec.decode(codec.encode(value)) == value or value != value or "nan" in repr(value)


@given(
    seed=st.integers(0, 20), edits=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=4)
)
@settings(deadline=None, max_examples=200)
def test_mutated_events_decode_or_are_refused(seed: int, edits: list[tuple[int, int]]) -> None:
    codec = Codec(ORDER)
    data = bytearray(codec.encode(Fakes(seed).value(parse(ORDER))))
    for place, byte in edits:
        data[place % len(data)] = byte
    try:
        codec.decode(bytes(data))
    except DecodeError:
        return
