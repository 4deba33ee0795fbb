"""The baseline: findings that were there when a workspace began to be checked. Only new ones fail.

What may not be off in a file is in no baseline either: it would let a break pass without the word of who is hurt by it.

A finding is known again by its rule, its file, its key and its words, not by its line; and of a contract's versions any
counts as its schema, so that a new version does not bring all old findings back.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from busline.contract.finding import Finding, Severity
from busline.contract.rules.catalogue import RULES
from busline.errors import ConfigurationError

FILE: Final = ".busline-baseline.json"
_FORMAT: Final = 1
_VERSION_FILE: Final = re.compile(r"\d+\.avsc$")


def fingerprint(finding: Finding) -> str:
    parts = (finding.rule, _VERSION_FILE.sub("avsc", finding.file), finding.key, finding.what)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def may_stay(finding: Finding) -> bool:
    """Whether a baseline may hold it."""
    rule = RULES.get(finding.rule)
    return rule is not None and not rule.always


@dataclass(frozen=True)
class Baseline:
    """What is known, by fingerprint: one line for people each."""

    known: dict[str, str] = field(default_factory=dict)

    def new(self, findings: Iterable[Finding]) -> list[Finding]:
        return [one for one in findings if not may_stay(one) or fingerprint(one) not in self.known]

    def gone(self, findings: Iterable[Finding]) -> tuple[str, ...]:
        found = {fingerprint(finding) for finding in findings}
        return tuple(sorted(line for mark, line in self.known.items() if mark not in found))


def read_baseline(folder: Path) -> Baseline:
    """Empty where there is none. Raises ConfigurationError for one that cannot be read."""
    file = folder / FILE
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
        if value["format"] != _FORMAT:
            raise ValueError(f"format {value['format']!r}")
        return Baseline({str(one["fingerprint"]): str(one["finding"]) for one in value["findings"]})
    except FileNotFoundError:
        return Baseline()
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ConfigurationError(
            "the baseline cannot be read", where=str(file), why=str(error), fix="Write it anew: --write-baseline."
        ) from None


def baseline_text(findings: Iterable[Finding]) -> str:
    """The file's text: sorted, one finding a line, without notes, so that merges and diffs of it are readable.

    What may not stay is left out.
    """
    lines = sorted(
        {
            (f"{one.file}: {one.key}: {one.what} [{one.rule}]", fingerprint(one))
            for one in findings
            if one.severity is not Severity.NOTE and may_stay(one)
        }
    )
    entries = ",\n".join(
        "    " + json.dumps({"fingerprint": mark, "finding": line}, ensure_ascii=False) for line, mark in lines
    )
    return f'{{\n  "format": {_FORMAT},\n  "findings": [\n{entries}\n  ]\n}}\n'
