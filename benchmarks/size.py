"""A workspace of 10,000 contracts, 30,000 versions and 2,000 services: how long commands take, and how much memory.

Each measurement is a process of its own, from its start to its end, on files that the system has in its cache. The peer
of loading reads the same files with PyYAML's C loader and `json`, and makes nothing of them: a bound.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import yaml

from benchmarks.harness import Case
from benchmarks.workspace import Size
from busline.contract.workspace import Workspace

ROUNDS: Final = 3
BUSLINE: Final = (sys.executable, "-m", "busline")
HERE: Final = (sys.executable, "-m", "benchmarks.size")


class Spent(NamedTuple):
    """seconds: by the clock. memory: at its peak, MB (2**20 bytes)."""

    seconds: float
    memory: float


def cases() -> list[Case]:
    with tempfile.TemporaryDirectory(prefix="busline-bench-") as made:
        folder = Path(made) / "schemas"
        # In a process of its own too: a child's peak counts what its parent held when it was forked.
        subprocess.run([sys.executable, "-m", "benchmarks.workspace", str(folder)], check=True)
        _published_with_a_change(folder)
        floor = _median([*HERE, "floor", str(folder)])
        commands = {
            "load": [*HERE, "load", str(folder)],
            "check": [*BUSLINE, "check", "--workspace", str(folder)],
            "check --against, one change": [*BUSLINE, "check", "--against", "main", "--workspace", str(folder)],
            "find": [*BUSLINE, "find", "invoice", "placed", "--workspace", str(folder)],
        }
        spent = {name: _median(command) for name, command in commands.items()}
    peers = {"load": floor}
    return [case for name, one in spent.items() for case in _cases(name, one, peers.get(name))]


def _cases(name: str, spent: Spent, peer: Spent | None) -> list[Case]:
    seconds = {"yaml and json alone": peer.seconds} if peer else {}
    memory = {"yaml and json alone": peer.memory} if peer else {}
    return [
        Case(case=f"10,000 contracts: {name}", unit="s", busline=spent.seconds, peers=seconds),
        Case(case=f"10,000 contracts: {name}, memory", unit="MB", busline=spent.memory, peers=memory),
    ]


def _median(command: Sequence[str]) -> Spent:
    """The first run warms the caches and is not counted."""
    runs = [_measured(command) for _ in range(ROUNDS + 1)][1:]
    return Spent(*(statistics.median(values) for values in zip(*runs, strict=True)))


def _measured(command: Sequence[str]) -> Spent:
    with tempfile.TemporaryFile() as said:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        spent = Spent(time.perf_counter() - began, usage.ru_maxrss / 1024)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {said.read().decode()[-2000:]}")
    return spent


def _published_with_a_change(folder: Path) -> None:
    """In git on the branch main; on another branch, one contract has one version more."""
    _git(folder.parent, "init", "--quiet", "--initial-branch=main")
    _git(folder.parent, "add", ".")
    _git(folder.parent, "commit", "--quiet", "--message=The workspace")
    _git(folder.parent, "checkout", "--quiet", "-b", "change")
    stream = sorted(folder.glob("*/*/"))[Size().contracts // 2]
    number = len(list(stream.glob("*.avsc")))
    schema = json.loads((stream / f"{number}.avsc").read_text())
    schema["fields"].append(
        {"name": "remark", "type": ["null", "string"], "doc": "What else is to say.", "default": None}
    )
    (stream / f"{number + 1}.avsc").write_text(json.dumps(schema, indent=2))


def _git(folder: Path, *args: str) -> None:
    who = ("-c", "user.name=benchmark", "-c", "user.email=benchmark@acme.example", "-c", "gc.auto=0")
    subprocess.run(["git", *who, *args], cwd=folder, check=True)


def _floor(folder: Path) -> None:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    kept = [yaml.load(file.read_bytes(), Loader=loader) for file in folder.rglob("*.yaml")]
    kept += [json.loads(file.read_bytes()) for file in folder.rglob("*.avsc")]


if __name__ == "__main__":
    what, where = sys.argv[1], Path(sys.argv[2])
    if what == "load":
        Workspace.load(where)
    else:
        _floor(where)
