"""Who is hurt by what a workspace changes: every reader that fails or goes blind, by team and field.

The rules: reader-fails, reader-blind (errors, until that team agrees in its own file), reader-told (notes: people and
services that only read), reader-accepted (notes), publisher-behind (notes), publisher-cannot-fill (warnings), and
accepts-expired, accepts-unused of consent.py.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from busline.contract.evolution.consent import Consent, accepting_file, check_acceptances, consent
from busline.contract.evolution.readers import (
    RECORD,
    Answer,
    Hurt,
    Reader,
    Verdict,
    people_of,
    readers_by_contract,
    verdict,
)
from busline.contract.finding import Finding, Severity
from busline.contract.model import Contract, Publication, ServiceSpec, Source, TeamSpec, Version
from busline.contract.nodes import MISSING, Record
from busline.names import ContractName, Service, Team

if TYPE_CHECKING:
    from busline.contract.workspace import Workspace

FAILS, BLIND, TOLD, ACCEPTED = "reader-fails", "reader-blind", "reader-told", "reader-accepted"
BEHIND, CANNOT_FILL = "publisher-behind", "publisher-cannot-fill"


class Files(Protocol):
    """What is merged: a workspace, or what an apply takes of it."""

    @property
    def services(self) -> Mapping[Service, ServiceSpec]: ...
    @property
    def teams(self) -> Mapping[Team, TeamSpec]: ...


@dataclass(frozen=True, kw_only=True)
class Case:
    """One version as one reader meets it. left: what of the verdict its team has not agreed to."""

    contract: Contract
    version: Version
    reader: Reader
    verdict: Verdict
    consent: Consent

    @property
    def hurts(self) -> bool:
        """It needs that team's word, and does not have it."""
        return bool(self.consent.left) and not self.reader.is_told


def check_readers(workspace: Workspace, base: Workspace | None, today: dt.date) -> list[Finding]:
    """base: what is published; None: every current version is judged. In the order of files and lines."""
    met = list(cases(workspace, base, today))
    found = [_asked(workspace, case) for case in met if not case.reader.is_told]
    found += _told(case for case in met if case.reader.is_told)
    merged = readers_by_contract(workspace.services.values())
    found += check_acceptances(workspace.services.values(), workspace.contracts, merged, today)
    found += _publishers(workspace, base)
    return sorted(set(found))


def cases(workspace: Workspace, base: Workspace | None, today: dt.date) -> Iterator[Case]:
    """Every reader that is not fine, by contract and version: of what is new against base.

    A version that is older than what a reader declares is a matter of the contract's level, and of can-i-deploy.
    """
    merged = readers_by_contract(workspace.services.values())
    for contract in workspace.contracts.values():
        new = new_versions(contract, base)
        readers = merged.get(contract.name, [])
        for version in new:
            met = [reader for reader in readers if (reader.version or 0) <= version.number]
            yield from judge(workspace, contract, version, [*met, *people_of(contract)], today)
        if not new and base is not None and contract.current is not None and readers:
            moved = [reader for reader in readers if not reader.is_told and _is_new(reader, base)]
            yield from judge(workspace, contract, contract.current, moved, today)


def judge(
    files: Files, contract: Contract, version: Version, readers: Iterable[Reader], today: dt.date
) -> Iterator[Case]:
    """One version: those of the readers that are not fine."""
    known: dict[tuple[object, ...], Verdict] = {}
    for reader in readers:
        asked = (reader.version, reader.fields)
        if asked not in known:
            known[asked] = verdict(reader, contract, version)
        found = known[asked]
        if found.answer is not Answer.FINE:
            said = consent(reader, found, files.services.get(reader.service), contract, today)
            yield Case(contract=contract, version=version, reader=reader, verdict=found, consent=said)


def new_versions(contract: Contract, base: Workspace | None) -> tuple[Version, ...]:
    """Those that base does not have as they are; without a base the current one."""
    if base is None:
        return contract.versions[-1:]
    before = base.contracts.get(contract.name)
    return tuple(v for v in contract.versions if before is None or not _is_there(v, before))


def _is_there(version: Version, contract: Contract) -> bool:
    known = contract.version(version.number)
    return known is not None and (known is version or known.schema == version.schema)


def _is_new(reader: Reader, base: Workspace) -> bool:
    spec = base.services.get(reader.service)
    said = spec.subscription(reader.contract) if spec else None
    return said is None or (said.version, said.fields) != (reader.version, reader.fields)


def _asked(files: Files, case: Case) -> Finding:
    """At the version's file; the subscription's place is in the words."""
    place = f" ({case.reader.source})" if case.reader.source else ""
    rule, severity, what, fix = _answer(files, case)
    version = f"version {case.version.number} of {case.contract.name}"
    said = f"{who(case.reader)}{place} {what.format(version=version)}"
    return _finding(case, rule=rule, severity=severity, what=said, fix=fix)


def _told(cases: Iterable[Case]) -> Iterator[Finding]:
    """One for a version, with everybody who may read what it changes."""
    alike: defaultdict[tuple[ContractName, int, tuple[str, ...]], list[Case]] = defaultdict(list)
    for case in cases:
        alike[case.contract.name, case.version.number, case.verdict.fields].append(case)
    for (name, number, fields), group in alike.items():
        *first, last = dict.fromkeys(sorted(who(case.reader) for case in group))
        everybody = f"{', '.join(first)} and {last}" if first else last
        changed = "the record itself" if RECORD in fields else ", ".join(fields)
        what = f"{everybody} may read every field, and version {number} of {name} changes {changed}"
        yield _finding(group[0], rule=TOLD, severity=Severity.NOTE, what=what)


def _finding(case: Case, *, rule: str, severity: Severity, what: str, fix: str = "") -> Finding:
    source = case.version.source or case.contract.source or Source(file="?")
    return Finding(
        file=source.file,
        line=source.line,
        key=case.verdict.fields[0],
        what=what,
        fix=fix,
        rule=rule,
        severity=severity,
    )


def who(reader: Reader) -> str:
    """A reader as one says it: the service, and the release that still runs."""
    if reader.origin == "running":
        release = f"release {reader.release}" if reader.release else "without a release's name"
        return f"{reader.group}, running ({release})"
    return f"{reader.service}, as applied" if reader.origin == "applied" else str(reader.service)


def _answer(files: Files, case: Case) -> tuple[str, Severity, str, str]:
    said, reader = case.consent, case.reader
    fails = case.verdict.answer is Answer.FAILS
    rule, verb = (FAILS, "fails on") if fails else (BLIND, "goes blind on")
    if not said.left:
        until = min(acceptance.until for acceptance in said.by)
        what = f"{verb} {{version}} and accepts it until {until}: {in_words(case, case.verdict.hurts)}"
        return ACCEPTED, Severity.NOTE, what, ""
    expired = "; what it accepted has run out" if said.expired else ""
    what = f"reads {reader.reads}; it {verb} {{version}}: {in_words(case, said.left)}{expired}"
    spec = files.services.get(reader.service)
    contact = contact_of(files, reader.service)
    fix = f"Ask {contact} to move first, or to agree under `accepts` in {accepting_file(reader.service, spec)}."
    return rule, Severity.ERROR, what, fix


def contact_of(files: Files, service: Service) -> str:
    """Whom to ask about a service."""
    team = files.teams.get(service.team)
    return team.contact if team else f"team {service.team}"


def in_words(case: Case, hurts: Iterable[tuple[str, Hurt]]) -> str:
    """`total` is gone, and the reader has no default for it; …"""
    messages = {b.field or RECORD: b.message for b in case.verdict.breaks}
    is_older = case.reader.version is not None and case.version.number < case.reader.version
    gone = "is not there yet" if is_older else "is gone"
    return "; ".join(_words(path, hurt, messages.get(path, ""), gone) for path, hurt in sorted(hurts))


def _words(path: str, hurt: Hurt, message: str, gone: str) -> str:
    match hurt:
        case Hurt.GONE:
            return f"`{path}` {gone}, and the reader has no default for it"
        case Hurt.BLIND:
            return f"`{path}` {gone}, and its default stands in"
    return message


def _publishers(workspace: Workspace, base: Workspace | None) -> Iterator[Finding]:
    """Who still writes an older version than what is new, and who could not write that."""
    writers: defaultdict[ContractName, list[tuple[ServiceSpec, Publication]]] = defaultdict(list)
    for service in workspace.services.values():
        for publication in service.publishes:
            writers[publication.contract].append((service, publication))
    for name, found in writers.items():
        contract = workspace.contracts.get(name)
        newest = next(reversed(new_versions(contract, base)), None) if contract else None
        if contract and newest:
            for service, publication in found:
                if publication.version < newest.number:
                    yield _behind(contract, newest, service, publication)


def lacking(contract: Contract, version: Version, pinned: int) -> list[str]:
    """Fields of a version that have no default and that the pinned version does not have."""
    old = contract.version(pinned)
    ours = old.schema.root if old else None
    theirs = version.schema.root
    if not isinstance(ours, Record) or not isinstance(theirs, Record):
        return []
    names = {field.name for field in ours.fields}
    return [field.name for field in theirs.fields if field.default is MISSING and field.name not in names]


def _behind(contract: Contract, newest: Version, service: ServiceSpec, publication: Publication) -> Finding:
    without = lacking(contract, newest, publication.version)
    source = publication.source or service.source or Source(file="?")
    what = (
        f"{service.name} still writes version {publication.version} of {contract.name}; {newest.number} is the newest"
    )
    if without:
        what += f", which it could not fill: it lacks {', '.join(without)}"
    return Finding(
        file=source.file,
        line=source.line,
        key=f"publishes.{contract.name}",
        what=what,
        fix=f"Give {', '.join(without)} a default, or let {service.name} write it." if without else "",
        rule=CANNOT_FILL if without else BEHIND,
        severity=Severity.WARNING if without else Severity.NOTE,
    )
