"""The traps that pass every level and still hurt: each is found, with its reason, and nothing else is."""

from typing import Any

import pytest

from busline.contract.evolution.traps import find_traps
from busline.contract.finding import Finding, Severity
from busline.contract.model import Contract, Source, Version
from busline.contract.schema import parse
from busline.names import ContractName


def traps(*versions: list[dict[str, Any]], new: set[int] | None = None) -> list[Finding]:
    made = tuple(
        Version(
            number=number,
            schema=parse({"type": "record", "name": "Order", "fields": fields}),
            source=Source(file=f"orders/order/{number}.avsc"),
        )
        for number, fields in enumerate(versions, 1)
    )
    return find_traps(Contract(name=ContractName("orders.order"), versions=made), new)


def field(name: str, kind: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **more}


def enum(*symbols: str, **more: Any) -> dict[str, Any]:
    return {"type": "enum", "name": "Colour", "symbols": list(symbols), **more}


def decimal(precision: int, scale: int) -> dict[str, Any]:
    return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}


def logical(kind: str, name: str) -> dict[str, Any]:
    return {"type": kind, "logicalType": name}


def rules(found: list[Finding]) -> list[str]:
    return [one.rule for one in found]


def test_a_symbol_added_where_readers_have_no_default() -> None:
    (found,) = traps([field("colour", enum("RED"))], [field("colour", enum("RED", "PINK"))])
    assert (found.rule, found.file, found.key) == ("enum-symbol-added", "orders/order/2.avsc", "colour")
    assert "gains PINK, and readers of version 1 have no default" in found.what
    assert "First publish a version in which enum Colour has a `default`" in found.fix


def test_a_default_that_comes_with_the_symbol_helps_only_who_moves() -> None:
    (found,) = traps([field("colour", enum("RED"))], [field("colour", enum("RED", "PINK", default="RED"))])
    assert found.rule == "enum-symbol-added"


def test_a_symbol_added_after_the_default_names_the_versions_that_lack_it() -> None:
    found = traps(
        [field("colour", enum("RED"))],
        [field("colour", enum("RED", default="RED"))],
        [field("colour", enum("RED", "PINK", default="RED"))],
        [field("colour", enum("RED", "PINK", default="RED"))],
    )
    assert [(one.file, one.rule) for one in found] == [("orders/order/3.avsc", "enum-symbol-added")]
    assert "readers of version 1 have" in found[0].what


def test_a_symbol_added_where_all_readers_have_a_default_is_fine() -> None:
    with_default = [field("colour", enum("RED", default="RED"))]
    assert traps(with_default, [field("colour", enum("RED", "PINK", default="RED"))]) == []


@pytest.mark.parametrize("wrap", [lambda kind: kind, lambda kind: [kind, "null"]])
def test_a_fields_default_is_not_the_enums(wrap: Any) -> None:
    old = [field("colour", wrap(enum("RED")), default="RED")]
    (found,) = traps(old, [field("colour", wrap(enum("RED", "PINK")), default="RED")])
    assert found.rule == "enum-default-on-field"
    assert "stands in for a missing field, never for an unknown symbol" in found.what


def test_an_alias_of_a_field_that_stood_beside_it_is_refused() -> None:
    both = [field("a", "string"), field("b", "string", default="")]
    (found,) = traps(both, [field("b", "string", default="", aliases=["a"])])
    assert (found.rule, found.severity, found.key) == ("alias-of-neighbour", Severity.ERROR, "b")
    assert "which stood beside `b` in version 1" in found.what
    assert "Java throws" in found.what


def test_an_alias_of_a_field_beside_it_is_told_in_words() -> None:
    both = [field("a", "string"), field("b", "string", default="")]
    found = traps([field("a", "string")], [field("a", "string"), field("b", "string", default="", aliases=["a"])])
    assert "which stands beside `b` in this version: both" in found[0].what
    found = traps(both, both, [field("a", "string"), field("b", "string", default="", aliases=["a"])])
    assert "which stood beside `b` in versions 1, 2 and this one: both" in found[0].what


def test_it_is_refused_over_all_versions() -> None:
    both = [field("a", "string"), field("b", "string", default="")]
    found = traps(both, [field("a", "string")], [field("b", "string", default="", aliases=["a"])])
    assert [(one.file, one.rule) for one in found] == [("orders/order/3.avsc", "alias-of-neighbour")]


def test_it_is_refused_in_nested_records() -> None:
    def lines(*fields: Any) -> Any:
        return field("lines", {"type": "array", "items": {"type": "record", "name": "Line", "fields": list(fields)}})

    old = [lines(field("a", "int"), field("b", "int"))]
    (found,) = traps(old, [lines(field("b", "int", aliases=["a"]))])
    assert found.key == "lines[].b"


@pytest.mark.parametrize(
    "fields",
    [
        [field("a", "string"), field("b", "string", aliases=["a"])],
        [field("b", "string", aliases=["b"])],
        [field("b", "string", aliases=["x"]), field("c", "string", aliases=["x"])],
    ],
    ids=["beside it in the same version", "its own alias", "one alias of two fields"],
)
def test_aliases_that_are_ambiguous_within_one_version_are_refused(fields: list[dict[str, Any]]) -> None:
    assert set(rules(traps(fields))) == {"alias-of-neighbour"}


def test_a_name_that_is_an_alias_in_an_older_version_does_not_come_back() -> None:
    found = traps(
        [field("a", "string")], [field("b", "string", aliases=["a"])], [field("b", "string"), field("a", "string")]
    )
    assert [(one.file, one.rule, one.key) for one in found] == [("orders/order/3.avsc", "alias-of-neighbour", "a")]


def test_a_plain_rename_is_fine() -> None:
    assert traps([field("a", "string")], [field("b", "string", aliases=["a"])]) == []


def test_a_type_changed_under_an_alias() -> None:
    (found,) = traps([field("a", "int")], [field("b", "long", aliases=["a"])])
    assert found.rule == "type-changed-under-alias"
    assert "from int to long" in found.what


@pytest.mark.parametrize(
    ("old", "new", "says", "severity"),
    [
        (decimal(12, 2), decimal(12, 4), "factor of 100", Severity.ERROR),
        (decimal(12, 2), decimal(10, 2), "too long for the other", Severity.WARNING),
        (logical("long", "timestamp-millis"), logical("long", "timestamp-micros"), "factor of 1,000,", Severity.ERROR),
        (logical("long", "timestamp-millis"), logical("long", "timestamp-nanos"), "1,000,000", Severity.ERROR),
        (logical("int", "date"), logical("int", "time-millis"), "different things", Severity.ERROR),
        ("long", logical("long", "timestamp-millis"), "gains the meaning timestamp-millis", Severity.WARNING),
        (logical("long", "timestamp-millis"), "long", "loses the meaning timestamp-millis", Severity.WARNING),
        ("int", logical("long", "timestamp-millis"), "gains the meaning timestamp-millis", Severity.WARNING),
        ("string", logical("string", "uuid"), "gains the meaning uuid", Severity.WARNING),
    ],
)
@pytest.mark.parametrize("wrap", [lambda kind: kind, lambda kind: ["null", kind]], ids=["plain", "nullable"])
def test_the_same_bytes_with_another_meaning(old: Any, new: Any, says: str, severity: Severity, wrap: Any) -> None:
    (found,) = traps([field("at", wrap(old))], [field("at", wrap(new))])
    assert (found.rule, found.severity, found.key) == ("meaning-changed", severity, "at")
    assert says in found.what


def test_a_default_changed() -> None:
    (found,) = traps([field("currency", "string", default="EUR")], [field("currency", "string", default="USD")])
    assert found.rule == "default-changed"
    assert 'is "USD", and was "EUR" in version 1' in found.what


def test_an_enums_default_changed() -> None:
    old = [field("colour", enum("RED", "PINK", default="RED"))]
    (found,) = traps(old, [field("colour", enum("RED", "PINK", default="PINK"))])
    assert found.rule == "default-changed"


@pytest.mark.parametrize(("one", "other", "same"), [(1, 1.0, True), (True, 1, False), ([], {}, False)])
def test_defaults_are_compared_as_values(one: Any, other: Any, same: bool) -> None:
    from busline.contract.evolution.meaning import same_json

    assert same_json(one, other) is same


def test_a_field_that_comes_back_is_compared_with_the_last_version_that_had_it() -> None:
    found = traps(
        [field("id", "string"), field("total", decimal(12, 2))],
        [field("id", "string")],
        [field("id", "string"), field("total", decimal(12, 4))],
    )
    assert [(one.file, one.rule) for one in found] == [("orders/order/3.avsc", "meaning-changed")]
    assert "in version 1" in found[0].what


def test_a_trap_is_told_at_the_version_that_brings_it_only() -> None:
    old, new = [field("at", "long")], [field("at", logical("long", "timestamp-millis"))]
    assert [one.file for one in traps(old, new, new)] == ["orders/order/2.avsc"]
    assert traps(old, new, new, new={3}) == []


def test_recursive_schemas_end() -> None:
    node = field("next", ["null", "Order"], default=None)
    assert traps([field("id", "int"), node], [field("id", "int"), node]) == []
