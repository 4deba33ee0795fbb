"""Whom an apply would hurt: merged readers, those that are applied and stay, and those that run.

An applied subscription that this very apply replaces counts as merged; what still runs of it counts as it runs.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from busline.contract.evolution.hurt import Case, contact_of, in_words, judge, who
from busline.contract.evolution.readers import Origin, Reader, readers_by_contract
from busline.contract.model import Contract, ServiceSpec, TeamSpec, Version
from busline.governance.readers.running import Deployed
from busline.names import ContractName, Service, Team


@dataclass(frozen=True, kw_only=True)
class Merged:
    """What apply takes of a workspace."""

    contracts: Mapping[ContractName, Contract]
    services: Mapping[Service, ServiceSpec]
    teams: Mapping[Team, TeamSpec]


@dataclass(frozen=True, kw_only=True)
class Survey:
    """Merged files against what an environment holds."""

    merged: Merged
    deployed: Deployed
    today: dt.date

    @property
    def files(self) -> Merged:
        """With the services of other workspaces, as they are applied: their consent counts too."""
        services = {**self.deployed.services, **self.merged.services}
        return Merged(contracts=self.merged.contracts, services=services, teams=self.merged.teams)

    def readers(self, name: ContractName) -> list[Reader]:
        """merged, applied, running; an applied one that the files replace is left out."""
        here = readers_by_contract(self.merged.services.values())[name]
        own = {service.team for service in self.merged.services} | set(self.merged.teams)
        there = self.deployed.readers(name)
        return [*here, *(r for r in there if r.origin is Origin.RUNNING or r.service.team not in own)]

    def cases(self, contract: Contract, versions: Sequence[Version]) -> Iterator[Case]:
        """Who would be hurt, each reader by the first version that hurts it."""
        return self.judged(contract, versions, self.readers(contract.name))

    def judged(self, contract: Contract, versions: Sequence[Version], readers: Iterable[Reader]) -> Iterator[Case]:
        told: set[Reader] = set()
        asked = list(readers)
        for version in versions:
            for case in judge(self.files, contract, version, asked, self.today):
                if case.hurts and case.reader not in told:
                    told.add(case.reader)
                    yield case

    def new_versions(self, contract: Contract) -> tuple[Version, ...]:
        """Those that are not applied; none of a contract that is new there, where nobody reads yet."""
        there = self.deployed.catalog.contract(contract.name)
        return contract.versions[len(there.versions) :] if there else ()

    def what(self, case: Case) -> str:
        """`billing/invoicing, running (release r41), fails on version 2 of orders.order-placed: …`."""
        verb = "fails on" if case.verdict.answer == "fails" else "goes blind on"
        version = f"version {case.version.number} of {case.contract.name}"
        comma = "" if case.reader.origin is Origin.MERGED else ","
        return f"{who(case.reader)}{comma} {verb} {version}: {in_words(case, case.consent.left)}"

    def first(self, case: Case) -> str:
        """What has to go first."""
        reader = case.reader
        if reader.origin is Origin.MERGED or any(self._merged_hurts(case)):
            return (
                f"{contact_of(self.files, reader.service)}: {reader.service} has to move, or to agree under `accepts`"
            )
        if reader.origin is Origin.APPLIED:
            return f"apply {reader.service} as it is merged, and deploy it"
        release = f"release {reader.release}" if reader.release else "an older release"
        return f"deploy {reader.service} as it is merged: {release} still runs"

    def _merged_hurts(self, case: Case) -> Iterator[Case]:
        """Whether the service would be hurt as it is merged, too."""
        spec = self.files.services.get(case.reader.service)
        readers = readers_by_contract([spec] if spec else [])[case.contract.name]
        return (c for c in judge(self.files, case.contract, case.version, readers, self.today) if c.hurts)

    def retiring(self, contract: Contract) -> list[Reader]:
        """Who still reads what is to be retired by this apply; merged ones make the files invalid already."""
        there = self.deployed.catalog.contract(contract.name) if contract.retired else None
        return [] if there is None or there.retired else self.readers(contract.name)


def conflicts(survey: Survey) -> Iterator[str]:
    """Why an apply would hurt, as lines."""
    for contract in survey.merged.contracts.values():
        for case in survey.cases(contract, survey.new_versions(contract)):
            yield f"{survey.what(case)}. First: {survey.first(case)}."
        for reader in survey.retiring(contract):
            yield f"{still_reads(reader)}. First: deploy {reader.service} without it."


def still_reads(reader: Reader) -> str:
    return f"{who(reader)}, still reads {reader.contract}, which is to be retired"
