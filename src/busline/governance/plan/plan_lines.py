"""A plan as its reader sees it: lines by contract, what hurts and what opens apart, and one mark of it all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from busline.contract.model import Contract, ServiceSpec, TeamSpec
from busline.governance.plan.access_plan import AccessPlan, access_lines, held_lines
from busline.governance.plan.fingerprint import fingerprint
from busline.governance.plan.record_lines import moved, record_lines, taken_over
from busline.governance.plan.widening import widened
from busline.governance.state.applied import Applied
from busline.governance.state.change import Change
from busline.governance.state.goal import Goal
from busline.governance.state.intent import Intent
from busline.governance.state.removal import left_alone
from busline.governance.state.subjects import SubjectPlan, subject_lines
from busline.governance.state.topics import TopicPlan, destroyed, topic_lines
from busline.names import CONTRACT_LOG, ContractName


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was found to differ. records: to the contract log. unguarded: the engine's authorizer is off."""

    records: Mapping[bytes, bytes | None]
    access: AccessPlan
    topics: TopicPlan
    subjects: SubjectPlan
    left: Intent | None = None
    unguarded: bool = False


@dataclass(frozen=True, kw_only=True)
class Lines:
    """See `busline.governance.plan.plan.Plan`."""

    changes: tuple[Change, ...] = ()
    destroys: tuple[str, ...] = ()
    widens: tuple[str, ...] = ()
    held: tuple[Change, ...] = ()
    bookkeeping: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()
    fingerprint: str = ""


def plan_lines(goal: Goal, applied: Applied, found: Found, first: Sequence[str]) -> Lines:
    """first: how many events new subscriptions begin with."""
    sources = _sources(goal)
    by_topic = _contracts_by_topic(goal, applied, found.access)
    changes = [
        *topic_lines(found.topics),
        *subject_lines(found.subjects),
        *access_lines(found.access, by_topic, sources),
    ]
    busy = {change.about for change in changes}
    quiet = taken_over(goal, applied, found.records, busy) | moved(found.records, applied.entries)
    lines = list(record_lines(found.records, applied.entries, sources))
    changes += [change for key, change in lines if key not in quiet]
    bookkeeping = [*(change for key, change in lines if key in quiet), *_kept(found)]
    if all(_is_housekeeping(change, goal) for change in changes):
        bookkeeping, changes = [*changes, *bookkeeping], []
    return Lines(
        changes=tuple(sorted(changes, key=lambda change: change.about)),
        destroys=(*destroyed(found.topics), *_users_gone(found.access)),
        widens=tuple(widened(_changed(goal, found.records), applied, found.access)),
        held=tuple(held_lines(found.access, by_topic)),
        bookkeeping=tuple(bookkeeping),
        notes=(*_notes(goal, found, bool(changes)), *found.topics.notes, *left_alone(goal, applied), *first),
        fingerprint=fingerprint(_seen(goal, applied, found)),
    )


def _is_housekeeping(change: Change, goal: Goal) -> bool:
    """busline's own topics, which nobody has a right on by it."""
    own = change.about == CONTRACT_LOG or change.about in goal.own
    return own and not change.what.startswith("rights ")


def _kept(found: Found) -> Iterator[Change]:
    if found.left:
        yield Change(CONTRACT_LOG, "-", "the intent", old=str(found.left))
    for acl, why in sorted(found.access.narrow.items()):
        yield Change(why.about, "+", "a right that a wider one gives already", new=str(acl), why=why.source)


def _users_gone(access: AccessPlan) -> Iterator[str]:
    for user in sorted(access.gone_users):
        yield f"user {user} is deleted with its secret; who is logged in with it stays so until the broker asks again"


def _notes(goal: Goal, found: Found, any_changes: bool) -> Iterator[str]:
    if found.left:
        yield f"{found.left}, has not ended; this one goes on from there"
    if found.unguarded:
        yield "this cluster has no authorizer, so nobody is refused anything: no users, rights and quotas are planned"
    yield from found.access.notes
    if goal.only and any_changes:
        yield "of other teams nothing is planned, also not the rights of their services on these contracts"
    idle = goal.allow_delete - {deleted.about for deleted in found.topics.delete} - found.access.gone_users.keys()
    if unknown := sorted(name for name in idle if f"contract/{name}".encode() not in found.records):
        yield f"nothing is to be deleted by the name {', '.join(unknown)}"


def _sources(goal: Goal) -> dict[str, str]:
    every: list[Contract | ServiceSpec | TeamSpec] = [
        *goal.published.values(),
        *goal.services.values(),
        *goal.teams.values(),
    ]
    return {str(one.name): str(one.source) for one in every if one.source}


def _contracts_by_topic(goal: Goal, applied: Applied, access: AccessPlan) -> dict[str, str]:
    """Contracts that are gone are asked for only where somebody has rights left on their topics."""
    known = {contract.topic: str(contract.name) for contract in goal.published.values()}
    named = {acl.name for acl in access.revoke | access.lift | access.held if acl.resource == "topic"}
    if named - known.keys():
        gone = (applied.catalog.contract(name) for name in goal.gone(applied))
        known |= {contract.topic: str(contract.name) for contract in gone if contract and contract.topic not in known}
    return known


def _changed(goal: Goal, records: Iterable[bytes]) -> list[Contract]:
    names = (key.removeprefix(b"contract/").decode() for key in records if key.startswith(b"contract/"))
    return [goal.published[name] for name in map(ContractName, names) if name in goal.published]


def _seen(goal: Goal, applied: Applied, found: Found) -> Iterator[object]:
    """All that a plan hangs on."""
    yield (goal.commit, goal.enforce, goal.replicas)
    yield [sorted(some) for some in (goal.removed, goal.only, goal.allow_delete, goal.allow_partitions)]
    for key, value in sorted(found.records.items()):
        yield from (key, b"-" if value is None else value)
    yield applied.next
    yield from ((acl, found.access.wanted.acls[acl].source) for acl in sorted(found.access.wanted.acls))
    yield from (sorted(found.access.wanted.users.items()), sorted(found.access.wanted.quotas.items()))
    yield from found.access.live.lines()
    topics = found.topics
    yield ([one.spec for one in topics.create], topics.alter, topics.grow, topics.delete, topics.notes)
    yield [(s.contract.name, s.level, s.was, [v.number for v in s.missing]) for s in found.subjects.todo]
