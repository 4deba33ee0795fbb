"""`busline read` and `busline tail`: a contract's events, without a group, to an end or as they come."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from typing import Any, Final

import click

from busline.bus.delivery import Delivery
from busline.bus.reading import From, Reading
from busline.cli import options
from busline.cli.options import Where, json_option, run_async, service_option, where_options
from busline.cli.output import Output, to_json
from busline.cli.target import find_target, session
from busline.codec.json_form import to_json as plain
from busline.contract.event import Deleted
from busline.errors import ConfigurationError
from busline.names import ContractName

_OFFSETS: Final = re.compile(r"(\d+):(\d+)")
_START: Final = (
    "Where to begin: earliest, latest, a duration back (7d, 12h, 30m), a time (2026-03-01T00:00:00Z), or"
    " PARTITION:OFFSET, several with commas."
)


@click.command(epilog="Example: busline read orders.order-placed --start 1h --json | head")
@click.argument("contract", type=options.contract)
@click.option("--start", default="earliest", show_default=True, help=_START)
@click.option("--end", default="now", show_default=True, help="Where to end: now, a duration back, or a time.")
@click.option("--limit", type=click.IntRange(1), help="End after so many events.")
@service_option
@where_options
@json_option
def read(output: Output, contract: ContractName, start: str, end: str, limit: int | None, where: Where) -> None:
    """Read a contract's events from a start to an end."""
    run_async(_read(output, contract, (start, end), limit, where))


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


async def _read(
    output: Output, name: ContractName, span: tuple[str, str | None], limit: int | None, where: Where
) -> None:
    start, end = span
    count = 0
    async with session(find_target(where)) as opened:
        reading: Reading[Any] = Reading(opened, name, _start(start), end)
        if end is None:
            output.note(f"following {name} on {opened.url}; Ctrl-C ends")
        async with contextlib.aclosing(reading.deliveries()) as deliveries:
            async for delivery in deliveries:
                _show(output, delivery)
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


def _show(output: Output, delivery: Delivery[Any]) -> None:
    position, event = delivery.position, delivery.event
    deleted = isinstance(event, Deleted)
    value = None if deleted else plain(event)
    shown = {
        "contract": delivery.contract,
        "partition": position.partition,
        "offset": position.offset,
        "log_time": delivery.log_time,
        "id": delivery.event_id,
        "time": delivery.time,
        "key": delivery.key.decode("utf-8", "replace") if delivery.key is not None else None,
        "event": value,
    }
    output.result(shown, "" if output.as_json else _line(delivery, value))


def _line(delivery: Delivery[Any], value: object) -> str:
    when = _local(delivery.log_time)
    place = click.style(f"{when} {delivery.position.partition}:{delivery.position.offset}", dim=True)
    key = (delivery.key or b"").decode("utf-8", "replace")
    return f"{place} {to_json(value)}" if value is not None else f"{place} deleted {to_json(key)}"


def _local(when: dt.datetime) -> str:
    return when.astimezone().strftime("%Y-%m-%d %H:%M:%S")
