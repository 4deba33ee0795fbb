"""`busline dlq replay module:bus`: the service handles its dead letters again, once their cause is mended."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING

import click

from busline.cli.failures import Exit
from busline.cli.loading import load_bus
from busline.cli.logs import set_up_logging
from busline.cli.options import Where, json_option, run_async, where_options
from busline.cli.output import Output
from busline.cli.target import find_target

if TYPE_CHECKING:
    from busline.bus.bus import Bus
    from busline.bus.letter import Letter
    from busline.bus.replay import Replay


@click.command(
    short_help="Let a service handle its dead letters again.",
    epilog="Example: busline dlq replay invoicing.main:bus --dry-run",
)
@click.argument("app", metavar="MODULE:BUS")
@click.option("--dry-run", is_flag=True, help="Say how many there are, handle none; exit code 3 if there are any.")
@where_options
@json_option
def replay(output: Output, app: str, dry_run: bool, where: Where) -> int:
    """Let a service's own handlers handle its dead letters again, up to those that are there now.

    Nothing is published to the source: only this service gets them again. What fails again is a dead letter again, and
    then the exit code is 1. Interrupted, the next replay goes on where this one was.
    """
    set_up_logging("WARNING")
    return run_async(_replay(output, load_bus(app), where, dry_run))


async def _replay(output: Output, bus: Bus, where: Where, dry_run: bool) -> int:
    if where.env or where.url:
        bus.settings = bus.settings.with_argument("url", find_target(where).url)
    async with _opened(bus) as work:
        plan = await work.plan()
        output.note(f"dead letters to handle again, in group {work.group}: {plan.letters}")
        handled = failed = 0
        if not dry_run:
            with _progress(output, plan.letters) as advance:
                done = await work.run(plan, progress=advance)
            handled, failed = sum(done.handled.values()), done.failed
    result = {"group": work.group, "planned": plan.letters, "handled": handled, "failed": failed}
    output.result(result, "" if dry_run else f"{handled} handled, {failed} failed again")
    if dry_run:
        return Exit.PENDING if plan.letters else Exit.OK
    return Exit.FAILED if failed else Exit.OK


@contextlib.asynccontextmanager
async def _opened(bus: Bus) -> AsyncIterator[Replay]:
    """The bus on its engine, without its subscriptions running: only their handlers are taken."""
    from busline.bus.dead_letter import DeadLetters
    from busline.bus.groups import GroupMaker
    from busline.bus.replay import Replay

    session = await bus.begin(bus.settings, ())
    try:
        specs = [made.runner.spec for made in await GroupMaker(session, bus.subscriptions).groups()]
        letters = DeadLetters(session.transport, session.service.dead_letters, release=session.release)
        yield Replay(session.transport, session.service, specs, letters)
    finally:
        await bus.aclose()


@contextlib.contextmanager
def _progress(output: Output, total: int) -> Iterator[Callable[[Letter], None]]:
    """A bar on stderr where somebody watches."""
    if not output.interactive:
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("handling", total=total)
        yield lambda _: bar.advance(task)
