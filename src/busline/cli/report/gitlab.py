"""GitLab's code quality report: https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format"""

from __future__ import annotations

import json
from typing import Final

from busline.cli.report.report import Report, message
from busline.contract.finding import Severity
from busline.governance.gate.baseline import fingerprint

_SEVERITY: Final = {Severity.ERROR: "critical", Severity.WARNING: "minor", Severity.NOTE: "info"}


def gitlab(report: Report) -> str:
    issues = [
        {
            "description": message(finding),
            "check_name": finding.rule,
            "fingerprint": fingerprint(finding),
            "severity": _SEVERITY[finding.severity],
            "location": {"path": report.path_in_repository(finding), "lines": {"begin": finding.line}},
        }
        for finding in report.findings
    ]
    return json.dumps(issues, indent=2)
