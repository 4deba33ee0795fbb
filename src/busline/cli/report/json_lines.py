"""A report for programs: one finding a line, then one line of totals."""

from __future__ import annotations

from busline.cli.output import to_json
from busline.cli.report.report import Report, subject_of
from busline.contract.finding import Finding, Severity


def json_lines(report: Report) -> str:
    totals = {
        "summary": {
            **{f"{severity.value}s": report.counts[severity] for severity in Severity},
            f"{report.things}s": report.looked_at,
            "baseline": report.known,
            "gone": report.gone,
            "remarks": report.notes,
            "recipes": report.recipes,
        }
    }
    return "\n".join(to_json(one) for one in [*(_finding(report, one) for one in report.findings), totals])


def _finding(report: Report, finding: Finding) -> dict[str, object]:
    return {
        "about": subject_of(finding),
        "file": report.path(finding),
        "line": finding.line,
        "key": finding.key,
        "rule": finding.rule,
        "severity": finding.severity.value,
        "what": finding.what,
        "fix": finding.fix,
        **({"evidence": finding.evidence} if finding.evidence else {}),
        **({"owner": finding.owner} if finding.owner else {}),
    }
