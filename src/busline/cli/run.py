"""`busline run module:bus`: a service as a process."""

from __future__ import annotations

import logging
import signal
from typing import Final

import click

from busline.cli.failures import Exit
from busline.cli.loading import load_bus
from busline.cli.options import json_option, run_async
from busline.cli.output import Output

_CLIENTS: Final = frozenset({"aiokafka", "kafka"})


@click.command(epilog="Example: busline run hello:bus")
@click.argument("app", metavar="MODULE:BUS")
@click.option("--url", help="The engine's URL; instead of the one in the code and the settings.")
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
    logging up, it is set up on stderr.
    """
    _set_up_logging(log_level.upper())
    bus = load_bus(app)
    if url:
        bus.settings = bus.settings.with_argument("url", url)
    many = len(bus.subscriptions)
    output.note(f"{app}: {many} subscription{'' if many == 1 else 's'} on {bus.settings.get('url')}; Ctrl-C ends")
    ended = run_async(bus.serve())
    output.note("stopped in order")
    return Exit.INTERRUPTED if ended is signal.SIGINT else Exit.OK


def _set_up_logging(level: str) -> None:
    """The clients' own narration (a dozen lines a connection) is shown only when everything is."""
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    if level != "DEBUG":
        for handler in logging.getLogger().handlers:
            handler.addFilter(_is_worth_showing)


def _is_worth_showing(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING or record.name.partition(".")[0] not in _CLIENTS
