"""SARIF 2.1.0 (OASIS), for code scanning: rules with their pages, results with places and lasting fingerprints."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Final
from urllib.parse import quote

from busline.cli.report.report import Report, message
from busline.contract.finding import Finding, Severity
from busline.contract.rules.catalogue import ALL_RULES
from busline.contract.rules.rule import Rule
from busline.governance.gate.baseline import fingerprint

_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVEL: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}


def sarif(report: Report) -> str:
    used = sorted({finding.rule for finding in report.findings})
    driver = {"name": "busline", "version": version("busline"), "rules": [_rule(ALL_RULES[rule]) for rule in used]}
    results = [_result(report, finding, used.index(finding.rule)) for finding in report.findings]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _rule(rule: Rule) -> dict[str, object]:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.reason},
        "fullDescription": {"text": rule.page.why},
        "help": {"text": rule.page.mend},
        "defaultConfiguration": {"level": _LEVEL[rule.severity]},
    }


def _result(report: Report, finding: Finding, index: int) -> dict[str, object]:
    place = {
        "artifactLocation": {"uri": quote(report.path_in_repository(finding))},
        "region": {"startLine": finding.line},
    }
    return {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": _LEVEL[finding.severity],
        "message": {"text": message(finding)},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"busline/v1": fingerprint(finding)},
    }
