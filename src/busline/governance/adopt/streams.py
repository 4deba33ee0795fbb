"""Which topics can be contracts as they are: one Avro subject, an owner, and settings that a contract can say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from busline.contract.lenient_parser import parse_leniently
from busline.contract.model import Kind
from busline.contract.nodes import Record
from busline.contract.schema import Schema, parse
from busline.errors import SchemaInvalid
from busline.governance.adopt.keys import SUFFIX as KEY_SUFFIX
from busline.governance.adopt.keys import candidates, key_fields
from busline.governance.adopt.left import Left, Reason
from busline.governance.adopt.live import AVRO, VALUE_SUFFIX, Live, SubjectSeen
from busline.governance.adopt.owners import Owners
from busline.governance.adopt.recognised import tool_of
from busline.governance.adopt.records import Reading
from busline.names import Team
from busline.transport.base import TopicSpec

_POLICIES: Final = ("", "delete", "compact")


@dataclass(frozen=True, kw_only=True)
class Stream:
    """A topic that can be a contract. schemas: all versions of its subject, in order. key: of the value's fields.

    avro_keys: its keys are framed Avro, which busline's are not. sampled: records that its key was read off.
    """

    topic: TopicSpec
    owner: Team
    subject: SubjectSeen
    schemas: tuple[Schema, ...]
    key: tuple[str, ...] = ()
    avro_keys: bool = False
    sampled: int = 0

    @property
    def kind(self) -> Kind:
        return Kind.STATE if self.topic.compacted else Kind.EVENT


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is said beforehand. topics: those that contracts have already. keys: fields by topic. teams: of the
    workspace, whose names are prefixes that no other team's topic may have."""

    owners: Owners
    topics: frozenset[str] = frozenset()
    keys: Mapping[str, tuple[str, ...]]
    teams: frozenset[Team] = frozenset()


def find_streams(live: Live, known: Known) -> tuple[list[Stream], list[Left]]:
    """In the order of the topics' names. What was left, and subjects that no topic has, in the order of theirs."""
    streams: list[Stream] = []
    left: list[Left] = []
    by_record = dict(_named_after_records(live))
    for name, topic in sorted(live.topics.items()):
        if name not in known.topics:
            found = _Topic(topic, live, known, by_record).judged()
            streams.append(found) if isinstance(found, Stream) else left.append(found)
    return streams, [*left, *_lone_subjects(live, by_record)]


class Strategy(NamedTuple):
    """How a subject is named that is not named after its topic alone. topic: the one it names; empty: none."""

    topic: str
    why: str


class _No(Exception):
    def __init__(self, reason: Reason, why: str, fix: str = "") -> None:
        super().__init__(why)
        self.reason, self.why, self.fix = reason, why, fix


@dataclass(frozen=True)
class _Topic:
    spec: TopicSpec
    live: Live
    known: Known
    by_record: Mapping[str, Strategy]

    def judged(self) -> Stream | Left:
        try:
            return self._stream()
        except _No as no:
            return Left(reason=no.reason, about=self.spec.name, why=no.why, fix=no.fix)

    def _stream(self) -> Stream:
        name = self.spec.name
        if whose := tool_of(name):
            raise _No(Reason.TOOL, whose)
        if name in self.live.applied:
            raise _No(Reason.APPLIED, "the contract log has its contract, which is not in this workspace")
        subject, schemas = self._subject()
        self._check_policy()
        owner = self._owner()
        reading = self._reading(subject, schemas)
        key_subject = self.live.subjects.get(f"{name}{KEY_SUFFIX}")
        key, sampled = self._key(schemas, key_subject, reading)
        return Stream(
            topic=self.spec,
            owner=owner,
            subject=subject,
            schemas=schemas,
            key=key,
            avro_keys=key_subject is not None,
            sampled=sampled,
        )

    def _owner(self) -> Team:
        name = self.spec.name
        owner = self.known.owners.of_topic(name)
        if owner is None:
            raise _No(Reason.NO_OWNER, "no pattern of an owner fits it", f"--owner '{name}=TEAM'")
        prefix = name.partition(".")[0]
        if "." in name and prefix != owner and prefix in self.known.teams | self.known.owners.teams:
            why = f"{owner} is said to own it, and topics that begin with {prefix!r} are team {prefix}'s"
            raise _No(Reason.PREFIX, why, f"--owner '{name}={prefix}', or let {prefix} have another name")
        return owner

    def _subject(self) -> tuple[SubjectSeen, tuple[Schema, ...]]:
        name = self.spec.name
        subject = self.live.subjects.get(f"{name}{VALUE_SUFFIX}")
        if subject is None or not subject.versions:
            raise self._without_subject()
        kinds = {stored.kind for stored in subject.versions} - {AVRO}
        if kinds:
            raise _No(Reason.NOT_AVRO, f"{subject.name} is {', '.join(sorted(kinds))}")
        return subject, tuple(_versions(subject))

    def _without_subject(self) -> _No:
        name = self.spec.name
        by_record = [subject for subject, strategy in self.by_record.items() if strategy.topic == name]
        if by_record:
            which = ", ".join(by_record[:3]) + (", …" if len(by_record) > 3 else "")
            why = f"its records have subjects of their own (TopicRecordNameStrategy): {which}"
            return _No(Reason.NO_SUBJECT, why, "A contract has one record: a topic for each, each with its contract.")
        return _No(Reason.NO_SUBJECT, f"the registry has no subject {name}{VALUE_SUFFIX}")

    def _check_policy(self) -> None:
        policy = self.live.policies.get(self.spec.name, "")
        if policy not in _POLICIES:
            why = f"cleanup.policy is {policy}: neither a stream of events nor a state that stays"
            raise _No(Reason.POLICY, why, "Take one of them out of cleanup.policy.")

    def _reading(self, subject: SubjectSeen, schemas: tuple[Schema, ...]) -> Reading:
        by_id = {stored.id: schema for stored, schema in zip(subject.versions, schemas, strict=True)}
        records = self.live.samples.get(self.spec.name, ())
        reading = Reading(by_id, records)
        if reading.wrong:
            why = f"of its {len(records)} newest records {len(reading.wrong)} cannot be read: {reading.wrong[0]}"
            raise _No(Reason.RECORDS, why, "Find who writes them: busline audit shows more.")
        return reading

    def _key(
        self, schemas: tuple[Schema, ...], key_subject: SubjectSeen | None, reading: Reading
    ) -> tuple[tuple[str, ...], int]:
        """As people say it, else as the registry does, else as the newest records show; and how many showed it."""
        may = candidates(schemas)
        given = self.known.keys.get(self.spec.name)
        if given is not None and (wrong := [field for field in given if field not in may]):
            fix = f"It may be of: {', '.join(may) or 'nothing'}."
            raise _No(Reason.KEY, f"{', '.join(wrong)} cannot be its key: not required in all versions", fix)
        key = given or key_fields(key_subject)
        if key and all(field in may for field in key):
            return key, 0
        if seen := reading.key(may, schemas[-1]):
            return (seen,), len(reading.values)
        if self.spec.compacted:
            fix = f"--key '{self.spec.name}=FIELD'" + (f", of {', '.join(may)}" if may else "")
            raise _No(Reason.KEY, "a state needs a key, and neither registry nor records say which field it is", fix)
        return (), 0


def _versions(subject: SubjectSeen) -> Iterator[Schema]:
    for stored in subject.versions:
        where = f"{subject.name} version {stored.version}"
        if stored.refers:
            raise _No(Reason.SCHEMA, f"{where} refers to schemas of other subjects")
        try:
            schema = parse(stored.text)
        except SchemaInvalid as error:
            place = f" at {error.where}" if error.where else ""
            raise _No(Reason.SCHEMA, f"{where}: {error.what}{place}: {error.why or error.fix or ''}") from None
        if not isinstance(schema.root, Record):
            raise _No(Reason.SCHEMA, f"{where} is no record")
        yield schema


def _lone_subjects(live: Live, by_record: Mapping[str, Strategy]) -> Iterator[Left]:
    for name, seen in sorted(live.subjects.items()):
        topic = re.sub(f"({VALUE_SUFFIX}|{KEY_SUFFIX})$", "", name)
        if topic != name and topic in live.topics:
            continue
        if strategy := by_record.get(name):
            yield Left(reason=Reason.BY_RECORD, about=name, why=strategy.why)
        else:
            kind = "" if not seen.versions or seen.versions[-1].kind == AVRO else f" ({seen.versions[-1].kind})"
            yield Left(reason=Reason.NO_TOPIC, about=name, why=f"there is no topic {topic}{kind}")


def _named_after_records(live: Live) -> Iterator[tuple[str, Strategy]]:
    """Subjects that Confluent's other strategies name."""
    for subject, seen in live.subjects.items():
        if (record := _record_name(seen)) is None:
            continue
        topic = subject.removesuffix(f"-{record}")
        if subject == record:
            why = "RecordNameStrategy: it is named after its record alone, so that any topic may carry it"
            yield subject, Strategy("", why)
        elif topic != subject and topic in live.topics:
            yield subject, Strategy(topic, f"TopicRecordNameStrategy: one of the kinds of records in {topic}")


def _record_name(seen: SubjectSeen) -> str | None:
    if not seen.versions or seen.versions[-1].kind != AVRO:
        return None
    try:
        root = parse_leniently(seen.versions[-1].text)
    except SchemaInvalid:
        return None
    return root.name if isinstance(root, Record) else None
