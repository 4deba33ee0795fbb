"""example.json is held to what publishing it would say: types' ranges and formats, not its shape alone."""

import datetime as dt
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from busline.codec.codec import Codec
from busline.codec.json_form import from_json, to_json
from busline.contract.fake import fake
from busline.contract.finding import Finding
from busline.contract.model import Contract, Source, Version
from busline.contract.schema import Schema, parse
from busline.contract.workspace import Workspace
from busline.errors import EncodeError
from busline.governance.gate.examples import check_examples
from busline.governance.gate.gate import Part, Question, run_gate
from busline.names import ContractName
from busline.testing.strategies import avro_schemas, values_of

NAME = ContractName("orders.placed")


def workspace(schema: Schema, example: Any) -> Workspace:
    contract = Contract(
        name=NAME,
        versions=(Version(number=1, schema=schema),),
        example=example,
        source=Source(file="orders/placed/contract.yaml"),
    )
    return Workspace(path=Path(), company="", environments={}, teams={}, services={}, contracts={NAME: contract})


def checked(kind: Any, value: Any) -> list[Finding]:
    schema = parse({"type": "record", "name": "Placed", "fields": [{"name": "f", "type": kind}]})
    return check_examples(workspace(schema, {"f": value}))


DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 2}
FIT = [
    (DECIMAL, "123.45"),
    ({"type": "long", "logicalType": "timestamp-micros"}, "2026-03-01T08:30:00Z"),
    ({"type": "int", "logicalType": "date"}, "2026-03-01"),
    ({"type": "string", "logicalType": "uuid"}, "5f0c8a52-9d3c-4f0a-8a51-0b2a8c9f6f10"),
    ({"type": "fixed", "name": "F", "size": 3}, "YWJj"),
    ("double", "NaN"),
    (["null", "string"], None),
    ({"type": "array", "items": {"type": "map", "values": "int"}}, [{"a": 1}]),
]
MISFIT = [
    (DECIMAL, "123.456"),
    (DECIMAL, "12345.00"),
    ({"type": "long", "logicalType": "timestamp-micros"}, "2026-03-01T08:30:00"),
    ({"type": "int", "logicalType": "date"}, "2026-13-01"),
    ({"type": "string", "logicalType": "uuid"}, "no uuid"),
    ({"type": "fixed", "name": "F", "size": 4}, "YWJj"),
    ("bytes", "not base64!"),
    ("float", 1e300),
    ("string", "\ud800"),
    (["null", DECIMAL], "123.456"),
    ({"type": "map", "values": "int"}, {"\ud800": 1}),
]


@pytest.mark.parametrize(("kind", "value"), FIT)
def test_what_can_be_published_is_no_finding(kind: Any, value: Any) -> None:
    assert checked(kind, value) == []


@pytest.mark.parametrize(("kind", "value"), MISFIT)
def test_what_cannot_is_told_with_file_field_and_reason(kind: Any, value: Any) -> None:
    [found] = checked(kind, value)
    assert (found.file, found.key.startswith("f"), found.rule) == ("orders/placed/example.json", True, "invalid")
    assert found.what and "version 1" in found.fix


def test_what_the_shape_check_says_already_is_not_said_twice() -> None:
    assert checked("int", "text") == []
    assert checked(["null", "boolean"], "text") == []


def test_drafts_and_contracts_without_example_have_nothing_to_check() -> None:
    assert check_examples(workspace(parse({"type": "record", "name": "Placed", "fields": []}), None)) == []


def test_check_tells_it_as_validity() -> None:
    schema = parse({"type": "record", "name": "Placed", "fields": [{"name": "f", "type": DECIMAL}]})
    made = workspace(schema, {"f": "1.234"})
    told = [
        run_gate(Question(workspace=made, base=None, today=dt.date(2026, 11, 24), only=frozenset({part})))
        for part in (Part.VALIDITY, Part.VERSIONS)
    ]
    assert [[one.key for one in found] for found in told] == [["f"], []]


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_it_agrees_with_the_codec(data: st.DataObject) -> None:
    """Whatever a codec takes is fine here; whatever is told, a codec refuses."""
    schema = data.draw(avro_schemas())
    example = json.loads(json.dumps(to_json(data.draw(values_of(schema.root)))))
    if not isinstance(example, dict):
        return
    found = check_examples(workspace(schema, example))
    try:
        Codec(schema).encode(from_json(schema, example))
    except EncodeError:
        return
    assert found == []


def test_made_up_events_fit() -> None:
    schema = parse({"type": "record", "name": "Placed", "fields": [{"name": "f", "type": DECIMAL}]})
    assert check_examples(workspace(schema, to_json(fake(schema, random.Random(1))))) == []
