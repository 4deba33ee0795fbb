"""The rules of `busline check`: each finds the bad, leaves the good alone, and is off only in a file."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from busline.contract.finding import Finding, Severity
from busline.contract.locate import located
from busline.contract.model import Audience, TeamSpec
from busline.contract.rules.catalogue import ALL_RULES, RULES
from busline.contract.rules.evaluate import check_contract, check_rules
from busline.contract.rules.switched_off import SwitchedOff
from busline.contract.rules.words import words_of
from busline.contract.workspace import Workspace

ROOT = Path(__file__).parents[2]
Make = Callable[..., Workspace]
TEXT = {"type": "string"}
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}
UUID = {"type": "string", "logicalType": "uuid"}
INSTANT = {"type": "long", "logicalType": "timestamp-micros"}
DATE = {"type": "int", "logicalType": "date"}
ENUM = {"type": "enum", "name": "Status", "symbols": ["OPEN", "PAID"]}


def field(name: str, type_: Any = "string", doc: str = "What it is.", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": type_, "doc": doc, **more}


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A workspace of one contract, orders.order-placed, clean but for what is given."""

    def made(
        *fields: dict[str, Any],
        contract: str = "key: order_id\n",
        team: str = "contact: {chat: '#orders'}\n",
        company: str = "",
    ) -> Workspace:
        folder = tmp_path / "orders" / "order-placed"
        folder.mkdir(parents=True, exist_ok=True)
        if "description:" not in contract:
            contract = "description: An order was accepted and paid for. Emitted once.\n" + contract
        (tmp_path / "busline.yaml").write_text("company: acme\n" + company)
        (tmp_path / "orders" / "team.yaml").write_text(team)
        (folder / "contract.yaml").write_text(contract)
        schema = {"type": "record", "name": "OrderPlaced", "fields": [field("order_id", UUID), *fields]}
        (folder / "1.avsc").write_text(json.dumps(schema, indent=1))
        return Workspace.load(tmp_path)

    return made


def rules_of(workspace: Workspace) -> dict[str, Finding]:
    return {finding.rule: finding for finding in SwitchedOff(workspace, RULES).kept(check_rules(workspace))}


FIELDS = [
    ("field-docs", field("a", doc=""), field("a")),
    ("field-docs", field("a", {"type": "record", "name": "A", "fields": [field("b", doc="")]}), field("a")),
    ("field-naming", field("userId"), field("user_id")),
    ("field-naming", field("user__id"), field("user_id")),
    (
        "enum-naming",
        field("a", {**ENUM, "symbols": ["open"], "default": "open"}),
        field("a", {**ENUM, "default": "OPEN"}),
    ),
    ("look-alike-fields", field("orderid"), field("order")),
    ("units", field("timeout", "int"), field("timeout_ms", "int")),
    ("units", field("weight", "double"), field("weight", "double", "In grams.")),
    ("units", field("size", "long"), field("size", TEXT)),
    ("units", field("price", DECIMAL), field("price", DECIMAL, "In EUR.")),
    ("money-not-float", field("price", "double"), field("price", DECIMAL)),
    ("money-not-float", field("total", "float"), field("total", "double", "Rain of the day, in mm.")),
    ("money-not-float", field("amount_eur", ["null", "double"]), field("distance_total", "double")),
    (
        "money-not-float",
        field("costs", {"type": "array", "items": "double"}),
        field("discount_percent", "double"),
    ),
    ("database-id", field("customer_id", "long"), field("customer_id", UUID)),
    ("database-id", field("id", ["null", "int"]), field("flight", "long")),
    ("instant-type", field("placed_at", "long"), field("placed_at", INSTANT)),
    ("instant-type", field("created_at", "string"), field("response_time", "long")),
    ("instant-type", field("event_time", ["null", "long"]), field("wait_time", "int")),
    ("instant-type", field("timestamp", "string"), field("look_at_me", "string")),
    ("instant-type", field("due_date", "string"), field("due_date", DATE)),
    ("enum-default", field("a", ENUM), field("a", {**ENUM, "default": "OPEN"})),
    ("pii-marked", field("email"), field("email_verified", "boolean")),
    ("pii-marked", field("birth_date", DATE), field("birth_count", "int")),
    ("pii-marked", field("phoneNumber"), field("microphone")),
    (
        "pii-marked",
        field("customer", {"type": "record", "name": "C", "fields": [field("last_name")]}),
        field("last_named"),
    ),
]


@pytest.mark.parametrize(("rule", "bad", "good"), FIELDS, ids=[f"{rule}-{bad['name']}" for rule, bad, _ in FIELDS])
def test_a_rule_finds_the_bad_field_and_leaves_the_good_alone(make: Make, rule: str, bad: Any, good: Any) -> None:
    found = rules_of(make(bad))
    assert found[rule].file == (
        "orders/order-placed/contract.yaml" if rule == "pii-marked" else "orders/order-placed/1.avsc"
    )
    assert found[rule].what and found[rule].fix
    assert rule not in rules_of(make(good))


CONTRACTS = [
    (
        "contract-docs",
        "description: Order placed.\nkey: order_id\n",
        "description: An order was paid.\nkey: order_id\n",
    ),
    ("key-present", "tags: [a]\n", "key: order_id\n"),
    ("key-stable", "key: status\n", "key: order_id\n"),
    ("key-stable", "key: placed_at\n", "key: user_id\n"),
    ("key-not-pii", "key: email\nfields: {email: {pii: true}}\n", "key: user_id\nfields: {user_id: {pii: true}}\n"),
    ("key-not-pii", "key: nickname\nfields: {nickname: {pii: true}}\n", "key: nickname\n"),
    ("pii-retention", "key: user_id\nfields: {email: {pii: true}}\nstorage: {retention: forever}\n", "key: user_id\n"),
    ("retention-audience", "key: user_id\nstorage: {retention: 6h}\n", "key: user_id\nstorage: {retention: 24h}\n"),
    (
        "retention-audience",
        "key: user_id\naudience: partner\nstorage: {retention: 2d}\n",
        "key: user_id\naudience: partner\n",
    ),
    ("record-size", "key: user_id\nstorage: {max_record: 9MiB}\n", "key: user_id\nstorage: {max_record: 8MiB}\n"),
    ("partition-count", "key: user_id\nstorage: {partitions: 101}\n", "key: user_id\nstorage: {partitions: 100}\n"),
]


@pytest.mark.parametrize(("rule", "bad", "good"), CONTRACTS)
def test_a_rule_finds_the_bad_contract_and_leaves_the_good_alone(make: Make, rule: str, bad: str, good: str) -> None:
    fields = [field("user_id"), field("email"), field("nickname"), field("status"), field("placed_at", INSTANT)]
    assert rules_of(make(*fields, contract=bad))[rule].file == "orders/order-placed/contract.yaml"
    assert rule not in rules_of(make(*fields, contract=good))


def test_a_team_file_that_cannot_be_read_says_nothing_of_who_can_be_reached(make: Make) -> None:
    workspace = make()
    unread = replace(workspace, teams={name: TeamSpec(name=name) for name in workspace.teams})
    assert "owner-reachable" not in rules_of(unread)


def test_an_owner_can_be_reached_and_by_mail_where_outsiders_read(make: Make) -> None:
    assert rules_of(make(team="description: x\n"))["owner-reachable"].file == "orders/team.yaml"
    assert "owner-reachable" not in rules_of(make())
    outside = make(contract="key: order_id\naudience: public\n")
    assert "outsiders" in rules_of(outside)["owner-reachable"].what
    mail = make(contract="key: order_id\naudience: public\n", team="contact: {mail: a@b.c}\n")
    assert "owner-reachable" not in rules_of(mail)


@pytest.mark.parametrize(
    ("text", "guarded"),
    [
        ("/orders/ @acme/orders\n", True),
        ("orders/** @acme/orders # ours\n", True),
        ("[Orders] @acme/orders\norders/\n", True),
        ("* @acme/all\n", False),
        ("/orders/\n", False),
        ("/orders/ @acme/orders\n/orders/\n", False),
        ("# /orders/ @acme/orders\n", False),
        ("/other/ @acme/orders\n", False),
    ],
)
def test_a_folder_has_an_owner_line_of_its_own(make: Make, tmp_path: Path, text: str, guarded: bool) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".github").mkdir()
    (tmp_path / ".github/CODEOWNERS").write_text(text)
    assert ("codeowners" not in rules_of(make())) is guarded


def test_without_a_repository_nobody_is_asked_for_codeowners_and_without_the_file_once(
    make: Make, tmp_path: Path
) -> None:
    workspace = make()
    assert "codeowners" not in rules_of(workspace)
    (tmp_path / ".git").mkdir()
    assert "no CODEOWNERS" in rules_of(workspace)["codeowners"].what


def test_the_audience_decides_how_grave_a_finding_is(make: Make) -> None:
    workspace = make(field("customer_id", "long"), field("status", ENUM))
    [contract] = workspace.contracts.values()

    def severities(audience: Audience) -> dict[str, Severity]:
        return {finding.rule: finding.severity for finding in check_contract(workspace, contract, audience)}

    assert severities(Audience.TEAM) == {"enum-default": Severity.NOTE}
    assert severities(Audience.COMPANY) == dict.fromkeys(["database-id", "enum-default"], Severity.WARNING)
    assert severities(Audience.PUBLIC) == dict.fromkeys(["database-id", "enum-default"], Severity.ERROR)


def test_only_the_current_version_is_held_to_the_rules(make: Make, tmp_path: Path) -> None:
    make(field("price", "double"))
    second = {"type": "record", "name": "OrderPlaced", "fields": [field("order_id", UUID)]}
    (tmp_path / "orders/order-placed/2.avsc").write_text(json.dumps(second))
    assert rules_of(Workspace.load(tmp_path)) == {}


@pytest.mark.parametrize("place", ["contract", "team", "company"])
def test_a_rule_is_off_in_a_file_with_its_reason(make: Make, place: str) -> None:
    off = 'rules: {money-not-float: {off: "gone in March"}}\n'
    given = {"contract": "key: order_id\n", "team": "contact: {chat: '#orders'}\n", "company": ""}
    workspace = make(field("price", "double", "In EUR."), **{place: given[place] + off})
    assert rules_of(workspace) == {}


def test_a_rule_is_off_for_some_fields_and_holds_for_the_others(make: Make) -> None:
    off = 'key: order_id\nrules: {field-docs: {off: "later", fields: [a]}}\n'
    workspace = make(field("a", doc=""), field("b", doc=""), contract=off)
    assert [finding.key for finding in SwitchedOff(workspace, RULES).kept(check_rules(workspace))] == ["b"]


def test_a_rule_that_does_not_exist_or_cannot_be_off_is_an_error(make: Make) -> None:
    off = 'key: order_id\nrules: {money-as-float: {off: "x"}, reader-fails: {off: "x"}}\n'
    wrong = list(SwitchedOff(make(contract=off), RULES).wrong())
    assert [(finding.key, finding.severity) for finding in wrong] == [
        ("rules.money-as-float", Severity.ERROR),
        ("rules.reader-fails", Severity.ERROR),
    ]
    assert wrong[0].fix == "Did you mean 'money-not-float'?" and wrong[0].line == 3


def test_what_is_off_and_need_not_be_is_told(make: Make) -> None:
    off = SwitchedOff(make(contract='key: order_id\nrules: {units: {off: "x"}, field-docs: {off: "y"}}\n'), RULES)
    off.kept([Finding(file="orders/order-placed/1.avsc", what="x", rule="field-docs")])
    assert [(one.key, one.severity) for one in off.unneeded(["units", "field-docs"])] == [
        ("rules.units", Severity.NOTE)
    ]
    assert list(off.unneeded(["field-docs"])) == []


def test_a_finding_is_given_its_line(make: Make, tmp_path: Path) -> None:
    line = {"type": "record", "name": "Line", "fields": [field("sku"), field("price", "double")]}
    workspace = make(field("lines", {"type": "array", "items": line}), field("email"))
    found = {finding.rule: finding for finding in located(check_rules(workspace), tmp_path)}
    text = (tmp_path / found["money-not-float"].file).read_text().splitlines()
    assert found["money-not-float"].key == "lines.price"
    assert '"name": "price"' in text[found["money-not-float"].line]


@pytest.mark.parametrize("folder", ["schemas", "examples/flights/schemas"])
def test_our_own_workspaces_are_clean(folder: str) -> None:
    assert rules_of(Workspace.load(ROOT / folder)) == {}


def test_every_rule_has_a_whole_page() -> None:
    for rule in ALL_RULES.values():
        assert all(rule.page) and rule.reason.endswith("."), rule.id
        assert rule.id == rule.id.lower() and "_" not in rule.id


def test_words_are_taken_apart_in_every_spelling() -> None:
    assert words_of("birthDate").words == words_of("birth_date").words == ("birth", "date")
    assert words_of("HTTPStatus").words == ("http", "status")
    assert words_of("___").words == ()
