"""The workspace: the folder of contracts, read whole and checked whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from busline.contract.checks import NOT_GRANTED, check
from busline.contract.finding import Finding
from busline.contract.folder import Folder
from busline.contract.head_commit import head_commit
from busline.contract.holdings import Holdings, Waiver
from busline.contract.model import Contract, Environment, RuleOff, ServiceSpec, TeamSpec
from busline.contract.own_contracts import own_contracts, used_by
from busline.contract.uncollected import uncollected
from busline.errors import WorkspaceInvalid
from busline.names import ContractName, Service, Team

__all__ = ["Finding", "Workspace"]


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """What a valid folder says. commit: git's HEAD there, None outside a repository.

    own: busline's own contracts, with the grants of `events`; not among `contracts`, which teams publish.
    branch: where what is merged is published. off: rules of `busline check` that do not hold here at all.
    holdings: what teams hold beside contracts. waivers: findings of `busline audit code` that are let be.
    """

    path: Path
    company: str
    environments: Mapping[str, Environment]
    teams: Mapping[Team, TeamSpec]
    services: Mapping[Service, ServiceSpec]
    contracts: Mapping[ContractName, Contract]
    own: Mapping[ContractName, Contract] = field(default_factory=own_contracts)
    commit: str | None = None
    branch: str = "main"
    off: tuple[RuleOff, ...] = ()
    holdings: Mapping[Team, Holdings] = field(default_factory=dict)
    waivers: tuple[Waiver, ...] = ()

    @classmethod
    def load(cls, path: Path | str, *, granted: bool = True) -> Workspace:
        """Raises WorkspaceInvalid with all findings, in the order of files and lines. Reads files; no network.

        granted=False: services may declare what waits for a grant, for those who ask for one.
        """
        folder = Folder(Path(path))
        findings = [finding for finding in read(folder) if granted or finding.rule != NOT_GRANTED]
        if findings:
            many = f"{len(findings)} findings" if len(findings) > 1 else "1 finding"
            raise WorkspaceInvalid(f"the workspace {path} has {many}", findings)
        return cls.of(folder)

    @classmethod
    def of(cls, folder: Folder) -> Workspace:
        """What a folder that was read says, valid or not."""
        return cls(
            path=folder.path,
            company=folder.company,
            environments=folder.environments,
            teams=folder.teams,
            services=dict(sorted(folder.services.items())),
            contracts=dict(sorted(folder.contracts.items())),
            own=own_contracts(folder.events),
            commit=head_commit(folder.path),
            branch=folder.branch,
            off=folder.off,
            holdings=folder.holdings,
            waivers=folder.waivers,
        )

    @property
    def known(self) -> dict[ContractName, Contract]:
        """Everything that a service here may ask for by name."""
        return {**self.contracts, **self.own}

    @property
    def used_own(self) -> dict[ContractName, Contract]:
        """Those of busline's own that a service here asks for: what an engine needs that nobody guards."""
        used = used_by(self.services.values())
        return {name: contract for name, contract in self.own.items() if name in used}

    @staticmethod
    def findings(path: Path | str) -> list[Finding]:
        """Everything that is wrong, in the order of files and lines; empty for a valid workspace."""
        return read(Folder(Path(path)))


def read(folder: Folder, *, checked: bool = True) -> list[Finding]:
    """Read what is in the folder's files and say what is wrong; checked=False: in single files only."""
    with uncollected():  # a third of the time, for 10,000 contracts: all that is made here stays
        folder.read()
        if checked:
            check(folder)
    return sorted(set(folder.findings))
