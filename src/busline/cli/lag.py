"""`busline lag SERVICE`: how far the service's groups are behind the log."""

from __future__ import annotations

import difflib
import json
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import click

from busline.bus.contract_log import ContractLog
from busline.cli import options
from busline.cli.options import Where, json_option, run_async, where_options
from busline.cli.output import Output, columns
from busline.cli.target import find_target, started
from busline.errors import ConfigurationError, UnknownTopic
from busline.names import Service
from busline.transport.base import Bounds, Committed, Groups, Seekable, Transport


class Behind(NamedTuple):
    """One topic of one group. lag: events that are not committed; lost: of those, removed by retention already."""

    group: str
    topic: str
    partitions: int
    lag: int
    lost: int
    release: str


@click.command(epilog="Example: busline lag billing/invoicing --env prod")
@click.argument("service", type=options.service)
@where_options
@json_option
def lag(output: Output, service: Service, where: Where) -> None:
    """Show, for each group and topic of a service, how many events it has not handled yet.

    Positions are committed about once a second, so a service that is idle shows 0. A service that neither the
    workspace, the contract log nor a consumer group knows is an error, with the names that are near.
    """
    run_async(_lag(output, service, where))


async def _lag(output: Output, service: Service, where: Where) -> None:
    target = find_target(where)
    async with started(target) as engine:
        if not isinstance(engine, Groups) or not isinstance(engine, Seekable):
            raise ConfigurationError(f"{type(engine).__name__} cannot tell about groups")
        groups = sorted(await engine.groups())
        own = [group for group in groups if group == service or group.startswith(f"{service}/")]
        if not own:
            _check_known(service, target.declared | await _applied(engine) | _services(groups))
        found = [behind for group in own if not _is_mark(group) for behind in await _behind(engine, group)]
    for behind in found:
        output.result(behind._asdict(), "")
    if output.as_json:
        return
    if not found:
        output.note(f"no group of {service} has committed anything here")
        return
    rows = [(b.group, b.topic, str(b.partitions), str(b.lag), str(b.lost), b.release) for b in found]
    click.echo(columns([("GROUP", "TOPIC", "PARTITIONS", "LAG", "LOST", "RELEASE"), *rows]))


def _check_known(service: Service, known: frozenset[str]) -> None:
    """A slip in the name must not look like a service that has nothing to do."""
    if service not in known:
        near = difflib.get_close_matches(service, sorted(known), n=3)
        raise ConfigurationError(
            f"there is no service {service} here",
            why="neither the workspace, the contract log nor a consumer group knows it",
            fix=f"Did you mean {' or '.join(near)}?" if near else "Look at its name, and at --env or --url.",
        )


async def _applied(engine: Transport) -> frozenset[str]:
    log = ContractLog(engine)
    try:
        await log.read()
    except UnknownTopic:
        return frozenset()
    return frozenset(log.catalog.services())


def _services(groups: Iterable[str]) -> frozenset[str]:
    return frozenset("/".join(group.split("/")[:2]) for group in groups)


def _is_mark(group: str) -> bool:
    """Of reads and replays: nothing there catches up."""
    return group.rpartition("/")[2].startswith("~")


async def _behind(engine: Transport, group: str) -> list[Behind]:
    assert isinstance(engine, Groups)
    assert isinstance(engine, Seekable)
    by_topic: dict[str, dict[int, Committed]] = defaultdict(dict)
    for (topic, partition), at in (await engine.committed(group)).items():
        by_topic[topic][partition] = at
    return [behind(group, topic, at, await engine.bounds(topic)) for topic, at in sorted(by_topic.items())]


def behind(group: str, topic: str, positions: dict[int, Committed], bounds: dict[int, Bounds]) -> Behind:
    """Partitions without a commit count from their beginning: the group has them all before it."""
    lag = lost = 0
    for partition, (first, end) in bounds.items():
        at = positions[partition].next if partition in positions else first
        lag += max(0, end - at)
        lost += max(0, first - at)
    notes = [at.note for at in positions.values() if at.note]
    return Behind(group, topic, len(bounds), lag, lost, _release(notes))


def _release(notes: list[str]) -> str:
    """What the readers say of themselves; a foreign note says nothing."""
    for note in notes:
        try:
            said = json.loads(note)
        except ValueError:
            continue
        release = said.get("r") if isinstance(said, dict) else None
        if isinstance(release, str):
            return release
    return ""
