"""Exceptions of busline.yaml: what they let be, those that have run out, and those that let nothing be."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator

from busline.contract.finding import Finding, Severity
from busline.contract.holdings import Waiver
from busline.names import Service

EXPIRED = "exception-expired"
UNUSED = "exception-unused"


def without_waived(
    findings: Iterable[Finding], waivers: Iterable[Waiver], service: Service, today: dt.date
) -> list[Finding]:
    """The findings that no valid exception lets be, with what is wrong with the exceptions themselves.

    An exception that has run out lets nothing be: what it was for is found again, beside it.
    """
    mine = [one for one in waivers if one.service == service]
    used: set[int] = set()
    left = []
    for finding in findings:
        fitting = [i for i, one in enumerate(mine) if one.rule == finding.rule and one.what == finding.key]
        used |= {*fitting}
        if all(mine[i].until < today for i in fitting):
            left.append(finding)
    return [*left, *_wrong(mine, used, today)]


def _wrong(mine: list[Waiver], used: set[int], today: dt.date) -> Iterator[Finding]:
    for index, one in enumerate(mine):
        about = f"the exception for {one.service} of {one.rule} ({one.what})"
        if one.until < today:
            what = f"{about} ran out on {one.until}: {one.why}"
            fix = "End the use, or agree on a later day with the owner." if index in used else "Remove it."
            yield _finding(one, what, fix, EXPIRED, Severity.ERROR)
        elif index not in used:
            yield _finding(one, f"{about} lets nothing be", "Remove it.", UNUSED, Severity.NOTE)


def _finding(one: Waiver, what: str, fix: str, rule: str, severity: Severity) -> Finding:
    place = one.source
    return Finding(file=place.file, line=place.line, key=one.what, what=what, fix=fix, rule=rule, severity=severity)
