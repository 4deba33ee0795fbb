"""How many events come first when a new subscription starts: a surprise of millions is seen in the plan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from busline.bus.starts import parse_start
from busline.contract.model import ServiceSpec, Subscription
from busline.errors import TransportError
from busline.governance.some_at_once import some_at_once
from busline.governance.state.applied import Applied
from busline.governance.state.goal import Goal
from busline.names import Group, Service
from busline.transport.base import Groups, Seekable, Start, Transport

AT_ONCE: Final = 16
SHOWN: Final = 20
_NEVER: Final = 2**62
"""Milliseconds: a time that no record has."""


class First(NamedTuple):
    """A subscription that is new here, on a topic that is there."""

    service: Service
    subscription: Subscription
    topic: str


async def first_reads(goal: Goal, applied: Applied, engine: Transport) -> list[str]:
    """One line a new subscription with events, most events first, and one for those that are not shown."""
    new = list(_new(goal, applied))
    if not new or not isinstance(engine, Seekable):
        return []

    async def count(first: First) -> tuple[int, First]:
        return await _ahead(engine, first), first

    begun = await _begun({first.service: goal.services[first.service] for first in new}, engine)
    asked = [first for first in new if (first.service, first.topic) not in begun]
    found = sorted(await some_at_once(asked, count, AT_ONCE), key=lambda one: (-one[0], one[1].service, one[1].topic))
    lines = [_line(many, first) for many, first in found if many]
    more = len(lines) - SHOWN
    return lines if more <= 0 else [*lines[:SHOWN], f"{more:,} more new subscriptions have events that come first"]


def _line(many: int, first: First) -> str:
    subscription = first.subscription
    return f"{first.service} begins {subscription.contract} at {subscription.start}: {many:,} events come first"


def _new(goal: Goal, applied: Applied) -> Iterator[First]:
    for name, service in goal.planned_services.items():
        if not service.subscribes:
            continue
        there = applied.catalog.service(name)
        for subscription in service.subscribes:
            contract = goal.published.get(subscription.contract)
            known = there and there.subscription(subscription.contract)
            if contract and not known and contract.topic in applied.topics:
                yield First(name, subscription, contract.topic)


async def _begun(services: dict[Service, ServiceSpec], engine: Transport) -> set[tuple[Service, str]]:
    """Topics that a service has handled before, by any of its groups."""
    if not isinstance(engine, Groups):
        return set()
    existing = set(await engine.groups())
    found: set[tuple[Service, str]] = set()
    for service in services.values():
        for group in sorted(existing & _groups(service)):
            found |= {(service.name, topic) for topic, _ in await engine.committed(group)}
    return found


def _groups(service: ServiceSpec) -> set[str]:
    if service.kafka_user:
        return set(service.kafka_groups)
    return {Group.of(service.name), *(Group.of(service.name, name) for name in service.groups)}


async def _ahead(engine: Seekable, first: First) -> int:
    """By times alone, which takes no right to read; transaction markers count. 0 for what we may not see."""
    start: Start = parse_start(first.subscription.start)
    if start == "latest":
        return 0
    try:
        begins = await engine.at_time(first.topic, 0 if start == "earliest" else start)
        ends = await engine.at_time(first.topic, _NEVER)
    except TransportError:
        return 0
    return sum(max(0, end - begins.get(partition, end)) for partition, end in ends.items())
