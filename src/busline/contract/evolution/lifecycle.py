"""From draft to retired: what was announced stays announced, and who still uses what will go is told in time.

draft: no version yet. active. deprecated: from `deprecation.since` on, no new subscriptions. over: from
`deprecation.sunset` on, nobody may publish or subscribe; reading what is there is still possible. retired: nothing is.

The rules: announced-earlier, deprecated-subscription, sunset-over (errors), deprecated-use, deprecated-field
(warnings). That nobody declares a retired contract is part of a workspace's validity.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from busline.contract.finding import Finding, Severity
from busline.contract.model import Contract, FieldDeprecation, ServiceSpec, Source, Subscription

if TYPE_CHECKING:
    from busline.contract.workspace import Workspace

EARLIER: Final = "announced-earlier"
SUBSCRIPTION: Final = "deprecated-subscription"
OVER: Final = "sunset-over"
USE: Final = "deprecated-use"
FIELD: Final = "deprecated-field"


class Stage(StrEnum):
    """Where a contract stands on a day."""

    DRAFT = "draft"
    ACTIVE = "active"
    DEPRECATED = "deprecated"
    OVER = "over"
    RETIRED = "retired"


def stage_of(contract: Contract, today: dt.date) -> Stage:
    """retired counts from when it is written, since then nobody declares it any more."""
    said = contract.deprecation
    if contract.retired:
        return Stage.RETIRED
    if said and said.sunset and said.sunset <= today:
        return Stage.OVER
    if said and said.since <= today:
        return Stage.DEPRECATED
    return Stage.ACTIVE if contract.versions else Stage.DRAFT


def notice(contract: Contract, today: dt.date) -> str | None:
    """What its users are told, with date and replacement; None: nothing."""
    said = contract.deprecation
    if said is None or stage_of(contract, today) not in (Stage.DEPRECATED, Stage.OVER):
        return None
    end = f": nobody may publish or subscribe from {said.sunset} on" if said.sunset else ", without a last day yet"
    use = f". Use {said.replacement}." if said.replacement else ""
    return f"{contract.name} is deprecated since {said.since}{end}{use}"


def field_notice(contract: Contract, name: str, today: dt.date) -> str | None:
    """What a reader of a field is told; None: nothing."""
    said = contract.deprecated.get(name)
    if said is None or (said.since and said.since > today):
        return None
    since = f" since {said.since}" if said.since else ""
    return f"the field {name} of {contract.name} is deprecated{since}" + (f". Use {said.use}." if said.use else "")


def check_lifecycle(workspace: Workspace, base: Workspace | None, today: dt.date) -> list[Finding]:
    """base: what is published; None: not known, so that nothing counts as new. In the order of files and lines."""
    found: list[Finding] = []
    for contract in workspace.contracts.values():
        before = base.contracts.get(contract.name) if base else None
        if before is not None and before is not contract:
            found += _dates(before, contract, today)
    for service in workspace.services.values():
        found += _users(workspace, base, service, today)
    return sorted(set(found))


# dates


def _dates(before: Contract, contract: Contract, today: dt.date) -> Iterator[Finding]:
    was, now = before.deprecation, contract.deprecation
    if was and now:
        yield from _not_earlier(contract, "deprecation.since", was.since, now.since)
        yield from _not_earlier(contract, "deprecation.sunset", was.sunset, now.sunset)
    yield from _not_earlier(contract, "retired", before.retired, contract.retired)
    if was and was.sunset and contract.retired and not before.retired:
        yield from _not_earlier(contract, "retired", was.sunset, contract.retired)
    if now and now.sunset and not (was and was.sunset) and now.sunset <= today:
        what = f"the sunset {now.sunset} of {contract.name} is over on the day that announces it"
        yield _dated(contract, "deprecation.sunset", what, "Give readers time to move: a day in the future.")
    for name, said in contract.deprecated.items():
        old = before.deprecated.get(name, FieldDeprecation())
        yield from _not_earlier(contract, f"fields.{name}.deprecated.since", old.since, said.since)


def _not_earlier(contract: Contract, key: str, was: dt.date | None, now: dt.date | None) -> Iterator[Finding]:
    if was and now and now < was:
        what = f"{contract.name}: {now} is earlier than {was}, which was announced"
        yield _dated(contract, key, what, "Dates may move later, never earlier: others plan by them.")


def _dated(contract: Contract, key: str, what: str, fix: str) -> Finding:
    in_deprecation = contract.deprecation.source if contract.deprecation and key.startswith("deprecation") else None
    source = in_deprecation or contract.source or Source(file="?")
    return Finding(file=source.file, line=source.line, key=key, what=what, fix=fix, rule=EARLIER)


# users


def _users(workspace: Workspace, base: Workspace | None, service: ServiceSpec, today: dt.date) -> Iterator[Finding]:
    known = base.services.get(service.name) if base else None
    for said in service.subscribes:
        if (contract := workspace.contracts.get(said.contract)) is None:
            continue
        before = known.subscription(said.contract) if known else None
        yield from _use(workspace, contract, service, said.source, today, base is not None and before is None)
        yield from _fields(contract, service, said, before, today)
    for publication in service.publishes:
        if (contract := workspace.contracts.get(publication.contract)) is not None:
            yield from _use(workspace, contract, service, publication.source, today)


def _use(
    workspace: Workspace,
    contract: Contract,
    service: ServiceSpec,
    source: Source | None,
    today: dt.date,
    is_new: bool = False,
) -> Iterator[Finding]:
    told = notice(contract, today)
    if told is None:
        return
    at, key = source or service.source or Source(file="?"), str(contract.name)
    rule, severity = USE, Severity.WARNING
    what = f"{service.name} still uses it: {told}"
    if stage_of(contract, today) is Stage.OVER:
        rule, severity, what = OVER, Severity.ERROR, f"{service.name} uses what is over: {told}"
    elif is_new:
        rule, severity, what = SUBSCRIPTION, Severity.ERROR, f"a new subscription of {service.name}: {told}"
    team = workspace.teams.get(contract.owner)
    fix = f"Ask {team.contact if team else f'team {contract.owner}'}." if severity is Severity.ERROR else ""
    yield Finding(file=at.file, line=at.line, key=key, what=what.rstrip("."), fix=fix, rule=rule, severity=severity)


def _fields(
    contract: Contract, service: ServiceSpec, said: Subscription, before: Subscription | None, today: dt.date
) -> Iterator[Finding]:
    at = said.source or service.source or Source(file="?")
    old = {use.name for use in before.fields} if before else set()
    for name in [use.name for use in said.fields] or contract.deprecated:
        told = field_notice(contract, name, today)
        if told is not None:
            still = "still reads it" if name in old or (before and not old) else "reads it"
            what = f"{service.name} {still}: {told}".rstrip(".")
            yield Finding(
                file=at.file,
                line=at.line,
                key=f"{contract.name}.fields",
                what=what,
                rule=FIELD,
                severity=Severity.WARNING,
            )
