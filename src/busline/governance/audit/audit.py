"""The audit of one environment: everything that is there, against everything that explains it. Changes nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from busline.contract.finding import Finding
from busline.contract.model import Environment
from busline.contract.workspace import Workspace
from busline.governance.applied import read_applied
from busline.governance.audit.access import acls_unexplained, quotas_unexplained, rights_missing, users_unexplained
from busline.governance.audit.brokers import broker_settings
from busline.governance.audit.expected import Expected, State
from busline.governance.audit.groups import groups_unexplained, readers_undeclared
from busline.governance.audit.known import known_over, without_known
from busline.governance.audit.seen import Seen
from busline.governance.audit.topics import settings_that_differ, topics_without_contract
from busline.governance.principals import platform_acls
from busline.governance.running import readers_of
from busline.transport.base import Transport


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
    yield from quotas_unexplained(expected, left)
    yield from groups_unexplained(expected, left)
    yield from readers_undeclared(expected, readers_of(left.committed, expected.catalog))
    yield from broker_settings(expected, seen)
