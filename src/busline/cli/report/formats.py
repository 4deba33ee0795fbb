"""The formats of a report by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

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
