"""Which commit a folder is at, read from git's own files: no git program is run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

_COMMIT: Final = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


def head_commit(path: Path) -> str | None:
    """HEAD's commit id (gitrepository-layout(5)), or None where there is no repository or no commit yet."""
    try:
        git = _git_dir(path.resolve())
        return _resolve(git) if git else None
    except (OSError, ValueError):
        return None


def _git_dir(path: Path) -> Path | None:
    for folder in (path, *path.parents):
        found = folder / ".git"
        if found.is_dir():
            return found
        if found.is_file():  # a worktree's or submodule's pointer
            return folder / found.read_text().removeprefix("gitdir:").strip()
    return None


def _resolve(git: Path) -> str | None:
    head = (git / "HEAD").read_text().strip()
    if not head.startswith("ref:"):
        return head if _COMMIT.fullmatch(head) else None
    ref = head.removeprefix("ref:").strip()
    common = git / "commondir"
    for place in (git, git / common.read_text().strip()) if common.is_file() else (git,):
        if (place / ref).is_file():
            return (place / ref).read_text().strip()
        packed = place / "packed-refs"
        lines = packed.read_text().splitlines() if packed.is_file() else []
        for commit, _, name in (line.partition(" ") for line in lines):
            if name == ref:
                return commit
    return None
