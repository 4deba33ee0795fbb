"""Consumer groups: those of nobody, those that read what their service does not declare, and other readers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from busline.bus.replay import REPLAY_GROUP
from busline.contract.access import decide
from busline.contract.evolution.readers import READ_GROUP, Reader
from busline.contract.finding import Finding
from busline.contract.model import Action, ServiceSpec, Subscription
from busline.governance.audit.expected import Expected, internal
from busline.governance.audit.findings import found, some
from busline.governance.audit.seen import Seen
from busline.governance.readers.running import parse_group
from busline.governance.users.principals import PRINCIPALS
from busline.names import Service


class Whose(NamedTuple):
    """A group's service, and the part of its name behind the service's; legacy: it kept its name from before."""

    service: Service
    part: str = ""
    legacy: bool = False


def groups_unexplained(expected: Expected, seen: Seen) -> Iterator[Finding]:
    for name in sorted({*seen.groups, *seen.committed}):
        if name in PRINCIPALS:
            continue
        whose = _whose(name, expected)
        if whose is not None and _is_declared(whose, expected):
            yield from _undeclared(name, whose, expected, seen)
            continue
        what = f"group {name} is no service's" if whose is None else f"group {name}: {whose.service} declares no such"
        yield found(
            "group-unexplained",
            what,
            "Let a service declare it, or delete the group when it is over (kafka-consumer-groups --delete).",
            at=expected.place_of_service(whose.service) if whose else expected.place,
            seen=_life(name, seen),
            ask=_owner(name, whose, expected, seen),
        )


def _whose(name: str, expected: Expected) -> Whose | None:
    for state in expected.states:
        if (spec := state.by_group.get(name)) is not None:
            return Whose(spec.name, legacy=True)
    parsed = _parsed(name)
    return parsed if parsed and expected.specs_of(parsed.service) else None


def _parsed(name: str) -> Whose | None:
    known = parse_group(name)
    if known is None:
        return None
    service, _ = known
    return Whose(service, name.removeprefix(service).removeprefix("/"))


def _is_declared(whose: Whose, expected: Expected) -> bool:
    if whose.legacy:
        return True
    specs = [spec for spec in expected.specs_of(whose.service) if not spec.kafka_groups or not spec.kafka_user]
    return any(whose.part in ("", READ_GROUP, REPLAY_GROUP, *spec.groups) for spec in specs)


def _undeclared(name: str, whose: Whose, expected: Expected, seen: Seen) -> Iterator[Finding]:
    for topic in sorted(_topics_of(name, seen)):
        if internal(topic) or any(_may(spec, whose, topic, expected) for spec in expected.specs_of(whose.service)):
            continue
        yield found(
            "group-undeclared",
            f"group {name} reads {topic}, and {whose.service} declares no such subscription",
            "Run `busline declare`, get the grant and apply; or delete the group's positions in that topic"
            " (kafka-consumer-groups --delete-offsets).",
            at=expected.place_of_service(whose.service),
            seen=_life(name, seen),
            ask=f"{expected.contact(whose.service.team)}; owner of {topic}: {expected.owner_of_topic(topic)}",
        )


def _topics_of(name: str, seen: Seen) -> set[str]:
    """Where it has a position, or a member reads now."""
    detail = seen.groups.get(name)
    reading = {topic for member in detail.members for topic in member.topics} if detail else set()
    return {topic for topic, _ in seen.committed.get(name, {})} | reading


def _may(spec: ServiceSpec, whose: Whose, topic: str, expected: Expected) -> bool:
    if whose.part == REPLAY_GROUP:
        return topic == spec.name.dead_letters
    action = Action.READ if whose.part == READ_GROUP else Action.SUBSCRIBE
    for state in expected.states:
        contract = state.by_topic.get(topic)
        if contract and decide(service=spec.name, action=action, contract=contract, declared=spec):
            return True
    return False


def _life(name: str, seen: Seen) -> str:
    topics = sorted(_topics_of(name, seen))
    detail = seen.groups.get(name)
    members = [f"{member.client_id} on {member.host}" for member in detail.members] if detail else []
    state = f"{detail.state}, " if detail and detail.state else ""
    who = f"members {some(members)}" if members else "no members"
    used = seen.who(name, "READ", "GROUP")
    return f"{state}{who}; positions in {some(topics) or 'no topic'}; used by {used}"


def _owner(name: str, whose: Whose | None, expected: Expected, seen: Seen) -> str:
    """The service's team, else the owners of what it reads."""
    if whose is not None:
        return expected.contact(whose.service.team)
    owners = sorted({expected.owner_of_topic(topic) for topic in _topics_of(name, seen)})
    return some(owners) or expected.contact(name.partition("/")[0])


def readers_undeclared(expected: Expected, running: Iterable[Reader]) -> Iterator[Finding]:
    """By the notes of the groups' own commits. What is declared in either state is right: a deployment is under way."""
    for reader in sorted(set(running), key=lambda r: (r.service, r.contract, r.group, r.release)):
        declared = [
            use for spec in expected.specs_of(reader.service) if (use := spec.subscription(reader.contract)) is not None
        ]
        if reader.group.endswith(f"/{READ_GROUP}") or not declared:
            continue  # without a subscription it is found by its positions
        release = f" (release {reader.release})" if reader.release else ""
        if reader.version is None:
            what = f"{reader.group} reads {reader.contract} and does not say by which version: no busline runs there"
        elif all(reader.version != use.version for use in declared):
            what = f"{reader.group} runs version {reader.version} of {reader.contract}{release}"
        elif undeclared := _fields_beyond(reader, [use for use in declared if use.version == reader.version]):
            what = f"{reader.group} reads {some(undeclared)} of {reader.contract}{release}"
        else:
            continue
        yield found(
            "reader-undeclared",
            what,
            "Merge and apply the service file of what runs, or deploy what is declared.",
            at=expected.place_of_service(reader.service),
            seen="declared: "
            + some(dict.fromkeys(_declared(use.version, [f.name for f in use.fields]) for use in declared)),
            ask=expected.contact(reader.service.team),
        )


def _declared(version: int, fields: list[str]) -> str:
    return f"version {version}: {', '.join(fields) or 'every field'}"


def _fields_beyond(reader: Reader, declared: list[Subscription]) -> list[str]:
    """Fields that it reads beyond each of the declared readers; none where one of them covers it."""
    beyond: list[list[str]] = []
    for use in declared:
        names = {field.name for field in use.fields}
        beyond.append([field.name for field in reader.fields if names and field.name not in names])
    return min(beyond, key=len, default=[])
