"""`busline demo`: three services of three teams, each a process, on a fresh sqlite file, and a proof at the end."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import click

from busline.cli.demo_log import DemoLog, opened
from busline.cli.demo_proof import Evidence, Verdict, prove
from busline.cli.demo_services import Services
from busline.cli.demo_view import Counts, View
from busline.cli.options import json_option, run_async
from busline.cli.output import Output
from busline.errors import ConfigurationError

ORDERS, INVOICES, STATISTICS = "orders.order-placed", "billing.invoice-sent", "marketing.user-statistics"
INVOICING, COUNTING = "billing/invoicing", "marketing/statistics"
LETTERS = "busline.dlq.billing.invoicing"
LIMIT = 18.0
"""Seconds for everything; what is not handled by then counts as lost."""
NEXT = (
    "{bin}/busline read orders.order-placed --url {url} --workspace schemas --as analytics/people --limit 3",
    "{bin}/busline dlq list billing/invoicing --url {url} --workspace schemas",
    "{bin}/python examples/hello.py",
)


@click.command()
@click.option("--orders", type=click.IntRange(1), default=1000, show_default=True, help="How many orders are placed.")
@click.option("--keep", type=click.Path(path_type=Path), help="Keep the log in this file.")
@click.option("--swap", metavar="SERVICE=MODULE:BUS", multiple=True, help="Run another program as this service.")
@json_option
def demo(out: Output, orders: int, keep: Path | None, swap: tuple[str, ...]) -> None:
    """Run three services of three teams and prove that nothing is lost. Exit 1 if a promise is broken."""
    root = _checkout()
    with tempfile.TemporaryDirectory(prefix="busline-demo-") as folder:
        file = _fresh(keep)
        url = f"sqlite:///{file}"
        services = Services(root, url, Path(folder), swaps=dict(map(_swapped, swap)))
        verdicts = run_async(_run(out, services, url, orders))
    _report(out, verdicts, f"sqlite:///{_shown(file)}")
    if not all(verdict.holds for verdict in verdicts):
        raise click.exceptions.Exit(1)


def _fresh(keep: Path | None) -> Path:
    """Where the log will be: the demo's own file anew, another's never."""
    file = (keep or Path(".busline/demo.db")).absolute()
    if keep is not None and file.exists():
        raise ConfigurationError(f"{keep} is there already", fix="Name a new file, or remove that one.")
    file.parent.mkdir(parents=True, exist_ok=True)
    for ending in ("", "-wal", "-shm", ".lock"):
        file.with_name(file.name + ending).unlink(missing_ok=True)
    return file


def _swapped(text: str) -> tuple[str, str]:
    service, equals, program = text.partition("=")
    if not equals or ":" not in program:
        raise ConfigurationError(
            f"{text!r} swaps nothing", fix="Write SERVICE=MODULE:BUS, e.g. --swap billing/invoicing=mine.app:bus."
        )
    return service, program


def _checkout() -> Path:
    """The project's root: the demo runs the examples that stand there."""
    for folder in (Path.cwd(), *Path.cwd().parents, *Path(__file__).parents):
        if (folder / "examples/shop/checkout.py").is_file() and (folder / "schemas/busline.yaml").is_file():
            return folder
    raise ConfigurationError("the demo's services are not here", fix="Run it in a checkout of busline: make demo.")


def _shown(path: Path) -> Path:
    """As one would type it here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


async def _run(out: Output, services: Services, url: str, orders: int) -> list[Verdict]:
    confirmed, refusal = 0, ""
    with View(out) as view:
        async with services, opened(url) as log:
            try:
                async with asyncio.timeout(LIMIT):
                    await services.start(INVOICING)
                    await services.start(COUNTING)
                    await _until(services, lambda: log.ready([ORDERS, INVOICES, STATISTICS, LETTERS]))
                    shown = asyncio.create_task(_show(view, log))
                    try:
                        refusal = await services.intruder()
                        confirmed = await services.checkout(orders)
                        await _until(services, lambda: _drained(log))
                    finally:
                        shown.cancel()
                        await asyncio.wait([shown])
            except TimeoutError:
                out.warn(f"stopped after {LIMIT:.0f} s: what is not handled by now counts as lost")
            view.show(await _counts(log))
            await services.stop()
            return prove(await _evidence(log, confirmed, refusal))


async def _until(services: Services, condition: Callable[[], Awaitable[bool]]) -> None:
    while not await condition():
        services.check()
        await asyncio.sleep(0.05)


async def _drained(log: DemoLog) -> bool:
    behind = [await log.progress(ORDERS, group) for group in (INVOICING, COUNTING)]
    return all(progress.written == progress.committed for progress in behind)


async def _counts(log: DemoLog) -> Counts:
    invoicing, counting = await log.progress(ORDERS, INVOICING), await log.progress(ORDERS, COUNTING)
    return Counts(
        published=invoicing.written,
        invoiced=await log.written(INVOICES),
        letters=await log.written(LETTERS),
        invoicing=invoicing.committed,
        counting=counting.committed,
    )


async def _show(view: View, log: DemoLog) -> None:
    while True:
        view.show(await _counts(log))
        await asyncio.sleep(view.interval)


async def _evidence(log: DemoLog, confirmed: int, refusal: str) -> Evidence:
    return Evidence(
        confirmed=confirmed,
        orders=await log.values(ORDERS),
        invoices=await log.values(INVOICES),
        statistics=await log.values(STATISTICS),
        letters=await log.letters(INVOICING, ORDERS),
        refusal=refusal,
    )


def _report(out: Output, verdicts: list[Verdict], url: str) -> None:
    if out.as_json:
        out.result({verdict.promise: {"figure": verdict.figure, "holds": verdict.holds} for verdict in verdicts})
        return
    click.echo("\nWhat is in the log:")
    for verdict in verdicts:
        mark = click.style("holds ", fg="green") if verdict.holds else click.style("BROKEN", fg="red", bold=True)
        click.echo(f"  {mark}  {verdict.promise:<28} {verdict.figure}")
    click.echo("\nNext:")
    for line in NEXT:
        click.echo(f"  {line.format(url=url, bin=_shown(Path(sys.executable).parent))}")
