"""One thing that is wrong in a file, as a person would want to be told."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, order=True)
class Finding:
    """file: relative to the workspace. key: dotted path in the file, empty for the file itself. fix: how to mend it."""

    file: str
    line: int = 1
    key: str = ""
    what: str
    fix: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}: {self.key}: " if self.key else f"{self.file}:{self.line}: "
        return place + self.what + (f". {self.fix}" if self.fix else "")
