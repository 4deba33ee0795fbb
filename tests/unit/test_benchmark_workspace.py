"""The workspace made up for benchmarks: always the same, of the size that was asked for, with nothing wrong in it."""

import datetime as dt
import importlib
from pathlib import Path
from typing import Any

import pytest

from busline.contract.evolution.levels import check_levels
from busline.contract.evolution.traps import find_traps
from busline.contract.rules.evaluate import check_rules
from busline.contract.workspace import Workspace
from busline.governance.gate.comparison_base import Base
from busline.governance.gate.gate import Part, Question, run_gate

made: Any = importlib.import_module("benchmarks.workspace")
SIZE = made.Size(contracts=60, versions=180, services=40)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made")
    made.write_workspace(path, SIZE)
    return path


def texts(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in sorted(folder.rglob("*")) if file.is_file()}


def test_it_is_valid_and_as_large_as_asked_for(folder: Path) -> None:
    workspace = Workspace.load(folder)
    counts = [len(contract.versions) for contract in workspace.contracts.values()]
    assert (len(counts), sum(counts), len(workspace.services)) == (60, 180, 40)
    assert {min(counts), max(counts)} == {1, 5}


def test_it_is_the_same_for_the_same_seed(folder: Path, tmp_path: Path) -> None:
    made.write_workspace(tmp_path / "again", SIZE)
    made.write_workspace(tmp_path / "other", SIZE, seed=2)
    assert texts(tmp_path / "again") == texts(folder) != texts(tmp_path / "other")


def test_its_versions_are_compatible_and_break_no_rule(folder: Path) -> None:
    workspace = Workspace.load(folder)
    for contract in workspace.contracts.values():
        assert [*check_levels(contract), *find_traps(contract)] == []
    assert list(check_rules(workspace)) == []


def test_it_has_readers_of_fields_and_grants_for_them(folder: Path) -> None:
    workspace = Workspace.load(folder)
    subscriptions = [one for service in workspace.services.values() for one in service.subscribes]
    assert len(subscriptions) > 40 and all(one.fields for one in subscriptions)
    assert any(contract.grants for contract in workspace.contracts.values())
    question = Question(workspace=workspace, base=Base(workspace=workspace), today=dt.date(2026, 11, 24))
    assert {one.rule for one in run_gate(question)} <= {"deprecated-use", "deprecated-field", Part.FRESH}


@pytest.mark.parametrize("size", [{"contracts": 10, "versions": 51}, {"contracts": 10, "versions": 9}])
def test_a_size_that_there_cannot_be_is_refused(size: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="versions"):
        made.write_workspace(tmp_path, made.Size(services=20, **size))
