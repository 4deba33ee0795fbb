"""What was seen at a place of the service's folder, before and after it is judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from busline.contract.finding import Severity
from busline.governance.audit_code.territory import Hit

RAW: Final = "raw-client"
UNREAD: Final = "not-looked-at"


@dataclass(frozen=True, order=True)
class Sighting:
    """A way around, at a place. evidence: as it may be shown, without secrets."""

    file: str
    line: int
    evidence: str
    hit: Hit
    severity: Severity = Severity.ERROR


@dataclass(frozen=True, order=True)
class Note:
    """What was not looked at, and why."""

    file: str
    line: int
    what: str
