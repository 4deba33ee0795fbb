"""What an environment has applied, as a check compares with it."""

from pathlib import Path

from busline.contract.entries import Catalog, entries
from busline.contract.workspace import Workspace
from busline.governance.gate.comparison_base import in_catalog


def workspace(folder: Path, *contracts: str) -> Workspace:
    (folder / "busline.yaml").parent.mkdir(parents=True)
    (folder / "busline.yaml").write_text("company: acme\nenvironments: {}\n")
    for contract in contracts:
        team, stream = contract.split(".")
        (folder / team / stream).mkdir(parents=True)
        (folder / team / "team.yaml").write_text("description: A team.\ncontact: {mail: a@acme.example}\n")
        (folder / team / stream / "contract.yaml").write_text("description: A stream.\nkey: id\n")
        (folder / team / stream / "1.avsc").write_text(
            '{"type": "record", "name": "R", "fields": [{"name": "id", "type": "string"}]}'
        )
    return Workspace.load(folder)


def test_what_another_workspace_applied_has_not_gone_from_this_one(tmp_path: Path) -> None:
    catalog = Catalog()
    everything = workspace(tmp_path / "all", "orders.placed", "orders.gone", "billing.sent")
    made = entries(everything.contracts.values(), everything.services.values(), everything.teams.values(), commit=None)
    for key, value in made:
        catalog.apply(key, value)
    base = in_catalog(catalog, workspace(tmp_path / "mine", "orders.placed"))
    assert sorted(base.workspace.contracts) == ["orders.gone", "orders.placed"]
