"""What apply would change: the workspace's state against the engine's and the registry's. Asks, and writes nothing.

A plan is refused, with every conflict at once, where going on would hurt: a published version that was changed or
removed, a topic with another number of partitions, or one that was there before and would lose records, a registry
that lost its ids.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from busline.bus.notices import today
from busline.contract.entries import entries
from busline.contract.entry_changes import content, log_changes
from busline.contract.model import Contract, ServiceSpec, TeamSpec
from busline.errors import ApplyError, ReadersHurt
from busline.governance.applied import Applied, read_applied
from busline.governance.removal import left_alone, removal_conflicts
from busline.governance.running import Deployed, running_readers
from busline.governance.subjects import Ids, SubjectPlan, compare_subjects
from busline.governance.survey import Merged, Survey
from busline.governance.survey import conflicts as reader_conflicts
from busline.governance.topics import TopicPlan, compare_topics, describe, describe_change, wanted_topics
from busline.names import ContractName, Service, Team
from busline.transport.base import Transport

if TYPE_CHECKING:
    from busline.governance.registry import Registry

NO_ID_YET: Final = -1
"""Stands for the id of a schema that is not registered yet, so that its record counts as a change."""
Mark: TypeAlias = Literal["+", "~", "-"]


class Change(NamedTuple):
    """One line of a plan. about: the contract, service or team; mark: + new, ~ changed, - removed."""

    about: str
    mark: Mark
    what: str


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What an environment should hold. Drafts are left out.

    replicas: of topics whose contract does not say it. removed: teams that are not in the workspace any more, whose
    records in the contract log go.
    """

    contracts: Mapping[ContractName, Contract]
    services: Mapping[Service, ServiceSpec]
    teams: Mapping[Team, TeamSpec]
    commit: str | None = None
    replicas: int | None = None
    removed: frozenset[Team] = frozenset()

    @property
    def own_teams(self) -> frozenset[Team]:
        """The workspace's: what is applied of others is none of its business."""
        used = {name.team for name in self.contracts} | {name.team for name in self.services}
        return frozenset(self.teams) | used

    @property
    def published(self) -> dict[ContractName, Contract]:
        return {name: contract for name, contract in self.contracts.items() if contract.versions}

    def records(self, ids: Ids) -> dict[bytes, bytes]:
        """The contract log as it should be, with the registry's ids in it."""
        contracts = [_with_ids(contract, ids) for contract in self.published.values()]
        return dict(entries(contracts, self.services.values(), self.teams.values(), commit=self.commit))

    def changes(self, ids: Ids, applied: Applied) -> dict[bytes, bytes | None]:
        """The records to write to the contract log, None for those that go."""
        return log_changes(self.records(ids), applied.entries, teams=self.own_teams, removed=self.removed)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """notes: what apply sees and leaves as it is."""

    goal: Goal
    applied: Applied
    topics: TopicPlan
    subjects: SubjectPlan
    changes: tuple[Change, ...]
    notes: tuple[str, ...] = ()


async def plan_changes(goal: Goal, engine: Transport, registry: Registry | None = None) -> Plan:
    """What would be written. Acceptances run out by the day in UTC.

    Raises ApplyError with all conflicts, ReadersHurt where readers are among them, and what the engine and the
    registry raise.
    """
    applied = await read_applied(engine)
    published = goal.published
    wanted = wanted_topics(published, goal.services.values(), goal.replicas)
    topics = compare_topics(wanted, applied.topics, frozenset(applied.catalog.names()))
    subjects = await compare_subjects(published.values(), registry, _known_ids(published.values(), applied))
    conflicts = [
        *_changed_versions(published.values(), applied),
        *_changed_promises(published.values(), applied),
        *topics.conflicts,
        *subjects.conflicts,
        *removal_conflicts(goal, applied),
    ]
    hurt = await _hurt(goal, applied, engine, today())
    if conflicts or hurt:
        kind = ReadersHurt if hurt else ApplyError
        many = len(conflicts) + len(hurt)
        raise kind(f"conflicts: {many}; nothing was changed", conflicts=[*conflicts, *hurt])
    records = goal.changes({**subjects.ids, **dict.fromkeys(subjects.missing, NO_ID_YET)}, applied)
    changes = [
        *(Change(topic.about, "+", describe(topic.spec)) for topic in topics.create),
        *(Change(altered.about, "~", describe_change(altered)) for altered in topics.alter),
        *_subject_lines(subjects),
        *_record_lines(records, applied.entries),
    ]
    return Plan(
        goal=goal,
        applied=applied,
        topics=topics,
        subjects=subjects,
        changes=tuple(sorted(changes, key=lambda change: change.about)),
        notes=(*topics.notes, *left_alone(goal, applied)),
    )


async def _hurt(goal: Goal, applied: Applied, engine: Transport, today: dt.date) -> list[str]:
    """The groups are asked only where a contract that is there changes for its readers."""
    merged = Merged(contracts=goal.published, services=goal.services, teams=goal.teams)
    before = Survey(merged=merged, deployed=Deployed(catalog=applied.catalog), today=today)
    if not any(before.new_versions(c) or c.retired for c in merged.contracts.values()):
        return []
    running = tuple(await running_readers(engine, applied.catalog))
    return list(reader_conflicts(replace(before, deployed=Deployed(catalog=applied.catalog, running=running))))


def _with_ids(contract: Contract, ids: Ids) -> Contract:
    versions = (replace(v, registry_id=ids.get((contract.name, v.number))) for v in contract.versions)
    return replace(contract, versions=tuple(versions))


def _known_ids(contracts: Iterable[Contract], applied: Applied) -> dict[tuple[ContractName, int], int]:
    return {
        (there.name, version.number): version.registry_id
        for contract in contracts
        if (there := applied.catalog.contract(contract.name))
        for version in there.versions
        if version.registry_id is not None
    }


def _changed_versions(contracts: Iterable[Contract], applied: Applied) -> Iterator[str]:
    for contract in contracts:
        there = applied.catalog.contract(contract.name)
        for version in there.versions if there else ():
            here = contract.version(version.number)
            if here is None:
                yield (
                    f"{contract.name} version {version.number} is applied, and missing in the workspace."
                    f" Restore {version.number}.avsc."
                )
            elif here.schema != version.schema:
                yield (
                    f"{contract.name} version {version.number} ({here.source or 'workspace'}) is not what was applied:"
                    f" a published version never changes. Restore it, and publish the change as"
                    f" {len(contract.versions) + 1}.avsc."
                )


def _changed_promises(contracts: Iterable[Contract], applied: Applied) -> Iterator[str]:
    """Another key would break order per key and compaction for what is in the topic; another topic would leave it."""
    for contract in contracts:
        there = applied.catalog.contract(contract.name)
        if there is None or not there.versions:
            continue
        key, was = (", ".join(one.key) or "none" for one in (contract, there))
        for what, now, before in (("key", key, was), ("kafka.topic", contract.topic, there.topic)):
            if now != before:
                yield (
                    f"{contract.name} ({contract.source or 'workspace'}): {what} is {now}, and was applied as {before}."
                    f" Restore it. A redesign is a new contract: {contract.name}-v2, with this one deprecated."
                )


def _subject_lines(subjects: SubjectPlan) -> Iterator[Change]:
    for subject in subjects.todo:
        name = str(subject.contract.name)
        if subject.level:
            yield Change(name, "~", f"registry: {subject.contract.subject} checks {subject.level}")
        for version in subject.missing:
            lowered = ", its level lowered for this one" if version.number in subject.forbidden else ""
            what = f"registry: {subject.contract.subject}, schema of version {version.number}{lowered}"
            yield Change(name, "+", what)


def _record_lines(records: Mapping[bytes, bytes | None], applied: Mapping[bytes, bytes]) -> Iterator[Change]:
    for key, value in records.items():
        kind, _, name = key.decode().partition("/")
        about, what = (
            (name.rpartition("/")[0], f"version {name.rpartition('/')[2]}") if kind == "version" else (name, kind)
        )
        if value is None:
            yield Change(about, "-", what)
        elif key not in applied:
            yield Change(about, "+", what)
        else:
            old, new = content(applied[key]), content(value)
            parts = sorted(part for part in old.keys() | new.keys() if old.get(part) != new.get(part))
            yield Change(about, "~", f"{what}: {', '.join(parts)}")
