"""What explains what is on an engine: the workspace as it is merged, and the contract log as it is applied.

Both count. What is merged and not applied yet is no back door, nor is what was applied and is gone from the workspace
until the next apply: the plan says so.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from busline.contract.brought_names import INTERNAL
from busline.contract.entries import Catalog
from busline.contract.model import Contract, Environment, ServiceSpec, TeamSpec
from busline.governance.audit.findings import place_of
from busline.governance.state.rights import Access, wanted_access
from busline.governance.state.topics import wanted_topics
from busline.governance.users.rotation import Rotation
from busline.names import CONTRACT_LOG, RESERVED_TEAM, ContractName, Service, Team
from busline.transport.base import TopicSpec
from busline.transport.guard import Acl

PLATFORM: Final = "the platform team (busline.yaml)"
FILE: Final = "busline.yaml"


@dataclass(frozen=True, kw_only=True)
class State:
    """What one of the two says. contracts: published ones, busline's own among them."""

    contracts: Mapping[ContractName, Contract]
    services: Mapping[Service, ServiceSpec]
    teams: Mapping[Team, TeamSpec]
    today: dt.date
    replicas: int | None = None

    @cached_property
    def access(self) -> Access:
        return wanted_access(self.contracts, self.services, self.teams, self.today)

    @cached_property
    def topics(self) -> Mapping[str, TopicSpec]:
        """Of contracts, of dead letters, and the contract log."""
        wanted = wanted_topics(self.contracts, self.services.values(), self.replicas)
        return {topic.spec.name: topic.spec for topic in wanted}

    @cached_property
    def by_topic(self) -> Mapping[str, Contract]:
        return {contract.topic: contract for contract in self.contracts.values()}

    @cached_property
    def by_subject(self) -> Mapping[str, Contract]:
        return {contract.subject: contract for contract in self.contracts.values()}

    @cached_property
    def by_group(self) -> Mapping[str, ServiceSpec]:
        """Groups from before busline, which keep their names."""
        return {group: service for service in self.services.values() for group in service.kafka_groups}


@dataclass(frozen=True, kw_only=True)
class Expected:
    """merged: the workspace. applied: the log, as `catalog` holds it. platform: rights of busline's own users.

    rotating: users whose secret is being exchanged.
    """

    merged: State
    applied: State
    environment: Environment
    platform: frozenset[Acl] = frozenset()
    catalog: Catalog = field(default_factory=Catalog)
    rotating: Mapping[str, Rotation] = field(default_factory=dict)

    @property
    def states(self) -> tuple[State, State]:
        return self.merged, self.applied

    @property
    def today(self) -> dt.date:
        return self.merged.today

    @cached_property
    def contracts(self) -> Mapping[ContractName, Contract]:
        """The merged one where there are two."""
        return {**self.applied.contracts, **self.merged.contracts}

    @cached_property
    def services(self) -> Mapping[Service, ServiceSpec]:
        return {**self.applied.services, **self.merged.services}

    def contract_of(self, topic: str) -> Contract | None:
        return self.merged.by_topic.get(topic) or self.applied.by_topic.get(topic)

    def specs_of(self, service: Service) -> list[ServiceSpec]:
        """As merged and as applied, where it is."""
        return [spec for state in self.states if (spec := state.services.get(service)) is not None]

    def service_of_user(self, user: str) -> Service | None:
        for state in self.states:
            if (found := state.access.users.get(user)) is not None:
                return found
        return None

    def is_of_team(self, user: str | None) -> bool:
        """Whether plan and apply hold it for theirs: `team/name`, with or without such a service."""
        team, slash, name = (user or "").partition("/")
        return bool(slash and name) and team != RESERVED_TEAM and _team(team) in self.merged.teams

    def contact(self, team: str) -> str:
        """Whom to ask about what a team owns: as its file says, else the platform team."""
        if team == RESERVED_TEAM:
            return PLATFORM
        for state in self.states:
            if (found := state.teams.get(_team(team))) is not None:
                return found.contact if found.contact == f"team {team}" else f"{found.contact} (team {team})"
        return PLATFORM

    def owner_of_user(self, user: str | None) -> str:
        service = self.service_of_user(user or "")
        return self.contact(service.team if service else (user or "").partition("/")[0])

    def owner_of_topic(self, topic: str) -> str:
        contract = self.contract_of(topic)
        return self.contact(contract.owner if contract else topic.partition(".")[0])

    def place_of_topic(self, topic: str) -> tuple[str, int]:
        """File and line in the workspace; busline.yaml where no file speaks of it."""
        contract = self.merged.by_topic.get(topic)
        return place_of(contract.source if contract else None, self.place)

    def place_of_user(self, user: str | None) -> tuple[str, int]:
        service = self.service_of_user(user or "")
        return self.place_of_service(service) if service else self.place

    def place_of_service(self, service: Service) -> tuple[str, int]:
        spec = self.merged.services.get(service)
        return place_of(spec.source if spec else None, self.place)

    @property
    def place(self) -> tuple[str, int]:
        return place_of(self.environment.source, (FILE, 1))


def _team(name: str) -> Team:
    return str.__new__(Team, name)  # only looked up: what is no team's name is nobody's


def internal(topic: str) -> bool:
    """Kafka's own, by name: two underscores before any other hide nothing."""
    return topic in INTERNAL


def busline_topics(states: Iterable[State]) -> Iterator[str]:
    """Those that contracts and services explain, and the contract log."""
    yield CONTRACT_LOG
    for state in states:
        yield from state.topics
