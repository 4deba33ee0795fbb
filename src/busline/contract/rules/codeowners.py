"""CODEOWNERS: which team folders have a line of their own (the syntax that GitHub and GitLab share)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from busline.names import Team

PLACES: Final = ("CODEOWNERS", ".github/CODEOWNERS", ".gitlab/CODEOWNERS", "docs/CODEOWNERS")
_MAX_BYTES: Final = 3 * 1024 * 1024
_SECTION: Final = re.compile(r"\^?\[[^\]]+\](?:\[\d+\])?(.*)")


@dataclass(frozen=True)
class CodeOwners:
    """file: where it is, from the repository's root; empty: there is none. folder: the workspace's, from there."""

    file: str
    folder: str
    owned: frozenset[str]

    def has(self, team: Team) -> bool:
        """A line names this folder, and an owner. A wildcard is nobody's own line."""
        return f"{self.folder}/{team}".strip("/") in self.owned

    def line(self, team: Team, owners: Sequence[str] = ()) -> str:
        path = "/".join(part for part in (self.folder, team) if part)
        return f"/{path}/ {' '.join(owners) or f'@YOUR-ORG/{team}'}"


def owners_of(workspace: Path) -> CodeOwners | None:
    """None outside a git repository: nobody reviews there."""
    root = repository_root(workspace)
    if root is None:
        return None
    found = next((place for place in PLACES if (root / place).is_file()), "")
    stamp = (root / found).stat().st_mtime_ns if found else 0
    folder = workspace.resolve().relative_to(root).as_posix().removeprefix(".")
    return _read(root, found, folder, stamp)


def repository_root(workspace: Path) -> Path | None:
    """The folder that holds `.git` (a file in worktrees and submodules), here or above."""
    path = workspace.resolve()
    return next((folder for folder in (path, *path.parents) if (folder / ".git").exists()), None)


@lru_cache(maxsize=8)
def _read(root: Path, file: str, folder: str, stamp: int) -> CodeOwners:
    if not file:
        return CodeOwners("", folder, frozenset())
    with (root / file).open("rb") as opened:
        text = opened.read(_MAX_BYTES).decode(errors="replace")
    return CodeOwners(file, folder, frozenset(_owned(text)))


def _owned(text: str) -> Iterator[str]:
    """The folders that a line with an owner names. The last line about a folder decides."""
    last: dict[str, bool] = {}
    default = False
    for line in text.splitlines():
        line = re.sub(r"(^|\s)#.*", "", line).strip()
        section = _SECTION.fullmatch(line)
        if section:
            default = bool(section[1].strip())
        elif line:
            pattern, *owners = re.split(r"(?<!\\)\s+", line)
            path = re.sub(r"/\*{1,2}$", "", pattern.replace("\\ ", " "))
            last[path.removeprefix("**/").strip("/")] = bool(owners) or default
    return (path for path, owned in last.items() if owned)
