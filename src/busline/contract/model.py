"""The domain: contracts, teams, services, grants, as plain frozen values. No files, no network.

A `Contract` is the same value wherever it comes from: read from a workspace, inferred from a model, or taken from an
engine's contract log. `Source` says where each of its lines stands, so that every decision can name file and line.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from busline.contract.schema import Schema
from busline.names import ContractName, Service, Team

EVERYONE = "everyone"


class Kind(StrEnum):
    """event: something happened. state: the latest value of a key; compacted; a deletion is a tombstone."""

    EVENT = "event"
    STATE = "state"


class Audience(StrEnum):
    """The ceiling of who may ever be granted, narrowest first."""

    TEAM = "team"
    COMPANY = "company"
    PARTNER = "partner"
    PUBLIC = "public"


class Action(StrEnum):
    """What a service asks for. read is without a group."""

    PUBLISH = "publish"
    SUBSCRIBE = "subscribe"
    READ = "read"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A place in a file: `path:line`."""

    file: str
    line: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, kw_only=True)
class RuleOff:
    """A rule that does not hold here, and why. fields: paths that it leaves alone; empty: it is off for all."""

    rule: str
    reason: str
    fields: tuple[str, ...] = ()
    source: Source | None = None


@dataclass(frozen=True, kw_only=True)
class Version:
    """One published schema of a contract. registry_id: the registry's id, once applied where there is one."""

    number: int
    schema: Schema
    registry_id: int | None = None
    source: Source | None = None


@dataclass(frozen=True, kw_only=True)
class Storage:
    """retention: milliseconds, None for ever. max_record: bytes of key, value and headers of one record."""

    partitions: int = 6
    retention: int | None = 604_800_000
    max_record: int = 1_048_576
    replicas: int | None = None


@dataclass(frozen=True, kw_only=True)
class Grant:
    """One line under `access`: a service, a team (any of its services), or EVERYONE in the audience.

    read_only: from `access.read`; allows reading without a group, and no subscription. pii: fields that say something
    about a person are read as they are, not masked.
    """

    to: str
    read_only: bool = False
    pii: bool = False
    source: Source | None = None


@dataclass(frozen=True, kw_only=True)
class Deprecation:
    """The contract will go: announced on `since`, refused from `sunset` on."""

    since: dt.date
    sunset: dt.date | None = None
    replacement: ContractName | None = None
    source: Source | None = None


@dataclass(frozen=True, kw_only=True)
class FieldDeprecation:
    """A field will go: announced on `since` (None: not known any more). use: the field to use instead."""

    since: dt.date | None = None
    use: str | None = None


@dataclass(frozen=True, kw_only=True)
class Contract:
    """The published promise about one stream. `versions` ascend from 1; none yet: a draft.

    deprecated: fields that will go. quota: bytes a second, by `publish` and `subscribe`. append_time: records carry the
    time of their writing; False, for a stream that was there before, their publisher's.
    """

    name: ContractName
    description: str = ""
    kind: Kind = Kind.EVENT
    audience: Audience = Audience.COMPANY
    key: tuple[str, ...] = ()
    compatibility: str | None = None
    versions: tuple[Version, ...] = ()
    grants: tuple[Grant, ...] = ()
    storage: Storage = field(default_factory=Storage)
    tags: tuple[str, ...] = ()
    pii: frozenset[str] = frozenset()
    deprecated: Mapping[str, FieldDeprecation] = field(default_factory=dict)
    quota: Mapping[str, int] = field(default_factory=dict)
    deprecation: Deprecation | None = None
    retired: dt.date | None = None
    topic: str = ""
    subject: str = ""
    append_time: bool = True
    example: Mapping[str, object] | None = None
    off: tuple[RuleOff, ...] = ()
    source: Source | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "topic", self.topic or str(self.name))
        object.__setattr__(self, "subject", self.subject or f"{self.topic}-value")

    @property
    def owner(self) -> Team:
        return self.name.team

    @property
    def current(self) -> Version | None:
        return self.versions[-1] if self.versions else None

    def version(self, number: int) -> Version | None:
        return self.versions[number - 1] if 1 <= number <= len(self.versions) else None

    def with_ids(self, id_of: Callable[[int], int | None]) -> Contract:
        """With the registry's id of each version, by its number."""
        if all(v.registry_id == id_of(v.number) for v in self.versions):
            return self
        return replace(self, versions=tuple(replace(v, registry_id=id_of(v.number)) for v in self.versions))


@dataclass(frozen=True, kw_only=True)
class Publication:
    contract: ContractName
    version: int
    source: Source | None = None


@dataclass(frozen=True, kw_only=True)
class FieldUse:
    """A field that a subscriber's code reads. optional: its model has a default of its own (`coupon?`)."""

    name: str
    optional: bool = False


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """start: `earliest`, `latest`, a duration back (`7d`) or an ISO 8601 time."""

    contract: ContractName
    version: int
    fields: tuple[FieldUse, ...] = ()
    start: str = "earliest"
    source: Source | None = None


@dataclass(frozen=True, kw_only=True)
class Acceptance:
    """A consumer's consent to a break of `version` of a contract, until a day."""

    contract: ContractName
    version: int
    why: str
    until: dt.date
    source: Source | None = None


@dataclass(frozen=True, kw_only=True)
class ServiceSpec:
    """A service file: what the service publishes and subscribes to. groups: names of further consumer groups.

    kafka_user: the user that it had before busline, and keeps until it uses busline itself: then its rights are those
    of its topics and of kafka_groups, as they were, and nothing else.
    """

    name: Service
    publishes: tuple[Publication, ...] = ()
    subscribes: tuple[Subscription, ...] = ()
    reads: tuple[ContractName, ...] = ()
    groups: tuple[str, ...] = ()
    transactional: bool = False
    accepts: tuple[Acceptance, ...] = ()
    kafka_user: str | None = None
    kafka_groups: tuple[str, ...] = ()
    off: tuple[RuleOff, ...] = ()
    source: Source | None = None

    @property
    def user(self) -> str:
        """The name by which an engine knows it."""
        return self.kafka_user or str(self.name)

    def publication(self, contract: str) -> Publication | None:
        return next((p for p in self.publishes if p.contract == contract), None)

    def subscription(self, contract: str) -> Subscription | None:
        return next((s for s in self.subscribes if s.contract == contract), None)


@dataclass(frozen=True, kw_only=True)
class TeamSpec:
    """codeowners: who guards the team's folder, as the code host names them (`@acme/orders`). people: an engine with
    users has one for the team's persons."""

    name: Team
    description: str = ""
    mail: str | None = None
    chat: str | None = None
    codeowners: tuple[str, ...] = ()
    people: bool = True
    off: tuple[RuleOff, ...] = ()
    source: Source | None = None

    @property
    def contact(self) -> str:
        """Whom to ask, as one would say it."""
        return self.chat or self.mail or f"team {self.name}"


@dataclass(frozen=True, kw_only=True)
class Known:
    """Something on an engine or in its registry that no contract explains, and that is let be until that day.

    kind: `user`, `topic`, `group` or `subject`. name: with `*` at its end, all that begin so.
    """

    kind: str
    name: str
    why: str
    until: dt.date
    source: Source | None = None

    def covers(self, kind: str, name: str) -> bool:
        begin = self.name.removesuffix("*")
        return kind == self.kind and (name == self.name or (begin != self.name and name.startswith(begin)))


@dataclass(frozen=True, kw_only=True)
class Environment:
    """An engine that the workspace is applied to. credentials: a command that gives the secret on its output.
    read_secret, store_secret: commands that print and take a service's secret, of the user named in BUSLINE_USER.

    enforce: `deny`, or `observe`: rights that no contract explains are listed and stay, until the day `observe_until`.
    """

    name: str
    url: str
    registry: str | None = None
    replicas: int | None = None
    enforce: str = "observe"
    observe_until: dt.date | None = None
    credentials: tuple[str, ...] = field(default=(), repr=False)
    read_secret: tuple[str, ...] = field(default=(), repr=False)
    store_secret: tuple[str, ...] = field(default=(), repr=False)
    known: tuple[Known, ...] = ()
    source: Source | None = None
