"""`busline run module:bus`: a service as a process."""

from __future__ import annotations

import signal

import click

from busline.cli import options
from busline.cli.failures import Exit
from busline.cli.loading import load_bus
from busline.cli.logs import set_up_logging
from busline.cli.options import json_option, run_async
from busline.cli.output import Output


@click.command(epilog="Example: busline run hello:bus")
@click.argument("app", metavar="MODULE:BUS")
@click.option("--url", type=options.text, help="The engine's URL; instead of the one in the code and the settings.")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="What the service's log shows, on stderr.",
)
@json_option
def run(output: Output, app: str, url: str | None, log_level: str) -> int:
    """Run a service's subscriptions until SIGTERM or Ctrl-C.

    It ends in order: what is in hand is finished and committed. A second signal ends it at once. Where nothing has set
    logging up, it is set up on stderr. Where a handler prints and stdout's reader has gone (`| head`), it ends in order
    with 141, and no event is blamed for it.
    """
    set_up_logging(log_level.upper())
    bus = load_bus(app)
    if url:
        bus.settings = bus.settings.with_argument("url", url)
    many = len(bus.subscriptions)
    where = bus.settings.get("url") or "no engine yet"
    output.note(f"{app}: {many} subscription{'' if many == 1 else 's'} on {where}; Ctrl-C ends")
    ended = run_async(bus.serve())
    output.note("stopped in order")
    return Exit.INTERRUPTED if ended is signal.SIGINT else Exit.OK
