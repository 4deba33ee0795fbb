"""What an engine says of itself, asked once: topics, settings, rights, users, quotas, groups. Nothing is changed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from busline.governance.audit.authorizer_log import AuthorizerLog
from busline.governance.audit.findings import some
from busline.transport.base import Admin, Committed, Groups, TopicSpec, Transport
from busline.transport.guard import Acl, Guarded, Mechanism, QuotaEntity
from busline.transport.inspect import GroupDetail, Inspectable


@dataclass(frozen=True, kw_only=True)
class Seen:
    """guarded: it has an authorizer; None: it is no engine that could have one. settings: of topics, by Kafka's names.
    brokers: each broker's settings by its number. committed: by group, each partition's position.

    log: the authorizer's, where it is given.
    """

    topics: Mapping[str, TopicSpec] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    brokers: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    guarded: bool | None = None
    acls: frozenset[Acl] = frozenset()
    users: Mapping[str, frozenset[Mechanism]] = field(default_factory=dict)
    quotas: Mapping[QuotaEntity, Mapping[str, float]] = field(default_factory=dict)
    groups: Mapping[str, GroupDetail] = field(default_factory=dict)
    committed: Mapping[str, Mapping[tuple[str, int], Committed]] = field(default_factory=dict)
    log: AuthorizerLog | None = None

    def who(self, name: str, operation: str, kind: str) -> str:
        """Who used a right, in words; nothing but the authorizer's log says it."""
        return some(self.log.who(name, operation=operation, kind=kind) if self.log else ()) or "unknown"


async def look(engine: Transport, log: AuthorizerLog | None = None) -> Seen:
    """Raises NotAuthorized, Unreachable, AuthenticationFailed, TransportError."""
    topics, settings, groups, rights = await asyncio.gather(
        _topics(engine), _settings(engine), _groups(engine), _rights(engine)
    )
    return Seen(topics=topics, log=log, **settings, **groups, **rights)


async def _topics(engine: Transport) -> Mapping[str, TopicSpec]:
    return await engine.topics() if isinstance(engine, Admin) else {}


async def _settings(engine: Transport) -> dict[str, Any]:
    if not isinstance(engine, Inspectable):
        return {}
    return {"settings": await engine.topic_settings(), "brokers": await engine.broker_settings()}


async def _rights(engine: Transport) -> dict[str, Any]:
    """Without an authorizer Kafka tells of no ACLs, but of users and quotas all the same."""
    if not isinstance(engine, Guarded):
        return {}
    guarded = await engine.guards()
    acls = await engine.acls() if guarded else frozenset()
    return {"guarded": guarded, "acls": acls, "users": await engine.users(), "quotas": await engine.quotas()}


async def _groups(engine: Transport) -> dict[str, Any]:
    if isinstance(engine, Inspectable):
        groups = {group.name: group for group in await engine.group_details()}
        return {"groups": groups, "committed": await engine.group_positions(list(groups))}
    if not isinstance(engine, Groups):
        return {}
    return {"committed": {name: await engine.committed(name) for name in await engine.groups()}}
