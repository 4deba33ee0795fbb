"""What a check found, ready to be shown in any format."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from busline.contract.finding import Finding, Severity


@dataclass(frozen=True, kw_only=True)
class Report:
    """findings: new ones, with their lines. known: how many of the baseline are still there; gone: those that are not.

    folder: the workspace's, from where one stands; in_repository: from the repository's root, for code hosts' tools.
    looked_at: how many `things`; whole: all of them, in every part. notes: how the check was done. recipes: by
    contract, steps that hurt nobody. title: of what was done, in formats that name it.
    """

    findings: tuple[Finding, ...]
    folder: Path
    in_repository: Path
    looked_at: int
    things: str = "contract"
    whole: bool = False
    known: int = 0
    gone: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    recipes: Mapping[str, str] = field(default_factory=dict)
    title: str = "check"

    @property
    def counts(self) -> Counter[Severity]:
        return Counter(finding.severity for finding in self.findings)

    @property
    def failed(self) -> bool:
        return self.counts[Severity.ERROR] > 0

    def path(self, finding: Finding) -> str:
        return os.path.normpath(self.folder / finding.file)

    def path_in_repository(self, finding: Finding) -> str:
        return os.path.normpath(self.in_repository / finding.file)


def subject_of(finding: Finding) -> str:
    """What a finding is about, as people call it: a contract, a service, a team, or the file."""
    if finding.about:
        return finding.about
    parts = PurePosixPath(finding.file).parts
    if len(parts) == 3:
        return f"{parts[0]}.{parts[1]}"
    if len(parts) == 2 and parts[1].endswith(".service.yaml"):
        return f"{parts[0]}/{parts[1].removesuffix('.service.yaml')}"
    return f"team {parts[0]}" if len(parts) == 2 else finding.file


def said(finding: Finding) -> str:
    """What was found; for what a file does not hold, with the key: its words alone may say `unknown key`."""
    name = finding.key.rpartition(".")[2]
    return f"{finding.key}: {finding.what}" if finding.rule == "invalid" and name not in finding.what else finding.what


def message(finding: Finding) -> str:
    asked = f"Ask {finding.owner}" if finding.owner else ""
    return ". ".join(part for part in (said(finding), finding.evidence, asked, finding.fix) if part)


def counted(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def summary(report: Report) -> str:
    counts = report.counts
    said = ", ".join(counted(counts[severity], severity.value) for severity in Severity if counts[severity])
    known = f"; {counted(report.known, 'finding')} of the baseline left out" if report.known else ""
    return f"{said or 'no findings'} in {counted(report.looked_at, report.things)}{known}"
