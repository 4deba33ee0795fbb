"""May this be deployed now? A service against what is applied somewhere; a contract's version against its readers.

Two pure questions over merged files and what an engine said of itself (running.py).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from busline.contract.access import Decision, decide
from busline.contract.evolution.readers import Reader, readers_by_contract
from busline.contract.model import Action, Contract, ServiceSpec, Version
from busline.errors import ConfigurationError
from busline.governance.readers.running import Deployed
from busline.governance.readers.survey import Merged, Survey, still_reads
from busline.names import ContractName, Service


class Obstacle(NamedTuple):
    """about: the contract or service. first: what has to go first."""

    about: str
    what: str
    first: str


@dataclass(frozen=True, kw_only=True)
class Place:
    """Merged files, and an environment as it is. name: the environment's."""

    name: str
    merged: Merged
    deployed: Deployed
    today: dt.date

    @property
    def survey(self) -> Survey:
        return Survey(merged=self.merged, deployed=self.deployed, today=self.today)

    @property
    def apply(self) -> str:
        return f"busline apply --env {self.name}"


def service_obstacles(place: Place, service: Service) -> list[Obstacle]:
    """Why a service, as its file here declares it, is not fit for the environment; empty: it is.

    Raises ConfigurationError for a service that the files do not have.
    """
    spec = place.merged.services.get(service)
    if spec is None:
        known = ", ".join(s for s in sorted(place.merged.services) if s.team == service.team) or "none"
        fix = f"Run `busline declare`. Of that team there are: {known}."
        raise ConfigurationError(f"{service} has no service file here", fix=fix)
    return list(dict.fromkeys(_Fitting(place, spec).obstacles()))


class _Fitting:
    """One service, contract by contract."""

    def __init__(self, place: Place, spec: ServiceSpec) -> None:
        self.place, self.spec = place, spec
        self.applied = place.deployed.catalog.service(spec.name)

    def obstacles(self) -> Iterator[Obstacle]:
        for publication in self.spec.publishes:
            contract = self.contract(publication.contract)
            yield from self.uses(Action.PUBLISH, publication.contract, contract, publication.version)
            version = contract.version(publication.version) if contract else None
            if contract and version:
                yield from self.hurt_by(contract, version)
        own = readers_by_contract([self.spec])
        for said in self.spec.subscribes:
            contract = self.contract(said.contract)
            yield from self.uses(Action.SUBSCRIBE, said.contract, contract, said.version)
            if contract and contract.version(said.version):
                yield from self.cannot_read(contract, own[said.contract])
        for name in self.spec.reads:
            yield from self.uses(Action.READ, name, self.contract(name), None)

    def contract(self, name: ContractName) -> Contract | None:
        return self.place.deployed.catalog.contract(name)

    def uses(
        self, action: Action, name: ContractName, contract: Contract | None, version: int | None
    ) -> Iterator[Obstacle]:
        """It is applied, in that version, granted, and declared there too."""
        where, apply = self.place.name, self.place.apply
        if contract is None:
            merged = name in self.place.merged.contracts
            yield Obstacle(name, f"it is not applied in {where}", apply if merged else f"merge {name}, then {apply}")
            return
        if version is not None and contract.version(version) is None:
            yield Obstacle(name, f"version {version} is not applied in {where} ({len(contract.versions)} is)", apply)
        yield from self._access(action, contract)

    def _access(self, action: Action, contract: Contract) -> Iterator[Obstacle]:
        denied = self._ask(action, contract, self.spec)
        if not denied:
            merged = self.place.merged.contracts.get(contract.name)
            waits = merged is not None and self._ask(action, merged, self.spec)
            first = self.place.apply if waits else f"{denied.change} Ask {denied.ask}.".strip()
            yield Obstacle(contract.name, denied.why, first)
        elif not self._ask(action, contract, self.applied):
            what = f"that {self.spec.name} may {action} it is not applied in {self.place.name}"
            yield Obstacle(contract.name, what, self.place.apply)

    def _ask(self, action: Action, contract: Contract, declared: ServiceSpec | None) -> Decision:
        return decide(
            service=self.spec.name,
            action=action,
            contract=contract,
            declared=declared,
            team=self.place.deployed.catalog.team(contract.owner),
            today=self.place.today,
        )

    def hurt_by(self, contract: Contract, version: Version) -> Iterator[Obstacle]:
        """Readers there that what it publishes would hurt."""
        survey = self.place.survey
        for case in survey.judged(contract, [version], self.place.deployed.readers(contract.name)):
            yield Obstacle(contract.name, survey.what(case), survey.first(case))

    def cannot_read(self, contract: Contract, readers: Iterable[Reader]) -> Iterator[Obstacle]:
        """Versions that are applied, whose events are there or may come."""
        survey = self.place.survey
        for case in survey.judged(contract, contract.versions, readers):
            moved = f"move {self.spec.name} on, or agree under `accepts` in its service file"
            yield Obstacle(contract.name, survey.what(case), moved)


def contract_obstacles(place: Place, name: ContractName, number: int | None = None) -> list[Obstacle]:
    """Why a contract's version (None: the current one) may not be applied now; empty: it may.

    With it come the versions before it that are not applied yet. Raises ConfigurationError for what the files lack.
    """
    contract = place.merged.contracts.get(name)
    if contract is None:
        raise ConfigurationError(f"{name} is no contract here", fix=f"Look at the name: busline find {name.stream}")
    if not contract.versions:
        return [Obstacle(name, "it is a draft: it has no version yet", "busline declare")]
    asked = number or len(contract.versions)
    if contract.version(asked) is None:
        known = len(contract.versions)
        raise ConfigurationError(f"{name} has no version {asked} here", fix=f"The highest is {known}.")
    return list(dict.fromkeys(_coming(place, contract, asked)))


def _coming(place: Place, contract: Contract, asked: int) -> Iterator[Obstacle]:
    survey, there = place.survey, place.deployed.catalog.contract(contract.name)
    applied = there.versions if there else ()
    for old in applied:
        new = contract.version(old.number)
        if new is None or new.schema != old.schema:
            what = f"version {old.number} is applied in {place.name}, and is another one here"
            yield Obstacle(contract.name, what, "restore it: a published version never changes")
    first = min(len(applied) + 1, asked)
    for case in survey.cases(contract, contract.versions[first - 1 : asked]):
        yield Obstacle(contract.name, survey.what(case), survey.first(case))
    for reader in survey.retiring(contract):
        yield Obstacle(contract.name, still_reads(reader), f"deploy {reader.service} without it")
