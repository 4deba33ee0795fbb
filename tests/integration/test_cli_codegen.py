"""`busline codegen`: the same module for the same contracts, fresh or refused, and never over somebody's own file."""

import ast
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Busline = Callable[..., Any]


def classes(text: str) -> list[str]:
    return [node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]


def test_every_contract_in_use_is_in_the_module_and_it_is_always_the_same(shop: Path, inside: Busline) -> None:
    first, second = inside("codegen"), inside("codegen")
    assert (first.returncode, first.stdout) == (0, second.stdout)
    assert {"UserStatistics", "OrderPlaced"} <= set(classes(first.stdout))
    assert 'deprecated="since 2026-11-01: use spent"' in first.stdout
    assert inside("codegen", "--json").stdout == json.dumps({"module": first.stdout, "written": None}) + "\n"


def test_a_service_gets_what_it_declares_in_the_versions_that_it_pins(inside: Busline) -> None:
    mailer = inside("codegen", "--service", "marketing/mailer").stdout
    assert classes(mailer) == ["OrderPlaced"]
    assert "class_" not in mailer
    checkout = inside("codegen", "--service", "orders/checkout").stdout
    assert 'serialization_alias="class"' in checkout
    assert {"UserStatistics", "OrderPlaced"} <= set(classes(checkout))


def test_a_file_says_what_it_was_made_from_and_is_made_again_from_the_same(shop: Path, inside: Busline) -> None:
    out = shop / "models.py"
    assert inside("codegen", "orders.order-placed", "--out", "models.py").stdout == "wrote models.py\n"
    assert out.read_text().splitlines()[1] == "# busline codegen orders.order-placed"
    assert inside("codegen", "--out", "models.py", "--check").returncode == 0
    file = shop / "schemas/orders/order-placed/2.avsc"
    file.write_text(file.read_text().replace("In cents.", "In euro cents."))
    stale = inside("codegen", "--out", "models.py", "--check")
    assert (stale.returncode, stale.stdout) == (3, "")
    assert "busline codegen orders.order-placed --out models.py" in stale.stderr
    assert "In euro cents." not in out.read_text()
    assert inside("codegen", "--out", "models.py").returncode == 0
    assert "In euro cents." in out.read_text()
    assert classes(out.read_text()) == ["OrderPlaced"]


def test_a_file_that_is_not_there_is_stale(inside: Busline) -> None:
    assert inside("codegen", "--out", "models.py", "--check").returncode == 3


def test_a_file_that_was_not_generated_is_never_overwritten(shop: Path, inside: Busline) -> None:
    (shop / "models.py").write_text("precious = 1\n")
    done = inside("codegen", "--out", "models.py")
    assert (done.returncode, "not made by" in done.stderr) == (2, True)
    assert (shop / "models.py").read_text() == "precious = 1\n"


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["orders.nope"], 1, "busline find nope"),
        (["x; import os"], 2, "is not a contract name"),
        (["--service", "orders/nope"], 1, "busline declare"),
        (["--check"], 2, "--out"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_what_is_not_there_is_said_with_the_way_on(inside: Busline, args: list[str], code: int, says: str) -> None:
    done = inside("codegen", *args)
    assert (done.returncode, says in done.stderr) == (code, True), done.stderr
