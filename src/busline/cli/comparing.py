"""What `busline check` looks at, and what with: the branch that publishes, or what `--against` names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from busline.bus.contract_log import ContractLog
from busline.cli.target import FILE, environment, of_environment, read_log, started
from busline.contract.files import BuslineFile
from busline.contract.finding import Finding
from busline.contract.partial import PartialFolder, Units, closure
from busline.contract.validation import validated
from busline.contract.workspace import Workspace, read
from busline.contract.yaml_reader import read_yaml
from busline.errors import WorkspaceInvalid
from busline.governance.base import Base, Commit, at_commit, find_commit, in_catalog, in_folder, unknown_ref
from busline.governance.gate import Scope
from busline.governance.git_tree import GitTree


@dataclass(frozen=True, kw_only=True)
class Compared:
    """base None: with nothing; why stands in note. said: what was compared with what, for people."""

    workspace: Workspace
    base: Base | None = None
    scope: Scope | None = None
    note: str = ""
    said: str = ""


async def compare(folder: Path, against: str | None) -> Compared:
    """Raises WorkspaceInvalid with all findings, ConfigurationError for what `against` cannot mean."""
    company = _company(folder)
    if against is None:
        return await _with_branch(folder, company.branch)
    if against in company.environments:
        return await _with_environment(Workspace.load(folder), against)
    if (Path(against) / FILE).is_file():
        return Compared(
            workspace=Workspace.load(folder), base=in_folder(Path(against)), said=f"compared with {against}"
        )
    tree = await GitTree.around(folder)
    commit = await find_commit(tree, against) if tree else None
    if tree is None or commit is None:
        raise unknown_ref(against)
    return await _with_commit(folder, tree, commit)


def _company(folder: Path) -> BuslineFile:
    """busline.yaml alone; what is wrong with it is said when all is read."""
    document = read_yaml(folder / FILE, FILE)
    if isinstance(document, Finding):
        raise WorkspaceInvalid(f"the workspace {folder} has 1 finding", [document])
    found = validated(BuslineFile, document)
    if isinstance(found, list):
        raise WorkspaceInvalid(f"the workspace {folder} has findings", found)
    return found


async def _with_branch(folder: Path, branch: str) -> Compared:
    """Everything, against where this line of work left the branch that publishes."""
    workspace = Workspace.load(folder)
    tree = await GitTree.around(folder)
    if tree is None:
        note = "not in a git repository: nothing counts as published here (--against compares with a folder)"
        return Compared(workspace=workspace, note=note)
    commit = await find_commit(tree, branch, remote=True)
    if commit is None:
        note = (
            f"there is no branch {branch!r} here: nothing counts as published (busline.yaml names another: `branch:`)"
        )
        return Compared(workspace=workspace, note=note)
    base = await at_commit(tree, commit, workspace)
    return Compared(workspace=workspace, base=base, said=f"compared with {commit}")


async def _with_commit(folder: Path, tree: GitTree, commit: Commit) -> Compared:
    """What changed since, and what refers to it; all else is as it was."""
    units = commit.units
    said = f"compared with {commit}: {len(units.contracts)} contracts and {len(units.services)} services changed"
    if units.company:
        workspace = Workspace.load(folder)
        return Compared(workspace=workspace, base=await at_commit(tree, commit, workspace), said=said)
    part = PartialFolder(folder, units=closure(folder, units))
    findings = read(part)
    if findings:
        raise WorkspaceInvalid(f"the workspace {folder} has {len(findings)} findings", findings)
    workspace = Workspace.of(part)
    base = await at_commit(tree, commit, workspace)
    return Compared(workspace=workspace, base=base, scope=_scope(workspace, units), said=said)


def _scope(workspace: Workspace, units: Units) -> Scope:
    """Changed contracts and services, and the teams whose files or folders did."""
    teams = {*units.teams, *(name.partition(".")[0] for name in units.contracts)}
    return Scope(
        contracts=frozenset(name for name in workspace.contracts if name in units.contracts),
        services=frozenset(name for name in workspace.services if name in units.services),
        teams=frozenset(team for team in workspace.teams if team in teams),
    )


async def _with_environment(workspace: Workspace, name: str) -> Compared:
    target = of_environment(workspace, environment(workspace, name))
    async with started(target) as engine:
        log = ContractLog(engine)
        await read_log(log, target.url)
    base = in_catalog(log.catalog, workspace)
    return Compared(workspace=workspace, base=base, said=f"compared with what is applied in {name}")
