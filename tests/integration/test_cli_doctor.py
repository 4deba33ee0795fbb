"""settings, doctor and completion: what holds here, what to do, and names without a network."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Busline = Callable[..., Any]


def diagnoses(done: Any) -> dict[str, list[dict[str, Any]]]:
    out: dict[str, list[dict[str, Any]]] = {}
    for line in done.stdout.splitlines():
        one = json.loads(line)
        out.setdefault(one["about"], []).append(one)
    return out


def test_each_setting_is_shown_with_its_origin_and_no_secret(
    shop: Path, inside: Busline, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shop / "pyproject.toml").write_text('[tool.busline]\nservice = "orders/checkout"\nuser = "me"\n')
    monkeypatch.setenv("BUSLINE_URL", "kafka://me:hunter2@k:9092")
    monkeypatch.setenv("BUSLINE_PASSWORD", "hunter2")
    done, as_json = inside("settings"), inside("settings", "--json")
    assert "hunter2" not in done.stdout + as_json.stdout
    told = {one["name"]: one for one in map(json.loads, as_json.stdout.splitlines())}
    assert (told["service"]["value"], told["service"]["origin"]) == (
        "orders/checkout",
        f"{shop}/pyproject.toml [tool.busline]",
    )
    assert (told["password"]["value"], told["password"]["origin"]) == ("********", "BUSLINE_PASSWORD")
    assert told["url"]["value"] == "kafka://me:********@k:9092"
    assert told["registry"] == {"name": "registry", "value": None, "origin": None}


def test_the_doctor_finds_nothing_where_all_is_well(inside: Busline) -> None:
    inside("apply", "--env", "local")
    done = inside("doctor", "--as", "orders/checkout", "--json")
    told = diagnoses(done)
    assert done.returncode == 0, done.stdout
    assert list(told) == ["settings", "workspace", "engine", "contract log", "clock", "access"]
    assert {one["state"] for ones in told.values() for one in ones} == {"ok"}
    assert "may read" in diagnoses(inside("doctor", "--as", "marketing/people", "--json"))["access"][0]["what"]


def test_the_doctor_says_what_is_wrong_and_what_to_do(shop: Path, inside: Busline) -> None:
    nothing = inside("doctor", "--json")
    assert nothing.returncode == 4
    assert "busline apply" in diagnoses(nothing)["engine"][0]["fix"]
    inside("apply", "--env", "local")
    (shop / "schemas/orders/order-placed/contract.yaml").write_text("descripton: x\n")
    broken = inside("doctor")
    assert broken.returncode == 4
    assert "busline check" in broken.stdout


def test_the_doctor_says_what_is_not_granted_any_more(shop: Path, inside: Busline) -> None:
    done = inside("doctor", "--as", "nobody", "--json")
    assert done.returncode == 2
    inside("apply", "--env", "local")
    other = inside("doctor", "--as", "marketing/nope", "--json")
    assert diagnoses(other)["access"][0]["state"] == "note"


def test_an_engine_that_is_not_there_exits_6(inside: Busline) -> None:
    done = inside("doctor", "--url", "kafka://127.0.0.1:1", "--as", "orders/checkout", "--json")
    assert (done.returncode, diagnoses(done)["engine"][0]["state"]) == (6, "bad")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_script(inside: Busline, shell: str) -> None:
    done = inside("completion", shell)
    assert (done.returncode, "_BUSLINE_COMPLETE" in done.stdout) == (0, True)


@pytest.mark.parametrize(("line", "found"), [("busline show gr", ["growth.user-statistics"]), ("busline fi", ["find"])])
def test_names_are_completed_from_folders(shop: Path, line: str, found: list[str]) -> None:
    for contract in (shop / "schemas").glob("*/*/contract.yaml"):
        contract.write_text(": nonsense [")
    words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1), "_BUSLINE_COMPLETE": "bash_complete"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BUSLINE_")}
    done = subprocess.run(
        [sys.executable, "-m", "busline"], env=kept | words, cwd=shop, capture_output=True, text=True, timeout=60
    )
    assert [one.partition(",")[2] for one in done.stdout.splitlines()] == found
