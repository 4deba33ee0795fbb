"""`busline publish CONTRACT`: events from stdin, or made-up ones, by the contract's newest version."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import click

from busline.bus.outlets import Outlets
from busline.bus.publishing import Outlet
from busline.bus.session import Session
from busline.cli import options
from busline.cli.failures import Exit, describe
from busline.cli.json_input import Line, json_lines
from busline.cli.options import Where, json_option, run_async, service_option, where_options
from busline.cli.output import Output, to_json
from busline.cli.target import find_target, session
from busline.codec.json_form import from_json
from busline.codec.json_form import to_json as plain
from busline.contract.fake import Fakes
from busline.contract.schema import Schema
from busline.errors import BuslineError, ConfigurationError, EncodeError
from busline.names import ContractName
from busline.record import Position, Record

PORTION = 256


@dataclass(frozen=True, kw_only=True)
class Wish:
    """fake: how many to make up; None: read stdin. keep_going: after a bad line."""

    fake: int | None
    seed: int | None
    dry_run: bool
    keep_going: bool


@click.command(epilog='Example: echo \'{"name": "you"}\' | busline publish demo.hello --url sqlite:///bus.db')
@click.argument("contract", type=options.contract)
@click.option("--fake", type=click.IntRange(1), metavar="N", help="Make up N events from the schema instead.")
@click.option("--seed", type=int, help="With --fake: the same seed, the same events.")
@click.option(
    "--dry-run", is_flag=True, help="Check every event against the contract, publish none; with --fake, show them."
)
@click.option("--keep-going", is_flag=True, help="Go on after a bad line; else the first one ends it.")
@service_option
@where_options
@json_option
def publish(output: Output, contract: ContractName, where: Where, **wish: Any) -> int:
    """Publish events: JSON from stdin, one event a line, or one document.

    Lines before a bad one are published; its number is in the error. Exit code 0 only if every event is durable.
    """
    return run_async(_publish(output, contract, where, Wish(**wish)))


async def _publish(output: Output, name: ContractName, where: Where, wish: Wish) -> int:
    async with session(find_target(where)) as opened:
        outlet = await Outlets(opened).open(name)
        version = opened.contract(name).versions[-1]
        work = _Publishing(output, opened, outlet, (name, version.schema), wish)
        try:
            async for lines in _made_up(version.schema, wish) if wish.fake else _from_stdin(output, name):
                if not await work.take(lines):
                    break
        finally:
            verb = "would be published" if wish.dry_run else "published"
            rest = f", {work.bad} not" if work.bad else ""
            output.note(f"{work.good} {verb} to {name} (version {version.number}){rest}")
    if work.first is not None and not wish.keep_going:
        raise work.first
    return Exit.FAILED if work.bad else Exit.OK


def _from_stdin(output: Output, name: ContractName) -> AsyncIterator[list[Line]]:
    if sys.stdin is None:
        raise ConfigurationError("there is nothing to read: stdin is closed", fix="Pipe events in, or say --fake N.")
    if sys.stdin.isatty():
        output.note(f"reading {name} from the terminal, one JSON object a line; Ctrl-D ends")
    return json_lines()


class _Publishing:
    """Portions of lines, each one batch. good, bad: counts; first: the first error, with its line."""

    def __init__(
        self, output: Output, opened: Session, outlet: Outlet[Any], of: tuple[ContractName, Schema], wish: Wish
    ) -> None:
        self._output, self._opened, self._outlet, self._wish = output, opened, outlet, wish
        self._name, self._schema = of
        self.good = self.bad = 0
        self.first: BuslineError | None = None

    async def take(self, lines: list[Line]) -> bool:
        """False: a line was bad, and that ends it; the lines before it are published."""
        records: list[tuple[int, Record]] = []
        for line in lines:
            try:
                records.append((line.number, self._record(line)))
            except BuslineError as error:
                if not self._wish.keep_going:
                    await self._send(records)
                    self._failed(line.number, error)
                    return False
                self._failed(line.number, error)
        return await self._send(records) or self._wish.keep_going

    def _record(self, line: Line) -> Record:
        if line.error is not None:
            raise line.error
        value = line.value if self._wish.fake else from_json(self._schema, line.value)
        record = self._outlet.record(value)
        if self._wish.fake and self._wish.dry_run:
            click.echo(to_json(plain(value)))
        return record

    async def _send(self, records: list[tuple[int, Record]]) -> bool:
        if self._wish.dry_run or not records:
            self.good += len(records)
            return True
        outcomes = await self._opened.outbox.send([record for _, record in records])
        for (number, _), outcome in zip(records, outcomes, strict=True):
            if isinstance(outcome, Position):
                self.good += 1
                if self._output.as_json:
                    self._output.result({"line": number, **outcome._asdict()})
            else:
                self._failed(number, outcome)
        return self.bad == 0

    def _failed(self, number: int, error: BuslineError) -> None:
        """With --keep-going each bad line is told as it comes; else the first ends the command and is told there."""
        self.bad += 1
        error.where = f"line {number}, {error.where}" if error.where else f"line {number}"
        if isinstance(error, EncodeError) and error.fix is None:
            error.fix = f"See one that fits: busline publish {self._name} --fake 1 --dry-run"
        self.first = self.first or error
        if self._wish.keep_going and self._output.as_json:
            self._output.result({"line": number, **describe(error).as_json()})
        elif self._wish.keep_going:
            self._output.warn(str(error))


async def _made_up(schema: Schema, wish: Wish) -> AsyncIterator[list[Line]]:
    """With a seed the times are fixed as well, else they lie in the last 30 days."""
    month = dt.timedelta(days=30)
    fakes = Fakes(wish.seed) if wish.seed is not None else Fakes(epoch=dt.datetime.now(dt.UTC) - month)
    for begin in range(0, wish.fake or 0, PORTION):
        numbers = range(begin + 1, min(begin + PORTION, wish.fake or 0) + 1)
        yield [Line(number, fakes.value(schema)) for number in numbers]
