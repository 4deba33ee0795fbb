"""One thing that is wrong in a file, as a person would want to be told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """error: has to be mended. warning: should be; fails nothing by itself. note: told, and never counted."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, kw_only=True, order=True)
class Finding:
    """file: relative to the workspace. key: dotted path in the file, empty for the file itself. fix: how to mend it.

    rule: the id of the rule that found it, as `busline explain` takes it; `invalid` for what does not hold together.
    about: the contract, service or thing it is about, where the file's place in a workspace does not say so.
    evidence: what was seen, where it may be another each time; owner: whom to ask. Both are said by audits.
    """

    file: str
    line: int = 1
    key: str = ""
    what: str
    fix: str = ""
    rule: str = "invalid"
    severity: Severity = Severity.ERROR
    about: str = ""
    evidence: str = ""
    owner: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: {self.key}: " if self.key else f"{self.file}:{self.line}: "
        return place + self.what + (f". {self.fix}" if self.fix else "")
