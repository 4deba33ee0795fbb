"""Plain JSON for people and pipes: nothing lost, and back."""

import json
import math
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from busline.codec.codec import Codec
from busline.codec.json_form import from_json, to_json
from busline.contract.nodes import Primitive, Union, walk
from busline.contract.schema import Schema, parse
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
