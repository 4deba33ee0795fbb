"""Annotations for GitHub Actions: workflow commands, one a finding, and the totals for the log.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

from typing import Final

from busline.cli.output import clean
from busline.cli.report.report import Report, message, subject_of, summary
from busline.contract.finding import Finding, Severity

_COMMAND: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def github(report: Report) -> str:
    return "\n".join([*(_annotation(report, one) for one in report.findings), *_recipes(report), summary(report)])


def _annotation(report: Report, finding: Finding) -> str:
    title = f"{subject_of(finding)}: {finding.rule}"
    where = f"file={_property(report.path_in_repository(finding))},line={finding.line},title={_property(title)}"
    return f"::{_COMMAND[finding.severity]} {where}::{_data(clean(message(finding)))}"


def _recipes(report: Report) -> list[str]:
    """Indented, so that no line of it can be taken for a command."""
    return ["  " + clean(recipe).replace("\n", "\n  ") for recipe in report.recipes.values()]


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
