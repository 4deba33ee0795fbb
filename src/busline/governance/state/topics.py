"""The topics that contracts and services need, against those that an engine has."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from busline.bus.contract_log import SPEC as LOG
from busline.bus.topics import alteration, contract_topic, letters_topic
from busline.contract.duration import duration_text
from busline.contract.model import Contract, ServiceSpec
from busline.governance.state.change import Change
from busline.names import CONTRACT_LOG, ContractName
from busline.transport.base import SAFE_COPIES, SAFE_REPLICAS, TopicSpec


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A topic as it should be. about: whose it is, for the plan's lines. source: the file that says so."""

    about: str
    spec: TopicSpec
    source: str = ""


class Altered(NamedTuple):
    """A topic whose settings apply changes: as it will be, and as it is there. about, source: as of Wanted."""

    about: str
    spec: TopicSpec
    there: TopicSpec
    source: str = ""


class Deleted(NamedTuple):
    """A topic that a person allowed to delete."""

    about: str
    topic: str


@dataclass(frozen=True, kw_only=True)
class TopicPlan:
    """create: what is missing. alter: what is there with other settings. grow: what gets more partitions. delete: with
    all records. notes: what apply does not or cannot change. conflicts: what stops apply."""

    create: tuple[Wanted, ...] = ()
    alter: tuple[Altered, ...] = ()
    grow: tuple[Altered, ...] = ()
    delete: tuple[Deleted, ...] = ()
    notes: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Known:
    """existing: the engine's topics. applied: contracts whose topics an earlier apply brought. may_grow: contracts
    whose topics may get more partitions. settable: whether the engine has the settings append_time and min_insync."""

    existing: Mapping[str, TopicSpec]
    applied: Container[str] = ()
    may_grow: Container[str] = ()
    settable: bool = False


def compare_topics(wanted: Iterable[Wanted], known: Known) -> TopicPlan:
    """What is missing, other, or in the way."""
    create, alter, grow, notes, conflicts = [], [], [], [], []
    for topic in wanted:
        there = known.existing.get(topic.spec.name)
        if there is None:
            create.append(topic)
        elif conflict := _conflict(topic, there, known):
            conflicts.append(conflict)
        else:
            spec = _as_settable(topic.spec, there, known)
            if altered := _alteration(spec, there):
                alter.append(Altered(topic.about, altered, there, topic.source))
            if spec.partitions > there.partitions:
                grow.append(Altered(topic.about, spec, there, topic.source))
            notes += _remarks(spec, there)
    return TopicPlan(
        create=tuple(create), alter=tuple(alter), grow=tuple(grow), notes=tuple(notes), conflicts=tuple(conflicts)
    )


def _as_settable(spec: TopicSpec, there: TopicSpec, known: Known) -> TopicSpec:
    """Of what an engine has no setting for, as it is; two copies in sync only where there are three."""
    few = there.replicas is not None and there.replicas < SAFE_REPLICAS
    least = there.min_insync if few or not known.settable or spec.min_insync is None else spec.min_insync
    return replace(spec, append_time=spec.append_time if known.settable else there.append_time, min_insync=least)


def _alteration(spec: TopicSpec, there: TopicSpec) -> TopicSpec | None:
    altered = replace(alteration(spec, there) or there, append_time=spec.append_time, min_insync=spec.min_insync)
    return None if altered == there else altered


def wanted_topics(
    contracts: Mapping[ContractName, Contract], services: Iterable[ServiceSpec], replicas: int | None = None
) -> list[Wanted]:
    """The contract log, a topic a contract, a dead letter topic a service that subscribes and uses busline."""
    log = Wanted(about=CONTRACT_LOG, spec=replace(LOG, replicas=replicas))
    streams = [
        Wanted(
            about=name,
            spec=_safe(contract_topic(contract, replicas), before=was_before(contract)),
            source=str(contract.source or ""),
        )
        for name, contract in contracts.items()
    ]
    letters = [
        Wanted(
            about=service.name,
            spec=_safe(letters_topic(service.name, _subscribed(service, contracts), replicas)),
            source=str(service.source or ""),
        )
        for service in services
        if service.subscribes and not service.kafka_user
    ]
    return [log, *streams, *letters]


def was_before(contract: Contract) -> bool:
    """Whether its stream was there before its contract: it keeps its topic's name, or its publishers' time."""
    return contract.topic != contract.name or not contract.append_time


def _safe(spec: TopicSpec, *, before: bool = False) -> TopicSpec:
    """A confirmed record is in two of three copies. What was there before keeps what it says."""
    if before or spec.replicas is None or spec.replicas < SAFE_REPLICAS:
        return spec
    return replace(spec, min_insync=SAFE_COPIES)


def _subscribed(service: ServiceSpec, contracts: Mapping[ContractName, Contract]) -> list[Contract]:
    return [contracts[use.contract] for use in service.subscribes if use.contract in contracts]


def topic_lines(plan: TopicPlan) -> Iterator[Change]:
    """One line a topic that comes or goes, and one a setting."""
    for topic in plan.create:
        yield Change(topic.about, "+", f"topic {topic.spec.name}", new=describe(topic.spec), why=topic.source)
    for altered in plan.alter:
        yield from _setting_lines(altered)
    for grown in plan.grow:
        old, new = (_partitions(spec) for spec in (grown.there, grown.spec))
        yield Change(grown.about, "~", f"topic {grown.spec.name}", old, new, grown.source)
    for deleted in plan.delete:
        yield Change(deleted.about, "-", f"topic {deleted.topic}", old="its records")


def _setting_lines(altered: Altered) -> Iterator[Change]:
    about, spec, there, source = altered
    pairs = (
        (_kept(there.retention), _kept(spec.retention)),
        (_room(there.max_record), _room(spec.max_record)),
        (_time(there.append_time), _time(spec.append_time)),
        (_copies(there.min_insync), _copies(spec.min_insync)),
    )
    for old, new in pairs:
        if old != new:
            yield Change(about, "~", f"topic {spec.name}", old, new, source)


def destroyed(plan: TopicPlan) -> Iterator[str]:
    """What is lost by it, as lines."""
    for topic in plan.delete:
        yield f"topic {topic.topic} ({topic.about}) is deleted with all its records"
    for altered in plan.alter:
        if _shrinks(altered.spec, altered.there):
            kept = duration_text(altered.spec.retention or 0)
            yield f"topic {altered.spec.name}: what is older than {kept} is removed"
    for grown in plan.grow:
        yield (
            f"topic {grown.spec.name}: from {grown.there.partitions} to {_partitions(grown.spec)}: from then on most"
            " keys go to another partition, and new events of a key may be handled before its old ones, once"
        )


def describe(spec: TopicSpec) -> str:
    """A new topic's settings."""
    kept = "compacted" if spec.compacted else _kept(spec.retention)
    copies = f", {spec.replicas} replicas" if spec.replicas else ""
    return f"{_partitions(spec)}, {kept}, {_room(spec.max_record)}{copies}"


def _conflict(topic: Wanted, there: TopicSpec, known: Known) -> str | None:
    spec = topic.spec
    name = f"topic {spec.name} ({topic.source})" if topic.source else f"topic {spec.name}"
    if there.partitions > spec.partitions or (there.partitions < spec.partitions and topic.about not in known.may_grow):
        return (
            f"{name}: it has {there.partitions} partitions, the workspace says {spec.partitions}. With more, the same"
            " key goes to another partition from then on, and its new events overtake its old ones; fewer is"
            f" impossible. Write storage.partitions: {there.partitions}, make a new contract, or, for more and where"
            f" that order may be lost once: --allow-partitions {topic.about}."
        )
    if there.compacted != spec.compacted:
        kind = "a state (compacted)" if there.compacted else "an event stream"
        return f"{name}: it is {kind}. A kind never changes: make a new contract."
    if topic.about not in known.applied and _shrinks(spec, there):
        return (
            f"{name}: it was there before its contract, {_kept(there.retention)}, and the workspace says"
            f" {_kept(spec.retention)}: what is older would be removed at once. Write storage.retention:"
            f" {duration_text(there.retention)} and apply; shorten it later, where that is what you want."
        )
    return None


def _remarks(spec: TopicSpec, there: TopicSpec) -> list[str]:
    if spec.replicas is None or there.replicas is None or spec.replicas == there.replicas:
        return []
    return [
        f"topic {spec.name} has replicas: {there.replicas}, the workspace says {spec.replicas}; apply leaves it:"
        " kafka-reassign-partitions moves data between brokers"
    ]


def _shrinks(spec: TopicSpec, there: TopicSpec) -> bool:
    if spec.compacted or spec.retention is None:
        return False
    return there.retention is None or spec.retention < there.retention


def _kept(retention: int | None) -> str:
    return "kept for ever" if retention is None else f"kept {duration_text(retention)}"


def _partitions(spec: TopicSpec) -> str:
    return f"{spec.partitions} partition{'' if spec.partitions == 1 else 's'}"


def _room(max_record: int) -> str:
    return f"records up to {max_record:,} bytes"


def _time(append_time: bool) -> str:
    return "time of writing" if append_time else "publishers' time"


def _copies(min_insync: int | None) -> str:
    return "" if min_insync is None else f"confirmed in {min_insync} copies"
