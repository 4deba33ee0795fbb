"""Names that a stream or a service had before busline: with them a team's file must take nothing that is another's.

What a file names here, apply makes rights for, as it is and unasked: so it is no other team's, nobody's who is
everybody, and not the engine's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from busline.contract.folder import Folder
from busline.contract.model import Contract, ServiceSpec
from busline.names import PEOPLE, RESERVED_TEAM

INTERNAL: Final = frozenset({
    "__consumer_offsets", "__transaction_state", "__share_group_state", "__cluster_metadata", "__remote_log_metadata"
})  # fmt: skip
"""Kafka's own topics: who may read or write them may read or write everybody's positions and transactions."""
EVERYBODY: Final = frozenset({"*", "ANONYMOUS"})
"""`User:*` is everybody, the anonymous among them."""


class _Fault(NamedTuple):
    key: str
    what: str
    fix: str


def check_brought_names(folder: Folder) -> None:
    """Adds what it finds to the folder's findings."""
    topics: dict[str, Contract] = {}
    subjects: dict[str, Contract] = {}
    for contract in folder.contracts.values():
        for fault in (*_topic(folder, contract, topics), *_subject(folder, contract, subjects)):
            _say(folder, contract.source.file if contract.source else "", fault)
    users: dict[str, ServiceSpec] = {str(name): service for name, service in folder.services.items()}
    groups: dict[str, ServiceSpec] = {}
    for service in folder.services.values():
        for fault in (*_user(folder, service, users), *_groups(folder, service, groups)):
            _say(folder, service.source.file if service.source else "", fault)


def _say(folder: Folder, file: str, fault: _Fault) -> None:
    document = folder.documents.get(file)
    line = document.line(tuple(fault.key.split("."))) if document else 1
    folder.say(file, fault.what, fault.fix, line=line, key=fault.key)


def _topic(folder: Folder, contract: Contract, seen: dict[str, Contract]) -> Iterator[_Fault]:
    """A topic lies in no other team's prefix, and in one contract; Kafka holds a.b and a_b for one name."""
    key, topic = "kafka.topic", contract.topic
    as_one = topic.replace("_", ".")
    if topic in INTERNAL:
        yield _Fault(key, f"the topic {topic!r} is Kafka's own", "It is no stream of anybody's.")
    prefix = topic.partition(".")[0]
    foreign = "." in topic and prefix != contract.owner and (prefix in folder.teams or prefix == RESERVED_TEAM)
    if foreign or as_one.startswith(f"{RESERVED_TEAM}."):
        whose = prefix if foreign else RESERVED_TEAM
        fix = "A contract's topic is its own name, or one outside every team's prefix."
        yield _Fault(key, f"the topic {topic!r} lies under the prefix of {whose!r}", fix)
    first = seen.setdefault(as_one, contract)
    if first is not contract:
        yield _Fault(key, f"the topic {topic!r} is also {first.name}'s", "One topic belongs to one contract.")


def _subject(folder: Folder, contract: Contract, seen: dict[str, Contract]) -> Iterator[_Fault]:
    """Its schemas and its level are apply's to set, so it is no other team's. The topic's own is judged with it."""
    key, subject = "kafka.subject", contract.subject
    first = seen.setdefault(subject, contract)
    if first.owner != contract.owner and first.topic != contract.topic:
        yield _Fault(key, f"the subject {subject!r} is also {first.name}'s", "A subject belongs to one team.")
    if subject == f"{contract.topic}-value":
        return
    prefix, dot, _ = subject.partition(".")
    if dot and prefix != contract.owner and (prefix in folder.teams or prefix == RESERVED_TEAM):
        fix = "A contract's subject is its topic's, or one outside every team's prefix."
        yield _Fault(key, f"the subject {subject!r} lies under the prefix of {prefix!r}", fix)


def _user(folder: Folder, service: ServiceSpec, seen: dict[str, ServiceSpec]) -> Iterator[_Fault]:
    """Who has the user has the rights; and rights of a named user that no contract explains are taken away."""
    key, user = "kafka.user", service.kafka_user
    if user is None or user == service.name:
        return
    team, slash, name = user.partition("/")
    if user in EVERYBODY:
        yield _Fault(key, f"{user!r} is everybody", "Name the one user that the service logs in as.")
    elif slash and (team == RESERVED_TEAM or (team in folder.teams and (team != service.name.team or name == PEOPLE))):
        whose = "the platform team's" if team == RESERVED_TEAM else f"of {team}"
        yield _Fault(key, f"the user {user!r} is {whose}", "Name the one user that the service logs in as.")
    first = seen.setdefault(user, service)
    if first is not service:
        yield _Fault(
            key, f"the user {user!r} is also {first.name}'s", "A user belongs to one service: give it its own."
        )


def _groups(folder: Folder, service: ServiceSpec, seen: dict[str, ServiceSpec]) -> Iterator[_Fault]:
    """Who may join a group takes its partitions, and may move its positions."""
    key = "kafka.groups"
    for group in service.kafka_groups:
        team, slash, _ = group.partition("/")
        own = group == service.name or group.startswith(f"{service.name}/")
        if slash and not own and (team in folder.teams or team == RESERVED_TEAM):
            fix = "Name the groups that the service itself had before busline."
            yield _Fault(key, f"the group {group!r} is another service's", fix)
        first = seen.setdefault(group, service)
        if first.name.team != service.name.team:
            yield _Fault(key, f"the group {group!r} is also {first.name}'s", "A group belongs to one team.")
