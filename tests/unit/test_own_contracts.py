"""busline's own contracts: contracts like any other, whose published versions never change."""

import json
from pathlib import Path

import pytest

from busline.contract.access import decide
from busline.contract.avro import schema_of
from busline.contract.declaration import schema_text
from busline.contract.entries import entries
from busline.contract.event import Event
from busline.contract.example import mismatches
from busline.contract.finding import Severity
from busline.contract.generated import Selection, module
from busline.contract.model import Action, Audience
from busline.contract.own_contracts import OWNER, own_contracts
from busline.contract.rules.evaluate import check_contract
from busline.contract.search_folder import OWN
from busline.contract.workspace import Workspace
from busline.names import ContractName, Service
from busline.platform import AccessChanged, AccessDenied, ContractChanged

MODELS: list[type[Event]] = [AccessChanged, AccessDenied, ContractChanged]
PUBLISHED = {
    ("busline.access-changed", 1): 10798006077779113229,
    ("busline.access-denied", 1): 7116414845672698694,
    ("busline.contract-changed", 1): 15895913468957160952,
}
"""The fingerprint of every version that was ever shipped. A line is added, never changed."""

BUSLINE = """\
company: acme
environments: {local: {url: "memory://"}}
events:
  access-denied: {subscribe: [security/siem]}
  access-changed: {subscribe: [security], read: [everyone]}
"""
SIEM = """\
subscribes:
  busline.access-denied: {version: 1, fields: [principal, refusals]}
  busline.access-changed: {version: 1, fields: [service, change]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "security").mkdir()
    (tmp_path / "busline.yaml").write_text(BUSLINE)
    (tmp_path / "security" / "team.yaml").write_text("contact: {mail: security@acme.example}\n")
    (tmp_path / "security" / "siem.service.yaml").write_text(SIEM)
    return tmp_path


def test_published_versions_never_change() -> None:
    held = {(name, v.number): v.schema.fingerprint for name, c in own_contracts().items() for v in c.versions}
    assert held == PUBLISHED


@pytest.mark.parametrize("model", MODELS)
def test_the_shipped_models_are_the_current_versions(model: type[Event]) -> None:
    contract = own_contracts()[model.__busline__.name]
    assert contract.current is not None
    text = (OWN / contract.owner / contract.name.stream / f"{contract.current.number}.avsc").read_text()
    assert text == schema_text(schema_of(model, contract.current.schema))
    assert (contract.key, contract.kind) == (model.__busline__.key, model.__busline__.kind)


@pytest.mark.parametrize("audience", Audience)
@pytest.mark.parametrize("name", own_contracts())
def test_they_keep_every_rule_that_a_team_has_to_keep(folder: Path, name: ContractName, audience: Audience) -> None:
    workspace = Workspace.load(folder)
    graver = [f for f in check_contract(workspace, workspace.own[name], audience) if f.severity is not Severity.NOTE]
    # nobody promises outsiders these, and a team called busline has no file with a mail address
    assert [str(f) for f in graver if f.rule != "owner-reachable"] == []


@pytest.mark.parametrize("model", MODELS)
def test_the_examples_are_events(model: type[Event]) -> None:
    contract = own_contracts()[model.__busline__.name]
    assert contract.example is not None and contract.current is not None
    assert list(mismatches(contract.current.schema, contract.example)) == []
    made = model.model_validate_json(json.dumps(contract.example))
    assert json.loads(made.model_dump_json()).keys() == contract.example.keys()


def test_nobody_may_have_them_unless_busline_yaml_says_so(folder: Path) -> None:
    (folder / "busline.yaml").write_text("company: acme\n")
    findings = Workspace.findings(folder)
    assert {(f.rule, f.key) for f in findings} == {("not-granted", "subscribes")}
    assert [f.line for f in findings] == [2, 3]
    assert "events.access-denied.subscribe in busline.yaml" in findings[0].fix


def test_grants_stand_in_busline_yaml_with_their_lines(folder: Path) -> None:
    own = Workspace.load(folder).own
    assert [(g.to, g.read_only, str(g.source)) for g in own[ContractName("busline.access-changed")].grants] == [
        ("security", False, "busline.yaml:5"),
        ("everyone", True, "busline.yaml:5"),
    ]
    assert own[ContractName("busline.contract-changed")].grants == ()


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("access-denied: {subscribe: [nobody]}", "there is no team 'nobody'"),
        ("access-denied: {subscribe: [security/none]}", "there is no service 'security/none'"),
        ("access-denied: {subscribe: [security, security]}", "'security' stands more than once"),
        ("acces-denied: {subscribe: [security]}", "access-denied"),
        ("access-denied: {publish: [security]}", "unknown key"),
    ],
)
def test_a_wrong_grant_is_a_finding_at_its_place(folder: Path, line: str, what: str) -> None:
    (folder / "security" / "siem.service.yaml").write_text("description: reads nothing yet\n")
    (folder / "busline.yaml").write_text(f"company: acme\nevents:\n  {line}\n")
    found = [f for f in Workspace.findings(folder) if what in f.what]
    assert [(f.file, f.line, f.key.startswith("events.")) for f in found[:1]] == [("busline.yaml", 3, True)]


def test_a_subscription_is_checked_as_any_other(folder: Path) -> None:
    siem = "subscribes:\n  busline.access-denied: {version: 2, fields: [principal]}\n  busline.acces: {version: 1}\n"
    (folder / "security" / "siem.service.yaml").write_text(siem)
    said = [f.what for f in Workspace.findings(folder)]
    assert said == ["busline.access-denied has no version 2", "there is no contract 'busline.acces'"]


def test_the_team_busline_stays_reserved(folder: Path) -> None:
    (folder / "busline").mkdir()
    assert "the team 'busline' is busline's own" in [f.what for f in Workspace.findings(folder)]


def test_nobody_but_busline_publishes_them(folder: Path) -> None:
    workspace = Workspace.load(folder)
    contract = workspace.own[ContractName("busline.access-denied")]
    forger = Service("security/siem")
    decision = decide(service=forger, action=Action.PUBLISH, contract=contract, declared=workspace.services[forger])
    assert not decision and decision.rule == "not-owner"


def test_equal_wherever_busline_is_installed() -> None:
    for _, value in entries(own_contracts().values(), teams=[OWNER]):
        assert str(OWN.parent).encode() not in value
        assert b'"file"' not in value


def test_models_are_made_of_them_too(folder: Path) -> None:
    workspace = Workspace.load(folder)
    text = module(workspace, Selection(service=Service("security/siem")))
    assert 'contract="busline.access-denied"' in text
    assert "busline." not in module(workspace, Selection()).replace("# busline codegen", "").replace(
        "from busline.", ""
    )
