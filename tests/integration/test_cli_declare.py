"""`busline declare` refuses what would not hold together before it writes anything."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HELLO = (ROOT / "examples/hello.py").read_text()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hello.py").write_text(HELLO)
    return tmp_path


def declare(folder: Path, *more: str, app: str = "hello:bus") -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BUSLINE_")}
    return subprocess.run(
        [sys.executable, "-m", "busline", "declare", app, *more],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def files(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in sorted((folder / "schemas").rglob("*")) if file.is_file()}


def test_a_retyped_key_is_refused_and_nothing_is_written(folder: Path) -> None:
    assert declare(folder).returncode == 0
    before = files(folder)
    (folder / "hello.py").write_text(HELLO.replace("name: str", "name: int"))
    done = declare(folder)
    assert done.returncode == 4
    assert "nothing was written" in done.stderr
    assert "'name' is long in version 2, and string before" in done.stderr
    assert files(folder) == before


def test_the_same_in_json(folder: Path) -> None:
    declare(folder)
    (folder / "hello.py").write_text(HELLO.replace("name: str", "name: int"))
    said = json.loads(declare(folder, "--json").stderr.splitlines()[-1])
    assert "nothing was written" in json.dumps(said)


def test_of_a_new_workspace_that_would_be_invalid_nothing_is_left(folder: Path) -> None:
    (folder / "hello.py").write_text(HELLO.replace("name: str", "name: float"))
    done = declare(folder)
    assert done.returncode != 0
    assert not (folder / "schemas").exists()


def test_what_is_not_granted_yet_is_written_and_told(folder: Path) -> None:
    declare(folder)
    (folder / "other.py").write_text(
        HELLO.replace('Bus("sqlite:///bus.db")', 'Bus(service="shop/reader")').replace("await bus.publish", "print")
    )
    done = declare(folder, app="other:bus")
    assert done.returncode == 4
    assert "Add shop/reader to access.subscribe in demo/hello/contract.yaml" in done.stderr
    assert str(folder / "schemas/shop/reader.service.yaml") in files(folder)
    assert declare(folder, app="other:bus").returncode == 4
