"""How an audit says what it found: by the rule's own severity, with what was seen and whom to ask."""

from __future__ import annotations

from collections.abc import Iterable

from busline.contract.finding import Finding
from busline.contract.model import Source
from busline.contract.rules.catalogue import AUDIT_RULES
from busline.errors import BuslineError

MANY = 5


def found(rule: str, what: str, fix: str, *, at: tuple[str, int], seen: str = "", ask: str = "") -> Finding:
    """at: file and line. seen: the evidence, which may be another each time."""
    severity = AUDIT_RULES[rule].severity
    return Finding(file=at[0], line=at[1], what=what, fix=fix, rule=rule, severity=severity, evidence=seen, owner=ask)


def reason(error: BuslineError) -> str:
    """Why something could not be done, in one line."""
    return f"{error.what} ({error.why})" if error.why else error.what


def place_of(source: Source | None, otherwise: tuple[str, int]) -> tuple[str, int]:
    """File and line of what a file says; else where one would look for it."""
    return (source.file, source.line) if source else otherwise


def some(names: Iterable[object], many: int = MANY) -> str:
    """The first few of many, and how many more."""
    listed = [str(name) for name in names]
    rest = len(listed) - many
    return ", ".join(listed[:many]) + (f" and {rest:,} more" if rest > 0 else "")
