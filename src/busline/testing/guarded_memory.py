"""An engine in memory with the power Guarded: rights, users and quotas as data, for tests of who plans and applies.

It refuses nobody. `broker_lags` stands for a broker that does not follow.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from busline.errors import NotInForce
from busline.transport.base import TopicSpec
from busline.transport.guard import Acl, Credential, Mechanism, Quota, QuotaEntity
from busline.transport.memory import MemoryTransport


class GuardedMemory(MemoryTransport):
    """`steps` is what was done, call by call; `held` every set of rights that there was, the first one first."""

    def __init__(self, name: str = "", *, authorizer: bool = True) -> None:
        super().__init__(name)
        self.authorizer = authorizer
        self.rights: frozenset[Acl] = frozenset()
        self.secrets: dict[str, dict[Mechanism, str]] = {}
        self.bounds_of: dict[QuotaEntity, dict[str, float]] = {}
        self.held: list[frozenset[Acl]] = [self.rights]
        self.steps: list[str] = []
        self.broker_lags = False

    def did(self, step: str) -> None:
        """Called when a call is done; overridden by tests that stop there."""
        self.steps.append(step)

    async def guards(self) -> bool:
        return self.authorizer

    async def acls(self) -> frozenset[Acl]:
        return self.rights

    async def create_acls(self, acls: Collection[Acl]) -> None:
        for acl in sorted(acls):
            self._hold(self.rights | {acl})
            self.did(f"give {acl}")

    async def delete_acls(self, acls: Collection[Acl]) -> None:
        for acl in sorted(acls):
            self._hold(self.rights - {acl})
            self.did(f"take {acl}")

    def _hold(self, rights: frozenset[Acl]) -> None:
        self.rights = rights
        self.held.append(rights)

    async def settled(
        self, *, present: Collection[Acl] = (), absent: Collection[Acl] = (), within: float = 10.0
    ) -> None:
        if self.broker_lags or self.rights & set(absent) or set(present) - self.rights:
            raise NotInForce("not every broker follows", conflicts=["broker 2"])
        self.did(f"settled: {len(present)} present, {len(absent)} absent")

    async def users(self) -> dict[str, frozenset[Mechanism]]:
        return {user: frozenset(kinds) for user, kinds in self.secrets.items()}

    async def set_secrets(self, credentials: Sequence[Credential]) -> None:
        for one in credentials:
            self.secrets.setdefault(one.user, {})[one.mechanism] = one.secret
            self.did(f"secret of {one.user}")

    async def delete_secrets(self, secrets: Iterable[tuple[str, Mechanism]]) -> None:
        for user, mechanism in secrets:
            kinds = self.secrets.get(user, {})
            kinds.pop(mechanism, None)
            if not kinds:
                self.secrets.pop(user, None)
            self.did(f"no secret of {user}")

    async def quotas(self) -> dict[QuotaEntity, dict[str, float]]:
        return {entity: dict(bounds) for entity, bounds in self.bounds_of.items()}

    async def set_quotas(self, quotas: Mapping[str, Quota]) -> None:
        for user, quota in quotas.items():
            self.bounds_of[QuotaEntity(user=user)] = {k: float(v) for k, v in quota.bounds.items() if v is not None}
            if not self.bounds_of[QuotaEntity(user=user)]:
                del self.bounds_of[QuotaEntity(user=user)]
            self.did(f"quota of {user}")

    async def create_topics(self, specs: Sequence[TopicSpec]) -> None:
        await super().create_topics(specs)
        self.did(f"topics {', '.join(spec.name for spec in specs)}")

    async def alter_topics(self, specs: Sequence[TopicSpec]) -> None:
        await super().alter_topics(specs)
        self.did(f"topics altered {', '.join(spec.name for spec in specs)}")
