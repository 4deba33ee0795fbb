"""Plain JSON for people and pipes: nothing lost, and back."""

import json
import math
import re
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from busline.codec.codec import Codec
from busline.codec.json_form import from_json, to_json
from busline.contract.nodes import Primitive, Union, walk
from busline.contract.schema import Schema, parse
from busline.contract.types import LocalNanos, Nanos
from busline.errors import EncodeError
from busline.testing.strategies import avro_schemas, values_of


def tells_apart(schema: Schema) -> bool:
    """Whether bare JSON tells the branches of every union apart: at most null and one other."""
    return all(len(n.branches) <= 2 for n in walk(schema.root) if isinstance(n, Union)) and not any(
        isinstance(n, Union) and not any(isinstance(b, Primitive) and b.type == "null" for b in n.branches)
        for n in walk(schema.root)
    )


@given(st.data())
@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
def test_a_value_survives_json_text(data: st.DataObject) -> None:
    schema = data.draw(avro_schemas().filter(tells_apart))
    codec = Codec(schema)
    encoded = codec.encode(data.draw(values_of(schema.root)))
    text = json.dumps(to_json(codec.decode(encoded)), allow_nan=False)
    assert codec.encode(from_json(schema, json.loads(text))) == encoded


def test_numbers_keep_every_digit() -> None:
    assert json.dumps(to_json({"n": 2**63 - 1, "d": Decimal("10.00"), "f": math.nan})) == (
        '{"n": 9223372036854775807, "d": "10.00", "f": "NaN"}'
    )


def test_what_does_not_fit_names_its_path() -> None:
    schema = parse(
        {"type": "record", "name": "R", "fields": [{"name": "a", "type": {"type": "array", "items": "int"}}]}
    )
    with pytest.raises(EncodeError) as caught:
        from_json(schema, {"a": [1, "2"]})
    assert caught.value.where == "a[1]"
    for wrong in ({}, {"a": [], "b": 1}, [], {"a": {}}):
        with pytest.raises(EncodeError):
            from_json(schema, wrong)


def test_a_field_left_out_has_its_default() -> None:
    schema = parse({"type": "record", "name": "R", "fields": [{"name": "a", "type": ["null", "int"], "default": None}]})
    assert from_json(schema, {}) == {"a": None}


def test_instants_that_count_nanoseconds_are_text_with_nine_digits() -> None:
    schema = parse({"type": "long", "logicalType": "timestamp-nanos"})
    local = parse({"type": "long", "logicalType": "local-timestamp-nanos"})
    assert to_json(Nanos(1_767_225_600_123_456_789)) == "2026-01-01T00:00:00.123456789Z"
    assert to_json(Nanos(-1)) == "1969-12-31T23:59:59.999999999Z"
    assert to_json(LocalNanos(5)) == "1970-01-01T00:00:00.000000005"
    assert from_json(schema, "2026-01-01T02:00:00.123456789+02:00") == 1_767_225_600_123_456_789
    assert from_json(schema, "2026-01-01T00:00:00Z") == from_json(schema, 1_767_225_600_000_000_000)
    assert from_json(local, "1970-01-01T00:00:00.5") == 500_000_000
    for wrong in ("2026-01-01T00:00:00.1234567890Z", "2026-01-01T00:00:00", "soon", 1.5):
        with pytest.raises(EncodeError):
            from_json(schema, wrong)


@given(st.integers(-(2**63), 2**63 - 1))
def test_no_nanosecond_is_lost(count: int) -> None:
    for kind, name in ((Nanos, "timestamp-nanos"), (LocalNanos, "local-timestamp-nanos")):
        back = from_json(parse({"type": "long", "logicalType": name}), to_json(kind(count)))
        assert (back, type(back)) == (count, kind)


@pytest.mark.parametrize(
    ("schema", "value", "why"),
    [
        ({"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}, 1.5, 'as "12.50", not 1.5'),
        ({"type": "int", "logicalType": "date"}, 20, 'a date, as "2026-03-01", not 20'),
        ("long", True, "a whole number, not true"),
        ("string", None, "expected text, not null"),
        ("bytes", "\u00ff", "not base64"),
    ],
    ids=str,
)
def test_what_is_expected_is_said_in_the_words_of_json(schema: object, value: object, why: str) -> None:
    with pytest.raises(EncodeError, match=re.escape(why)):
        from_json(parse(json.dumps(schema)), value)
