"""What a trap of evolution is, before it has a file and a version."""

from __future__ import annotations

from typing import NamedTuple

from busline.contract.finding import Severity


class Trap(NamedTuple):
    """path: the field's, in the newer version."""

    rule: str
    path: str
    what: str
    fix: str
    severity: Severity = Severity.WARNING
