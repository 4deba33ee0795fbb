"""Who may do what on an engine now, as its own authorizer says."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from busline.governance.state.ownership import Ownership
from busline.transport.base import Transport
from busline.transport.guard import Acl, Guarded, Mechanism, Quota


@dataclass(frozen=True, kw_only=True)
class Live:
    """quotas: by user, of those that hold for all of a user's clients; narrower: users with others beside them."""

    acls: frozenset[Acl] = frozenset()
    users: Mapping[str, frozenset[Mechanism]] = field(default_factory=dict)
    quotas: Mapping[str, Quota] = field(default_factory=dict)
    narrower: frozenset[str] = frozenset()

    def of(self, ownership: Ownership) -> Live:
        """What busline owns of it."""
        return Live(
            acls=frozenset(acl for acl in self.acls if ownership.has(acl.user)),
            users={user: kinds for user, kinds in self.users.items() if ownership.has(user)},
            quotas={user: quota for user, quota in self.quotas.items() if ownership.has(user)},
            narrower=frozenset(user for user in self.narrower if ownership.has(user)),
        )

    def lines(self) -> list[str]:
        """For a fingerprint: the same for the same."""
        return [
            *sorted(map(repr, self.acls)),
            *sorted(f"{user} {sorted(kinds)}" for user, kinds in self.users.items()),
            *sorted(f"{user} {quota}" for user, quota in self.quotas.items()),
        ]


async def read_live(engine: Transport) -> Live | None:
    """None: the engine cannot refuse anybody, or is told not to. Raises NotAuthorized, Unreachable."""
    if not isinstance(engine, Guarded) or not await engine.guards():
        return None
    acls, users, quotas = await asyncio.gather(engine.acls(), engine.users(), engine.quotas())
    return Live(
        acls=acls,
        users=users,
        quotas={entity.user: Quota.of(held) for entity, held in quotas.items() if entity.user and entity.is_whole_user},
        narrower=frozenset(entity.user for entity in quotas if entity.user and not entity.is_whole_user),
    )
