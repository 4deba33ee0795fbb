"""Users and their ACLs as services: what they publish, subscribe to and read, where an ACL says exactly that.

An ACL that a contract can say is literal, for one user, from any host, and READ or WRITE on an adopted stream, or READ
on a consumer group. All others stay as they are and are listed. Who writes a stream has to be of its owner's team.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from busline.governance.adopt.left import Left, Reason
from busline.governance.adopt.live import Live
from busline.governance.adopt.naming import Names
from busline.governance.adopt.owners import USER, Owners
from busline.governance.readers.running import parse_group
from busline.governance.state.rights import READ, WRITE
from busline.names import PEOPLE, RESERVED_TEAM, ContractName, Service, Team
from busline.transport.guard import Acl, Quota, QuotaEntity, Resource

_ANYBODY: Final = "*"


@dataclass(frozen=True, kw_only=True)
class User:
    """A user as a service. subscribes: read in one of its groups; reads: besides."""

    name: str
    service: Service
    publishes: tuple[ContractName, ...] = ()
    subscribes: tuple[ContractName, ...] = ()
    reads: tuple[ContractName, ...] = ()
    groups: tuple[str, ...] = ()

    @property
    def consumes(self) -> tuple[ContractName, ...]:
        return (*self.subscribes, *self.reads)


@dataclass
class _Rights:
    """One user's ACLs, sorted."""

    writes: dict[str, Acl] = field(default_factory=dict)
    reads: dict[str, Acl] = field(default_factory=dict)
    groups: dict[str, Acl] = field(default_factory=dict)
    others: list[Acl] = field(default_factory=list)

    def add(self, acl: Acl) -> None:
        """What cannot be said goes to the others."""
        plain = acl.allow and not acl.prefixed and acl.host == _ANYBODY and acl.name != _ANYBODY
        kinds = {
            (Resource.TOPIC, WRITE): self.writes,
            (Resource.TOPIC, READ): self.reads,
            (Resource.GROUP, READ): self.groups,
        }
        place = kinds.get((acl.resource, acl.operation)) if plain else None
        if place is None:
            self.others.append(acl)
        else:
            place[acl.name] = acl


def find_users(
    live: Live, streams: Mapping[str, ContractName], owners: Owners, names: Names, known: Mapping[str, Service]
) -> tuple[list[User], list[Left]]:
    """streams: every contract by its topic. known: services by the users that their files name."""
    rights: dict[str, _Rights] = defaultdict(_Rights, {user: _Rights() for user in live.users})
    left: list[Left] = []
    topics = sorted(streams)
    for acl in sorted(live.acls):
        if acl.user is None or acl.user == _ANYBODY:
            left.append(_not_said(acl, topics))
        else:
            rights[acl.user].add(acl)
    users: list[User] = []
    for name, right in sorted(rights.items()):
        if not _is_own(name):
            found = _User(name, right, live, streams, owners, known.get(name), topics)
            left += found.left()
            users += found.made(names)
    return users, left


def _is_own(user: str) -> bool:
    """busline's own users, and a team's persons: no service stands behind them."""
    return user.startswith(f"{RESERVED_TEAM}/") or user.endswith(f"/{PEOPLE}")


@dataclass(frozen=True)
class _User:
    name: str
    rights: _Rights
    live: Live
    streams: Mapping[str, ContractName]
    owners: Owners
    known: Service | None
    topics: Sequence[str]

    @property
    def team(self) -> Team | None:
        return self.known.team if self.known else self.owners.of_user(self.name)

    def made(self, names: Names) -> list[User]:
        team, published, consumed = self.team, self._published(), self._consumed()
        if team is None or not (published or consumed):
            return []
        subscribed = self._subscribed(consumed)
        return [
            User(
                name=self.name,
                service=self.known or names.service(team, self.name),
                publishes=tuple(sorted(published.values())),
                subscribes=tuple(sorted(consumed[topic] for topic in subscribed)),
                reads=tuple(sorted(name for topic, name in consumed.items() if topic not in subscribed)),
                groups=tuple(sorted(self.rights.groups)),
            )
        ]

    def _mine(self, topics: Mapping[str, Acl]) -> dict[str, ContractName]:
        return {topic: self.streams[topic] for topic in topics if topic in self.streams}

    def _published(self) -> dict[str, ContractName]:
        return {topic: name for topic, name in self._mine(self.rights.writes).items() if name.team == self.team}

    def _consumed(self) -> dict[str, ContractName]:
        return self._mine(self.rights.reads)

    def _subscribed(self, consumed: Iterable[str]) -> set[str]:
        """What one of its groups has a position in; where none of them has any, all, as a group is for that."""
        if not self.rights.groups:
            return set()
        seen = {topic for group in self.rights.groups for topic in self.live.groups.get(group, ())}
        return {topic for topic in consumed if topic in seen} or {*consumed}

    def left(self) -> Iterator[Left]:
        team, writes, reads = self.team, self._mine(self.rights.writes), self._consumed()
        yield from (_not_said(acl, self.topics) for acl in self.rights.others)
        for topic, acl in [*self.rights.writes.items(), *self.rights.reads.items()]:
            if topic not in self.streams:
                yield Left(reason=Reason.ELSEWHERE, about=str(acl), why=f"{topic} is not adopted")
        if not (writes or reads):
            yield Left(reason=Reason.NO_RIGHTS, about=self.name, why=self._why_nothing())
        elif team is None:
            yield self._whose(writes, reads)
        else:
            for topic, name in writes.items():
                if name.team != team:
                    why = f"it is {team}'s and may write {topic}, which is {name}, and only {name.team}'s publish that"
                    fix = f"Ask team {name.team}: let a service of theirs write it, or --owner '{topic}={team}'."
                    yield Left(reason=Reason.FOREIGN_WRITER, about=self.name, why=why, fix=fix)
        if not reads:
            for acl in self.rights.groups.values():
                yield Left(reason=Reason.ACL, about=str(acl), why="its user reads no adopted stream")

    def _why_nothing(self) -> str:
        if self.rights.writes or self.rights.reads:
            return "its topics are not adopted"
        if self.rights.others or self.rights.groups:
            return "no ACL of its own names a topic"
        return "it has no ACL: a super user, or nobody's any more"

    def _whose(self, writes: Mapping[str, ContractName], reads: Mapping[str, ContractName]) -> Left:
        teams = {name.team for name in writes.values()}
        guess = next(iter(teams)) if len(teams) == 1 else None
        what = [f"writes {len(writes)}" if writes else "", f"reads {len(reads)}" if reads else ""]
        does = " and ".join(part for part in what if part)
        why = f"it {does} of the adopted streams" + (f", and writes only {guess}'s" if guess else "")
        fix = f"--owner '{USER}{self.name}={guess or 'TEAM'}'"
        return Left(reason=Reason.USER, about=self.name, why=why, fix=fix)


def _not_said(acl: Acl, topics: Sequence[str]) -> Left:
    """topics: those of contracts, sorted."""
    why = _why_not(acl)
    if acl.prefixed and acl.resource is Resource.TOPIC:
        begin = bisect_left(topics, acl.name)
        count = bisect_left(topics, f"{acl.name}\x7f") - begin
        why += f", and it is over {count:,} of them"
    return Left(reason=Reason.ACL, about=str(acl), why=why)


def _why_not(acl: Acl) -> str:
    if not acl.allow:
        return "a DENY: contracts only allow"
    if acl.user is None:
        return "its principal is no user"
    if acl.user == _ANYBODY:
        return "it is for every user, also the anonymous"
    if acl.host != _ANYBODY:
        return "it is bound to a host"
    if acl.prefixed:
        return "a prefix: contracts name each stream"
    if acl.name == _ANYBODY:
        return f"it is for every {acl.resource}"
    if acl.resource in (Resource.TOPIC, Resource.GROUP):
        return f"{acl.operation}: contracts say read and write" + _implied(acl)
    return f"contracts say nothing of a {acl.resource}"


def _implied(acl: Acl) -> str:
    return ", which include it" if acl.operation in ("describe", "describe-configs") else ""


def lone_groups(live: Live, known: Container[str], topics: Mapping[str, ContractName]) -> Iterator[Left]:
    """Groups with positions in adopted streams that no service has. known: those that services have."""
    for group, seen in sorted(live.groups.items()):
        mine = sorted(topics[topic] for topic in seen if topic in topics)
        if mine and group not in known and parse_group(group) is None:
            shown = ", ".join(mine[:3]) + (f" and {len(mine) - 3} more" if len(mine) > 3 else "")
            who = [acl.user for acl in live.acls if acl.resource is Resource.GROUP and acl.name == group and acl.user]
            why = f"it reads {shown}; " + (f"{', '.join(sorted({*who}))} may join it" if who else "no ACL names it")
            yield Left(reason=Reason.GROUP, about=group, why=why)


def lone_quotas(live: Live, said: Mapping[str, Quota]) -> Iterator[Left]:
    """said: the quotas that the contracts give, by user."""
    for entity, bounds in sorted(live.quotas.items(), key=str):
        shown = ", ".join(f"{key} {value:,.0f}" for key, value in sorted(bounds.items()))
        if entity.user is None or entity not in {QuotaEntity(user=user) for user in said}:
            who = " ".join(f"{kind} {name or 'default'}" for kind, name in entity._asdict().items() if name is not None)
            yield Left(reason=Reason.QUOTA, about=who, why=shown)
