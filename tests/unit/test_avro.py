"""Annotations to Avro: every type, names by path and published version, defaults, and what is refused."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Annotated, Any, Literal, NewType, Optional
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from pydantic import AwareDatetime, BaseModel, Field, NaiveDatetime, PositiveInt, RootModel, create_model

from busline.contract.avro import schema_of
from busline.contract.event import Event
from busline.contract.nodes import MISSING, Array, Enum, Record, walk
from busline.contract.render import render
from busline.contract.schema import Schema, parse
from busline.contract.types import (
    Aliases,
    Duration,
    Fallback,
    Fixed,
    Float32,
    Int32,
    Int64,
    LocalNanos,
    Micros,
    Millis,
    Nanos,
)
from busline.errors import ModelInvalid
from busline.testing.strategies import avro_schemas

UserId = NewType("UserId", str)
Money = Annotated[Decimal, Field(max_digits=12, decimal_places=2)]
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}
NESTED = "demo.thing"


class Colour(StrEnum):
    """Of a thing."""

    RED = "red"
    BLUE = "blue"


class Point(BaseModel):
    """A place."""

    x: int
    y: int = 0


class Tree(BaseModel):
    children: "list[Tree]" = []


def thing(annotation: Any, default: Any = ...) -> type[Event]:
    return create_model(
        "Thing", __base__=Event, __cls_kwargs__={"contract": "demo.thing"}, __module__=__name__, f=(annotation, default)
    )


def field(annotation: Any, default: Any = ..., published: Schema | None = None) -> dict[str, Any]:
    made = schema_of(thing(annotation, default), published).json
    return made["fields"][0]  # type: ignore[call-overload, index, return-value, no-any-return]


def logical(base: str, name: str) -> dict[str, str]:
    return {"type": base, "logicalType": name}


def published(type_: Any, *names: str) -> Schema:
    fields = [{"name": name, "type": type_} for name in names or ["f"]]
    return parse({"type": "record", "name": "pub.Root", "fields": fields})


@pytest.mark.parametrize(
    ("annotation", "avro"),
    [
        (None, "null"),
        (bool, "boolean"),
        (int, "long"),
        (Int32, "int"),
        (Int64, "long"),
        (PositiveInt, "long"),
        (float, "double"),
        (Float32, "float"),
        (str, "string"),
        (UserId, "string"),
        (bytes, "bytes"),
        (UUID, logical("string", "uuid")),
        (date, logical("int", "date")),
        (time, logical("long", "time-micros")),
        (Annotated[time, Millis], logical("int", "time-millis")),
        (AwareDatetime, logical("long", "timestamp-micros")),
        (Annotated[AwareDatetime, Micros], logical("long", "timestamp-micros")),
        (Annotated[AwareDatetime, Millis], logical("long", "timestamp-millis")),
        (NaiveDatetime, logical("long", "local-timestamp-micros")),
        (Annotated[NaiveDatetime, Millis], logical("long", "local-timestamp-millis")),
        (Nanos, logical("long", "timestamp-nanos")),
        (LocalNanos, logical("long", "local-timestamp-nanos")),
        (Money, DECIMAL),
        (list[int], {"type": "array", "items": "long"}),
        (tuple[int, ...], {"type": "array", "items": "long"}),
        (Sequence[int], {"type": "array", "items": "long"}),
        (dict[str, int], {"type": "map", "values": "long"}),
        (Mapping[UserId, int], {"type": "map", "values": "long"}),
        (list[Money], {"type": "array", "items": DECIMAL}),
        (int | None, ["null", "long"]),
        (Optional[int], ["null", "long"]),  # noqa: UP045  # as many still write it
        (int | str | None, ["null", "long", "string"]),
        (Annotated[int | None, Field(gt=0)], ["null", "long"]),
        (Annotated[AwareDatetime | None, Millis], ["null", logical("long", "timestamp-millis")]),
        (str | Annotated[AwareDatetime | None, Millis], ["null", "string", logical("long", "timestamp-millis")]),
        (Annotated[Decimal | None, Field(max_digits=12, decimal_places=2)], ["null", DECIMAL]),
        (dict[str, list[int | None]], {"type": "map", "values": {"type": "array", "items": ["null", "long"]}}),
    ],
    ids=str,
)
def test_plain_annotations(annotation: Any, avro: Any) -> None:
    assert field(annotation)["type"] == avro


@pytest.mark.parametrize(
    ("annotation", "avro"),
    [
        (Annotated[bytes, Fixed(4)], {"size": 4}),
        (Annotated[bytes, Field(min_length=4, max_length=4)], {"size": 4}),
        (Annotated[UUID, Fixed(16)], {"size": 16, "logicalType": "uuid"}),
        (Duration, {"size": 12, "logicalType": "duration"}),
        (Annotated[Money, Fixed(8)], {"size": 8, "logicalType": "decimal", "precision": 12, "scale": 2}),
    ],
    ids=str,
)
def test_fixed_is_named_by_its_path(annotation: Any, avro: dict[str, Any]) -> None:
    assert field(annotation)["type"] == {"type": "fixed", "name": "F", "namespace": NESTED} | avro


def test_enums_from_classes_and_literals_with_docs_and_fallback() -> None:
    named = {"type": "enum", "name": "F", "namespace": NESTED, "symbols": ["red", "blue"]}
    assert field(Colour)["type"] == named | {"doc": "Of a thing."}
    assert field(Literal["red", "blue"])["type"] == named
    assert field(Annotated[Colour, Fallback("red")])["type"] == named | {"doc": "Of a thing.", "default": "red"}
    assert field(Annotated[Literal["red", "blue"], Fallback("blue")])["type"] == named | {"default": "blue"}
    assert field(Annotated[Colour | None, Fallback("red")])["type"][1]["default"] == "red"


def test_records_are_nested_recursive_and_reused_by_name() -> None:
    class Shape(Event, contract="demo.shape"):
        corner: Point
        others: list[Point]
        tree: Tree

    canonical = schema_of(Shape).canonical
    assert canonical.count('"demo.shape.Corner"') == 2
    assert canonical.count('"demo.shape.Tree"') == 2
    assert parse(json.dumps(schema_of(Shape).json)).canonical == canonical


def test_a_union_of_records_names_each_after_path_and_class() -> None:
    types = field(Point | Tree | None)["type"]
    assert [t if isinstance(t, str) else t["name"] for t in types] == ["null", "FPoint", "FTree"]


def test_nodes_are_bound_to_what_the_model_makes_of_them() -> None:
    class Bound(Event, contract="demo.bound"):
        points: tuple[Point, ...]
        colour: Colour

    root = schema_of(Bound).root
    assert isinstance(root, Record)
    assert root.python is Bound
    points, colour = (f.type for f in root.fields)
    assert isinstance(points, Array)
    assert isinstance(points.items, Record)
    assert (points.python, points.items.python) == (tuple, Point)
    assert isinstance(colour, Enum)
    assert colour.python is Colour


@pytest.mark.parametrize(
    ("annotation", "default", "expected"),
    [
        (int, 5, 5),
        (float, 1, 1.0),
        (str, "é", "é"),
        (bytes, b"\x00\xff", "\x00\xff"),
        (Annotated[bytes, Fixed(2)], b"\x80a", "\x80a"),
        (Money, Decimal("1.50"), "\x00\x96"),
        (Money, Decimal("-0.01"), "\xff"),
        (UUID, UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Annotated[UUID, Fixed(16)], UUID(int=1), "\x00" * 15 + "\x01"),
        (date, date(1970, 1, 2), 1),
        (time, time(0, 0, 1), 1_000_000),
        (AwareDatetime, datetime.fromisoformat("1970-01-01T01:00:00+01:00"), 0),
        (Annotated[NaiveDatetime, Millis], datetime(1970, 1, 1, 0, 0, 1), 1000),
        (Nanos, Nanos(7), 7),
        (Duration, Duration(1, 2, 3), "\x01\0\0\0\x02\0\0\0\x03\0\0\0"),
        (Colour, Colour.BLUE, "blue"),
        (list[Point], [Point(x=1)], [{"x": 1, "y": 0}]),
        (dict[str, Point | None], {"a": None}, {"a": None}),
        (Point, Point(x=1, y=2), {"x": 1, "y": 2}),
        (list[int], Field(default_factory=list), []),
        (int | None, None, None),
    ],
    ids=str,
)
def test_defaults_are_written_as_avro_has_them(annotation: Any, default: Any, expected: Any) -> None:
    assert field(annotation, default)["default"] == expected


def test_the_branch_of_the_default_comes_first() -> None:
    assert field(int | str | None, None)["type"] == ["null", "long", "string"]
    assert field(int | str | None, "x")["type"] == ["string", "null", "long"]


def test_a_factory_that_computes_is_no_default_of_the_schema() -> None:
    assert "default" not in field(AwareDatetime, Field(default_factory=lambda: datetime.now()))


def test_docs_aliases_and_wire_names() -> None:
    made = field(Annotated[int, Aliases("old", "older")], Field(description="Why.", serialization_alias="class"))
    assert made == {"name": "class", "type": "long", "doc": "Why.", "aliases": ["old", "older"]}


def test_names_come_from_the_contract() -> None:
    class Whatever(Event, contract="order-desk.order-placed-v2"):
        shipping_address: Point

    made: Any = schema_of(Whatever).json
    assert (made["namespace"], made["name"]) == ("order_desk", "OrderPlacedV2")
    nested = made["fields"][0]["type"]
    assert (nested["namespace"], nested["name"]) == ("order_desk.order_placed_v2", "ShippingAddress")


def test_published_names_win_whatever_the_classes_are_called() -> None:
    point = {"type": "record", "name": "acme.Place", "fields": [{"name": "x", "type": "long"}], "aliases": ["acme.Old"]}
    made = field(list[Point] | None, published=published(["null", {"type": "array", "items": point}]))
    record = made["type"][1]["items"]
    assert (record["namespace"], record["name"], record["aliases"]) == ("acme", "Place", ["acme.Old"])


def test_published_branches_of_a_union_are_found_by_structure() -> None:
    def record(name: str, *fields: str) -> dict[str, Any]:
        return {"type": "record", "name": name, "fields": [{"name": f, "type": "long"} for f in fields]}

    class Left(BaseModel):
        at: int
        gate: int
        runway: int

    class Came(BaseModel):
        at: int
        belt: int

    union = [record("p.Arrival", "at", "belt"), "null", record("p.Departure", "at", "gate")]
    made = field(Left | Came | None, published=published(union))["type"]
    assert [t if isinstance(t, str) else t["name"] for t in made] == ["Arrival", "null", "Departure"]
    assert [f["name"] for f in made[2]["fields"]] == ["at", "gate", "runway"]


def test_one_class_where_two_types_are_published_keeps_both_names() -> None:
    class Two(Event, contract="demo.two"):
        a: Point
        b: Point

    fields = [{"name": n, "type": {"type": "record", "name": f"p.{n}", "fields": []}} for n in "ab"]
    canonical = schema_of(Two, parse({"type": "record", "name": "p.R", "fields": fields})).canonical
    assert '"p.a"' in canonical
    assert '"p.b"' in canonical


def test_two_classes_where_one_type_is_published_resolve_by_alias() -> None:
    class Other(BaseModel):
        y: int = 0

    class Two(Event, contract="demo.two"):
        a: Point
        b: Other

    point = {"type": "record", "name": "p.Point", "fields": [{"name": "y", "type": "long"}]}
    fields = [{"name": "a", "type": point}, {"name": "b", "type": "p.Point"}]
    made: Any = schema_of(Two, parse({"type": "record", "name": "p.R", "fields": fields})).json
    assert made["fields"][1]["type"]["name"] == "B"
    assert made["fields"][1]["type"]["aliases"] == ["p.Point"]


def test_moving_fields_about_in_the_class_changes_nothing() -> None:
    class One(Event, contract="demo.one"):
        a: int
        b: str

    class Moved(Event, contract="demo.one"):
        new: bool
        b: str
        a: int

    root = schema_of(Moved, schema_of(One)).root
    assert isinstance(root, Record)
    assert [f.name for f in root.fields] == ["a", "b", "new"]


def test_a_published_version_of_another_shape_does_no_harm() -> None:
    wild = {"type": "record", "name": "p.W", "fields": [{"name": "x", "type": "string"}]}
    for other in ("string", wild, {"type": "array", "items": wild}, ["null", {"type": "map", "values": wild}]):
        for annotation in (Point, list[Point], dict[str, Point], Colour, int, Point | None):
            made = field(annotation, published=published(other))
            assert parse({"type": "record", "name": "R", "fields": [made]})


class Number(IntEnum):
    ONE = 1


class Spaced(StrEnum):
    A = "in transit"


class Root(RootModel[list[int]]):
    pass


@pytest.mark.parametrize(
    ("annotation", "hint"),
    [
        (Any, "Name the type"),
        (object, "Name the type"),
        (set[int], "list"),
        (frozenset[int], "tuple"),
        (complex, "Use bool"),
        (datetime, "AwareDatetime"),
        (timedelta, "Duration"),
        (Decimal, "max_digits"),
        (Annotated[Decimal, Field(max_digits=5)], "decimal_places"),
        (Annotated[Decimal, Field(max_digits=20, decimal_places=2), Fixed(4)], "They hold 9"),
        (Annotated[UUID, Fixed(8)], "16"),
        (dict[int, str], r"dict\[str"),
        (list, r"list\[X\]"),
        (dict, r"dict\[str"),
        (tuple[int, str], r"tuple\[X, \.\.\.\]"),
        (Callable[[], int], "Use bool"),
        (type[int], "Use bool"),
        (int | Int32, "Keep one"),
        (bytes | Annotated[bytes, Fixed(4)], "Keep one"),
        (str | UUID, "Keep one"),
        (list[int] | list[str], "Keep one"),
        (AwareDatetime | int, "Keep one"),
        (Number, "StrEnum"),
        (Spaced, "letters, digits"),
        (Literal[1], "strings"),
        (Literal["a", None], r"\| None"),
        (Annotated[Colour, Fallback("green")], "none of red, blue"),
        (Annotated[str, Millis], "says nothing about str"),
        (Annotated[str | int, Fixed(4)], "says nothing about any member"),
        (Annotated[list[int], Fixed(4)], "says nothing"),
        (list[Annotated[int, Aliases("old")]], "says nothing"),
        (Root, "inner type"),
    ],
    ids=str,
)
def test_what_cannot_be_expressed_is_refused_with_path_and_hint(annotation: Any, hint: str) -> None:
    with pytest.raises(ModelInvalid, match=hint) as caught:
        thing(annotation)
    assert str(caught.value.where).startswith("Thing.f")


@pytest.mark.parametrize(
    ("annotation", "default"),
    [
        (int, None),
        (int, "x"),
        (int, True),
        (Int32, 2**40),
        (float, float("nan")),
        (Money, Decimal("1.505")),
        (Money, Decimal("99999999999")),
        (Annotated[bytes, Fixed(2)], b"abc"),
        (AwareDatetime, datetime(2020, 1, 1)),
        (date, datetime(2020, 1, 1)),
        (list[int], ["x"]),
        (Point, {"x": 1}),
        (Colour, "red"),
    ],
    ids=str,
)
def test_a_default_of_another_type_is_refused(annotation: Any, default: Any) -> None:
    with pytest.raises(ModelInvalid, match="the default") as caught:
        thing(annotation, default)
    assert str(caught.value.where).startswith("Thing.f")


@pytest.mark.parametrize("name", ["größe", "a-b", "1a", ""])
def test_a_field_name_that_avro_does_not_take_is_refused(name: str) -> None:
    with pytest.raises(ModelInvalid):
        thing(int, Field(serialization_alias=name) if name else Field(exclude=True))


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(avro_schemas())
def test_what_is_rendered_parses_to_the_same_schema(schema: Schema) -> None:
    again = parse(json.dumps(render(schema.root)))
    assert again.canonical == schema.canonical
    assert render(again.root) == render(schema.root)
    assert [f.default is MISSING for n in walk(again.root) if isinstance(n, Record) for f in n.fields] == [
        f.default is MISSING for n in walk(schema.root) if isinstance(n, Record) for f in n.fields
    ]


def test_values_are_what_their_readers_get() -> None:
    class Exact(Event, contract="demo.exact"):
        at: Annotated[AwareDatetime | None, Millis]
        small: Float32
        nanos: Nanos
        for_: Duration

    made = Exact(at=datetime.fromisoformat("2024-01-01T00:00:00.123456Z"), small=0.1, nanos=Nanos(5), for_=Duration(1))
    assert made.at is not None
    assert made.at.microsecond == 123_000
    assert made.small != 0.1
    assert type(made.nanos) is Nanos
    assert made.for_ == (1, 0, 0)
    assert Nanos.of(datetime.fromisoformat("1970-01-01T00:00:01Z")) == 10**9
    assert Nanos(10**9).datetime() == datetime.fromisoformat("1970-01-01T00:00:01Z")
