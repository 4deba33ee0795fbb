"""Made-up workspaces whose access is worth a look: names that begin alike, grants of every kind, sunsets, retirements.

What `decide` says of a state is put here in the words of an engine's authorizer, so that what is derived from it, and
what a broker really allows, can be compared with it.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from hypothesis import strategies as st

from busline.contract.access import decide
from busline.contract.model import (
    EVERYONE,
    Action,
    Audience,
    Contract,
    Deprecation,
    Grant,
    Publication,
    ServiceSpec,
    Storage,
    Subscription,
    TeamSpec,
    Version,
)
from busline.contract.schema import parse
from busline.names import CONTRACT_LOG, PEOPLE, ContractName, Service, Team

READ: Final = "read"
WRITE: Final = "write"
TODAY: Final = dt.date(2026, 11, 24)
_BEFORE, _AFTER = TODAY - dt.timedelta(days=1), TODAY + dt.timedelta(days=1)
_SUNSETS: Final = (None, None, _BEFORE, _AFTER)
_AUDIENCES: Final = (Audience.TEAM, Audience.COMPANY, Audience.COMPANY, Audience.PUBLIC)
_STREAMS, _SERVICES = ("order", "order-placed"), ("shop", "shop-2", "sho")
_SCHEMA: Final = parse('{"type": "record", "name": "Thing", "fields": [{"name": "id", "type": "string"}]}')
_numbers = itertools.count()
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, repr=False)
class AccessState:
    """A workspace's values, as of TODAY."""

    contracts: Mapping[ContractName, Contract]
    services: Mapping[Service, ServiceSpec]
    teams: Mapping[Team, TeamSpec]

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """In short, for hypothesis: a failed comparison says what matters."""
        printer.text(f"<{', '.join(self.services)}>")

    @property
    def principals(self) -> list[Service]:
        return [*self.services, *(Service(f"{team}/{PEOPLE}") for team in self.teams)]

    def may(self, who: Service, action: Action, name: ContractName) -> bool:
        """A team without `people` has no user for its persons: they may nothing, whoever they are."""
        if who.is_people and not self.teams[who.team].people:
            return False
        declared, contract = self.services.get(who), self.contracts[name]
        return decide(service=who, action=action, contract=contract, declared=declared, today=TODAY).allowed

    def ever(self, who: Service, *actions: Action) -> bool:
        """Whether it may do one of these with any contract."""
        return any(self.may(who, action, name) for action in actions for name in self.contracts)

    def topics(self, who: Service) -> dict[str, set[str]]:
        """Of every topic that there is, what this one may: READ, WRITE."""
        found: dict[str, set[str]] = {CONTRACT_LOG: {READ} if self.ever(who, *Action) else set()}
        for name, contract in self.contracts.items():
            reads = self.may(who, Action.READ, name) or self.may(who, Action.SUBSCRIBE, name)
            writes = self.may(who, Action.PUBLISH, name)
            found[contract.topic] = {*([READ] if reads else []), *([WRITE] if writes else [])}
        for service in self.services:
            if self.ever(service, Action.SUBSCRIBE):
                found[service.dead_letters] = {READ, WRITE} if service == who else set()
        return found

    def groups(self, who: Service) -> set[str]:
        """Which groups this one may use: its own, and a name below, where it subscribes; to note that it reads."""
        if self.ever(who, Action.SUBSCRIBE):
            return {who, f"{who}/second", f"{who}/~dlq", f"{who}/~read"}
        return {f"{who}/~read"} if self.ever(who, Action.READ) and not who.is_people else set()

    def transactions(self, who: Service) -> set[str]:
        declared = self.services.get(who)
        return {f"{who}/one"} if declared is not None and declared.transactional else set()


@st.composite
def access_states(draw: st.DrawFn, count: int = 1) -> tuple[AccessState, ...]:
    """So many states one after the other, over the same names: those of teams, services and streams begin alike."""
    word = f"m{next(_numbers)}"
    teams = [Team(word), Team(f"{word}-x"), Team(f"{word}x")]
    names = [ContractName(f"{team}.{stream}") for team in teams for stream in _STREAMS]
    services = [Service(f"{team}/{name}") for team in teams for name in _SERVICES]
    who = [EVERYONE, *teams, *services, *(f"{team}/{PEOPLE}" for team in teams)]
    over = draw(st.sampled_from([None, *names]))  # in each: who reads what retires has to leave first

    def state() -> AccessState:
        contracts = {name: _contract(draw, name, who, retired=name == over) for name in names}
        return AccessState(
            contracts=contracts,
            services={name: _service(draw, name, contracts) for name in services},
            teams={team: TeamSpec(name=team, people=draw(st.booleans())) for team in teams},
        )

    return tuple(state() for _ in range(count))


def _contract(draw: st.DrawFn, name: ContractName, who: list[str], *, retired: bool) -> Contract:
    sunset = _BEFORE if retired else draw(st.sampled_from(_SUNSETS))
    return Contract(
        name=name,
        key=("id",),
        versions=(Version(number=1, schema=_SCHEMA),),
        grants=tuple(Grant(to=to, read_only=draw(st.booleans())) for to in _some(draw, who)),
        audience=draw(st.sampled_from(_AUDIENCES)),
        storage=Storage(partitions=1),
        deprecation=Deprecation(since=_BEFORE, sunset=sunset) if sunset else None,
        retired=_BEFORE if retired else None,
    )


def _service(draw: st.DrawFn, name: Service, contracts: Mapping[ContractName, Contract]) -> ServiceSpec:
    """It may declare what nobody grants it; only of what is retired nobody may be a reader any more."""
    readable = [one for one, contract in contracts.items() if not contract.retired]
    return ServiceSpec(
        name=name,
        publishes=tuple(Publication(contract=one, version=1) for one in _some(draw, list(contracts))),
        subscribes=tuple(Subscription(contract=one, version=1) for one in _some(draw, readable)),
        reads=tuple(_some(draw, readable)),
        transactional=draw(st.booleans()),
    )


def _some(draw: st.DrawFn, of: list[T]) -> list[T]:
    return [one for one in of if draw(st.booleans())]
