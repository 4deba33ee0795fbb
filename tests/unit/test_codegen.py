"""Avro to annotations: the generated module gives the schema back, reads well, and nothing in a schema becomes code."""

import ast
import datetime as dt
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from busline.codec.codec import Codec
from busline.codec.json_form import to_json
from busline.contract.avro import schema_of
from busline.contract.codegen import generate
from busline.contract.event import Event, State
from busline.contract.fake import Fakes
from busline.contract.model import Contract, FieldDeprecation, Kind, Version
from busline.contract.schema import Schema, parse
from busline.errors import ContractError
from busline.names import ContractName
from busline.testing.strategies import avro_schemas

ORDER = {
    "type": "record",
    "name": "orders.OrderPlaced",
    "doc": 'An order was accepted.\n\nOnce per "order" \\ """; import os',
    "fields": [
        {"name": "order_id", "type": {"type": "string", "logicalType": "uuid"}, "doc": "Its id."},
        {
            "name": "total",
            "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2},
            "default": "\x00\x96",
            "doc": "What the customer pays, all taxes and the delivery included, in the currency of the shop.",
        },
        {"name": "class", "type": ["null", "string"], "default": None, "aliases": ["klass"]},
        {
            "name": "lines",
            "type": {
                "type": "array",
                "items": {
                    "type": "record",
                    "name": "Line",
                    "fields": [
                        {
                            "name": "kind",
                            "type": {"type": "enum", "name": "Kind", "symbols": ["new", "old"], "default": "new"},
                            "default": "old",
                        },
                        {"name": "parts", "type": {"type": "array", "items": "Line"}, "default": []},
                    ],
                },
            },
            "default": [{"kind": "new", "parts": []}],
        },
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}, "default": 0},
        {"name": "prices", "type": {"type": "map", "values": {"type": "fixed", "name": "P", "size": 8}}, "default": {}},
        {"name": "event_id", "type": ["string", "long", "null"]},
    ],
}


def contract(schema: Any, name: str = "demo.thing", key: tuple[str, ...] = (), kind: Kind = Kind.EVENT) -> Contract:
    parsed = schema if isinstance(schema, Schema) else parse(schema)
    return Contract(name=ContractName(name), key=key, kind=kind, versions=(Version(number=1, schema=parsed),))


def record(*fields: dict[str, Any], name: str = "demo.Thing", **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields), **more}


def load(text: str) -> ModuleType:
    """The generated module, known to the interpreter as an imported one is."""
    module = ModuleType("generated_models")
    sys.modules[module.__name__] = module
    exec(compile(text, module.__name__, "exec"), module.__dict__)
    return module


def model_in(module: ModuleType) -> type[Event]:
    made = [v for v in vars(module).values() if isinstance(v, type) and "__busline__" in vars(v)]
    assert len(made) == 1
    return made[0]


@pytest.fixture(autouse=True)
def forget_generated() -> Iterator[None]:
    yield
    sys.modules.pop("generated_models", None)


@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(avro_schemas(modelled=True))
def test_the_generated_model_gives_the_schema_back(schema: Schema) -> None:
    """Canonical form, logical types, defaults, docs and aliases."""
    model = model_in(load(generate([contract(schema)])))
    again = schema_of(model, schema)
    assert again.canonical == schema.canonical
    assert again.json == schema.json


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(avro_schemas(modelled=True), st.integers(0, 2**32))
def test_instances_of_the_generated_model_travel_under_the_published_schema(schema: Schema, seed: int) -> None:
    model = model_in(load(generate([contract(schema)])))
    codec = Codec(schema, model)
    event = Fakes(seed).value(model)
    assert codec.decode(codec.encode(event)) == event


@settings(deadline=None, max_examples=50, suppress_health_check=list(HealthCheck))
@given(avro_schemas(modelled=True))
def test_the_text_is_imports_and_classes_and_always_the_same(schema: Schema) -> None:
    text = generate([contract(schema)])
    assert text == generate([contract(parse(schema.text))])
    docs, *body = ast.parse(text).body
    assert isinstance(docs, ast.Expr)
    assert {type(statement) for statement in body} <= {ast.ImportFrom, ast.ClassDef}


@pytest.mark.parametrize("length", [88, 120])
def test_it_is_formatted_and_clean_to_ruff(tmp_path: Path, length: int) -> None:
    path = tmp_path / "models.py"
    path.write_text(generate([contract(ORDER, "orders.order-placed", key=("order_id",))]))
    ruff = str(Path(sys.executable).with_name("ruff"))
    done = subprocess.run(
        [ruff, "format", "--isolated", "--check", "--diff", f"--line-length={length}", path],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout
    done = subprocess.run([ruff, "check", "--isolated", "--select=E,F,W,B,UP,RUF,PIE,C4", "--line-length=120", path])
    assert done.returncode == 0


def test_what_it_looks_like() -> None:
    text = generate([contract(ORDER, "orders.order-placed", key=("order_id",))])
    assert 'class OrderPlaced(Event, contract="orders.order-placed", key="order_id"):' in text
    assert '    order_id: UUID = Field(description="Its id.")\n' in text
    assert '    kind: Annotated[Kind, Fallback("new")] = Kind.OLD\n' in text
    assert "    parts: list[Line] = Field(default=[])\n" in text
    assert '    event_id_: str | int | None = Field(serialization_alias="event_id")\n' in text


def test_a_long_union_has_a_member_a_line(tmp_path: Path) -> None:
    kinds = [{"type": "enum", "name": f"QuiteALongNameOfAKind{i}", "symbols": ["a"]} for i in range(4)]
    decimal = {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}
    fields = [
        {"name": "bare", "type": ["null", decimal, "string", *kinds]},
        {"name": "optional", "type": ["null", *(k["name"] for k in kinds), "string"], "default": None, "doc": "Why."},
        {"name": "inside", "type": {"type": "array", "items": ["null", *(k["name"] for k in kinds)]}, "doc": "Why."},
        {"name": "deep", "type": {"type": "map", "values": ["null", *(k["name"] for k in kinds), decimal]}},
        {"name": "just_about_as_long_as_a_line_may_be_with_its_value", "type": ["null", "string", "boolean", "long"]},
        {"name": "just_about_as_long_as_a_line_may_be", "type": ["null", decimal], "default": None},
    ]
    schema = record(*fields, name="demo.Thing")
    text = generate([contract(schema)])
    assert max(len(line) for line in text.splitlines()) <= 88
    assert "        | QuiteALongNameOfAKind0\n" in text
    assert schema_of(model_in(load(text)), parse(schema)).canonical == parse(schema).canonical
    path = tmp_path / "models.py"
    path.write_text(text)
    ruff = str(Path(sys.executable).with_name("ruff"))
    done = subprocess.run([ruff, "format", "--isolated", "--diff", path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


def test_a_deprecated_field_says_so_and_still_travels() -> None:
    schema = record(
        {"name": "total", "type": "long"}, {"name": "amount", "type": "long"}, {"name": "old", "type": "int"}
    )
    gone = {
        "total": FieldDeprecation(since=dt.date(2026, 11, 1), use="amount"),
        "old": FieldDeprecation(),
    }
    made = replace(contract(schema), deprecated=gone)
    text = generate([made])
    assert '    total: int = Field(deprecated="since 2026-11-01: use amount")\n' in text
    assert '    old: Int32 = Field(deprecated="it will go")\n' in text
    model = model_in(load(text))
    assert schema_of(model, parse(schema)).canonical == parse(schema).canonical
    event: Any = model(total=1, amount=2, old=3)
    codec = Codec(schema, model)
    assert codec.decode(codec.encode(event)) == event
    assert to_json(event) == {"total": 1, "amount": 2, "old": 3}
    with pytest.warns(DeprecationWarning, match="use amount"):
        assert event.total == 1


def test_several_contracts_share_a_module_without_sharing_names() -> None:
    line = record({"name": "n", "type": "int"}, name="a.Line")
    one = contract(record({"name": "line", "type": line}, name="a.Placed"), "orders.placed")
    two = contract(record({"name": "line", "type": line}, name="b.Placed"), "bills.placed", key=("line",))
    text = generate([one, two])
    assert text == generate([two, one])
    classes = [node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
    assert len(classes) == len(set(classes)) == 4


def test_a_state_contract_gives_a_state_with_all_its_key() -> None:
    schema = record({"name": "a", "type": "string"}, {"name": "b", "type": "string"})
    model = model_in(load(generate([contract(schema, key=("a", "b"), kind=Kind.STATE)])))
    assert issubclass(model, State)
    assert model.__busline__.key == ("a", "b")


HOSTILE = [
    '"""\nimport os\n"""',
    'ends with a quote"',
    "ends with a backslash\\",
    "\\N{BULLET} \\x00 {x} %s",
    "null \x00 and bell \x07, line sep \u2028",
    "'); import os; ('",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_stay_texts(text: str) -> None:
    schema = record({"name": "f", "type": "string", "default": text, "doc": text}, doc=text)
    model = model_in(load(generate([contract(schema)])))
    made: Any = schema_of(model).json
    assert model.model_fields["f"].default == text
    assert made["fields"][0]["doc"] == text


@pytest.mark.parametrize(
    "names",
    [
        ["class", "class_", "class__"],
        ["model_config", "model_fields", "model_", "model"],
        ["copy", "json", "schema", "dict", "validate", "construct"],
        ["_", "__", "_a", "__a", "a", "a_", "__init__", "_1"],
        ["event_id", "__busline__", "self", "cls", "None", "True"],
        ["str", "int", "Field", "Event", "Annotated", "Thing", "list", "datetime"],
    ],
    ids=lambda names: names[0],
)
def test_hostile_names_keep_their_wire_name(names: list[str]) -> None:
    fields = [{"name": name, "type": ["null", "string"], "default": None} for name in names]
    model = model_in(load(generate([contract(record(*fields))])))
    made: Any = schema_of(model).json
    assert [f["name"] for f in made["fields"]] == names
    values = {attribute: attribute for attribute in model.model_fields}
    assert set(model(**values).model_dump(by_alias=True)) == set(names)


def test_hostile_type_names_and_symbols_become_identifiers() -> None:
    symbols = ["mro", "name", "value", "None", "a", "A", "_1", "__x__", "title"]
    kinds = [{"type": "enum", "name": name, "symbols": symbols} for name in ("str", "BaseModel", "class", "_1", "__")]
    fields = [{"name": f"f{i}", "type": kind, "default": "A"} for i, kind in enumerate(kinds)]
    model = model_in(load(generate([contract(record(*fields))])))
    made: Any = schema_of(model).json
    assert all(f["type"]["symbols"] == symbols for f in made["fields"])
    assert {info.default.value for info in model.model_fields.values()} == {"A"}


@pytest.mark.parametrize(
    ("type_", "default"),
    [
        (["int", "long"], ...),
        (["bytes", {"type": "fixed", "name": "F", "size": 4}], ...),
        ("int", "x"),
        ({"type": "long", "logicalType": "timestamp-millis"}, 10**18),
        ({"type": "string", "logicalType": "uuid"}, "no uuid"),
        ({"type": "enum", "name": "E", "symbols": ["a"]}, "b"),
    ],
    ids=str,
)
def test_what_python_cannot_tell_apart_or_hold_is_refused_with_its_place(type_: Any, default: Any) -> None:
    given = {"name": "f", "type": type_} | ({} if default is ... else {"default": default})
    with pytest.raises(ContractError, match=r"demo\.Thing\.f"):
        generate([contract(record(given))])


def test_a_default_without_end_is_refused() -> None:
    own = {"name": "f", "type": {"type": "array", "items": "demo.Thing"}, "default": [{}]}
    with pytest.raises(ContractError, match="without end"):
        generate([contract(record(own))])


def test_a_contract_without_that_version_is_refused() -> None:
    with pytest.raises(ContractError, match="no version 2"):
        generate([contract(record())], versions={"demo.thing": 2})
