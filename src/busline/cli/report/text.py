"""A report for people: by contract, the gravest first, totals and the next step last."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Final

import click

from busline.cli.output import clean, wrapped
from busline.cli.report.report import Report, counted, said, subject_of, summary
from busline.contract.finding import Finding, Severity

_COLOURS: Final = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}
_ORDER: Final = list(Severity)
_INDENT: Final = 10
_HEAD: Final = re.compile(r" *(\d+\. )?")
"""What stands before a recipe's words: the next lines begin below them."""


def text(report: Report) -> str:
    return "\n".join([*_groups(report), *(wrapped(line, 2) for line in _ending(report))])


def _groups(report: Report) -> Iterator[str]:
    ordered = sorted(report.findings, key=lambda f: (subject_of(f), _ORDER.index(f.severity), f))
    for subject, findings in groupby(ordered, key=subject_of):
        yield click.style(clean(subject), bold=True)
        for finding in findings:
            yield from _lines(report, finding)
        if recipe := report.recipes.get(subject):
            for line in clean(recipe).split("\n"):
                head = _HEAD.match(line)
                yield wrapped("  " + line, 2 + (head.end() if head else 0))
        yield ""


def _lines(report: Report, finding: Finding) -> Iterator[str]:
    grave = click.style(f"{finding.severity.value:<7}", fg=_COLOURS[finding.severity])
    shown = wrapped(f"{' ' * _INDENT}{clean(said(finding))}  [{finding.rule}]", _INDENT)
    yield f"  {grave} {shown[_INDENT:]}"
    yield f"{' ' * _INDENT}{report.path(finding)}:{finding.line}"
    if finding.evidence:
        yield wrapped(f"{' ' * _INDENT}seen: {clean(finding.evidence)}", _INDENT + 6)
    if finding.owner:
        yield f"{' ' * _INDENT}ask: {clean(finding.owner)}"
    if finding.fix:
        yield wrapped(f"{' ' * _INDENT}fix: {clean(finding.fix)}", _INDENT + 5)


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
