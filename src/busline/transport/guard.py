"""Power Guarded: who may do what on an engine, as the engine itself enforces it against every client.

The words are Kafka's (KIP-11, KIP-290, KIP-546, KIP-554), as no other engine that busline knows has an authorizer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

Mechanism: TypeAlias = Literal["SCRAM-SHA-256", "SCRAM-SHA-512"]
"""A user may have one secret for each, and both hold side by side: the overlap of a rotation."""
MECHANISMS: Final[tuple[Mechanism, Mechanism]] = ("SCRAM-SHA-512", "SCRAM-SHA-256")
USER: Final = "User:"
ANY: Final = "*"
"""Every name, every host."""
ITERATIONS: Final = 8192
"""Of the hash of a SCRAM secret (RFC 5802)."""


class Resource(StrEnum):
    """What an ACL is about."""

    TOPIC = "topic"
    GROUP = "group"
    CLUSTER = "cluster"
    TRANSACTIONAL_ID = "transactional-id"
    DELEGATION_TOKEN = "delegation-token"
    USER = "user"


class Acl(NamedTuple):
    """One binding. operation: Kafka's, in lower case with hyphens (`read`, `describe-configs`, `all`). prefixed: `name`
    is what names begin with. allow False: a DENY, which busline never writes."""

    principal: str
    resource: Resource
    name: str
    operation: str
    prefixed: bool = False
    allow: bool = True
    host: str = "*"

    @property
    def user(self) -> str | None:
        """The principal's name, None for what is no user."""
        return self.principal.removeprefix(USER) if self.principal.startswith(USER) else None

    def is_over(self, name: str) -> bool:
        """Whether it is about what has this name, of its kind."""
        return name.startswith(self.name) if self.prefixed else self.name in (name, ANY)

    def __str__(self) -> str:
        name = f"{self.name}*" if self.prefixed else self.name
        host = "" if self.host == "*" else f" from {self.host}"
        return f"{self.principal} {'may' if self.allow else 'must not'} {self.operation} {self.resource} {name}{host}"


class QuotaEntity(NamedTuple):
    """Whom a quota binds. None: it does not look at that; "": all that have no quota of their own."""

    user: str | None = None
    client: str | None = None
    ip: str | None = None

    @property
    def is_whole_user(self) -> bool:
        """It binds all that one user does, whatever its client calls itself."""
        return bool(self.user) and self.client is None and self.ip is None


PUBLISH_RATE: Final = "producer_byte_rate"
SUBSCRIBE_RATE: Final = "consumer_byte_rate"
"""Kafka's keys for a quota's bounds."""


class Quota(NamedTuple):
    """Bytes a second and broker; None: no bound."""

    publish: int | None = None
    subscribe: int | None = None

    @classmethod
    def of(cls, held: Mapping[str, float]) -> Quota:
        """From Kafka's keys; others are left out."""
        publish, subscribe = (held.get(key) for key in (PUBLISH_RATE, SUBSCRIBE_RATE))
        return cls(*(None if bound is None else int(bound) for bound in (publish, subscribe)))

    @property
    def bounds(self) -> dict[str, int | None]:
        """By Kafka's keys."""
        return {PUBLISH_RATE: self.publish, SUBSCRIBE_RATE: self.subscribe}


@dataclass(frozen=True, kw_only=True)
class Credential:
    """A user's secret for one mechanism."""

    user: str
    mechanism: Mechanism = "SCRAM-SHA-512"
    secret: str = field(repr=False)


@runtime_checkable
class Guarded(Protocol):
    """Power: the engine's own authorizer. All items of a call are tried, at most 500 a request, each item's answer is
    read, and the first refusal is raised. A request is atomic in the controller; when it is in force is `settled`'s.

    Raises NotAuthorized, Unreachable, AuthenticationFailed, TransportError.
    """

    async def guards(self) -> bool:
        """Whether there is an authorizer: without one every client may do everything."""
        ...

    async def acls(self) -> frozenset[Acl]:
        """All ACLs that there are, of every principal."""
        ...

    async def create_acls(self, acls: Collection[Acl]) -> None: ...

    async def delete_acls(self, acls: Collection[Acl]) -> None:
        """Exactly these; what is gone already is gone."""
        ...

    async def settled(
        self, *, present: Collection[Acl] = (), absent: Collection[Acl] = (), within: float = 10.0
    ) -> None:
        """Wait until every broker that is not fenced says so itself: an acknowledged change is in the controller, and
        brokers were seen 1.8 s apart. Raises NotInForce with the brokers that lag, after `within` seconds."""
        ...

    async def users(self) -> dict[str, frozenset[Mechanism]]:
        """Users with a SCRAM secret, and for which mechanisms."""
        ...

    async def set_secrets(self, credentials: Sequence[Credential]) -> None:
        """Make users, or give them another secret (salted and hashed here: the secret is not sent)."""
        ...

    async def delete_secrets(self, secrets: Iterable[tuple[str, Mechanism]]) -> None:
        """What is gone already is gone. Who is connected stays so until the broker asks again."""
        ...

    async def quotas(self) -> dict[QuotaEntity, dict[str, float]]:
        """All quotas, by Kafka's own keys (`producer_byte_rate`, `consumer_byte_rate`, `request_percentage`, …)."""
        ...

    async def set_quotas(self, quotas: Mapping[str, Quota]) -> None:
        """By user, regardless of client id, which anybody may choose. A bound of None is removed."""
        ...
