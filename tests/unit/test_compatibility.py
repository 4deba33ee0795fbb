"""find_breaks: Java's verdict, case by case as its source has it, with the place, what a reader sees and the mend.

tests/integration/test_compatibility_java.py asks Java itself, on thousands of pairs.
"""

import json
from typing import Any

import pytest

from busline.contract.compatibility import Break, BreakKind, find_breaks
from busline.contract.schema import parse
from busline.errors import SchemaInvalid


def record(*fields: Any, name: str = "R", **more: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields), **more}


def field(name: str, kind: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **more}


def enum(*symbols: str, name: str = "E", **more: Any) -> dict[str, Any]:
    return {"type": "enum", "name": name, "symbols": list(symbols), **more}


def fixed(size: int, name: str = "F", **more: Any) -> dict[str, Any]:
    return {"type": "fixed", "name": name, "size": size, **more}


def array(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def kinds(reader: Any, writer: Any) -> list[tuple[str, str]]:
    return [(str(one.kind), one.path) for one in find_breaks(reader, writer)]


@pytest.mark.parametrize("reader", ["null", "boolean", "int", "long", "float", "double", "bytes", "string"])
@pytest.mark.parametrize("writer", ["null", "boolean", "int", "long", "float", "double", "bytes", "string"])
def test_promotions(reader: str, writer: str) -> None:
    wider = {
        "int": {"long", "float", "double"},
        "long": {"float", "double"},
        "float": {"double"},
        "string": {"bytes"},
        "bytes": {"string"},
    }
    fits = reader == writer or reader in wider.get(writer, ())
    assert kinds(json.dumps(reader), json.dumps(writer)) == ([] if fits else [("TYPE_MISMATCH", "/")])


@pytest.mark.parametrize(
    ("reader", "writer", "expected"),
    [
        (record(name="a.R"), record(name="b.R"), []),
        (record(name="S"), record(name="R"), [("NAME_MISMATCH", "/name")]),
        (record(name="S", aliases=["R"]), record(name="R"), []),
        (record(name="n.S", aliases=["R"]), record(name="n.R"), []),
        (record(name="n.S", aliases=["R"]), record(name="m.R"), [("NAME_MISMATCH", "/name")]),
        (record(name="S", aliases=[".R"]), record(name="R"), []),
        (record(name="n.S", aliases=[".R"]), record(name="R"), [("NAME_MISMATCH", "/name")]),
        (fixed(4), fixed(8), [("FIXED_SIZE_MISMATCH", "/size")]),
        (fixed(4, "G"), fixed(8), [("NAME_MISMATCH", "/name"), ("FIXED_SIZE_MISMATCH", "/size")]),
        (enum("A"), enum("A", "B"), [("MISSING_ENUM_SYMBOLS", "/symbols")]),
        (enum("A", default="A"), enum("A", "B"), []),
        (enum("A", "B"), enum("B"), []),
        (array("int"), array("string"), [("TYPE_MISMATCH", "/items")]),
        ({"type": "map", "values": "int"}, {"type": "map", "values": "long"}, [("TYPE_MISMATCH", "/values")]),
        (["null", "int"], "int", []),
        (["null", "string"], "int", [("MISSING_UNION_BRANCH", "/")]),
        ("long", ["int", "long"], []),
        ("int", ["int", "string"], [("TYPE_MISMATCH", "/1")]),
        (["null", "int"], ["null", "int", "string"], [("MISSING_UNION_BRANCH", "/2")]),
        (["null", "long"], ["int"], []),
        ([], [], []),
        (record(field("a", "int")), record(), [("READER_FIELD_MISSING_DEFAULT_VALUE", "/fields/0")]),
        (record(field("a", "int", default=0)), record(), []),
        (record(field("a", ["null", "int"], default=None)), record(), []),
        (record(field("b", "long", aliases=["a"])), record(field("a", "int")), []),
        (record(field("a", enum("X", default="X"))), record(), [("TYPE_MISMATCH", "/fields/0/type")]),
        (record(field("a", array("int"))), record(field("a", array("long"))),
         [("TYPE_MISMATCH", "/fields/0/type/items")]),
    ],
)  # fmt: skip
def test_each_kind_of_break(reader: Any, writer: Any, expected: list[tuple[str, str]]) -> None:
    assert kinds(reader, writer) == expected
    assert kinds(json.dumps(reader), json.dumps(writer)) == expected
    assert kinds(parse(reader), parse(writer)) == expected


@pytest.mark.parametrize(
    ("reader", "writer"),
    [
        (field("b", "int", aliases=["a"]), [field("a", "int"), field("b", "int")]),
        (field("c", "int", aliases=["a", "b"]), [field("a", "int"), field("b", "int")]),
        (field("a", "int", aliases=["a"]), [field("a", "int")]),
    ],
    ids=["its name and an alias", "two aliases", "its own alias"],
)
@pytest.mark.parametrize("wrap", [lambda kind: kind, lambda kind: [kind, array("int")], array])
def test_where_java_throws_there_is_a_break(reader: Any, writer: list[Any], wrap: Any) -> None:
    found = find_breaks(wrap(record(reader)), wrap(record(*writer)))
    assert any("Java throws" in one.message for one in found)


def test_a_throw_counts_although_another_branch_would_read() -> None:
    reader = [record(field("b", "int", aliases=["a"]), name="n.R"), record(field("b", "int"), name="m.R")]
    (found,) = find_breaks(reader, record(field("a", "int"), field("b", "int")))
    assert "Java throws" in found.message


def test_recursive_types_are_compatible_unless_proven_otherwise() -> None:
    def node(kind: str) -> dict[str, Any]:
        return record(field("value", kind), field("next", ["null", "Node"], default=None), name="Node")

    assert kinds(node("long"), node("int")) == []
    assert ("TYPE_MISMATCH", "/fields/0/type") in kinds(node("int"), node("long"))


def test_a_type_that_is_used_twice_is_told_once() -> None:
    def order(kind: str) -> dict[str, Any]:
        return record(field("a", record(field("x", kind), name="Money")), field("b", "Money"), name="Order")

    assert kinds(order("int"), order("string")) == [("TYPE_MISMATCH", "/fields/0/type/fields/0/type")]


def test_shared_types_do_not_multiply_the_work() -> None:
    def nested(leaf: str) -> dict[str, Any]:
        kind: Any = record(field("x", leaf), name="T0")
        for level in range(1, 40):
            kind = record(field("a", kind), field("b", f"T{level - 1}"), name=f"T{level}")
        return kind  # type: ignore[no-any-return]

    assert len(kinds(nested("int"), nested("string"))) == 1


def test_schemas_may_nest_deeper_than_pythons_stack() -> None:
    def deep(kind: Any) -> Any:
        for _ in range(5_000):
            kind = array(kind)
        return kind

    (found,) = find_breaks(deep("int"), deep("string"))
    assert found.path == "/items" * 5_000


def test_a_union_that_lacks_a_branch_says_what_the_nearest_branch_lacks() -> None:
    (found,) = find_breaks(
        record(field("price", ["null", record(field("amount", "int"), name="Money")])),
        record(field("price", record(field("amount", "string"), name="Money"))),
    )
    assert found.kind is BreakKind.MISSING_UNION_BRANCH
    assert found.message == (
        "`price`: no branch of the reader's union reads record Money; in Money, `amount`: written as string,"
        " read as int"
    )


@pytest.mark.parametrize(
    ("reader", "writer", "in_reader", "in_writer"),
    [
        (
            record(field("b", "int")),
            record(field("a", "int")),
            "give `b` a default, or the alias `a` if it is the same under a new name",
            "keep the field `b`",
        ),
        (
            record(field("a", enum("X"))),
            record(field("a", enum("X", "Y"))),
            "keep Y, or give the enum (not the field) a default symbol",
            "leave Y out until the readers' enum has a default symbol",
        ),
        (record(name="S"), record(name="n.R"), "give `S` the alias `n.R`", "keep the name `S`"),
        (["null", "int"], "string", "add string to the union", "leave string out"),
    ],
)
def test_the_mend_is_the_smallest_change_on_either_side(
    reader: Any, writer: Any, in_reader: str, in_writer: str
) -> None:
    (found,) = find_breaks(reader, writer)
    assert (found.in_reader, found.in_writer) == (in_reader, in_writer)
    assert found.hint == f"In the reader: {in_reader}. Or in the writer: {in_writer}."


# what Java's parser takes


@pytest.mark.parametrize(
    "text",
    [
        '/* a comment */ {"type": "int"} // and one more',
        '\ufeff"int"',
        "int",
        '{"type": "record", "name": "A", "fields": [{"name": "b", "type": "B"}, {"name": "c", "type":'
        ' {"type": "fixed", "name": "B", "size": 1}}]}',
        '[{"type": "fixed", "name": "F", "size": 1}, {"type": "record", "name": "A", "fields": [{"name": "f", "type":'
        ' {"type": "fixed", "name": "F", "size": 1}}]}]',
        '{"type": "record", "name": "größe", "fields": []}',
        '{"type": "record", "name": "A", "fields": [{"name": "a-b", "type": "int", "default": "no int"}]}',
        '{"type": "error", "name": "A", "fields": []}',
        '{"type": "string", "logicalType": "none of ours"}',
        '{"type": "enum", "name": "E", "symbols": [], "default": null}',
    ],
)
def test_schemas_of_others_are_taken_as_java_takes_them(text: str) -> None:
    assert find_breaks(text, text) == []
    assert find_breaks(text.encode(), text.encode()) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing",
        "{",
        "17",
        '"Unknown"',
        '{"type": "record", "name": "A"}',
        '{"type": "record", "fields": []}',
        '{"type": "record", "name": "int", "fields": []}',
        '{"type": "array"}',
        '{"type": "fixed", "name": "F", "size": 1.5}',
        '{"type": "enum", "name": "E", "symbols": ["A", "A"]}',
        '{"type": "enum", "name": "E", "symbols": ["A"], "default": "B"}',
        '["int", "int"]',
        '["int", ["null"]]',
        '{"type": "record", "name": "A", "aliases": "B", "fields": []}',
        '{"type": "record", "name": "A", "fields": [{"name": "a", "type": "int"}, {"name": "a", "type": "int"}]}',
        '[{"type": "fixed", "name": "F", "size": 1}, {"type": "array", "items":'
        ' {"type": "fixed", "name": "F", "size": 2}}]',
        "[" * 100_000,
        '"' * 3,
        "/*" * 50_000,
    ],
)
def test_what_is_no_schema_is_refused_clearly(text: str) -> None:
    with pytest.raises(SchemaInvalid):
        find_breaks(text, '"int"')
    with pytest.raises(SchemaInvalid):
        find_breaks('"int"', text)


def test_breaks_are_values() -> None:
    found = find_breaks('"int"', '"string"')
    assert found == [
        Break(
            BreakKind.TYPE_MISMATCH,
            "/",
            "written as string, read as int",
            found[0].hint,
            "",
            found[0].in_reader,
            found[0].in_writer,
        )
    ]
