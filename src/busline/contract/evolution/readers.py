"""Who reads a contract, and what a new version does to them: fine, fails, or blind.

Registries compare a schema with older schemas; this compares it with the readers that there really are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from busline.contract.compatibility import Break, BreakKind, find_breaks
from busline.contract.evolution.narrowing import is_same, narrowed
from busline.contract.evolution.standing import standing
from busline.contract.model import Contract, FieldUse, ServiceSpec, Source, Version
from busline.contract.nodes import Record
from busline.contract.schema import Schema
from busline.errors import SchemaInvalid
from busline.names import PEOPLE, ContractName, Group, Service

READ_GROUP = "~read"
"""The group in which a service says what it reads without a group."""
RECORD = "$"


class Origin(StrEnum):
    """How it is known: from files, from an environment's contract log, or from a group that reads there."""

    MERGED = "merged"
    APPLIED = "applied"
    RUNNING = "running"


@dataclass(frozen=True, kw_only=True)
class Reader:
    """version None: whatever is written (people, and services that only read): told, never asked. fields: empty: every
    field of the version. release: what a running one says of itself."""

    service: Service
    group: Group
    contract: ContractName
    version: int | None
    fields: tuple[FieldUse, ...] = ()
    origin: Origin = Origin.MERGED
    release: str = ""
    source: Source | None = None

    @property
    def is_told(self) -> bool:
        return self.version is None

    @property
    def reads(self) -> str:
        """What it reads, in words."""
        if self.version is None:
            return "every field"
        names = ", ".join(use.name for use in self.fields) or "every field"
        return f"version {self.version}: {names}"


class Answer(StrEnum):
    """fails: cannot decode. blind: decodes, but a default stands in for a field that is gone."""

    FINE = "fine"
    FAILS = "fails"
    BLIND = "blind"


class Hurt(StrEnum):
    """What becomes of one field."""

    GONE = "gone"
    BLIND = "blind"
    TYPE = "type"
    SYMBOLS = "symbols"
    NAME = "name"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """breaks: why it cannot decode. blind_fields: the fields (`customer.zip`, `lines[].price`) for which a default
    stands in."""

    answer: Answer
    breaks: tuple[Break, ...] = ()
    blind_fields: tuple[str, ...] = ()

    @property
    def fields(self) -> tuple[str, ...]:
        """Every field that is hurt; `$` is the record itself."""
        return tuple(dict.fromkeys([b.field or RECORD for b in self.breaks] + list(self.blind_fields)))

    @property
    def hurts(self) -> frozenset[tuple[str, Hurt]]:
        """What an acceptance would have to cover, by field."""
        broken = ((b.field or RECORD, _HURT.get(b.kind, Hurt.TYPE)) for b in self.breaks)
        return frozenset([*broken, *((path, Hurt.BLIND) for path in self.blind_fields)])


_HURT: Mapping[BreakKind, Hurt] = {
    BreakKind.READER_FIELD_MISSING_DEFAULT_VALUE: Hurt.GONE,
    BreakKind.MISSING_ENUM_SYMBOLS: Hurt.SYMBOLS,
    BreakKind.NAME_MISMATCH: Hurt.NAME,
}
FINE = Verdict(answer=Answer.FINE)


def readers_of(contract: Contract, services: Iterable[ServiceSpec]) -> list[Reader]:
    """Merged: the services that declare it, then the people who are granted it."""
    return [*readers_by_contract(services)[contract.name], *people_of(contract)]


def readers_by_contract(
    services: Iterable[ServiceSpec], origin: Origin = Origin.MERGED
) -> defaultdict[ContractName, list[Reader]]:
    """What services declare, in their order; one pass for all contracts."""
    found: defaultdict[ContractName, list[Reader]] = defaultdict(list)
    for service in services:
        for reader in _declared(service, origin):
            found[reader.contract].append(reader)
    return found


def _declared(service: ServiceSpec, origin: Origin) -> Iterator[Reader]:
    for said in service.subscribes:
        yield Reader(
            service=service.name,
            group=Group.of(service.name),
            contract=said.contract,
            version=said.version,
            fields=said.fields,
            origin=origin,
            source=said.source or service.source,
        )
    for name in service.reads:
        group = Group.of(service.name, READ_GROUP)
        yield Reader(
            service=service.name, group=group, contract=name, version=None, origin=origin, source=service.source
        )


def people_of(contract: Contract) -> list[Reader]:
    """`<team>/people` of each team that is granted it, by name or as a whole: readers of every field."""
    sources: dict[str, Source | None] = {}
    for grant in contract.grants:
        team, slash, name = grant.to.partition("/")
        if team != "everyone" and (not slash or name == PEOPLE):
            sources.setdefault(f"{team}/{PEOPLE}", grant.source)
    return [
        Reader(
            service=Service(name),
            group=Group.of(Service(name), READ_GROUP),
            contract=contract.name,
            version=None,
            origin=Origin.MERGED,
            source=source,
        )
        for name, source in sources.items()
    ]


def verdict(reader: Reader, contract: Contract, writer: Version) -> Verdict:
    """What `writer`'s records are for this reader, by Avro's resolution. Fails goes before blind; both are listed.

    A reader of a version that the contract does not have is taken for one of the version before `writer`.
    """
    number = reader.version if reader.version is not None else writer.number - 1
    version = contract.version(number) or contract.version(writer.number - 1)
    if version is None or _reads_the_same(version, writer, reader.fields):
        return FINE
    schema = narrowed(version.schema, reader.fields)
    later = writer.number > version.number
    found = standing(schema.root, writer.schema.root)
    breaks = _breaks(schema, writer.schema)
    known = {one.field for one in breaks}
    breaks += [_other(s.path, s.why) for s in found if s.why and s.path not in known]
    blind = tuple(s.path for s in found if not s.why) if later else ()
    answer = Answer.FAILS if breaks else Answer.BLIND if blind else Answer.FINE
    return Verdict(answer=answer, breaks=tuple(breaks), blind_fields=blind)


def _reads_the_same(version: Version, writer: Version, fields: Sequence[FieldUse]) -> bool:
    """Most changes leave most readers' fields as they are: seen at once, without resolution."""
    ours, theirs = version.schema.root, writer.schema.root
    if version.schema is writer.schema or version.number == writer.number:
        return True
    if not isinstance(ours, Record) or not isinstance(theirs, Record) or ours.name != theirs.name:
        return False
    written = {field.name: field.type for field in theirs.fields}
    wanted = {use.name for use in fields}
    return all(
        field.name in written and is_same(field.type, written[field.name])
        for field in ours.fields
        if not wanted or field.name in wanted
    )


def _breaks(reader: Schema, writer: Schema) -> list[Break]:
    try:
        return find_breaks(reader, writer)
    except SchemaInvalid as error:  # what Java takes for no schema, its readers cannot read
        why = f"the schemas cannot be compared as Java does: {error.why or error.what}"
        return [Break(BreakKind.TYPE_MISMATCH, "", why, "Give each type a name of its own.")]


def _other(field: str, why: str) -> Break:
    hint = "Keep the meaning; a new one is a new field."
    return Break(BreakKind.TYPE_MISMATCH, "", f"`{field}`: {why}", hint, field)
