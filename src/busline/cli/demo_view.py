"""How the demo is watched: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import NamedTuple, Self

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from busline.cli.output import Output


class Counts(NamedTuple):
    """What is in the log now, in records; `invoicing` and `counting`: orders that the two services have behind them."""

    published: int
    invoiced: int
    letters: int
    invoicing: int
    counting: int


class View:
    """Shows counts as often as is useful where it is shown. interval: seconds."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._began = time.monotonic()
        self._shown: Counts | None = None
        self._live: Live | None = None
        self.interval = 0.1 if out.interactive else 1.0

    def __enter__(self) -> Self:
        self._out.note("three services of three teams, each a process, on one sqlite file")
        if self._out.interactive:
            self._live = Live(console=Console(stderr=True), refresh_per_second=10)
            self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._live:
            self._live.__exit__(kind, error, traceback)

    def show(self, counts: Counts) -> None:
        if self._live:
            self._live.update(_table(counts))
        elif counts != self._shown:
            seconds = time.monotonic() - self._began
            self._out.note(
                f"{seconds:4.1f} s  orders/checkout published {counts.published:,}; billing/invoicing sent "
                f"{counts.invoiced:,}, gave up on {counts.letters}; marketing/statistics counted {counts.counting:,}"
            )
        self._shown = counts


def _table(counts: Counts) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("service", "does", "", "handled", "dead letters"):
        table.add_column(title, justify="right" if title in ("handled", "dead letters") else "left")
    table.add_row("orders/checkout", "places orders", "", f"{counts.published:,}", "")
    for service, does, done, letters in (
        ("billing/invoicing", "sends invoices, with a flaky ledger", counts.invoicing, str(counts.letters)),
        ("marketing/statistics", "adds up what users buy", counts.counting, "0"),
    ):
        bar = ProgressBar(total=max(counts.published, 1), completed=done, width=30)
        table.add_row(service, does, bar, f"{done:,}", letters)
    return table
