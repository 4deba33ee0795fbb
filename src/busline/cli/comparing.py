"""What `busline check` looks at, and what with: the branch that publishes, or what `--against` names."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import dataclass, replace
from pathlib import Path

from busline.bus.contract_log import ContractLog
from busline.cli.report.report import counted
from busline.cli.target import environment, of_environment, read_log, started
from busline.cli.workspace_path import FILE
from busline.contract.files import BuslineFile
from busline.contract.finding import Finding
from busline.contract.folder import Folder
from busline.contract.partial_folder import PartialFolder, Units, closure
from busline.contract.validation import validated
from busline.contract.workspace import Workspace, read
from busline.contract.yaml_reader import read_yaml
from busline.errors import WorkspaceInvalid
from busline.governance.gate.comparison_base import (
    Base,
    Commit,
    at_commit,
    find_commit,
    in_catalog,
    in_folder,
    unknown_ref,
)
from busline.governance.gate.gate import Scope
from busline.governance.gate.git_tree import GitTree


@dataclass(frozen=True, kw_only=True)
class Compared:
    """base None: with nothing; why stands in note. said: what was compared with what, for people.

    invalid: what does not hold together. unread: contracts that cannot be read whole, left out on both sides.
    """

    workspace: Workspace
    invalid: tuple[Finding, ...] = ()
    unread: frozenset[str] = frozenset()
    base: Base | None = None
    scope: Scope | None = None
    note: str = ""
    said: str = ""

    def with_base(self, base: Base, said: str) -> Compared:
        known = {name: contract for name, contract in base.workspace.contracts.items() if name not in self.unread}
        return replace(self, base=replace(base, workspace=replace(base.workspace, contracts=known)), said=said)


async def compare(folder: Path, against: str | None) -> Compared:
    """Raises WorkspaceInvalid where busline.yaml cannot be read, ConfigurationError for what `against` cannot mean."""
    company = _company(folder)
    if against is None:
        return await _with_branch(folder, company.branch)
    if against in company.environments:
        return await _with_environment(_loaded(Folder(folder)), against)
    if (Path(against) / FILE).is_file():
        return _loaded(Folder(folder)).with_base(in_folder(Path(against)), f"compared with {against}")
    tree = await GitTree.around(folder)
    commit = await find_commit(tree, against) if tree else None
    if tree is None or commit is None:
        raise unknown_ref(against)
    return await _with_commit(folder, tree, commit)


def _company(folder: Path) -> BuslineFile:
    """busline.yaml alone."""
    document = read_yaml(folder / FILE, FILE)
    if isinstance(document, Finding):
        raise WorkspaceInvalid(f"the workspace {folder} has 1 finding", [document])
    found = validated(BuslineFile, document)
    if isinstance(found, list):
        raise WorkspaceInvalid(f"the workspace {folder} has findings", found)
    return found


def _loaded(folder: Folder) -> Compared:
    """With nothing yet."""
    findings = read(folder)
    gc.freeze()  # it stays until the command ends: no collection need walk through it
    workspace = Workspace.of(folder)
    whole = {name: contract for name, contract in workspace.contracts.items() if name not in folder.broken}
    unread = frozenset(folder.broken)
    return Compared(workspace=replace(workspace, contracts=whole), invalid=tuple(findings), unread=unread)


async def _with_branch(folder: Path, branch: str) -> Compared:
    """Everything, against where this line of work left the branch that publishes."""
    tree = await GitTree.around(folder)
    if tree is None:
        note = "no commit of a git repository here: nothing counts as published"
        return replace(_loaded(Folder(folder)), note=note)
    finding = find_commit(tree, branch, remote=True)  # meanwhile, git looks through the same files
    loaded, commit = await asyncio.gather(asyncio.to_thread(_loaded, Folder(folder)), finding)
    if commit is None:
        note = f"there is no branch {branch!r} here: nothing counts as published (`branch:` in busline.yaml names it)"
        return replace(loaded, note=note)
    return loaded.with_base(await at_commit(tree, commit, loaded.workspace), f"compared with {commit}")


async def _with_commit(folder: Path, tree: GitTree, commit: Commit) -> Compared:
    """What changed since, and what refers to it; all else is as it was."""
    units = commit.units
    changed = f"{counted(len(units.contracts), 'contract')} and {counted(len(units.services), 'service')} changed"
    said = f"compared with {commit}: {changed}"
    loaded = _loaded(Folder(folder) if units.company else PartialFolder(folder, units=closure(folder, units)))
    compared = loaded.with_base(await at_commit(tree, commit, loaded.workspace), said)
    return compared if units.company else replace(compared, scope=_scope(loaded.workspace, units))


def _scope(workspace: Workspace, units: Units) -> Scope:
    """Changed contracts and services, and the teams whose files or folders did."""
    teams = {*units.teams, *(name.partition(".")[0] for name in units.contracts)}
    return Scope(
        contracts=frozenset(name for name in workspace.contracts if name in units.contracts),
        services=frozenset(name for name in workspace.services if name in units.services),
        teams=frozenset(team for team in workspace.teams if team in teams),
    )


async def _with_environment(loaded: Compared, name: str) -> Compared:
    target = of_environment(loaded.workspace, environment(loaded.workspace, name))
    async with started(target) as engine:
        log = ContractLog(engine)
        await read_log(log, target.url)
    return loaded.with_base(in_catalog(log.catalog, loaded.workspace), f"compared with what is applied in {name}")
