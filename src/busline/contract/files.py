"""What may stand in each file of a workspace, as pydantic models; unknown keys are errors.

The names of these classes' fields are the keys; docs/contract-reference.md describes every one of them.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from busline.contract.duration import check_start, milliseconds, size_bytes
from busline.contract.model import Audience, FieldUse, Kind
from busline.errors import ContractError
from busline.names import ContractName, Group, Service

_FIELD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")
FOREVER: Final = "forever"


def _said(error: ContractError) -> ValueError:
    return ValueError(f"{error.what}. {error.fix}" if error.fix else error.what)


def _contract(text: str) -> str:
    try:
        return ContractName(text)
    except ContractError as error:
        raise _said(error) from None


def _group(text: str) -> str:
    try:
        Group.of(Service("team/service"), text)
    except ContractError as error:
        raise _said(error) from None
    return text


def _date(value: object) -> object:
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        raise ValueError("write a date as 2026-01-31")
    return value


def _retention(value: object) -> int | None:
    if not isinstance(value, str):
        raise ValueError(f"write a duration with its unit, e.g. 7d, or {FOREVER}")
    return None if value == FOREVER else milliseconds(value)


def _size(value: object) -> object:
    return size_bytes(value) if isinstance(value, str) else value


def _field_name(text: str) -> str:
    if not _FIELD.fullmatch(text):
        top = _FIELD.match(text)
        within = (
            f"; {top[0]} says all that is within it" if top and text[top.end() :].startswith((".", "[", "{")) else ""
        )
        raise ValueError(f"{text!r:.80} is not a field name: letters, digits and _, not beginning with a digit{within}")
    return text


def _field_use(value: object) -> FieldUse:
    if not isinstance(value, str):
        raise ValueError("write a field's name, with ? behind it when the model has a default")
    return FieldUse(name=_field_name(value.removesuffix("?")), optional=value.endswith("?"))


def _level(value: object) -> object:
    return value.replace("_", "-") if isinstance(value, str) else value


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _topic(text: str) -> str:
    if not _TOPIC.fullmatch(text) or text in (".", ".."):
        raise ValueError(f"{text!r:.80} is not a topic name: letters, digits, . _ and -, at most 249")
    return text


def _without_secret(url: str) -> str:
    try:
        secret = urlsplit(url).password
    except ValueError:
        secret = None
    if secret is not None:
        raise ValueError("a password in a file; give it by BUSLINE_PASSWORD_FILE or credentials.command")
    if "://" not in url:
        raise ValueError("not a URL: write memory://, sqlite:///path or kafka://host:9092")
    return url


Count: TypeAlias = Annotated[int, Field(strict=True, ge=1)]
Name: TypeAlias = Annotated[str, AfterValidator(_contract)]
Day: TypeAlias = Annotated[dt.date, BeforeValidator(_date)]
Bytes: TypeAlias = Annotated[int, BeforeValidator(_size), Field(strict=True, ge=1)]
Milliseconds: TypeAlias = Annotated[int | None, BeforeValidator(_retention)]
FieldName: TypeAlias = Annotated[str, AfterValidator(_field_name)]
OneOrMore: TypeAlias = Annotated[tuple[FieldName, ...], BeforeValidator(_listed)]
Compatibility: TypeAlias = Annotated[
    Literal["none", "backward", "backward-transitive", "forward", "forward-transitive", "full", "full-transitive"],
    BeforeValidator(_level),
]


class FileModel(BaseModel):
    """A mapping in a file."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class RuleFile(FileModel):
    """A rule of `busline check` that does not hold here, and why. fields: not for these; empty: not at all."""

    off: Annotated[str, Field(min_length=1)]
    fields: tuple[str, ...] = ()


RuleFiles: TypeAlias = dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")], RuleFile]


class GrantFile(FileModel):
    to: str
    pii: Annotated[bool, Field(strict=True)] = False


def _grant(value: object) -> object:
    if not isinstance(value, str | dict):
        raise ValueError("write a service, a team, `everyone`, or {to: …, pii: true}")
    return {"to": value} if isinstance(value, str) else value


GrantLine: TypeAlias = Annotated[GrantFile, BeforeValidator(_grant)]


class AccessFile(FileModel):
    subscribe: tuple[GrantLine, ...] = ()
    read: tuple[GrantLine, ...] = ()


class StorageFile(FileModel):
    partitions: Annotated[int, Field(strict=True, ge=1, le=1000)] = 6
    retention: Milliseconds = 604_800_000
    max_record: Bytes = 1_048_576


class FieldDeprecationFile(FileModel):
    since: Day
    use: FieldName | None = None


class FieldFile(FileModel):
    pii: Annotated[bool, Field(strict=True)] = False
    deprecated: FieldDeprecationFile | None = None


class QuotaFile(FileModel):
    publish: Bytes | None = None
    subscribe: Bytes | None = None


class DeprecationFile(FileModel):
    since: Day
    sunset: Day | None = None
    replacement: Name | None = None


class KafkaFile(FileModel):
    """Of a stream that was there before."""

    topic: Annotated[str, AfterValidator(_topic)] | None = None
    subject: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    timestamps: Literal["append", "create"] = "append"


class ContractFile(FileModel):
    """`<team>/<stream>/contract.yaml`"""

    description: Annotated[str, Field(min_length=1)]
    key: OneOrMore = ()
    access: AccessFile = AccessFile()
    kind: Kind = Kind.EVENT
    audience: Audience = Audience.COMPANY
    compatibility: Compatibility | None = None
    tags: tuple[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")], ...] = ()
    storage: StorageFile = StorageFile()
    fields: dict[FieldName, FieldFile] = {}
    quota: QuotaFile = QuotaFile()
    deprecation: DeprecationFile | None = None
    retired: Day | None = None
    kafka: KafkaFile = KafkaFile()
    rules: RuleFiles = {}


class SubscriptionFile(FileModel):
    version: Count
    fields: tuple[Annotated[FieldUse, BeforeValidator(_field_use)], ...] = ()
    start: Annotated[str, AfterValidator(check_start)] = "earliest"


class AcceptFile(FileModel):
    contract: Name
    version: Count
    why: Annotated[str, Field(min_length=1)]
    until: Day


class KafkaServiceFile(FileModel):
    """Of a service that was there before."""

    user: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    groups: tuple[Annotated[str, Field(min_length=1, max_length=255)], ...] = ()


class ServiceFile(FileModel):
    """`<team>/<name>.service.yaml`"""

    description: str = ""
    publishes: dict[Name, Count] = {}
    subscribes: dict[Name, SubscriptionFile] = {}
    reads: tuple[Name, ...] = ()
    groups: tuple[Annotated[str, AfterValidator(_group)], ...] = ()
    transactional: Annotated[bool, Field(strict=True)] = False
    accepts: tuple[AcceptFile, ...] = ()
    kafka: KafkaServiceFile = KafkaServiceFile()
    rules: RuleFiles = {}


class ContactFile(FileModel):
    mail: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")] | None = None
    chat: str | None = None


class TeamFile(FileModel):
    """`<team>/team.yaml`"""

    description: str = ""
    contact: ContactFile = ContactFile()
    codeowners: Annotated[tuple[Annotated[str, Field(pattern=r"^[^\s#]+$")], ...], BeforeValidator(_listed)] = ()
    people: Annotated[bool, Field(strict=True)] = True
    rules: RuleFiles = {}


class EnvironmentStorageFile(FileModel):
    replicas: Annotated[int, Field(strict=True, ge=1, le=32)] | None = None


Program: TypeAlias = Annotated[tuple[str, ...], Field(min_length=1)]


class ServiceCredentialsFile(FileModel):
    """Programs that know the services' secrets; BUSLINE_USER says whose."""

    read: Program | None = Field(default=None, repr=False)
    store: Program | None = Field(default=None, repr=False)


class CredentialsFile(FileModel):
    command: Program | None = Field(default=None, repr=False)
    services: ServiceCredentialsFile = ServiceCredentialsFile()


class KnownFile(FileModel):
    """What `busline audit` lets be: one of user, topic, group, subject; `*` at its end: all that begin so."""

    user: Annotated[str, Field(min_length=1)] | None = None
    topic: Annotated[str, Field(min_length=1)] | None = None
    group: Annotated[str, Field(min_length=1)] | None = None
    subject: Annotated[str, Field(min_length=1)] | None = None
    why: Annotated[str, Field(min_length=1)]
    until: Day

    @model_validator(mode="after")
    def _one(self) -> KnownFile:
        named = [name for name in (self.user, self.topic, self.group, self.subject) if name is not None]
        if len(named) != 1:
            raise ValueError("name one of user, topic, group and subject")
        if not named[0].strip("*"):
            raise ValueError("`*` alone would let everything be: say how the names begin")
        return self


class EnvironmentFile(FileModel):
    url: Annotated[str, AfterValidator(_without_secret)]
    registry: Annotated[str, AfterValidator(_without_secret)] | None = None
    storage: EnvironmentStorageFile = EnvironmentStorageFile()
    enforce: Literal["deny", "observe"] = "observe"
    observe_until: Day | None = None
    credentials: CredentialsFile = CredentialsFile()
    known: tuple[KnownFile, ...] = ()


Host: TypeAlias = Annotated[str, Field(pattern=r"^(\*\.)?[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?(:[0-9]{1,5})?$")]
Word: TypeAlias = Annotated[str, Field(min_length=1)]


class StoreFile(FileModel):
    """Where a team keeps data; all that is given has to fit."""

    kind: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")] | None = None
    host: Host | None = None
    name: Word | None = None
    prefix: Word | None = None
    path: Word | None = None

    @model_validator(mode="after")
    def _placed(self) -> StoreFile:
        if not (self.host or self.name or self.prefix or self.path):
            raise ValueError("say where it is: host, name, prefix or path")
        return self


class HoldingsFile(FileModel):
    """What a team holds beside its contracts; `busline audit code` looks for others who use it."""

    stores: tuple[StoreFile, ...] = ()
    packages: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")], ...] = ()
    hosts: tuple[Host, ...] = ()
    paths: tuple[Word, ...] = ()


class ExceptionFile(FileModel):
    """A finding of `busline audit code` that is let be."""

    service: str
    rule: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    what: Word
    why: Word
    until: Day


OwnStream: TypeAlias = Literal["access-changed", "access-denied", "contract-changed"]


class BuslineFile(FileModel):
    """`busline.yaml`"""

    company: Annotated[str, Field(min_length=1)]
    branch: Annotated[str, Field(pattern=r"^[^\s~^:?*\[\\-][^\s~^:?*\[\\]*$")] = "main"
    environments: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")], EnvironmentFile] = {}
    teams: dict[str, HoldingsFile] = {}
    exceptions: tuple[ExceptionFile, ...] = ()
    events: dict[OwnStream, AccessFile] = {}
    rules: RuleFiles = {}


FILES: Final[dict[str, type[FileModel]]] = {
    "busline.yaml": BuslineFile,
    "team.yaml": TeamFile,
    "*.service.yaml": ServiceFile,
    "contract.yaml": ContractFile,
}


def keys_at(model: Any, path: tuple[str | int, ...]) -> list[str]:
    """The keys that a file's mapping at this path may have; empty where any may."""
    for part in path:
        model = _inside(model, part)
        if model is None:
            return []
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, FileModel) else []


def _inside(annotation: Any, part: str | int) -> Any:
    """The model within `annotation`'s `part`: a field, or what a mapping or sequence holds."""
    if isinstance(annotation, type) and issubclass(annotation, FileModel):
        found = annotation.model_fields.get(str(part))
        return _model_of(found.annotation) if found else None
    return _model_of(annotation)


def _model_of(annotation: Any) -> Any:
    """The one file model in an annotation (Optional, dict or tuple of it)."""
    if isinstance(annotation, type) and issubclass(annotation, FileModel):
        return annotation
    inner = (_model_of(arg) for arg in getattr(annotation, "__args__", ()))
    model = next((found for found in inner if found is not None), None)
    container = getattr(annotation, "__origin__", None) in (dict, tuple)
    return _Items(model) if container and model is not None and not isinstance(model, _Items) else model


class _Items:
    """A dict or tuple of a model: one more step leads to the model."""

    def __init__(self, model: Any) -> None:
        self.__args__ = (model,)
