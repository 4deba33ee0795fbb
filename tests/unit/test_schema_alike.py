"""Versions parsed together share what is equal in them, and are what each would be if it was parsed alone."""

import itertools
import json
from typing import Any

import pytest

from busline.contract.nodes import Node, Record, walk
from busline.contract.schema import Schema, parse
from busline.contract.schema_parser import Alike
from busline.errors import SchemaInvalid
from busline.testing.schema_pairs import schema_pairs


def record(*fields: dict[str, Any], **more: Any) -> str:
    return json.dumps({"type": "record", "name": "Order", "fields": fields, **more})


def field(name: str, kind: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **more}


def together(*texts: str) -> list[Schema]:
    alike = Alike()
    return [parse(text, alike=alike) for text in texts]


def fields(schema: Schema) -> dict[str, Any]:
    assert isinstance(schema.root, Record)
    return {one.name: one for one in schema.root.fields}


def shape(root: Node) -> list[list[object]]:
    """Each node with what it holds; other nodes by their place in the walk."""
    nodes = list(walk(root))
    place = {id(node): number for number, node in enumerate(nodes)}

    def shown(value: object) -> object:
        if id(value) in place:
            return place[id(value)]
        if isinstance(value, tuple):
            return [shown(one) for one in value]
        if type(value).__name__ == "Field":
            return [shown(getattr(value, slot)) for slot in type(value).__slots__]  # type: ignore[attr-defined]
        return repr(value)

    return [[type(node).__name__, *(shown(getattr(node, slot)) for slot in node.__slots__)] for node in nodes]


def told(text: str, alike: Alike | None) -> object:
    """All that a schema says, or why it is none."""
    try:
        schema = parse(text, alike=alike)
    except SchemaInvalid as error:
        return str(error)
    return schema.text, schema.canonical, shape(schema.root)


@pytest.mark.parametrize("seed", range(8))
def test_together_is_as_alone(seed: int) -> None:
    texts = list(itertools.chain.from_iterable(schema_pairs(seed, 60)))
    alike = Alike()
    assert [told(text, alike) for text in texts] == [told(text, None) for text in texts]


def test_equal_fields_are_one_object_and_others_are_not() -> None:
    same = field("place", {"type": "record", "name": "Place", "fields": [field("code", "string", doc="ISO")]})
    first, second = together(record(same, field("total", "long")), record(same, field("total", "int")))
    assert fields(first)["place"] is fields(second)["place"]
    assert fields(first)["total"] is not fields(second)["total"]


def test_within_a_changed_record_the_rest_is_shared() -> None:
    def place(*more: dict[str, Any]) -> dict[str, Any]:
        inner = [field("code", "string"), *more]
        return field("place", {"type": "record", "name": "Place", "fields": inner})

    first, second = together(record(place()), record(place(field("level", "int", default=0))))
    assert fields(first)["place"] is not fields(second)["place"]
    assert fields(first)["place"].type.fields[0] is fields(second)["place"].type.fields[0]


@pytest.mark.parametrize("values", list(itertools.permutations((1, 1.0, True, "1"), 2)))
def test_values_that_python_holds_for_equal_stay_apart(values: tuple[object, object]) -> None:
    kinds = ["long", "double", "boolean", "string"]
    first, second = together(*(record(field("n", kinds, default=value)) for value in values))
    assert repr(fields(first)["n"].default) == repr(values[0])
    assert repr(fields(second)["n"].default) == repr(values[1])


def test_the_order_of_keys_stays_as_it_is_written() -> None:
    one, other = record({"name": "a", "type": "int", "doc": "x"}), record({"doc": "x", "type": "int", "name": "a"})
    assert [schema.text for schema in together(one, other)] == [parse(one).text, parse(other).text]


def test_a_name_that_means_something_else_is_parsed_again() -> None:
    def versions(symbols: list[str]) -> str:
        return record(field("a", {"type": "enum", "name": "E", "symbols": symbols}), field("b", "E"))

    first, second = together(versions(["X"]), versions(["X", "Y"]))
    assert fields(first)["b"].type is fields(first)["a"].type
    assert fields(second)["b"].type is fields(second)["a"].type
    assert fields(second)["b"].type.symbols == ("X", "Y")


def test_a_record_in_itself_means_its_own_version() -> None:
    loop = field("next", ["null", "Order"])
    first, second = together(record(loop), record(loop, field("n", "int")))
    assert fields(first)["next"].type.branches[1] is first.root
    assert fields(second)["next"].type.branches[1] is second.root


def test_a_name_defined_twice_is_told_also_where_the_second_is_known() -> None:
    enum = {"type": "enum", "name": "E", "symbols": ["X"]}
    alike = Alike()
    parse(record(field("b", enum)), alike=alike)
    with pytest.raises(SchemaInvalid, match="'E' is defined twice"):
        parse(record(field("a", enum), field("b", enum)), alike=alike)


def test_a_field_in_another_namespace_is_parsed_again() -> None:
    enum = field("e", {"type": "enum", "name": "E", "symbols": ["X"]})
    first, second = together(record(enum, namespace="one"), record(enum, namespace="two"))
    assert (fields(first)["e"].type.name, fields(second)["e"].type.name) == ("one.E", "two.E")


def test_what_is_nested_too_deeply_is_told_also_when_most_of_it_is_known() -> None:
    def nested(depth: int) -> dict[str, Any]:
        kind: Any = "int"
        for _ in range(depth):
            kind = {"type": "array", "items": kind}
        return field("deep", kind)

    def wrapped(times: int) -> str:
        kind: Any = {"type": "record", "name": "Inner", "fields": [nested(50)]}
        for _ in range(times):
            kind = {"type": kind}
        return record(field("inner", kind))

    alike = Alike()
    parse(wrapped(0), alike=alike)
    assert told(wrapped(20), alike) == told(wrapped(20), None)
    assert "nested deeper" in str(told(wrapped(20), None))
