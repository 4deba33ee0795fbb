"""Refusals of the authorizer's log: as findings, and as events of busline's own contract, each told once.

What was told is known from the events themselves: a second audit over the same log tells only what came later. So the
logs of all brokers are given together: what an older log says after a newer one was told is not told any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from busline.bus.contract_log import ContractLog
from busline.bus.decoding import Decoder
from busline.bus.stretch import read_kept
from busline.contract.finding import Finding
from busline.errors import ContractUnknown, DecodeError, UnknownTopic
from busline.governance.apply.announce import denials
from busline.governance.audit.authorizer_log import Access, AuthorizerLog, Times, read_logs
from busline.governance.audit.expected import PLATFORM, Expected
from busline.governance.audit.findings import found, some
from busline.governance.users.principals import PROBE
from busline.platform import AccessDenied
from busline.record import Position
from busline.transport.base import Seekable, Transport
from busline.transport.guard import USER, Acl, Resource

_SHOWN: Final = 100


def refused(expected: Expected, log: AuthorizerLog) -> dict[Access, Times]:
    """Without what the audit tries with the probe, and what busline asks for and goes on without."""
    return {
        access: times
        for access, times in log.denied.items()
        if access.principal != USER + PROBE and not _is_asked_by_busline(access, expected)
    }


def _is_asked_by_busline(access: Access, expected: Expected) -> bool:
    """A publisher asks for its topic's settings, to say before what would be too large; few are allowed to know."""
    write = Acl(access.principal, Resource.TOPIC, access.name, "write")
    asks = access.operation == "DESCRIBE_CONFIGS" and access.kind == "TOPIC"
    return asks and any(write in state.access.acls for state in expected.states)


def refusal_findings(expected: Expected, log: AuthorizerLog) -> Iterator[Finding]:
    by_principal: defaultdict[str, dict[Access, Times]] = defaultdict(dict)
    for access, times in refused(expected, log).items():
        by_principal[access.principal][access] = times
    for principal, denied in sorted(by_principal.items()):
        user = principal.removeprefix(USER)
        ordered = sorted(denied.items(), key=lambda one: -one[1].count)
        yield found(
            "access-refused",
            f"{principal} was refused what no contract grants",
            "Grant what is right (`busline request`), or let the attempts stop.",
            at=expected.place_of_user(user),
            seen=some([_said(access, times) for access, times in ordered], 3),
            ask=expected.owner_of_user(user),
        )
    if log.strange or log.others:
        more = f"; {log.others} of too many kinds were counted only" if log.others else ""
        yield found(
            "log-unreadable",
            f"lines of the authorizer's log that cannot be told apart: {log.strange}{more}",
            "Look at them, and let the layout write line ends out:"
            " appender.authorizer.layout.pattern=[%d] %p %enc{%m}{CRLF} (%c)%n",
            at=expected.place,
            ask=PLATFORM,
        )
    if not log.lines:
        what, fix = "no line of the authorizer is in the log", "Name the file of kafka.authorizer.logger."
        yield found("log-unreadable", what, fix, at=expected.place, ask=PLATFORM)


def _said(access: Access, times: Times) -> str:
    often = f"{times.count} times" if times.count > 1 else "once"
    when = times.last.isoformat(timespec="seconds")
    return f"{access.operation} on {access.kind} {access.name[:_SHOWN]} from {access.host}, {often}, last at {when}"


def writers(expected: Expected, log: AuthorizerLog | None, topic: str) -> str:
    """Those first whom no contract lets publish."""
    if log is None or not log.allowed:
        return "unknown"
    contract = expected.contract_of(topic)
    declared = {
        USER + spec.user for state in expected.states for spec in state.services.values()
        if contract is not None and spec.publication(contract.name) is not None
    }  # fmt: skip
    wrote = log.who(topic)
    strangers = [one for one in wrote if one not in declared]
    return some(strangers or wrote) or "unknown"


async def publish_refusals(engine: Transport, expected: Expected, paths: Iterable[Path]) -> int:
    """How many events. Raises ContractUnknown where busline's own contracts are not applied, NotPublished."""
    contracts = ContractLog(engine)
    await contracts.read()
    told = await _told(engine, contracts, expected.environment.name)
    log = await asyncio.to_thread(read_logs, list(paths), told)
    events = list(_events(expected, log))
    for outcome in await engine.publish(denials(events, contracts.catalog)):
        if not isinstance(outcome, Position):
            raise outcome
    return len(events)


async def _told(engine: Transport, contracts: ContractLog, environment: str) -> dict[Access, dt.datetime]:
    name = AccessDenied.__busline__.name
    contract = contracts.catalog.contract(name)
    if contract is None:
        raise ContractUnknown(f"{name} is not applied", fix="Run: busline apply --env …")
    if not isinstance(engine, Seekable):
        return {}
    decode, told = Decoder(contracts, name, AccessDenied), dict[Access, dt.datetime]()
    with contextlib.suppress(UnknownTopic):
        async with contextlib.aclosing(read_kept(engine, contract.topic)) as records:
            async for record in records:
                try:
                    event: AccessDenied = decode(record)
                except DecodeError:
                    continue
                if event.environment == environment:
                    key = _identity(event)
                    told[key] = max(told.get(key, event.last_refused_at), event.last_refused_at)
    return told


def _identity(event: AccessDenied) -> Access:
    return Access(event.principal, event.operation, event.resource_kind, event.resource_name, event.request, event.host)


def _events(expected: Expected, log: AuthorizerLog) -> Iterator[AccessDenied]:
    """In the order in which they happened."""
    for access, times in sorted(refused(expected, log).items(), key=lambda one: one[1].last):
        service = expected.service_of_user(access.principal.removeprefix(USER))
        contract = expected.contract_of(access.name) if access.kind == "TOPIC" else None
        yield AccessDenied(
            principal=access.principal,
            service=service,
            operation=access.operation,
            resource_kind=access.kind,
            resource_name=access.name,
            contract=contract.name if contract else None,
            request=access.request,
            host=access.host,
            refusals=times.count,
            first_refused_at=times.first,
            last_refused_at=times.last,
            environment=expected.environment.name,
        )
