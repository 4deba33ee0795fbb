"""A schema's JSON from its tree: read back as the same types, by other parsers too."""

from typing import Any

import fastavro
import pytest
from pydantic import BaseModel

from busline.contract.avro import schema_of
from busline.contract.event import Event
from busline.contract.nodes import Field, Fixed, Primitive, Record, walk
from busline.contract.render import render
from busline.contract.schema import parse
from busline.errors import SchemaInvalid


def record(name: str, *types: Any) -> Record:
    return Record(name, tuple(Field(f"f{i}", node) for i, node in enumerate(types)))


def test_a_name_without_namespace_is_written_as_java_writes_it() -> None:
    """Java looks in the enclosing namespace, then without one; fastavro does not look there a second time."""
    money = Fixed("Money", 2)
    made = render(record("Order", money, record("shop.Line", money)))
    assert made["fields"][1]["type"]["fields"][0]["type"] == "Money"  # type: ignore[index,call-overload]
    again = parse(made)  # type: ignore[arg-type]
    assert [n.name for n in walk(again.root) if isinstance(n, Fixed)] == ["Money"]


def test_a_definition_without_namespace_within_one_says_so() -> None:
    made: Any = render(record("shop.Order", Fixed("Money", 2)))
    assert made["fields"][0]["type"]["namespace"] == ""
    assert {n["name"] for n in fastavro.parse_schema(made)["__named_schemas"].values()} == {"shop.Order", "Money"}


def test_a_bare_name_that_would_mean_another_type_is_refused() -> None:
    money, other = Fixed("Money", 2), Fixed("shop.Money", 3)
    with pytest.raises(SchemaInvalid, match=r"shop\.Money"):
        render(record("Order", money, other, record("shop.Line", money)))
    assert render(record("Order", money, record("shop.Line", money, other)))


@pytest.mark.parametrize("word", ["int", "record", "map"])
def test_a_type_that_is_called_like_a_kind_of_type_is_referenced_in_full(word: str) -> None:
    named = Fixed(f"shop.{word}", 2)
    made: Any = render(record("shop.Order", named, named, Primitive("int")))
    assert [f["type"] for f in made["fields"][1:]] == [f"shop.{word}", "int"]
    again = parse(made).root
    assert isinstance(again, Record)
    assert again.fields[0].type is again.fields[1].type


class Part(BaseModel):
    whole: "Whole | None" = None


class Whole(BaseModel):
    parts: list[Part]


class Amount(BaseModel):
    units: int


class Line(BaseModel):
    price: Amount


class Ordered(Event, contract="shop.ordered"):
    total: Amount
    lines: list[Line]


PUBLISHED: dict[str, Any] = {
    "type": "record",
    "name": "Ordered",
    "fields": [
        {"name": "total", "type": {"type": "record", "name": "Sum", "fields": [{"name": "units", "type": "long"}]}}
    ],
}


def test_what_models_make_is_read_by_parsers_that_keep_to_the_specification() -> None:
    for schema in (schema_of(Whole), schema_of(Ordered), schema_of(Ordered, parse(PUBLISHED))):
        names = {n.name for n in walk(schema.root) if isinstance(n, Record)}
        parsed: Any = fastavro.parse_schema(schema.json)  # type: ignore[arg-type]
        assert {n["name"] for n in parsed["__named_schemas"].values()} == names


def test_new_types_of_a_contract_without_namespace_have_none_either() -> None:
    names = [n.name for n in walk(schema_of(Ordered, parse(PUBLISHED)).root) if isinstance(n, Record)]
    assert names == ["Ordered", "Sum", "OrderedLines"]
