"""What a workspace is compared with: a commit, another folder, or what an environment has applied.

Against a commit only what changed is read twice: all else is the same by its blob ids, and is taken from what is here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeAlias

from busline.contract.entries import Catalog
from busline.contract.folder import Folder
from busline.contract.partial_folder import Units, belongs_to, units_of
from busline.contract.schema import Schema, parse
from busline.contract.workspace import Workspace, read
from busline.errors import ConfigurationError, ContractError, SchemaInvalid
from busline.governance.gate.git_tree import GitTree
from busline.names import ContractName

SHORT: Final = 10
Published: TypeAlias = Mapping[tuple[ContractName, int], Schema | None]


@dataclass(frozen=True, kw_only=True)
class Commit:
    """A commit to compare with. id: where this line of work left `ref`. tip: ref itself. changed: since id."""

    ref: str
    id: str
    tip: str
    changed: frozenset[str]

    @property
    def units(self) -> Units:
        return units_of(self.changed)

    def __str__(self) -> str:
        return self.ref if self.ref.startswith(self.id[:7]) else f"{self.ref} ({self.id[:SHORT]})"


@dataclass(frozen=True, kw_only=True)
class Base:
    """workspace: as it was there. published: versions that may not change, by contract and number, beyond it; None: its
    file is no schema."""

    workspace: Workspace
    published: Published = field(default_factory=dict)


async def find_commit(tree: GitTree, ref: str, *, remote: bool = False) -> Commit | None:
    """remote: prefer what was pushed of a branch. Raises ConfigurationError where git cannot compare."""
    refs = [f"refs/remotes/origin/{ref}", f"refs/heads/{ref}"] if remote else []
    found = [(name, commit) for name in [*refs, ref, f"origin/{ref}"] if (commit := await tree.commit(name))]
    if not found:
        return None
    tip = found[0][1]
    start = await tree.merge_base(tip) or tip
    return Commit(ref=ref, id=start, tip=tip, changed=frozenset(await tree.changed(start)))


async def at_commit(tree: GitTree, commit: Commit, workspace: Workspace) -> Base:
    """The workspace as it was at a commit. What could not be read there is left out: it was not published."""
    blobs = await tree.blobs(commit.id)
    published = await _moved_on(tree, commit, blobs)
    if not commit.changed:
        return Base(workspace=replace(workspace, commit=commit.id), published=published)
    units = commit.units
    with tempfile.TemporaryDirectory(prefix="busline-") as made:
        folder = Path(made)
        await tree.extract({path: blob for path, blob in blobs.items() if belongs_to(path, units)}, folder)
        was = Folder(folder)
        read(was, checked=False)
    before = Workspace.of(was)
    contracts = {name: c for name, c in workspace.contracts.items() if name not in units.contracts}
    services = {name: s for name, s in workspace.services.items() if name not in units.services}
    return Base(
        workspace=replace(
            before,
            path=workspace.path,
            contracts=dict(sorted((contracts | dict(before.contracts)).items())),
            services=dict(sorted((services | dict(before.services)).items())),
            commit=commit.id,
        ),
        published=published,
    )


async def _moved_on(
    tree: GitTree, commit: Commit, blobs: Mapping[str, str]
) -> dict[tuple[ContractName, int], Schema | None]:
    """Versions that were published on the branch since this line of work left it."""
    if commit.tip == commit.id:
        return {}
    tip = await tree.blobs(commit.tip)
    new = {path: blob for path, blob in tip.items() if path.endswith(".avsc") and blobs.get(path) != blob}
    return {place: _schema(data) for path, data in (await tree.read(new)).items() if (place := _place(path))}


def _place(path: str) -> tuple[ContractName, int] | None:
    """`orders/order-placed/2.avsc`: orders.order-placed, 2."""
    parts = path.split("/")
    number = parts[-1].removesuffix(".avsc")
    try:
        return (ContractName(f"{parts[0]}.{parts[1]}"), int(number)) if len(parts) == 3 else None
    except (ContractError, ValueError):
        return None


def _schema(data: bytes) -> Schema | None:
    try:
        return parse(data)
    except (SchemaInvalid, UnicodeDecodeError):
        return None


def in_folder(folder: Path) -> Base:
    """Another workspace on the disk; it need not be valid."""
    other = Folder(folder)
    read(other, checked=False)
    return Base(workspace=Workspace.of(other))


def in_catalog(catalog: Catalog, workspace: Workspace) -> Base:
    """What an environment has applied. Raises ContractError for records that cannot be read.

    Contracts of teams that this workspace has not are another workspace's, as for apply, and none that went.
    """
    services, teams = catalog.all_services(), catalog.all_teams()
    contracts = {name: one for name, one in catalog.all_contracts().items() if one.owner in workspace.teams}
    return Base(workspace=replace(workspace, contracts=contracts, services=services, teams=teams, commit=None))


def unknown_ref(ref: str) -> ConfigurationError:
    return ConfigurationError(
        f"{ref!r} is no commit, no folder and no environment here",
        fix="Name a branch, tag or commit (fetched), a folder with a busline.yaml, or an environment of busline.yaml.",
    )
