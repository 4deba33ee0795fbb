"""A consumer's word: `accepts` in its own service file. Consent is a merge in the file of the one who consents.

An acceptance of version N covers what N does to that service's subscription, also when a later version still does it.
Nothing else makes a hurt pass: there is no flag.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from busline.contract.evolution.readers import FINE, Hurt, Reader, Verdict, verdict
from busline.contract.finding import Finding, Severity
from busline.contract.model import Acceptance, Contract, ServiceSpec, Source
from busline.names import ContractName, Service

EXPIRED = "accepts-expired"
UNUSED = "accepts-unused"
Hurts = frozenset[tuple[str, Hurt]]


class Consent(NamedTuple):
    """left: what nobody accepted; empty: the reader's team agreed to all of it. expired: acceptances that would cover
    some of it, had they not run out."""

    left: Hurts
    by: tuple[Acceptance, ...] = ()
    expired: tuple[Acceptance, ...] = ()


def is_expired(acceptance: Acceptance, today: dt.date) -> bool:
    """It holds through its last day."""
    return acceptance.until < today


def consent(reader: Reader, found: Verdict, service: ServiceSpec | None, contract: Contract, today: dt.date) -> Consent:
    """What is left of a hurt. service: the reader's, as it is merged."""
    left, by, expired = found.hurts, [], []
    for acceptance in service.accepts if service else ():
        covered = _covers(acceptance, reader, contract) & found.hurts
        if covered and is_expired(acceptance, today):
            expired.append(acceptance)
        elif covered:
            by.append(acceptance)
            left -= covered
    return Consent(left, tuple(by), tuple(expired))


def _covers(acceptance: Acceptance, reader: Reader, contract: Contract) -> Hurts:
    """What the accepted version does to the reader."""
    version = contract.version(acceptance.version) if acceptance.contract == contract.name else None
    return (verdict(reader, contract, version) if version else FINE).hurts


def check_acceptances(
    services: Iterable[ServiceSpec],
    contracts: Mapping[ContractName, Contract],
    readers: Mapping[ContractName, list[Reader]],
    today: dt.date,
) -> Iterator[Finding]:
    """Those that have run out or are of no use. readers: the merged ones."""
    for service in services:
        for acceptance in service.accepts:
            contract = contracts.get(acceptance.contract)
            own = [r for r in readers.get(acceptance.contract, ()) if r.service == service.name and not r.is_told]
            used = contract is not None and any(_covers(acceptance, reader, contract) for reader in own)
            if (found := _judged(service, acceptance, contract, used, today)) is not None:
                yield found


def _judged(
    service: ServiceSpec, acceptance: Acceptance, contract: Contract | None, used: bool, today: dt.date
) -> Finding | None:
    what = f"{service.name} accepts version {acceptance.version} of {acceptance.contract} until {acceptance.until}"
    if contract is None or acceptance.version > len(contract.versions):
        return _finding(acceptance, UNUSED, f"{what}, which does not exist yet", "", Severity.NOTE)
    if not used:
        fix = "Remove it: it agrees to nothing."
        return _finding(acceptance, UNUSED, f"{what}, which does not hurt it", fix, Severity.WARNING)
    if is_expired(acceptance, today):
        fix = "Move to a version that fits, or agree anew with a later `until`."
        return _finding(acceptance, EXPIRED, f"{what}: that day is over, and the version still hurts it", fix)
    return None


def _finding(acceptance: Acceptance, rule: str, what: str, fix: str, severity: Severity = Severity.ERROR) -> Finding:
    source = acceptance.source or Source(file="?")
    return Finding(file=source.file, line=source.line, key="accepts", what=what, fix=fix, rule=rule, severity=severity)


def accepting_file(service: Service, spec: ServiceSpec | None) -> str:
    return spec.source.file if spec and spec.source else f"{service.team}/{service.name}.service.yaml"
