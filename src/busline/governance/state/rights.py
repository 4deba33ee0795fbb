"""The rights that contracts give, as the engine's own authorizer takes them: one literal ACL a right and service.

Never `User:*`, which would take in the anonymous and partners, and never a DENY: what no contract grants is refused
because nobody allowed it. `decide` is asked for each right, so that engine and bus cannot say different things.

The sets are minimal (tried on Kafka 4.3): WRITE on a topic is enough for an idempotent publisher, READ for a reader,
READ on a group for its member; describing comes with either.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from busline.contract.access import decide
from busline.contract.evolution.readers import READ_GROUP
from busline.contract.model import EVERYONE, Action, Audience, Contract, ServiceSpec, Source, TeamSpec
from busline.names import CONTRACT_LOG, PEOPLE, ContractName, Group, Service, Team
from busline.transport.guard import USER, Acl, Quota, Resource

READ: Final = "read"
WRITE: Final = "write"


class Why(NamedTuple):
    """What a right comes from. about: the contract, or the service where it is its own. source: file:line."""

    about: str
    what: str
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Access:
    """acls: exactly those that should be there. users: by name, whose they are. quotas: by user; None: no bound.

    unbounded: services whose quota cannot hold, since one of their contracts has none.
    """

    acls: Mapping[Acl, Why] = field(default_factory=dict)
    users: Mapping[str, Service] = field(default_factory=dict)
    quotas: Mapping[str, Quota] = field(default_factory=dict)
    unbounded: tuple[str, ...] = ()


def wanted_access(
    contracts: Mapping[ContractName, Contract],
    services: Mapping[Service, ServiceSpec],
    teams: Mapping[Team, TeamSpec],
    today: dt.date,
) -> Access:
    """contracts: published ones. today: what is past its sunset is granted to nobody."""
    acls: dict[Acl, Why] = {}
    users: dict[str, Service] = {}
    quotas: dict[str, Quota] = {}
    unbounded: list[str] = []
    for service in services.values():
        users[service.user] = service.name
        acls.update(_service_rights(service, contracts, today))
        bound, lacks = _quota(service, contracts)
        if bound != Quota():
            quotas[service.user] = bound
        unbounded += lacks
    for people, rights in _people(contracts, teams).items():
        users[people] = people
        acls.update(rights)
    return Access(acls=acls, users=users, quotas=quotas, unbounded=tuple(unbounded))


def _service_rights(
    service: ServiceSpec, contracts: Mapping[ContractName, Contract], today: dt.date
) -> Iterator[tuple[Acl, Why]]:
    principal = USER + service.user
    used: set[Action] = set()
    for action, name, source in _declared(service):
        contract = contracts.get(name)
        if contract is None:
            continue
        decision = decide(service=service.name, action=action, contract=contract, declared=service, today=today)
        if decision:
            used.add(action)
            operation = WRITE if action is Action.PUBLISH else READ
            why = Why(str(name), f"{service.name} {_VERB[action]}", str(decision.source or source or ""))
            yield Acl(principal, Resource.TOPIC, contract.topic, operation), why
    yield from _adopted_rights(service, used) if service.kafka_user else _own_rights(service, used)


_VERB: Final = {Action.PUBLISH: "publishes", Action.SUBSCRIBE: "subscribes", Action.READ: "reads"}


def _declared(service: ServiceSpec) -> Iterator[tuple[Action, ContractName, Source | None]]:
    """A read that is also subscribed to is one right: the subscription's. Where a grant or a sunset leaves no more of a
    subscription than reading, it is the right to read."""
    for publication in service.publishes:
        yield Action.PUBLISH, publication.contract, publication.source
    for read in service.reads:
        yield Action.READ, read, service.source
    for subscription in service.subscribes:
        yield Action.READ, subscription.contract, subscription.source
    for subscription in service.subscribes:
        yield Action.SUBSCRIBE, subscription.contract, subscription.source


def _own_rights(service: ServiceSpec, used: set[Action]) -> Iterator[tuple[Acl, Why]]:
    """What a service that uses busline needs besides its topics."""
    principal, source = USER + service.user, str(service.source or "")
    about = str(service.name)
    if used:
        log = Why(about, "learns the contracts", source)
        yield Acl(principal, Resource.TOPIC, CONTRACT_LOG, READ), log
    if Action.SUBSCRIBE in used:
        group = Why(about, "its consumer groups", source)
        yield Acl(principal, Resource.GROUP, about, READ), group
        yield Acl(principal, Resource.GROUP, f"{about}/", READ, prefixed=True), group
        letters = Why(about, "its dead letters", source)
        yield Acl(principal, Resource.TOPIC, service.name.dead_letters, WRITE), letters
        yield Acl(principal, Resource.TOPIC, service.name.dead_letters, READ), letters
    elif Action.READ in used:
        note = Why(about, "says that it reads", source)
        yield Acl(principal, Resource.GROUP, Group.of(service.name, READ_GROUP), READ), note
    if service.transactional:
        why = Why(about, "its transactions", source)
        yield Acl(principal, Resource.TRANSACTIONAL_ID, f"{about}/", WRITE, prefixed=True), why


def _adopted_rights(service: ServiceSpec, used: set[Action]) -> Iterator[tuple[Acl, Why]]:
    if Action.SUBSCRIBE in used:
        for group in service.kafka_groups:
            why = Why(str(service.name), "its consumer group from before", str(service.source or ""))
            yield Acl(USER + service.user, Resource.GROUP, group, READ), why


def _people(
    contracts: Mapping[ContractName, Contract], teams: Mapping[Team, TeamSpec]
) -> dict[Service, dict[Acl, Why]]:
    """Persons declare nothing: they may read what their team owns, and what is granted to them."""
    found: dict[Service, dict[Acl, Why]] = {}
    with_people = {name for name, team in teams.items() if team.people}
    for contract in contracts.values():
        for team in _reading_teams(contract, with_people):
            people = Service(f"{team}/{PEOPLE}")
            decision = decide(service=people, action=Action.READ, contract=contract, declared=None)
            if decision:
                why = Why(str(contract.name), f"{people} read", str(decision.source or ""))
                found.setdefault(people, {})[Acl(USER + people, Resource.TOPIC, contract.topic, READ)] = why
    for people, rights in found.items():
        why = Why(str(people), "learn the contracts")
        rights[Acl(USER + people, Resource.TOPIC, CONTRACT_LOG, READ)] = why
    return found


def _reading_teams(contract: Contract, teams: Set[Team]) -> set[Team]:
    """Those that may: a superset, `decide` has the word."""
    reached = {contract.owner}
    if contract.audience is not Audience.TEAM:
        for grant in contract.grants:
            if grant.to == EVERYONE:
                return set(teams)
            team, _, name = grant.to.partition("/")
            if name in ("", PEOPLE):
                reached.add(Team(team))
    return reached & teams


def _quota(service: ServiceSpec, contracts: Mapping[ContractName, Contract]) -> tuple[Quota, list[str]]:
    """A user has one bound for all its topics: the sum, where each of them has one."""
    publishes = [contracts[p.contract] for p in service.publishes if p.contract in contracts]
    takes = {name for s in service.subscribes if (name := s.contract) in contracts}
    takes |= {name for name in service.reads if name in contracts}
    bounds, lacks = {}, []
    for key, uses in (("publish", publishes), ("subscribe", [contracts[name] for name in sorted(takes)])):
        given = [contract.quota[key] for contract in uses if key in contract.quota]
        without = [str(contract.name) for contract in uses if key not in contract.quota]
        if given and without:
            lacks.append(f"{service.name}: no {key} quota holds for it, as {', '.join(without)} has none")
        bounds[key] = sum(given) if given and not without else None
    return Quota(**bounds), lacks
