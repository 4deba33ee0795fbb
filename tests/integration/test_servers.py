"""scripts/servers.py by hand: it says what to do where it cannot go on."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts/servers.py"


def run(*arguments: str, python: tuple[str, ...] = (sys.executable,)) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*python, str(SCRIPT), *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_a_python_without_the_projects_packages_says_how_to_get_them() -> None:
    done = run("up", "kafka", "--nodes", "3", python=(sys.executable, "-S"))  # without site-packages
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    assert "make setup" in done.stderr
    assert done.stderr.rstrip().endswith(".venv/bin/python scripts/servers.py up kafka --nodes 3")


@pytest.mark.parametrize("arguments", [["up"], ["up", "nats"], ["up", "kafka", "--nodes", "0"], ["up", "kafka", "-x"]])
def test_a_wrong_command_line_shows_the_right_ones(arguments: list[str]) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "up kafka --nodes 3" in done.stderr
