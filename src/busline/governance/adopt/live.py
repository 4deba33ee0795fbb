"""What a cluster and its registry hold, asked once: all that adopting decides on. Asks, and writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from busline.errors import NotAuthorized
from busline.governance.adopt.samples import Samples, read_samples
from busline.governance.some_at_once import some_at_once
from busline.governance.state.applied import read_applied
from busline.transport.base import Groups, Seekable, TopicSpec, Transport
from busline.transport.guard import Acl, Guarded, QuotaEntity
from busline.transport.inspect import Inspectable

if TYPE_CHECKING:
    from busline.governance.registry.registry import Registry, Stored

_AT_ONCE: Final = 16
_GROUPS_AT_ONCE: Final = 8
VALUE_SUFFIX: Final = "-value"
AVRO: Final = "AVRO"
Narrate = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class SubjectSeen:
    """A subject of the registry. Of a topic's values: all versions in order, and the level, own or the default one; of
    others the latest version."""

    name: str
    versions: tuple[Stored, ...]
    level: str = "NONE"


@dataclass(frozen=True, kw_only=True)
class Live:
    """topics by name. policies: each topic's cleanup.policy, where it is known. applied: topics of contracts that are
    in the contract log. groups: the topics that a group has a position or a member in. guarded: there is an authorizer.
    subjects: by name; complete: these are all. samples: the newest records of topics with an Avro subject. unseen: what
    could not be asked, and why."""

    topics: Mapping[str, TopicSpec] = field(default_factory=dict)
    policies: Mapping[str, str] = field(default_factory=dict)
    applied: frozenset[str] = frozenset()
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)
    guarded: bool = True
    users: frozenset[str] = frozenset()
    acls: frozenset[Acl] = frozenset()
    quotas: Mapping[QuotaEntity, Mapping[str, float]] = field(default_factory=dict)
    subjects: Mapping[str, SubjectSeen] = field(default_factory=dict)
    complete: bool = True
    samples: Samples = field(default_factory=dict)
    unseen: tuple[str, ...] = ()


async def read_live(engine: Transport, registry: Registry | None, narrate: Narrate = lambda _: None) -> Live:
    """Raises ApplyError for an engine without topics to look at, and the engine's and the registry's own errors."""
    applied = await read_applied(engine)
    narrate(f"{len(applied.topics):,} topics")
    known = (applied.catalog.contract(name) for name in applied.catalog.names())
    groups, unseen = await _groups(engine)
    narrate(f"{len(groups):,} consumer groups")
    guard = await _guard(engine)
    narrate(f"{len(guard.users):,} users, {len(guard.acls):,} ACLs" if guard.guarded else "no authorizer: no ACLs")
    subjects, complete = await _subjects(registry, applied.topics) if registry else ({}, True)
    narrate(f"{len(subjects):,} subjects")
    samples, unread = await _samples(engine, [topic for topic in applied.topics if _is_avro(subjects, topic)])
    narrate(f"the newest records of {len(samples):,} topics")
    return Live(
        topics=applied.topics,
        policies=await _policies(engine),
        applied=frozenset(contract.topic for contract in known if contract),
        groups=groups,
        guarded=guard.guarded,
        users=guard.users,
        acls=guard.acls,
        quotas=guard.quotas,
        subjects=subjects,
        complete=complete,
        samples=samples,
        unseen=(*unseen, *unread),
    )


async def _policies(engine: Transport) -> dict[str, str]:
    """cleanup.policy as it is: a topic that is compacted may have a time of life besides."""
    found = await engine.topic_settings() if isinstance(engine, Inspectable) else {}
    return {name: given["cleanup.policy"] for name, given in found.items() if "cleanup.policy" in given}


async def _groups(engine: Transport) -> tuple[dict[str, frozenset[str]], tuple[str, ...]]:
    if not isinstance(engine, Groups):
        return {}, ("consumer groups: this engine does not tell of them",)
    asked: Groups = engine
    try:
        names = await asked.groups()
        committed = await some_at_once(names, asked.committed, _GROUPS_AT_ONCE)
        members = await _members(engine)
    except NotAuthorized as error:
        return {}, (f"consumer groups: {error.what}",)
    topics = {name: {topic for topic, _ in positions} for name, positions in zip(names, committed, strict=True)}
    return {name: frozenset(seen | members.get(name, set())) for name, seen in topics.items()}, ()


async def _members(engine: Transport) -> dict[str, set[str]]:
    found = await engine.group_details() if isinstance(engine, Inspectable) else []
    return {group.name: {topic for member in group.members for topic in member.topics} for group in found}


async def _guard(engine: Transport) -> Live:
    if not isinstance(engine, Guarded) or not await engine.guards():
        return Live(guarded=False)
    return Live(users=frozenset(await engine.users()), acls=await engine.acls(), quotas=await engine.quotas())


async def _subjects(registry: Registry, topics: Collection[str]) -> tuple[dict[str, SubjectSeen], bool]:
    """All versions and the level of a topic's values; of all others the latest version."""
    listed = await registry.subjects()
    default = await registry.default_level() or "NONE"

    async def look(name: str) -> SubjectSeen:
        latest = await registry.stored(name)
        if latest is None or name.removesuffix(VALUE_SUFFIX) not in topics:
            return SubjectSeen(name=name, versions=(latest,) if latest else ())
        older = [n for n in await registry.versions(name) if n < latest.version] if latest.version > 1 else []
        stored = [await registry.stored(name, number) for number in older]
        level = await registry.level(name) or default
        return SubjectSeen(name=name, versions=(*(one for one in stored if one), latest), level=level)

    return {seen.name: seen for seen in await some_at_once(listed.names, look, _AT_ONCE)}, listed.complete


def _is_avro(subjects: Mapping[str, SubjectSeen], topic: str) -> bool:
    subject = subjects.get(f"{topic}{VALUE_SUFFIX}")
    return subject is not None and all(stored.kind == AVRO for stored in subject.versions)


async def _samples(engine: Transport, topics: list[str]) -> tuple[Samples, tuple[str, ...]]:
    if not isinstance(engine, Seekable):
        return {}, ()
    try:
        return await read_samples(engine, topics), ()
    except NotAuthorized as error:
        return {}, (f"records: {error.what}, so that nobody knows whether their schemas read them",)
