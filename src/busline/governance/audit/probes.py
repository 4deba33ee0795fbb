"""Probes on every listener: what the admin API hides (super users, everyone allowed where no ACL is found) and what no
setting proves. No answer is never taken for a refusal.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from busline.contract.finding import Finding
from busline.errors import ConfigurationError
from busline.governance.audit.expected import PLATFORM, Expected
from busline.governance.audit.findings import found, some
from busline.governance.audit.listeners import Listener, controllers_of, listeners_of
from busline.governance.audit.seen import Seen
from busline.governance.some_at_once import some_at_once
from busline.governance.users.principals import PROBE
from busline.transport.guard import MECHANISMS, Mechanism
from busline.transport.security import Secret, Security

if TYPE_CHECKING:
    from busline.transport.kafka.probing import Probed

VARIABLE: Final = "BUSLINE_PROBE_PASSWORD"
FILE_VARIABLE: Final = "BUSLINE_PROBE_PASSWORD_FILE"
_AT_ONCE: Final = 8


def probe_secret(environ: Mapping[str, str] = os.environ) -> Secret | None:
    """BUSLINE_PROBE_PASSWORD, or the file that BUSLINE_PROBE_PASSWORD_FILE names. Raises ConfigurationError."""
    if file := environ.get(FILE_VARIABLE):
        if not os.access(file, os.R_OK):
            raise ConfigurationError(f"the file of {FILE_VARIABLE} cannot be read", where=file)
        return Path(file)
    return environ.get(VARIABLE) or None


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One listener. anonymous: without credentials; probe: as busline/probe, None: not tried, `why_not` says why."""

    listener: Listener
    anonymous: Probed
    probe: Probed | None = None
    why_not: str = ""


async def probe_listeners(seen: Seen, secret: Secret | None) -> list[Tried]:
    """secret: of busline/probe; without it, only the anonymous is tried."""
    listeners = [one for number, settings in sorted(seen.brokers.items()) for one in listeners_of(number, settings)]
    listeners += dict.fromkeys(one for settings in seen.brokers.values() for one in controllers_of(settings))
    return await some_at_once(listeners, lambda listener: _try(listener, secret), _AT_ONCE)


async def _try(listener: Listener, secret: Secret | None) -> Tried:
    from busline.transport.kafka.probing import probe_anonymous, probe_user

    tls = listener.protocol.endswith("SSL")
    anonymous = await probe_anonymous(listener.host, listener.port, tls=tls, controller=listener.controller)
    if listener.controller:
        return Tried(listener=listener, anonymous=anonymous)
    offered: list[Mechanism] = [mechanism for mechanism in MECHANISMS if listener.offers(mechanism)]
    if not offered or secret is None:
        why = f"{VARIABLE} is not set" if secret is None else "it takes no SCRAM password"
        return Tried(listener=listener, anonymous=anonymous, why_not=why)
    login = Security(user=PROBE, password=secret, mechanism=offered[0], tls=tls)
    return Tried(listener=listener, anonymous=anonymous, probe=await probe_user(listener.host, listener.port, login))


def probe_findings(expected: Expected, tried: Sequence[Tried]) -> Iterator[Finding]:
    brokers = [one for one in tried if not one.listener.controller]
    yield from _anonymous(expected, brokers)
    yield from _controllers(expected, [one for one in tried if one.listener.controller])
    yield from _allowed(expected, brokers)
    yield from _not_run(expected, brokers)


def _anonymous(expected: Expected, tried: Sequence[Tried]) -> Iterator[Finding]:
    for one in tried:
        if one.anonymous.outcome == "allowed":
            more = "it may even list the ACLs: a super user" if one.anonymous.powerful else "it may not list the ACLs"
            yield found(
                "anonymous-connects",
                f"listener {one.listener} answers who has no credentials",
                "Close it, or let it ask for credentials (SASL, or SSL with ssl.client.auth=required).",
                at=expected.place,
                seen=f"{one.listener.protocol}; User:ANONYMOUS got the metadata, and {more}",
                ask=PLATFORM,
            )


def _controllers(expected: Expected, tried: Sequence[Tried]) -> Iterator[Finding]:
    """One that cannot be reached from here is kept apart, as it should be: it is counted in the summary."""
    taking = [one for one in tried if one.anonymous.outcome == "allowed"]
    if taking:
        powerful = any(one.anonymous.powerful for one in taking)
        yield found(
            "controller-open",
            "the controllers answer who has no credentials",
            "Let their listener ask for credentials (SASL), or keep its port to the brokers alone.",
            at=expected.place,
            seen=f"{some([one.listener for one in taking])}; User:ANONYMOUS"
            f" {'got the ACLs, and may change them: a super user' if powerful else 'did not get the ACLs'}",
            ask=PLATFORM,
        )


def _allowed(expected: Expected, tried: Sequence[Tried]) -> Iterator[Finding]:
    allowing = [one.listener for one in tried if one.probe is not None and one.probe.outcome == "allowed"]
    if allowing:
        yield found(
            "probe-allowed",
            f"{PROBE} has no right, and may list the ACLs",
            "Set allow.everyone.if.no.acl.found=false, and take it out of super.users; then restart the brokers.",
            at=expected.place,
            seen=f"on {some(allowing)}",
            ask=PLATFORM,
        )


def _not_run(expected: Expected, tried: Sequence[Tried]) -> Iterator[Finding]:
    """A listener without passwords lets nobody in by one; it is enough that its broker refused the probe elsewhere."""
    reasons: dict[str, list[Listener]] = {}
    probed = {one.listener.broker for one in tried if one.probe is not None and one.probe.outcome != "unknown"}
    for one in tried:
        if one.anonymous.outcome == "unknown":
            reasons.setdefault(f"without credentials: {one.anonymous.why}", []).append(one.listener)
        if one.probe is not None and one.probe.outcome == "unknown":
            reasons.setdefault(f"as {PROBE}: {one.probe.why}", []).append(one.listener)
        if one.probe is None and one.why_not and one.listener.broker not in probed:
            reasons.setdefault(f"as {PROBE}: {one.why_not}", []).append(one.listener)
    if not tried:
        reasons["the brokers' settings name no listener"] = []
    for why, listeners in reasons.items():
        yield found(
            "probe-not-run",
            f"not probed {why}",
            f"Give the secret of {PROBE} by {FILE_VARIABLE}, and run the audit where the listeners can be reached.",
            at=expected.place,
            seen=f"listeners {some(listeners)}" if listeners else "",
            ask=PLATFORM,
        )


def summary(tried: Sequence[Tried]) -> str:
    """For the report's end: what was tried, also where nothing was found."""
    brokers = [one for one in tried if not one.listener.controller]
    anonymous = sum(one.anonymous.outcome != "unknown" for one in brokers)
    probed = sum(one.probe is not None and one.probe.outcome != "unknown" for one in brokers)
    reached = sum(one.listener.controller and one.anonymous.outcome != "unknown" for one in tried)
    quorum = f"; {reached} of {len(tried) - len(brokers)} controllers" if len(tried) > len(brokers) else ""
    return f"{len(brokers)} listeners: {anonymous} tried without credentials, {probed} as {PROBE}{quorum}"
