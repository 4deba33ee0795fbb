"""What several files need: an embedded engine, a workspace of three teams, the command line in this process."""

import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from busline.cli.main import run

Busline = Callable[..., Any]


def schema(name: str, *fields: dict[str, Any], doc: str = "") -> str:
    return json.dumps({"type": "record", "name": name, "doc": doc, "fields": list(fields)}, indent=2) + "\n"


def field(name: str, type_: Any = "string", doc: str = "", **more: Any) -> dict[str, Any]:
    return {"name": name, "type": type_, "doc": doc, **more}


DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}
INSTANT = {"type": "long", "logicalType": "timestamp-millis"}
STATISTICS = [
    field("user_id", doc="Who bought."),
    field("mail_address", ["null", "string"], "Where to write to.", default=None),
    field("orders", "long", "How many orders so far."),
    field("spent", DECIMAL, "In euros."),
    field("last_order", INSTANT, "When."),
    field("address", {"type": "record", "name": "Address", "fields": [field("city"), field("zip")]}),
    field("tags", {"type": "array", "items": "string"}),
]
SHOP = {
    "busline.yaml": 'company: acme\nenvironments:\n  local: {url: "sqlite:///.busline/local.db"}\n',
    "growth/team.yaml": 'description: Growth.\ncontact: {mail: growth@acme.example, chat: "#growth"}\n',
    "growth/user-statistics/contract.yaml": """\
# what the growth team promises
description: What a user has bought so far.   # one line
key: user_id
tags: [sales, customers]
access:
  subscribe: [orders/checkout]    # the shop shows it
fields:
  mail_address: {pii: true}
  orders: {deprecated: {since: 2026-11-01, use: spent}}
""",
    "growth/user-statistics/1.avsc": schema("growth.UserStatistics", *STATISTICS, doc="A user's statistics."),
    "growth/stats.service.yaml": "publishes: {growth.user-statistics: 1}\nsubscribes: {}\naccepts: []\n",
    "orders/team.yaml": 'contact: {chat: "#orders"}\n',
    "orders/order-placed/contract.yaml": (
        "description: An order was placed.\nkey: id\naccess: {subscribe: [everyone]}\n"
    ),
    "orders/order-placed/1.avsc": schema("orders.OrderPlaced", field("id"), field("amount", "long", "In cents.")),
    "orders/order-placed/2.avsc": schema(
        "orders.OrderPlaced",
        field("id"),
        field("amount", "long", "In cents."),
        field("class", ["null", "string"], default=None),
    ),
    "orders/checkout.service.yaml": """\
publishes: {orders.order-placed: 2}
subscribes:
  growth.user-statistics: {version: 1, fields: [user_id, spent], start: earliest}
accepts: []
""",
    "marketing/team.yaml": 'contact: {chat: "#marketing"}\n',
    "marketing/mailer.service.yaml": "publishes: {}\nsubscribes:\n  orders.order-placed: {version: 1, fields: [id]}\n",
}


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path, unique: str) -> str:
    """An embedded engine, new, each in turn."""
    return f"memory://{unique}" if request.param == "memory" else f"sqlite:///{tmp_path}/bus.db"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with schemas/ in it; nothing is applied."""
    for path, text in SHOP.items():
        file = tmp_path / "schemas" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Busline:
    """`busline …` where the test is, in this process."""

    def run_here(*args: str, given: bytes = b"") -> Any:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(given)))
        code = run(args)
        out, err = capsys.readouterr()
        return subprocess.CompletedProcess(args, code, out, err)

    return run_here


@pytest.fixture
def inside(shop: Path, in_process: Busline, monkeypatch: pytest.MonkeyPatch) -> Busline:
    """`busline …` in that folder, in this process."""
    monkeypatch.chdir(shop)
    return in_process
