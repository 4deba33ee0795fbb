"""The audit of one environment: everything that is there, against everything that explains it.

Nothing is changed, but for events of refusals where that is asked for.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from busline.contract.finding import Finding
from busline.contract.model import Environment
from busline.contract.workspace import Workspace
from busline.governance.audit.access import (
    acls_unexplained,
    quotas_unexplained,
    rights_missing,
    second_secrets,
    users_unexplained,
)
from busline.governance.audit.authorizer_log import read_logs
from busline.governance.audit.brokers import broker_settings
from busline.governance.audit.expected import Expected, State
from busline.governance.audit.groups import groups_unexplained, readers_undeclared
from busline.governance.audit.known import known_over, without_known
from busline.governance.audit.probes import probe_findings, probe_listeners, summary
from busline.governance.audit.refusals import publish_refusals, refusal_findings, writers
from busline.governance.audit.registry import registry_findings
from busline.governance.audit.samples import Open, sample, sample_findings
from busline.governance.audit.seen import Seen, look
from busline.governance.audit.topics import settings_that_differ, topics_without_contract
from busline.governance.audit.unused import Looking, find_unused, unknown_notes
from busline.governance.readers.running import readers_of
from busline.governance.state.applied import read_applied
from busline.governance.users.principals import platform_acls
from busline.governance.users.rotation import rotations
from busline.transport.base import Transport
from busline.transport.security import Secret

if TYPE_CHECKING:
    from busline.governance.registry.registry import Registry


@dataclass(frozen=True, kw_only=True)
class Asked:
    """How closely to look. samples: records of each partition, 0: none. unused: days. logs: the authorizer's.

    publish: tell refusals as events. probe: the secret of busline/probe.
    """

    samples: int = 20
    unused: int = 30
    logs: tuple[Path, ...] = ()
    publish: bool = False
    probe: Secret | None = field(default=None, repr=False)


@dataclass(kw_only=True)
class Audited:
    """notes: what was looked at, and what could not be."""

    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Registries:
    """The environment's, and the same one asked without credentials."""

    ours: Registry
    anonymous: Registry


async def audit(
    asked: Asked, expected: Expected, engine: Transport, open_: Open, registries: Registries | None = None
) -> Audited:
    """open_: a connection of its own to the same engine, for a while. Raises what asking engine and registry raises."""
    log = await asyncio.to_thread(read_logs, asked.logs) if asked.logs else None
    seen = await look(engine, log)
    found = Audited(findings=list(engine_findings(expected, seen)))
    if seen.brokers:
        tried = await probe_listeners(seen, asked.probe)
        found.findings += probe_findings(expected, tried)
        found.notes.append(summary(tried))
    if asked.samples:
        topics = [name for state in expected.states for name in state.by_topic if name in seen.topics]
        samples = await sample(sorted(set(topics)), expected, asked.samples, open_)
        found.findings += sample_findings(expected, samples, lambda topic: writers(expected, log, topic))
        found.notes.append(f"{samples.records:,} records of {len(samples.judges):,} topics were looked at")
    if asked.unused and expected.applied.contracts:
        since = dt.datetime.now(dt.UTC) - dt.timedelta(days=asked.unused)
        looking = Looking(expected=expected, seen=seen, since=since, days=asked.unused, log=log)
        unused = await find_unused(looking, engine, open_)
        found.findings += unused.findings
        found.notes += unknown_notes(unused)
    if registries is not None:
        found.findings += await registry_findings(expected, registries.ours, registries.anonymous)
    if log is not None:
        found.findings += refusal_findings(expected, log)
    if asked.publish:
        told = await publish_refusals(engine, expected, asked.logs)
        found.notes.append(f"{told} refusals were published on busline.access-denied")
    return found


async def expect(workspace: Workspace, environment: Environment, engine: Transport, today: dt.date) -> Expected:
    """Both states. Raises what reading the contract log raises."""
    applied = await read_applied(engine)
    catalog = applied.catalog
    merged = {name: contract for name, contract in workspace.known.items() if contract.versions}
    return Expected(
        merged=State(
            contracts=merged,
            services=workspace.services,
            teams=workspace.teams,
            today=today,
            replicas=environment.replicas,
        ),
        applied=State(
            contracts=catalog.all_contracts(),
            services=catalog.all_services(),
            teams=catalog.all_teams(),
            today=today,
            replicas=environment.replicas,
        ),
        environment=environment,
        platform=frozenset().union(*platform_acls().values()),
        catalog=catalog,
        rotating={rotation.user: rotation for rotation in rotations(applied.entries)},
    )


def engine_findings(expected: Expected, seen: Seen) -> Iterator[Finding]:
    """What can be told from what an engine says of itself, without a probe and without a record."""
    left = without_known(seen, expected.environment, expected.today)
    yield from known_over(expected.environment, expected.today, expected.place)
    yield from topics_without_contract(expected, left)
    yield from settings_that_differ(expected, left)
    yield from acls_unexplained(expected, left)
    if seen.guarded:
        yield from rights_missing(expected, seen)
    yield from users_unexplained(expected, left)
    yield from second_secrets(expected, left)
    yield from quotas_unexplained(expected, left)
    yield from groups_unexplained(expected, left)
    yield from readers_undeclared(expected, readers_of(left.committed, expected.catalog))
    yield from broker_settings(expected, seen)
