"""The JSON of the contract log's records, as pydantic models: one a kind, and what they hold."""

from __future__ import annotations

import datetime as dt
from typing import Final, TypeAlias

from pydantic import BaseModel, ConfigDict, JsonValue

from busline.contract.model import Audience, Kind, Source

FORMAT: Final = 1
JsonSchema: TypeAlias = str | dict[str, JsonValue] | list[JsonValue]


class Entry(BaseModel):
    """Unknown fields are a newer writer's; they are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class PlaceEntry(Entry):
    file: str
    line: int = 1

    @classmethod
    def of(cls, source: Source | None) -> PlaceEntry | None:
        return cls(file=source.file, line=source.line) if source else None


class HeadEntry(Entry):
    """What every record begins with. commit: the workspace's, at apply."""

    v: int = FORMAT
    commit: str | None = None
    source: PlaceEntry | None = None


class GrantEntry(Entry):
    to: str
    read_only: bool = False
    pii: bool = False
    source: PlaceEntry | None = None


class StorageEntry(Entry):
    partitions: int
    retention: int | None
    max_record: int
    replicas: int | None = None


class DeprecationEntry(Entry):
    since: dt.date
    sunset: dt.date | None = None
    replacement: str | None = None


class ContractEntry(HeadEntry):
    versions: int = 0
    description: str = ""
    kind: Kind = Kind.EVENT
    audience: Audience = Audience.COMPANY
    key: tuple[str, ...] = ()
    compatibility: str | None = None
    grants: tuple[GrantEntry, ...] = ()
    storage: StorageEntry
    tags: tuple[str, ...] = ()
    pii: tuple[str, ...] = ()
    deprecated: dict[str, str | None] = {}
    deprecated_since: dict[str, dt.date] = {}
    quota: dict[str, int] = {}
    deprecation: DeprecationEntry | None = None
    retired: dt.date | None = None
    topic: str = ""
    subject: str = ""
    append_time: bool = True
    example: dict[str, JsonValue] | None = None


class VersionEntry(HeadEntry):
    schema_: JsonSchema
    registry_id: int | None = None

    model_config = ConfigDict(alias_generator=lambda name: name.rstrip("_"), validate_by_name=True)


class PublicationEntry(Entry):
    contract: str
    version: int
    source: PlaceEntry | None = None


class FieldUseEntry(Entry):
    name: str
    optional: bool = False


class SubscriptionEntry(Entry):
    contract: str
    version: int
    fields: tuple[FieldUseEntry, ...] = ()
    start: str = "earliest"
    source: PlaceEntry | None = None


class AcceptanceEntry(Entry):
    contract: str
    version: int
    why: str
    until: dt.date


class ServiceEntry(HeadEntry):
    publishes: tuple[PublicationEntry, ...] = ()
    subscribes: tuple[SubscriptionEntry, ...] = ()
    reads: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    transactional: bool = False
    accepts: tuple[AcceptanceEntry, ...] = ()
    kafka_user: str | None = None
    kafka_groups: tuple[str, ...] = ()


class TeamEntry(HeadEntry):
    description: str = ""
    mail: str | None = None
    chat: str | None = None
