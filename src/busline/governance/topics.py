"""The topics that contracts and services need, against those that an engine has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from busline.bus.contract_log import SPEC as LOG
from busline.bus.topics import contract_topic, letters_topic
from busline.contract.model import Contract, ServiceSpec
from busline.names import CONTRACT_LOG, ContractName
from busline.transport.base import TopicSpec


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A topic as it should be. about: whose it is, for the plan's lines. source: the file that says so."""

    about: str
    spec: TopicSpec
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class TopicPlan:
    """create: what is missing. notes: settings of topics that are there, which apply leaves as they are.
    conflicts: what stops apply."""

    create: tuple[Wanted, ...] = ()
    notes: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()


def compare_topics(wanted: Iterable[Wanted], existing: Mapping[str, TopicSpec]) -> TopicPlan:
    create, notes, conflicts = [], [], []
    for topic in wanted:
        there = existing.get(topic.spec.name)
        if there is None:
            create.append(topic)
        elif conflict := _conflict(topic, there):
            conflicts.append(conflict)
        else:
            notes += _other_settings(topic.spec, there)
    return TopicPlan(create=tuple(create), notes=tuple(notes), conflicts=tuple(conflicts))


def wanted_topics(
    contracts: Mapping[ContractName, Contract], services: Iterable[ServiceSpec], replicas: int | None = None
) -> list[Wanted]:
    """The contract log, a topic a contract, a dead letter topic a service that subscribes."""
    log = Wanted(about=CONTRACT_LOG, spec=replace(LOG, replicas=replicas))
    streams = [
        Wanted(about=name, spec=contract_topic(contract, replicas), source=str(contract.source or ""))
        for name, contract in contracts.items()
    ]
    letters = [
        Wanted(
            about=service.name,
            spec=letters_topic(service.name, _subscribed(service, contracts), replicas),
            source=str(service.source or ""),
        )
        for service in services
        if service.subscribes
    ]
    return [log, *streams, *letters]


def _subscribed(service: ServiceSpec, contracts: Mapping[ContractName, Contract]) -> list[Contract]:
    return [contracts[use.contract] for use in service.subscribes if use.contract in contracts]


def _conflict(topic: Wanted, there: TopicSpec) -> str | None:
    place = f" ({topic.source})" if topic.source else ""
    if there.partitions != topic.spec.partitions:
        return (
            f"topic {topic.spec.name}{place}: it has {there.partitions} partitions, the workspace says"
            f" {topic.spec.partitions}. More would break the order per key, fewer is impossible: write"
            f" storage.partitions: {there.partitions}, or make a new contract."
        )
    if there.compacted != topic.spec.compacted:
        kind = "a state (compacted)" if there.compacted else "an event stream"
        return f"topic {topic.spec.name}{place}: it is {kind}. A kind never changes: make a new contract."
    return None


def _other_settings(spec: TopicSpec, there: TopicSpec) -> list[str]:
    """A compacted topic's retention says nothing."""
    pairs: list[tuple[str, int | None, int | None]] = [("max_record", spec.max_record, there.max_record)]
    if not spec.compacted:
        pairs.append(("retention", spec.retention, there.retention))
    return [
        f"topic {spec.name}: {name} is {_shown(has)} there, {_shown(should)} in the workspace; apply leaves it as it is"
        for name, should, has in pairs
        if should != has
    ]


def _shown(value: int | None) -> str:
    return "unlimited" if value is None else str(value)
