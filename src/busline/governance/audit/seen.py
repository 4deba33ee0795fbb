"""What an engine says of itself, asked once: topics, settings, rights, users, quotas, groups. Nothing is changed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from busline.errors import BuslineError
from busline.transport.base import Admin, Committed, Groups, TopicSpec, Transport
from busline.transport.guard import Acl, Guarded, Mechanism, QuotaEntity
from busline.transport.inspect import GroupDetail, Inspectable

_AT_ONCE = 4


@dataclass(frozen=True, kw_only=True)
class Seen:
    """guarded: it has an authorizer; None: it is no engine that could have one. settings: of topics, by Kafka's names.
    brokers: each broker's settings by its number. committed: by group, each partition's position."""

    topics: Mapping[str, TopicSpec] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    brokers: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    guarded: bool | None = None
    acls: frozenset[Acl] = frozenset()
    users: Mapping[str, frozenset[Mechanism]] = field(default_factory=dict)
    quotas: Mapping[QuotaEntity, Mapping[str, float]] = field(default_factory=dict)
    groups: Mapping[str, GroupDetail] = field(default_factory=dict)
    committed: Mapping[str, Mapping[tuple[str, int], Committed]] = field(default_factory=dict)


async def look(engine: Transport) -> Seen:
    """Raises NotAuthorized, Unreachable, AuthenticationFailed, TransportError."""
    topics = await engine.topics() if isinstance(engine, Admin) else {}
    settings, brokers, details = {}, {}, []
    if isinstance(engine, Inspectable):
        settings, brokers = await engine.topic_settings(), await engine.broker_settings()
        details = await engine.group_details()
    groups = {group.name: group for group in details}
    guarded = await engine.guards() if isinstance(engine, Guarded) else None
    rights = isinstance(engine, Guarded) and guarded
    names = list(groups) or (await engine.groups() if isinstance(engine, Groups) else [])
    return Seen(
        topics=topics,
        settings=settings,
        brokers=brokers,
        guarded=guarded,
        acls=await engine.acls() if rights else frozenset(),  # type: ignore[attr-defined]
        users=await engine.users() if rights else {},  # type: ignore[attr-defined]
        quotas=await engine.quotas() if rights else {},  # type: ignore[attr-defined]
        groups=groups,
        committed=await _committed(engine, names),
    )


async def _committed(engine: Transport, names: list[str]) -> dict[str, dict[tuple[str, int], Committed]]:
    if not isinstance(engine, Groups):
        return {}
    asker, limit = engine, asyncio.Semaphore(_AT_ONCE)

    async def one(name: str) -> dict[tuple[str, int], Committed]:
        async with limit:
            try:
                return await asker.committed(name)
            except BuslineError:
                if name in await asker.groups():
                    raise
                return {}  # it is gone meanwhile

    return dict(zip(names, await asyncio.gather(*(one(name) for name in names)), strict=True))
