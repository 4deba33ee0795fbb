"""A workspace checked as it would be: files that are to be written stand in place of those on the disk."""

from pathlib import Path

import pytest

from busline.contract.overlaid_folder import findings_with

SCHEMA = '{"type": "record", "name": "Placed", "fields": [{"name": "id", "type": "%s", "doc": "Names it."}]}'
FILES = {
    "busline.yaml": "company: acme\n",
    "orders/team.yaml": "contact: {mail: orders@acme.example}\n",
    "orders/placed/contract.yaml": "description: An order was accepted.\nkey: id\n",
    "orders/placed/1.avsc": SCHEMA % "string",
    "orders/checkout.service.yaml": "publishes: {orders.placed: 1}\n",
}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def said(path: Path, texts: dict[str, str]) -> list[str]:
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    found = [str(finding) for finding in findings_with(path, texts)]
    assert {file: file.read_bytes() for file in path.rglob("*") if file.is_file()} == before
    return found


def test_a_file_in_place_of_one_on_the_disk(workspace: Path) -> None:
    assert said(workspace, {}) == []
    assert said(workspace, {"orders/placed/contract.yaml": "description: x\nkey: nr\n"})[0].startswith(
        "orders/placed/contract.yaml:2: key: version 1 has no field 'nr'"
    )


def test_a_new_version_of_a_contract_that_is_there(workspace: Path) -> None:
    assert said(workspace, {"orders/placed/2.avsc": SCHEMA % "string"}) == []
    found = said(workspace, {"orders/placed/2.avsc": SCHEMA % "int"})
    assert found[0].startswith("orders/placed/contract.yaml:2: key: 'id' is int in version 2, and string before")


def test_a_new_team_and_contract(workspace: Path) -> None:
    new = {name.replace("orders", "billing"): text.replace("orders", "billing") for name, text in FILES.items()}
    assert said(workspace, new) == []
    del new["billing/placed/1.avsc"]
    assert [one for one in said(workspace, new) if "has no version 1" in one]


def test_a_workspace_that_is_not_there_yet(tmp_path: Path) -> None:
    assert said(tmp_path / "schemas", FILES) == []
    assert not (tmp_path / "schemas").exists()


def test_what_is_too_large_for_a_file_is_too_large_here(workspace: Path) -> None:
    assert "bytes are more than" in said(workspace, {"orders/team.yaml": "#" * 2_000_000})[0]
