"""The topics that contracts and services need, against those that an engine has."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from busline.bus.contract_log import SPEC as LOG
from busline.bus.topics import alteration, contract_topic, letters_topic
from busline.contract.duration import duration_text
from busline.contract.model import Contract, ServiceSpec
from busline.names import CONTRACT_LOG, ContractName
from busline.transport.base import TopicSpec


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A topic as it should be. about: whose it is, for the plan's lines. source: the file that says so."""

    about: str
    spec: TopicSpec
    source: str = ""


class Altered(NamedTuple):
    """A topic whose settings apply changes: as it will be, and as it is there. about: as of Wanted."""

    about: str
    spec: TopicSpec
    there: TopicSpec


@dataclass(frozen=True, kw_only=True)
class TopicPlan:
    """create: what is missing. alter: what is there with other settings. notes: what apply does not or cannot change.
    conflicts: what stops apply."""

    create: tuple[Wanted, ...] = ()
    alter: tuple[Altered, ...] = ()
    notes: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()


def compare_topics(
    wanted: Iterable[Wanted], existing: Mapping[str, TopicSpec], applied: Container[str] = ()
) -> TopicPlan:
    """applied: the contracts whose topics were brought here by an earlier apply."""
    create, alter, notes, conflicts = [], [], [], []
    for topic in wanted:
        there = existing.get(topic.spec.name)
        if there is None:
            create.append(topic)
        elif conflict := _conflict(topic, there, new=topic.about not in applied):
            conflicts.append(conflict)
        else:
            if spec := alteration(topic.spec, there):
                alter.append(Altered(topic.about, spec, there))
            notes += _remarks(topic.spec, there)
    return TopicPlan(create=tuple(create), alter=tuple(alter), notes=tuple(notes), conflicts=tuple(conflicts))


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


def describe(spec: TopicSpec) -> str:
    """A new topic, as a line of a plan."""
    plural = "" if spec.partitions == 1 else "s"
    kept = "compacted" if spec.compacted else _kept(spec.retention)
    return f"topic {spec.name}: {spec.partitions} partition{plural}, {kept}, records up to {spec.max_record:,} bytes"


def describe_change(altered: Altered) -> str:
    """Old and new value of every setting that changes, as a line of a plan."""
    _, spec, there = altered
    parts = []
    if spec.retention != there.retention:
        parts.append(f"{_kept(there.retention)} -> {_kept(spec.retention)}")
    if spec.max_record != there.max_record:
        parts.append(f"records up to {there.max_record:,} -> {spec.max_record:,} bytes")
    return f"topic {spec.name}: {', '.join(parts)}"


def _conflict(topic: Wanted, there: TopicSpec, *, new: bool) -> str | None:
    spec = topic.spec
    name = f"topic {spec.name} ({topic.source})" if topic.source else f"topic {spec.name}"
    if there.partitions != spec.partitions:
        return (
            f"{name}: it has {there.partitions} partitions, the workspace says {spec.partitions}. With more, the same"
            " key goes to another partition from then on, and its new events overtake its old ones; fewer is"
            f" impossible. Write storage.partitions: {there.partitions}, or make a new contract."
        )
    if there.compacted != spec.compacted:
        kind = "a state (compacted)" if there.compacted else "an event stream"
        return f"{name}: it is {kind}. A kind never changes: make a new contract."
    if new and _shrinks(spec, there):
        return (
            f"{name}: it was there before its contract, {_kept(there.retention)}, and the workspace says"
            f" {_kept(spec.retention)}: what is older would be removed at once. Write storage.retention:"
            f" {duration_text(there.retention)} and apply; shorten it later, where that is what you want."
        )
    return None


def _remarks(spec: TopicSpec, there: TopicSpec) -> list[str]:
    remarks = []
    if _shrinks(spec, there):
        remarks.append(f"topic {spec.name}: what is older than {duration_text(spec.retention)} is removed")
    if spec.replicas is not None and there.replicas is not None and spec.replicas != there.replicas:
        remarks.append(
            f"topic {spec.name} has replicas: {there.replicas}, the workspace says {spec.replicas}; apply leaves it:"
            " kafka-reassign-partitions moves data between brokers"
        )
    return remarks


def _shrinks(spec: TopicSpec, there: TopicSpec) -> bool:
    if spec.compacted or spec.retention is None:
        return False
    return there.retention is None or spec.retention < there.retention


def _kept(retention: int | None) -> str:
    return "kept for ever" if retention is None else f"kept {duration_text(retention)}"
