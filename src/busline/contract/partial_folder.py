"""A part of a workspace: what changed, what refers to it, and what that refers to; the rest is known by name only.

A change of one contract among ten thousand is so checked in the time that a few contracts take.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from busline.contract.folder import SERVICE_SUFFIX, Entry, Folder
from busline.names import Team

_NAME: Final = re.compile(rb"[a-z][a-z0-9-]*\.[a-z][a-z0-9-]*")


class Units(NamedTuple):
    """What files belong to, by name. company: busline.yaml."""

    contracts: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    teams: frozenset[str] = frozenset()
    company: bool = False


def units_of(paths: Iterable[str]) -> Units:
    """paths: in the workspace, with slashes."""
    contracts, services, teams, company = set(), set(), set(), False
    for path in paths:
        parts = path.split("/")
        if len(parts) == 3:
            contracts.add(f"{parts[0]}.{parts[1]}")
        elif len(parts) == 2 and parts[1].endswith(SERVICE_SUFFIX):
            services.add(f"{parts[0]}/{parts[1].removesuffix(SERVICE_SUFFIX)}")
        elif len(parts) == 2:
            teams.add(parts[0])
        company = company or path == "busline.yaml"
    return Units(frozenset(contracts), frozenset(services), frozenset(teams), company)


def belongs_to(path: str, units: Units) -> bool:
    """A file of one of the units; busline.yaml and the teams' own files always do."""
    parts = path.split("/")
    if len(parts) == 3:
        return f"{parts[0]}.{parts[1]}" in units.contracts
    if path.endswith(SERVICE_SUFFIX):
        return f"{parts[0]}/{parts[-1].removesuffix(SERVICE_SUFFIX)}" in units.services
    return path == "busline.yaml" or path.endswith("/team.yaml")


def closure(folder: Path, units: Units) -> Units:
    """The units, the services and contracts that name one of the contracts, and the contracts that services name."""
    wanted = {name.encode() for name in units.contracts}
    services = set(units.services)
    contracts = set(units.contracts)
    for team in _folders(folder):
        for file in sorted(team.glob(f"*{SERVICE_SUFFIX}")):
            service = f"{team.name}/{file.name.removesuffix(SERVICE_SUFFIX)}"
            named = set(_NAME.findall(_bytes(file)))
            if service in units.services or named & wanted:
                services.add(service)
                contracts |= {name.decode() for name in named}
    return units._replace(contracts=frozenset(contracts), services=frozenset(services))


def _folders(folder: Path) -> Iterator[Path]:
    return (entry for entry in sorted(folder.iterdir()) if entry.is_dir() and not entry.name.startswith("."))


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


@dataclass
class PartialFolder(Folder):
    """Reads the files of `units` only. What else there is counts as there, and is not looked into."""

    units: Units = field(default_factory=Units)

    def _contract(self, team: Team, folder: Entry) -> None:
        name = f"{team}.{folder.name}"
        if name in self.units.contracts:
            super()._contract(team, folder)
        else:
            self.broken.add(name)

    def _service(self, team: Team, entry: Entry) -> None:
        name = f"{team}/{entry.name.removesuffix(SERVICE_SUFFIX)}"
        if name in self.units.services:
            super()._service(team, entry)
        else:
            self.broken.add(name)
