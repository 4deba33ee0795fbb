"""The contracts that a command knows: a workspace's, or those applied in an environment."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from busline.bus.contract_log import ContractLog
from busline.cli.options import Where
from busline.cli.target import Target, find_target, load_workspace, read_log, started
from busline.contract.entries import Catalog
from busline.contract.model import Contract, ServiceSpec, TeamSpec
from busline.contract.own_contracts import OWNER
from busline.contract.workspace import Workspace
from busline.errors import ContractUnknown
from busline.names import ContractName, Service, Team


@dataclass(frozen=True, kw_only=True)
class Known:
    """place: what is said of where it was looked at."""

    contracts: Mapping[ContractName, Contract]
    services: Mapping[Service, ServiceSpec]
    teams: Mapping[Team, TeamSpec]
    place: str

    def contract(self, name: ContractName) -> Contract:
        found = self.contracts.get(name)
        if found is None:
            near = difflib.get_close_matches(name, sorted(self.contracts), n=3)
            fix = f"Did you mean {' or '.join(near)}?" if near else f"Look for it: busline find {name.stream}."
            raise ContractUnknown(f"{name} is no contract in {self.place}", fix=fix)
        return found

    def contact(self, team: Team) -> str:
        found = self.teams.get(team)
        return found.contact if found else f"team {team}"


def of_workspace(path: Path | None) -> Known:
    """Raises ConfigurationError, WorkspaceInvalid."""
    return of_files(load_workspace(path, granted=False))


def of_files(found: Workspace) -> Known:
    return Known(
        contracts=found.known, services=found.services, teams={**found.teams, OWNER.name: OWNER}, place=str(found.path)
    )


async def applied(target: Target) -> ContractLog:
    """What is applied there. Raises ContractUnknown where nothing is, Unreachable, NotAuthorized."""
    async with started(target) as engine:
        log = ContractLog(engine)
        await read_log(log, target.url)
        return log


async def known(where: Where, name: ContractName | None = None) -> Known:
    """--env or --url: what is applied there; else the workspace. name: the only contract that is asked for."""
    if where.env is None and where.url is None:
        return of_workspace(where.workspace)
    target = find_target(where)
    return of_catalog((await applied(target)).catalog, where.env or target.url, name)


def of_catalog(catalog: Catalog, place: str, name: ContractName | None = None) -> Known:
    """name: the only contract that is asked for. Raises ContractError for a record that cannot be read."""
    only = catalog.contract(name) if name else None
    contracts = catalog.all_contracts() if name is None else {only.name: only} if only else {}
    return Known(contracts=contracts, services=catalog.all_services(), teams=catalog.all_teams(), place=place)
