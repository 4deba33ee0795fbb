"""The formats of a report by name."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from busline.cli.output import Output
from busline.cli.report.github import github
from busline.cli.report.gitlab import gitlab
from busline.cli.report.json_lines import json_lines
from busline.cli.report.junit import junit
from busline.cli.report.report import Report
from busline.cli.report.sarif import sarif
from busline.cli.report.text import text

FORMATS: Final[dict[str, Callable[[Report], str]]] = {
    "text": text,
    "json": json_lines,
    "github": github,
    "gitlab": gitlab,
    "junit": junit,
    "sarif": sarif,
}


def in_format(report: Report, name: str | None, output: Output) -> str:
    """name None: JSON where it is asked for, annotations in GitHub Actions, else text."""
    if name is None:
        in_actions = os.environ.get("GITHUB_ACTIONS") == "true"
        name = "json" if output.as_json else "github" if in_actions else "text"
    return FORMATS[name](report)
