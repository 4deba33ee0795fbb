"""What apply would change: the workspace's state against the engine's and the registry's. Asks, and writes nothing.

A plan is refused, with every conflict at once, where going on would hurt: a published version that was changed or
removed, a topic with another number of partitions, or one that was there before and would lose records, a registry
that lost its ids, an environment whose time of observing is over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from busline.contract.entry_changes import registry_id, version_of
from busline.contract.model import Contract
from busline.errors import ApplyError, ReadersHurt
from busline.governance.plan.access_plan import AccessPlan, compare_access
from busline.governance.plan.conflicts import (
    changed_promises,
    changed_versions,
    engine_conflicts,
    goal_conflicts,
    readers_hurt,
)
from busline.governance.plan.first_reads import first_reads
from busline.governance.plan.plan_lines import Found, Lines, plan_lines
from busline.governance.state.applied import Applied, read_applied
from busline.governance.state.change import Change, Mark
from busline.governance.state.goal import Goal
from busline.governance.state.intent import KEY, Intent, read_intent
from busline.governance.state.live import Live, read_live
from busline.governance.state.ownership import Ownership
from busline.governance.state.removal import deletions, removal_conflicts
from busline.governance.state.rights import Why, wanted_access
from busline.governance.state.subjects import SubjectPlan, compare_subjects
from busline.governance.state.topics import Known, TopicPlan, compare_topics, wanted_topics
from busline.names import ContractName
from busline.transport.base import Transport
from busline.transport.guard import Acl, Guarded

if TYPE_CHECKING:
    from busline.governance.registry.registry import Registry

__all__ = ["Change", "Goal", "Mark", "Plan", "plan_changes"]
NO_ID_YET: Final = -1
"""Stands for the id of a schema that is not registered yet, so that its record counts as a change."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """changes: what apply does, line by line; destroys, widens: what of it takes something for good, or opens
    something. held: what goes as soon as the environment says `deny`. bookkeeping: what apply writes down without
    changing anything for anybody. notes: what it sees and leaves as it is. fingerprint: the same as long as a plan of
    the same commit on the same state would be the same.

    guarded: rights are looked at. left: an apply that began and did not end.
    """

    goal: Goal
    applied: Applied
    topics: TopicPlan
    subjects: SubjectPlan
    access: AccessPlan
    ownership: Ownership
    guarded: bool
    left: Intent | None
    lines: Lines

    @property
    def changes(self) -> tuple[Change, ...]:
        return self.lines.changes

    @property
    def destroys(self) -> tuple[str, ...]:
        return self.lines.destroys

    @property
    def widens(self) -> tuple[str, ...]:
        return self.lines.widens

    @property
    def held(self) -> tuple[Change, ...]:
        return self.lines.held

    @property
    def bookkeeping(self) -> tuple[Change, ...]:
        return self.lines.bookkeeping

    @property
    def notes(self) -> tuple[str, ...]:
        return self.lines.notes

    @property
    def fingerprint(self) -> str:
        return self.lines.fingerprint

    @property
    def taken(self) -> frozenset[Acl]:
        """Rights that go, also those that an apply that did not end took already."""
        before = self.left.takes if self.left else frozenset()
        return self.access.revoke | (before - self.access.live.acls)

    @property
    def given(self) -> dict[Acl, Why]:
        """Rights that come, also those that an apply that did not end gave already."""
        wanted, before = self.access.wanted.acls, self.left.gives if self.left else frozenset()
        return self.access.creates | {acl: wanted[acl] for acl in before if acl in wanted}

    @property
    def is_empty(self) -> bool:
        """Nothing is to be done, and nothing to be written down."""
        return not self.changes and not self.bookkeeping


async def plan_changes(goal: Goal, engine: Transport, registry: Registry | None = None) -> Plan:
    """What would be written.

    Raises ApplyError with all conflicts, ReadersHurt where readers are among them, and what the engine and the
    registry raise.
    """
    applied = await read_applied(engine)
    live = await read_live(engine)
    known = _known_ids(goal.published, applied)
    goal.recognise(applied, known)
    ownership = Ownership.of(goal, applied)
    topics = _topics(goal, applied, engine)
    planned = goal.planned_contracts.values()
    subjects = await compare_subjects(planned, registry, known)
    conflicts = [
        *goal_conflicts(goal),
        *engine_conflicts(goal, engine, live, topics),
        *changed_versions(planned, applied),
        *changed_promises(planned, applied),
        *topics.conflicts,
        *subjects.conflicts,
        *removal_conflicts(goal, applied),
    ]
    _check(conflicts, await readers_hurt(goal, applied, engine))
    found = Found(
        records=goal.changes({**subjects.ids, **dict.fromkeys(subjects.missing, NO_ID_YET)}, applied),
        access=_access(goal, live, ownership),
        topics=topics,
        subjects=subjects,
        left=read_intent(applied.entries.get(KEY)),
        unguarded=live is None and isinstance(engine, Guarded),
    )
    return Plan(
        goal=goal,
        applied=applied,
        topics=topics,
        subjects=subjects,
        access=found.access,
        ownership=ownership,
        guarded=live is not None,
        left=found.left,
        lines=plan_lines(goal, applied, found, await first_reads(goal, applied, engine)),
    )


def _check(conflicts: list[str], hurt: list[str]) -> None:
    if conflicts or hurt:
        kind = ReadersHurt if hurt else ApplyError
        many = len(conflicts) + len(hurt)
        raise kind(f"conflicts: {many}; nothing was changed", conflicts=[*conflicts, *hurt])


def _topics(goal: Goal, applied: Applied, engine: Transport) -> TopicPlan:
    services = goal.planned_services.values()
    known = Known(
        existing=applied.topics,
        applied=frozenset(applied.names),
        may_grow=goal.allow_partitions,
        settable=isinstance(engine, Guarded),
    )
    others = goal.published.keys() - goal.planned_contracts.keys()
    wanted = wanted_topics(goal.published, services, goal.replicas)
    compared = compare_topics([topic for topic in wanted if topic.about not in others], known)
    return replace(compared, delete=tuple(deletions(goal, applied)))


def _access(goal: Goal, live: Live | None, ownership: Ownership) -> AccessPlan:
    if live is None:
        return AccessPlan()
    wanted = wanted_access(goal.published, goal.planned_services, goal.planned_teams, goal.today)
    return compare_access(wanted, live.of(ownership), ownership, goal)


def _known_ids(published: Mapping[ContractName, Contract], applied: Applied) -> dict[tuple[ContractName, int], int]:
    """Without a look at the schemas."""
    return {
        place: number
        for key, value in applied.entries.items()
        if (place := version_of(key)) and place[0] in published and (number := registry_id(value)) is not None
    }
