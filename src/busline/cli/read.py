"""`busline read` and `busline tail`: a contract's events, without a group, to an end or as they come."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from busline.bus.delivery import Delivery
from busline.bus.reading import From, Reading
from busline.cli import options
from busline.cli.options import Where, json_option, run_async, service_option, where_options
from busline.cli.output import Output, to_json
from busline.cli.read_file import Sink, written
from busline.cli.target import find_target, session
from busline.codec.json_form import to_json as plain
from busline.contract.event import Deleted
from busline.contract.masking import MASK
from busline.contract.model import Action, Kind
from busline.errors import ConfigurationError
from busline.names import ContractName

_OFFSETS: Final = re.compile(r"(\d+):(\d+)")
_EVERY: Final = 1_000
_START: Final = (
    "Where to begin: earliest, latest, a duration back (7d, 12h, 30m), a time (2026-03-01T00:00:00Z), or"
    " PARTITION:OFFSET, several with commas."
)


@click.command(epilog="Example: busline read orders.order-placed --start 1h --json | head")
@click.argument("contract", type=options.contract)
@click.option("--start", default="earliest", show_default=True, help=_START)
@click.option("--end", default="now", show_default=True, help="Where to end: now, a duration back, or a time.")
@click.option("--limit", type=click.IntRange(1), help="End after so many events.")
@click.option(
    "--to",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write them to a file: .ndjson, .csv or .avro; whole or not at all.",
)
@click.option("--force", is_flag=True, help="With --to: replace a file that is there.")
@service_option
@where_options
@json_option
def read(output: Output, contract: ContractName, where: Where, **given: Any) -> None:
    """Read a contract's events from a start to an end.

    Whole numbers are exact, decimals text, instants ISO 8601 in UTC. Fields that tell of a person are `***` unless the
    reader is of the owner's team, or the grant says `pii: true`. A start that lies before the oldest kept event is an
    error, never a silent gap. A file has the events' fields in the shape of the current version; of a state it has the
    latest value of each key, without the deleted ones.
    """
    span, limit = (given["start"], given["end"]), given["limit"]
    if given["to"] is None:
        return run_async(_read(output, contract, span, limit, where))
    return run_async(
        _export(output, contract, Export(span=span, limit=limit, path=given["to"], force=given["force"]), where)
    )


@click.command(epilog="Example: busline tail orders.order-placed")
@click.argument("contract", type=options.contract)
@click.option("--start", default="latest", show_default=True, help=_START)
@click.option("--limit", type=click.IntRange(1), help="End after so many events.")
@service_option
@where_options
@json_option
def tail(output: Output, contract: ContractName, start: str, limit: int | None, where: Where) -> None:
    """Follow a contract's events as they come; Ctrl-C ends it."""
    run_async(_read(output, contract, (start, None), limit, where))


@dataclass(frozen=True, kw_only=True)
class Export:
    """What goes to a file. limit: events."""

    span: tuple[str, str]
    limit: int | None
    path: Path
    force: bool


async def _export(output: Output, name: ContractName, export: Export, where: Where) -> None:
    async with session(find_target(where)) as opened:
        contract = opened.contract(name)
        opened.allow(Action.READ, contract)
        if contract.current is None:
            raise ConfigurationError(f"{name} has no version yet", fix="There is nothing to read.")
        start, end = export.span
        reading: Reading[Any] = Reading(opened, name, _start(start), end, current=True)
        with written(export.path, contract.current.schema, opened.hidden(contract), force=export.force) as sink:
            async with contextlib.aclosing(reading.deliveries()) as deliveries:
                limited = _limited(_progress(output, deliveries), export.limit)
                whole = _latest(limited, sink) if contract.kind is Kind.STATE else _all(limited, sink)
                count = await whole
    output.result({"contract": name, "file": str(export.path), "events": count}, f"wrote {export.path}")
    output.note(f"{count} event{'' if count == 1 else 's'}")


async def _all(deliveries: AsyncIterator[Delivery[Any]], sink: Sink) -> int:
    count = 0
    async for delivery in deliveries:
        sink.write(sink.encoded(delivery.event))
        count += 1
    return count


async def _latest(deliveries: AsyncIterator[Delivery[Any]], sink: Sink) -> int:
    """The table: held in memory, encoded, until its end is known."""
    table: dict[bytes | None, bytes] = {}
    async for delivery in deliveries:
        if isinstance(delivery.event, Deleted):
            table.pop(delivery.key, None)
        else:
            table[delivery.key] = sink.encoded(delivery.event)
    for line in table.values():
        sink.write(line)
    return len(table)


async def _limited(deliveries: AsyncIterator[Delivery[Any]], limit: int | None) -> AsyncIterator[Delivery[Any]]:
    count = 0
    async for delivery in deliveries:
        yield delivery
        count += 1
        if count == limit:
            return


async def _progress(output: Output, deliveries: AsyncIterator[Delivery[Any]]) -> AsyncIterator[Delivery[Any]]:
    """On a terminal: how many so far, and how far in time."""
    count = 0
    async for delivery in deliveries:
        yield delivery
        count += 1
        if count % _EVERY == 0 and output.interactive:
            click.echo(f"\r{count} events, {_local(delivery.log_time)}", err=True, nl=False)
    if count >= _EVERY and output.interactive:
        click.echo("\r\x1b[K", err=True, nl=False)


async def _read(
    output: Output, name: ContractName, span: tuple[str, str | None], limit: int | None, where: Where
) -> None:
    start, end = span
    count = 0
    async with session(find_target(where)) as opened:
        reading: Reading[Any] = Reading(opened, name, _start(start), end)
        contract = opened.contract(name)
        opened.allow(Action.READ, contract)
        if end is None:
            output.note(f"following {name} on {opened.url}; Ctrl-C ends")
        hides_key = bool(opened.hidden(contract) & {*contract.key})
        async with contextlib.aclosing(reading.deliveries()) as deliveries:
            async for delivery in deliveries:
                _show(output, delivery, MASK if hides_key else None)
                count += 1
                if count == limit:
                    break
    output.note(f"{count} event{'' if count == 1 else 's'}")


def _start(text: str) -> From:
    if ":" not in text or "-" in text:
        return text
    pairs = [_OFFSETS.fullmatch(part.strip()) for part in text.split(",")]
    if not all(pairs):
        raise ConfigurationError(f"{text!r} is not a start", fix="Write PARTITION:OFFSET, e.g. 0:120,1:98.")
    return {int(pair[1]): int(pair[2]) for pair in pairs if pair}


def _show(output: Output, delivery: Delivery[Any], mask: str | None) -> None:
    """mask: shown in place of the key."""
    position, event = delivery.position, delivery.event
    deleted = isinstance(event, Deleted)
    value = None if deleted else plain(event)
    key = mask or (delivery.key.decode("utf-8", "replace") if delivery.key is not None else None)
    shown = {
        "contract": delivery.contract,
        "partition": position.partition,
        "offset": position.offset,
        "log_time": delivery.log_time,
        "id": delivery.event_id,
        "time": delivery.time,
        "key": key,
        "event": value,
    }
    output.result(shown, "" if output.as_json else _line(delivery, key or "", value))


def _line(delivery: Delivery[Any], key: str, value: object) -> str:
    when = _local(delivery.log_time)
    place = click.style(f"{when} {delivery.position.partition}:{delivery.position.offset}", dim=True)
    return f"{place} {to_json(value)}" if value is not None else f"{place} deleted {to_json(key)}"


def _local(when: dt.datetime) -> str:
    return when.astimezone().strftime("%Y-%m-%d %H:%M:%S")
