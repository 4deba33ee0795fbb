"""What one version changes of another, in words, and what `busline diff` shows of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from busline.cli.main import cli
from busline.contract.evolution.changes import Change, ChangeKind, changes
from busline.contract.schema import parse
from busline.errors import BuslineError


def between(old: list[Any], new: list[Any]) -> list[Change]:
    return changes(*(parse({"type": "record", "name": "Order", "fields": fields}) for fields in (old, new)))


def field(name: str, kind: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **more}


def line(*fields: Any) -> dict[str, Any]:
    return field("lines", {"type": "array", "items": {"type": "record", "name": "Line", "fields": list(fields)}})


def test_equal_schemas_have_no_changes() -> None:
    assert between([field("a", "int")], [field("a", "int")]) == []


def test_a_field_added_has_its_type_doc_and_default() -> None:
    note = field("note", ["null", "string"], default=None, doc="For the courier.")
    (change,) = between([field("a", "int")], [field("a", "int"), note])
    assert (change.kind, change.path, change.old) == (ChangeKind.ADDED, "note", None)
    assert change.new is not None
    assert (change.new.type, change.new.default, change.new.doc) == ("null or string", "null", "For the courier.")


def test_a_field_removed() -> None:
    (change,) = between([field("a", "int"), field("b", "long")], [field("a", "int")])
    assert (change.kind, change.path, change.new) == (ChangeKind.REMOVED, "b", None)


def test_a_rename_is_seen_by_its_alias() -> None:
    (change,) = between([field("a", "int")], [field("b", "int", aliases=["a"])])
    assert (change.kind, change.path, change.details) == (
        ChangeKind.RENAMED,
        "b",
        ("name: a → b", "aliases: none → a"),
    )


@pytest.mark.parametrize(
    ("old", "new", "details"),
    [
        (field("a", "int"), field("a", "long"), ("type: int → long",)),
        (field("a", "int"), field("a", ["null", "int"]), ("type: int → null or int",)),
        (field("a", "int", default=1), field("a", "int", default=2), ("default: 1 → 2",)),
        (field("a", "int"), field("a", "int", default=2), ("default: none → 2",)),
        (field("a", "string"), field("a", "string", default=""), ('default: none → ""',)),
        (field("a", "int", doc="x"), field("a", "int", doc="y"), ("doc",)),
        (
            field("a", {"type": "enum", "name": "E", "symbols": ["A", "B"]}),
            field("a", {"type": "enum", "name": "E", "symbols": ["A", "C"], "default": "A"}),
            ("new symbol: C", "gone symbol: B", "default symbol: none → A"),
        ),
        (
            field("a", {"type": "fixed", "name": "F", "size": 4}),
            field("a", {"type": "fixed", "name": "n.F", "size": 8}),
            ("type: 4 bytes → 8 bytes", "name of its type: F → n.F"),
        ),
        (
            field("a", {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}),
            field("a", {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 4}),
            ("type: decimal(9, 2) on bytes → decimal(9, 4) on bytes",),
        ),
    ],
)
def test_what_is_different_in_a_few_words(old: Any, new: Any, details: tuple[str, ...]) -> None:
    (change,) = between([old], [new])
    assert (change.kind, change.path, change.details) == (ChangeKind.CHANGED, "a", details)


def test_nested_fields_have_paths() -> None:
    old, new = [line(field("sku", "string"), field("n", "int"))], [line(field("sku", "string"), field("n", "long"))]
    assert [change.path for change in between(old, new)] == ["lines[].n"]


def test_nullable_records_are_looked_into() -> None:
    def customer(kind: str, wrap: bool) -> list[Any]:
        record = {"type": "record", "name": "Customer", "fields": [field("zip", kind)]}
        return [field("customer", ["null", record] if wrap else record)]

    assert [change.path for change in between(customer("int", False), customer("string", True))] == [
        "customer",
        "customer.zip",
    ]


def test_recursive_types_end() -> None:
    following = field("next", ["null", "Order"], default=None)
    assert [c.path for c in between([field("a", "int"), following], [field("a", "long"), following])] == ["a"]


# busline diff

ORDER_ID = field("order_id", "string")
COUPON = field("coupon", ["null", "string"], default=None)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    files = {
        "busline.yaml": "company: acme\n",
        "orders/team.yaml": "description: Orders.\n",
        "billing/team.yaml": "description: Billing.\n",
        "orders/order-placed/contract.yaml": "description: Placed.\nkey: order_id\naccess: {subscribe: [billing]}\n",
        "billing/invoicing.service.yaml": "subscribes:\n"
        "  orders.order-placed: {version: 1, fields: [order_id, coupon]}\n",
        "billing/count.service.yaml": "subscribes:\n  orders.order-placed: {version: 1, fields: [order_id]}\n",
    }
    for number, fields in enumerate(([ORDER_ID, COUPON], [ORDER_ID, field("note", "string", default="")]), 1):
        schema = {"type": "record", "name": "OrderPlaced", "fields": fields}
        files[f"orders/order-placed/{number}.avsc"] = json.dumps(schema)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def run(workspace: Path, *arguments: str) -> Any:
    return CliRunner().invoke(cli, ["diff", *arguments, "--workspace", str(workspace)])


def test_diff_shows_the_last_two_versions_and_each_reader(workspace: Path) -> None:
    shown = run(workspace, "orders.order-placed")
    assert shown.exit_code == 0
    lines = [" ".join(row.split()) for row in shown.output.splitlines()]
    assert lines[0] == "orders.order-placed: version 1 → version 2"
    assert "+ note — string" in lines
    assert "- coupon null or string —" in lines
    assert "version 2 reads what version 1 wrote: yes" in lines
    at = lines.index("billing/invoicing version 1: order_id, coupon blind")
    assert lines[at + 1] == "a default stands in for coupon"
    assert "billing/count version 1: order_id fine" in lines
    assert not any(row.endswith(" ") for row in shown.output.splitlines())


def test_diff_as_json_is_one_object(workspace: Path) -> None:
    found = json.loads(run(workspace, "orders.order-placed", "1", "2", "--json").output)
    assert (found["contract"], found["old"], found["new"]) == ("orders.order-placed", 1, 2)
    assert [(one["kind"], one["path"]) for one in found["changes"]] == [("added", "note"), ("removed", "coupon")]
    answers = {one["service"]: (one["answer"], one["hurt_fields"]) for one in found["readers"]}
    assert answers["billing/invoicing"] == ("blind", ["coupon"])
    assert answers["billing/count"] == ("fine", [])
    assert answers["billing/people"][0] == "told"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["orders.order-place"], "Did you mean orders.order-placed?"),
        (["orders.order-placed", "1", "3"], "It has versions 1 to 2."),
        (["orders.order-placed", "0"], "has no version 0"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(workspace: Path, arguments: list[str], says: str) -> None:
    failed = run(workspace, *arguments)
    assert failed.exit_code != 0
    assert isinstance(failed.exception, BuslineError)
    assert says in str(failed.exception)


def test_one_version_alone_cannot_be_compared(workspace: Path) -> None:
    (workspace / "orders/order-placed/2.avsc").unlink()
    failed = run(workspace, "orders.order-placed")
    assert "has only version 1: there is nothing to compare" in str(failed.exception)
