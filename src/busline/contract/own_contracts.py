"""busline's own contracts: shipped as the files of any contract, in `own/`, and given to whom busline.yaml says.

They are published: a version that is here never changes; what they lack comes as the next one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from typing import Final

from busline.contract.folder import Folder
from busline.contract.model import Contract, Grant, ServiceSpec, TeamSpec
from busline.contract.search_folder import OWN
from busline.names import RESERVED_TEAM, ContractName, Team

OWNER: Final = TeamSpec(name=Team(RESERVED_TEAM), description="busline itself.", chat="who keeps busline.yaml")


def own_contracts(grants: Mapping[ContractName, tuple[Grant, ...]] | None = None) -> dict[ContractName, Contract]:
    """By name, with these grants; without any, nobody may have them."""
    given = grants or {}
    return {name: replace(contract, grants=given.get(name, ())) for name, contract in _shipped().items()}


def used_by(services: Iterable[ServiceSpec]) -> frozenset[ContractName]:
    """Those that one of the services declares."""
    own = frozenset(_shipped())
    return frozenset(
        name
        for service in services
        for name in (*(one.contract for one in service.subscribes), *service.reads)
        if name in own
    )


@cache
def _shipped() -> dict[ContractName, Contract]:
    folder = _Shipped(OWN)
    folder.read()
    assert not folder.findings, [str(finding) for finding in folder.findings]
    # where they lie is a matter of this installation: equal files give equal records everywhere
    return {name: _without_places(contract) for name, contract in sorted(folder.contracts.items())}


def _without_places(contract: Contract) -> Contract:
    return replace(contract, source=None, versions=tuple(replace(v, source=None) for v in contract.versions))


class _Shipped(Folder):
    """The folder of one team, whose name nobody else may take."""

    def read(self) -> None:
        with os.scandir(self.path / OWNER.name) as entries:
            for entry in sorted(entries, key=lambda one: one.name):
                self._contract(OWNER.name, entry)
