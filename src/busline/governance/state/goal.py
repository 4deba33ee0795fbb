"""What an environment should hold: a workspace, and what a person has allowed of what hurts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from busline.bus.notices import today
from busline.contract.entries import entries
from busline.contract.entry_changes import about_of, changed_entries, log_changes, team_of
from busline.contract.model import Contract, ServiceSpec, TeamSpec
from busline.governance.state.applied import Applied
from busline.governance.state.subjects import Ids
from busline.names import RESERVED_TEAM, ContractName, Service, Team


@dataclass(frozen=True, kw_only=True)
class Goal:
    """Drafts are left out.

    replicas: of topics whose contract does not say it. removed: teams that are not in the workspace any more, whose
    records in the contract log go, and whose rights. enforce: `observe` takes no right away, until the day
    `observe_until`. only: the teams that are planned; empty: all. allow_delete: contracts, services (their dead
    letters) and users that may be deleted. allow_partitions: contracts whose topics may grow. own: busline's contracts.
    today: acceptances and sunsets run out by the day in UTC.
    """

    contracts: Mapping[ContractName, Contract]
    services: Mapping[Service, ServiceSpec]
    teams: Mapping[Team, TeamSpec]
    commit: str | None = None
    replicas: int | None = None
    removed: frozenset[Team] = frozenset()
    enforce: Literal["observe", "deny"] = "observe"
    observe_until: dt.date | None = None
    only: frozenset[Team] = frozenset()
    allow_delete: frozenset[str] = frozenset()
    allow_partitions: frozenset[str] = frozenset()
    own: Mapping[ContractName, Contract] = field(default_factory=dict)
    today: dt.date = field(default_factory=today)

    @cached_property
    def own_teams(self) -> frozenset[Team]:
        """The workspace's: what is applied of others is none of its business."""
        used = {name.team for name in self.contracts} | {name.team for name in self.services}
        return (frozenset(self.teams) | used) - {RESERVED_TEAM}

    @cached_property
    def planned(self) -> frozenset[str]:
        """Teams whose contracts, services and users are looked at."""
        if self.only:
            return frozenset(self.only) | self.removed
        return self.own_teams | self.removed | {name.team for name in self.own}

    @cached_property
    def published(self) -> dict[ContractName, Contract]:
        every = {**self.own, **self.contracts}
        return {name: contract for name, contract in every.items() if contract.versions}

    @cached_property
    def planned_contracts(self) -> dict[ContractName, Contract]:
        return {name: contract for name, contract in self.published.items() if name.team in self.planned}

    @cached_property
    def planned_services(self) -> dict[Service, ServiceSpec]:
        return {name: service for name, service in self.services.items() if name.team in self.planned}

    @cached_property
    def planned_teams(self) -> dict[Team, TeamSpec]:
        return {name: team for name, team in self.teams.items() if name in self.planned}

    def records(self, ids: Ids) -> dict[bytes, bytes]:
        """The contract log as it should be, with the registry's ids in it. The last answer is kept: it costs a second
        for ten thousand contracts."""
        if not self._made or self._made[0][0] != ids:
            contracts = [with_ids(contract, ids) for contract in self.published.values()]
            made = dict(entries(contracts, self.services.values(), self.teams.values(), commit=self.commit))
            self._made[:] = [(ids, made)]
        return self._made[0][1]

    @cached_property
    def _made(self) -> list[tuple[Ids, dict[bytes, bytes]]]:
        return []

    def recognise(self, applied: Applied, ids: Ids) -> None:
        """What is applied as it is here need not be parsed."""
        records, there = self.records(ids), applied.entries
        changed = {about_of(key) for key in (*changed_entries(records, there), *(there.keys() - records.keys()))}
        catalog = applied.catalog
        catalog.recognise(with_ids(c, ids) for c in self.published.values() if c.name not in changed)
        catalog.recognise(one for one in self.services.values() if one.name not in changed)
        catalog.recognise(one for one in self.teams.values() if one.name not in changed)

    def changes(self, ids: Ids, applied: Applied) -> dict[bytes, bytes | None]:
        """The records to write to the contract log, None for those that go."""
        found = log_changes(self.records(ids), applied.entries, teams=self.own_teams, removed=self.removed)
        found |= dict.fromkeys(self._deleted(applied))
        return {key: value for key, value in sorted(found.items()) if team_of(key) in self.planned}

    def gone(self, applied: Applied) -> list[ContractName]:
        """Contracts of own and removed teams that are applied and not in the workspace any more."""
        teams = (self.own_teams | self.removed) & self.planned
        return [name for name in applied.names if name.team in teams and name not in self.contracts]

    def _deleted(self, applied: Applied) -> list[bytes]:
        prefixes = [(f"contract/{n}", f"version/{n}/") for n in self.gone(applied) if n in self.allow_delete]
        return [
            key
            for key in applied.entries
            if any(key == one.encode() or key.startswith(many.encode()) for one, many in prefixes)
        ]


def with_ids(contract: Contract, ids: Ids) -> Contract:
    """As the contract log holds it."""
    return contract.with_ids(lambda number: ids.get((contract.name, number)))
