"""`busline dlq`: what a service could not handle: look at it, handle it again, throw it away."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import sys
from collections.abc import Iterator, Mapping

import click

from busline.bus.contract_log import ContractLog
from busline.bus.letter import Letter
from busline.bus.replay import REPLAY_GROUP
from busline.cli import options
from busline.cli.dlq_replay import replay
from busline.cli.failures import Exit
from busline.cli.letters import (
    contract_of,
    letter_bounds,
    place_of,
    read_letters,
    source_of,
    summary,
    time_of,
    whole,
    why_of,
)
from busline.cli.options import Where, json_option, run_async, where_options
from busline.cli.output import Output, clean, columns, to_json
from busline.cli.target import find_target, started
from busline.errors import ConfigurationError, TransportError, UnknownTopic
from busline.names import Group, Service
from busline.transport.base import Admin, Groups, Transport


@click.group()
def dlq() -> None:
    """List, show, replay and purge dead letters."""


dlq.add_command(replay)


@dlq.command(
    "list",
    short_help="List a service's dead letters, oldest first.",
    epilog="Example: busline dlq list billing/invoicing --limit 20",
)
@click.argument("service", type=options.service)
@click.option("--limit", type=click.IntRange(1), help="The newest so many only.")
@where_options
@json_option
def list_letters(output: Output, service: Service, limit: int | None, where: Where) -> None:
    """List a service's dead letters, oldest first: place, time, source, why, and whether they were replayed."""
    run_async(_list(output, service, limit, where))


async def _list(output: Output, service: Service, limit: int | None, where: Where) -> None:
    async with started(find_target(where)) as engine:
        found = [letter async for letter in read_letters(engine, service)]
        replayed = await _replayed(engine, service)
    shown = sorted(found, key=lambda letter: letter.stored.timestamp)[-(limit or 0) :]
    if output.as_json:
        for letter in shown:
            output.result({**summary(letter), "replayed": _is_behind(letter, replayed)})
    elif shown:
        rows = [_row(letter, _is_behind(letter, replayed)) for letter in shown]
        click.echo(columns([("PLACE", "TIME", "CONTRACT", "SOURCE", "ATTEMPT", "REPLAYED", "WHY"), *rows]))
    output.note(f"dead letters of {service}: {len(found)}")


async def _replayed(engine: Transport, service: Service) -> dict[int, int]:
    """By partition, up to where the last replay has come."""
    if not isinstance(engine, Groups):
        return {}
    committed = await engine.committed(Group.of(service, REPLAY_GROUP))
    return {partition: at.next for (topic, partition), at in committed.items() if topic == service.dead_letters}


def _is_behind(letter: Letter, replayed: dict[int, int]) -> bool:
    return letter.position.offset < replayed.get(letter.position.partition, 0)


def _row(letter: Letter, replayed: bool) -> tuple[str, ...]:
    when = time_of(letter).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    place = place_of(letter), when, contract_of(letter), source_of(letter)
    cells = *place, letter.about.get("attempt", "-"), "yes" if replayed else "no", _first(why_of(letter))
    return tuple(map(clean, cells))


def _first(text: str) -> str:
    return next(iter(text.splitlines()), "")[:120]


@dlq.command(epilog="Example: busline dlq show billing/invoicing 0:17")
@click.argument("service", type=options.service)
@click.argument("place", metavar="PARTITION:OFFSET")
@where_options
@json_option
def show(output: Output, service: Service, place: str, where: Where) -> None:
    """Show one dead letter whole: all headers, and the event as it was."""
    run_async(_show(output, service, place, where))


async def _show(output: Output, service: Service, place: str, where: Where) -> None:
    partition, offset = _place(place)
    async with started(find_target(where)) as engine:
        log = ContractLog(engine)
        with contextlib.suppress(UnknownTopic):
            await log.read()
        async with contextlib.aclosing(read_letters(engine, service, {partition: offset})) as letters:
            letter = await anext(letters, None)
    if letter is None or letter.position.offset != offset:
        raise ConfigurationError(f"{service} has no dead letter {place}", fix=f"Look: busline dlq list {service}.")
    shown = whole(letter, log)
    output.result(shown, clean("\n".join(_lines(shown))))


def _lines(shown: Mapping[str, object]) -> Iterator[str]:
    """One field a line; of `about` and `headers` each entry, and an event as the JSON that publish takes."""
    for name, value in shown.items():
        if isinstance(value, dict) and name != "event":
            yield f"{name}:"
            yield from (f"  {key}: {_indented(str(text))}" for key, text in value.items() if text != "")
        elif isinstance(value, dt.datetime):
            yield f"{name}: {value.isoformat()}"
        elif value:
            yield f"{name}: {value if isinstance(value, str) else to_json(value)}"


def _indented(text: str) -> str:
    return text.replace("\n", "\n    ")


@dlq.command(epilog="Example: busline dlq purge billing/invoicing --to 0:17 --yes")
@click.argument("service", type=options.service)
@click.option("--to", metavar="PARTITION:OFFSET", help="Only those up to this one; else all that are there now.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Say how many, purge none; exit code 3 if there are any.")
@where_options
@json_option
def purge(output: Output, service: Service, to: str | None, yes: bool, dry_run: bool, where: Where) -> int:
    """Throw a service's dead letters away, for good. Asks first; without a terminal it takes --yes."""
    return run_async(_purge(output, service, to, (yes, dry_run), where))


async def _purge(output: Output, service: Service, to: str | None, mode: tuple[bool, bool], where: Where) -> int:
    yes, dry_run = mode
    async with started(find_target(where)) as engine:
        bounds = await letter_bounds(engine, service)
        before = {p: bound.next for p, bound in bounds.items()}
        if to is not None:
            partition, offset = _place(to)
            before = {partition: min(offset + 1, before.get(partition, 0))}
        begins = {p: bounds[p].first for p in before if p in bounds}
        letters = [
            x async for x in read_letters(engine, service, begins) if x.position.offset < before[x.position.partition]
        ]
        output.note(f"dead letters of {service} that would be gone for good: {len(letters)}")
        if letters and not dry_run:
            if not yes and not await _confirmed():
                output.note("nothing was purged")
                return Exit.FAILED
            if not isinstance(engine, Admin):
                raise TransportError(f"{type(engine).__name__} cannot delete records")
            await engine.purge(service.dead_letters, before)
    purged = 0 if dry_run else len(letters)
    output.result({"service": service, "found": len(letters), "purged": purged}, f"purged {purged} of {len(letters)}")
    return Exit.PENDING if dry_run and letters else Exit.OK


async def _confirmed() -> bool:
    if not sys.stdin.isatty():
        raise ConfigurationError("nobody is there to ask", fix="Say --yes.")
    return await asyncio.to_thread(click.confirm, "Purge them?", err=True)


def _place(text: str) -> tuple[int, int]:
    partition, colon, offset = text.partition(":")
    if not (colon and partition.isdigit() and offset.isdigit()):
        raise ConfigurationError(f"{text!r} is not a place", fix="Write PARTITION:OFFSET, as `busline dlq list` does.")
    return int(partition), int(offset)
