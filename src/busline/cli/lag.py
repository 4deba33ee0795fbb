"""`busline lag SERVICE`: how far the service's groups are behind the log."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncGenerator
from typing import NamedTuple

import click

from busline.cli import options
from busline.cli.options import Where, json_option, run_async, where_options
from busline.cli.output import Output, columns
from busline.cli.target import find_target, started
from busline.errors import ConfigurationError
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

    Positions are committed about once a second, so a service that is idle shows 0.
    """
    run_async(_lag(output, service, where))


async def _lag(output: Output, service: Service, where: Where) -> None:
    async with started(find_target(where)) as engine:
        found = [behind async for behind in _groups(engine, service)]
    for behind in found:
        output.result(behind._asdict(), "")
    if output.as_json:
        return
    if not found:
        output.note(f"no group of {service} has committed anything here")
        return
    rows = [(b.group, b.topic, str(b.partitions), str(b.lag), str(b.lost), b.release) for b in found]
    click.echo(columns([("GROUP", "TOPIC", "PARTITIONS", "LAG", "LOST", "RELEASE"), *rows]))


async def _groups(engine: Transport, service: Service) -> AsyncGenerator[Behind, None]:
    if not isinstance(engine, Groups) or not isinstance(engine, Seekable):
        raise ConfigurationError(f"{type(engine).__name__} cannot tell about groups")
    for group in sorted(await engine.groups()):
        own = group == service or group.startswith(f"{service}/")
        if not own or group.startswith(f"{service}/~"):  # ~: marks of reads and replays, which nothing catches up
            continue
        by_topic: dict[str, dict[int, Committed]] = defaultdict(dict)
        for (topic, partition), at in (await engine.committed(group)).items():
            by_topic[topic][partition] = at
        for topic, positions in sorted(by_topic.items()):
            yield behind(group, topic, positions, await engine.bounds(topic))


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
