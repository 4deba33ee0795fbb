"""A key has one canonical text, both ways."""

import datetime as dt
import json
import uuid
from decimal import Decimal
from typing import Any

import pytest

from busline.codec.keys import decode_key, key_encoder
from busline.contract.schema import Schema, parse
from busline.errors import ContractMismatch, DecodeError, EncodeError


def schema(**types: Any) -> Schema:
    fields = [{"name": name, "type": kind} for name, kind in types.items()]
    return parse({"type": "record", "name": "R", "fields": fields})


DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 8, "scale": 2}
MICROS = {"type": "long", "logicalType": "timestamp-micros"}
ENUM = {"type": "enum", "name": "E", "symbols": ["A", "B"]}
NOON = dt.datetime(2026, 1, 2, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("string", "ü /x", "ü /x"),
        ("string", "", ""),
        ("long", -5, "-5"),
        ("boolean", True, "true"),
        (DECIMAL, Decimal("1.5"), "1.50"),
        (DECIMAL, Decimal("-0"), "0.00"),
        (MICROS, NOON, "2026-01-02T12:00:00Z"),
        (MICROS, NOON.astimezone(dt.timezone(dt.timedelta(hours=2))), "2026-01-02T12:00:00Z"),
        ({"type": "int", "logicalType": "date"}, dt.date(2026, 1, 2), "2026-01-02"),
        (
            {"type": "string", "logicalType": "uuid"},
            uuid.UUID("AAAAAAAA-0000-4000-8000-000000000000"),
            "aaaaaaaa-0000-4000-8000-000000000000",
        ),
        (ENUM, "B", "B"),
    ],
)
def test_a_field_has_one_canonical_text_both_ways(kind: Any, value: object, text: str) -> None:
    source = schema(k=kind)
    assert key_encoder("k", source)({"k": value}) == text.encode()
    assert decode_key("k", source, text.encode()) == {"k": value}


def test_several_fields_are_a_compact_json_array() -> None:
    source = schema(a="string", b="long", c="boolean")
    key = key_encoder(("a", "b", "c"), source)({"a": 'x"ü', "b": 2**60, "c": False})
    assert key == '["x\\"ü",1152921504606846976,false]'.encode()
    assert decode_key(("a", "b", "c"), source, key) == {"a": 'x"ü', "b": 2**60, "c": False}


@pytest.mark.parametrize("kind", ["double", "float", "bytes", ["null", "string"], {"type": "array", "items": "int"}])
def test_a_type_without_canonical_text_is_refused_when_it_is_named(kind: Any) -> None:
    with pytest.raises(ContractMismatch, match="cannot be a key"):
        key_encoder("k", schema(k=kind))


@pytest.mark.parametrize(
    ("kind", "value"),
    [("string", 5), ("long", True), ("long", "5"), (MICROS, dt.datetime(2026, 1, 1)), (DECIMAL, Decimal("0.001"))],
)
def test_a_wrong_value_names_the_field(kind: Any, value: object) -> None:
    with pytest.raises(EncodeError) as caught:
        key_encoder("k", schema(k=kind))({"k": value})
    assert caught.value.where == "k"


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("long", b"05"),
        ("long", b"x"),
        (DECIMAL, b"1.5"),
        ("string", b"\xff"),
        (ENUM, b"C"),
        (MICROS, b"2026-01-02T12:00:00+00:00"),
    ],
)
def test_what_is_not_canonical_is_refused(kind: Any, key: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_key("k", schema(k=kind), key)


@pytest.mark.parametrize("key", [b"", b"{}", b"[1]", b'["a", 1]', b'["a",1.0]', b'["a",NaN]', b"[" * 100_000])
def test_a_hostile_array_is_refused(key: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_key(("a", "b"), schema(a="string", b="long"), key)


def test_a_plain_json_array_reads_back_as_written() -> None:
    key = key_encoder(["a", "b"], schema(a="string", b="long"))({"a": "", "b": 0})
    assert json.loads(key) == ["", 0]
