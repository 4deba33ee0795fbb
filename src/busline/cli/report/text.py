"""A report for people: by contract, the gravest first, totals and the next step last."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Final

import click

from busline.cli.output import clean
from busline.cli.report.report import Report, counted, subject_of, summary
from busline.contract.finding import Finding, Severity

_COLOURS: Final = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}
_ORDER: Final = list(Severity)


def text(report: Report) -> str:
    return "\n".join([*_groups(report), *_ending(report)])


def _groups(report: Report) -> Iterator[str]:
    ordered = sorted(report.findings, key=lambda f: (subject_of(f), _ORDER.index(f.severity), f))
    for subject, findings in groupby(ordered, key=subject_of):
        yield click.style(clean(subject), bold=True)
        for finding in findings:
            yield from _lines(report, finding)
        if recipe := report.recipes.get(subject):
            yield "  " + clean(recipe).replace("\n", "\n  ")
        yield ""


def _lines(report: Report, finding: Finding) -> Iterator[str]:
    grave = click.style(f"{finding.severity.value:<7}", fg=_COLOURS[finding.severity])
    yield f"  {grave} {clean(finding.what)}  [{finding.rule}]"
    yield f"          {report.path(finding)}:{finding.line}"
    if finding.fix:
        yield f"          fix: {clean(finding.fix)}"


def _ending(report: Report) -> Iterator[str]:
    yield from (f"note: {note}" for note in report.notes)
    if report.gone:
        entries = counted(len(report.gone), "entry", "entries")
        yield f"{entries} of the baseline found no more; --write-baseline drops them:"
        yield from (f"  {clean(one)}" for one in report.gone)
    yield summary(report)
    worst = min(report.findings, key=lambda f: (_ORDER.index(f.severity), f), default=None)
    if worst and worst.severity is not Severity.NOTE:
        yield f"next: busline explain {worst.rule}"
