"""A report for people: by contract, the gravest first, totals and the next step last."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Iterator
from itertools import groupby
from typing import Final

import click

from busline.cli.output import clean
from busline.cli.report.report import Report, counted, said, subject_of, summary
from busline.contract.finding import Finding, Severity

_COLOURS: Final = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}
_ORDER: Final = list(Severity)
_INDENT: Final = 10
_HEAD: Final = re.compile(r" *(\d+\. )?")
"""What stands before a recipe's words: the next lines begin below them."""


def text(report: Report) -> str:
    """On a terminal no word is cut at its edge; elsewhere a finding stays on its line, for programs to search."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    return "\n".join([*_groups(report, width), *(_wrapped(line, 2, width) for line in _ending(report))])


def _groups(report: Report, width: int | None) -> Iterator[str]:
    ordered = sorted(report.findings, key=lambda f: (subject_of(f), _ORDER.index(f.severity), f))
    for subject, findings in groupby(ordered, key=subject_of):
        yield click.style(clean(subject), bold=True)
        for finding in findings:
            yield from _lines(report, finding, width)
        if recipe := report.recipes.get(subject):
            for line in clean(recipe).split("\n"):
                head = _HEAD.match(line)
                yield _wrapped("  " + line, 2 + (head.end() if head else 0), width)
        yield ""


def _lines(report: Report, finding: Finding, width: int | None) -> Iterator[str]:
    grave = click.style(f"{finding.severity.value:<7}", fg=_COLOURS[finding.severity])
    shown = _wrapped(f"{' ' * _INDENT}{clean(said(finding))}  [{finding.rule}]", _INDENT, width)
    yield f"  {grave} {shown[_INDENT:]}"
    yield f"{' ' * _INDENT}{report.path(finding)}:{finding.line}"
    if finding.fix:
        yield _wrapped(f"{' ' * _INDENT}fix: {clean(finding.fix)}", _INDENT + 5, width)


def _wrapped(line: str, indent: int, width: int | None) -> str:
    if width is None or len(line) <= width:
        return line
    return textwrap.fill(
        line, max(width, 2 * indent), subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    )


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
