"""From a file's model to the domain's values, each with the line where it stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from busline.contract.files import AccessFile, BuslineFile, ContractFile, KnownFile, RuleFiles, ServiceFile, TeamFile
from busline.contract.model import (
    Acceptance,
    Contract,
    Deprecation,
    Environment,
    FieldDeprecation,
    Grant,
    Kind,
    Known,
    Publication,
    RuleOff,
    ServiceSpec,
    Source,
    Storage,
    Subscription,
    TeamSpec,
    Version,
)
from busline.contract.yaml_reader import Document
from busline.names import RESERVED_TEAM, ContractName, Service, Team

KINDS: Final = ("user", "topic", "group", "subject")
"""What `known` of an environment may name."""


def environments(file: BuslineFile, document: Document) -> dict[str, Environment]:
    return {
        name: Environment(
            name=name,
            url=given.url,
            registry=given.registry,
            replicas=given.storage.replicas,
            enforce=given.enforce,
            observe_until=given.observe_until,
            credentials=given.credentials.command or (),
            read_secret=given.credentials.services.read or (),
            store_secret=given.credentials.services.store or (),
            known=tuple(_known(given.known, document, name)),
            source=Source(file=document.file, line=document.line(("environments", name))),
        )
        for name, given in file.environments.items()
    }


def _known(given: Iterable[KnownFile], document: Document, environment: str) -> Iterator[Known]:
    for index, one in enumerate(given):
        kind, name = next((k, n) for k in KINDS if (n := getattr(one, k)) is not None)
        source = Source(file=document.file, line=document.line(("environments", environment, "known", index)))
        yield Known(kind=kind, name=name, why=one.why, until=one.until, source=source)


def team_spec(team: Team, file: TeamFile, document: Document) -> TeamSpec:
    return TeamSpec(
        name=team,
        description=file.description,
        mail=file.contact.mail,
        chat=file.contact.chat,
        codeowners=file.codeowners,
        people=file.people,
        off=rules_off(file.rules, document),
        source=Source(file=document.file),
    )


def service_spec(name: Service, file: ServiceFile, document: Document) -> ServiceSpec:
    def at(*path: str | int) -> Source:
        return Source(file=document.file, line=document.line(path))

    return ServiceSpec(
        name=name,
        publishes=tuple(
            Publication(contract=ContractName(c), version=v, source=at("publishes", c))
            for c, v in sorted(file.publishes.items())
        ),
        subscribes=tuple(
            Subscription(
                contract=ContractName(c), version=s.version, fields=s.fields, start=s.start, source=at("subscribes", c)
            )
            for c, s in sorted(file.subscribes.items())
        ),
        reads=tuple(ContractName(c) for c in file.reads),
        groups=file.groups,
        transactional=file.transactional,
        accepts=tuple(
            Acceptance(
                contract=ContractName(a.contract), version=a.version, why=a.why, until=a.until, source=at("accepts", i)
            )
            for i, a in enumerate(file.accepts)
        ),
        kafka_user=file.kafka.user,
        kafka_groups=file.kafka.groups,
        off=rules_off(file.rules, document),
        source=Source(file=document.file),
    )


def contract_of(
    name: ContractName,
    file: ContractFile,
    document: Document,
    versions: tuple[Version, ...],
    example: dict[str, object] | None,
) -> Contract:
    retention = file.storage.retention
    if file.kind is Kind.STATE and ("storage", "retention") not in document.lines:
        retention = None
    d = file.deprecation
    return Contract(
        name=name,
        description=file.description.strip(),
        kind=file.kind,
        audience=file.audience,
        key=file.key,
        compatibility=file.compatibility,
        versions=versions,
        grants=tuple(_grants(file.access, document, ("access",))),
        storage=Storage(partitions=file.storage.partitions, retention=retention, max_record=file.storage.max_record),
        tags=file.tags,
        pii=frozenset(f for f, said in file.fields.items() if said.pii),
        deprecated={
            f: FieldDeprecation(since=gone.since, use=gone.use)
            for f, said in file.fields.items()
            if (gone := said.deprecated)
        },
        quota={k: v for k, v in file.quota.model_dump().items() if v is not None},
        deprecation=Deprecation(
            since=d.since,
            sunset=d.sunset,
            replacement=ContractName(d.replacement) if d.replacement else None,
            source=Source(file=document.file, line=document.line(("deprecation",))),
        )
        if d
        else None,
        retired=file.retired,
        topic=file.kafka.topic or "",
        subject=file.kafka.subject or "",
        append_time=file.kafka.timestamps == "append",
        example=example,
        off=rules_off(file.rules, document),
        source=Source(file=document.file),
    )


def rules_off(rules: RuleFiles, document: Document) -> tuple[RuleOff, ...]:
    return tuple(
        RuleOff(
            rule=rule,
            reason=said.off,
            fields=said.fields,
            source=Source(file=document.file, line=document.line(("rules", rule))),
        )
        for rule, said in rules.items()
    )


def event_grants(file: BuslineFile, document: Document) -> dict[ContractName, tuple[Grant, ...]]:
    """Who may have busline's own contracts."""
    return {
        ContractName(f"{RESERVED_TEAM}.{stream}"): tuple(_grants(access, document, ("events", stream)))
        for stream, access in file.events.items()
    }


def _grants(access: AccessFile, document: Document, place: tuple[str, ...]) -> Iterator[Grant]:
    for action, given in (("subscribe", access.subscribe), ("read", access.read)):
        for index, one in enumerate(given):
            source = Source(file=document.file, line=document.line((*place, action, index)))
            yield Grant(to=one.to, read_only=action == "read", pii=one.pii, source=source)
