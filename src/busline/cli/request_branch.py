"""One file's change as a commit on a branch of its own: the work tree and the index stay as they are."""

from __future__ import annotations

import os
import subprocess
import tempfile
from enum import Enum
from pathlib import Path

from busline.errors import ConfigurationError
from busline.names import ContractName, Service


class Branch(Enum):
    """A branch as HEAD sees it. MERGED: HEAD has all of it."""

    NONE = "none"
    OPEN = "open"
    MERGED = "merged"


def branch_name(contract: ContractName, who: Service) -> str:
    return f"request/{contract}/{who.replace('/', '-')}"


def committed_text(file: Path) -> str:
    """As HEAD has it. Raises ConfigurationError where it is in no commit."""
    return _git(file.parent, "show", f"HEAD:./{file.name}")


def commit_on_branch(file: Path, text: str, branch: str, message: str) -> None:
    """A branch from HEAD with this one file changed, in place of one that is merged.

    Raises ConfigurationError where one is there that is not merged.
    """
    folder = file.parent
    if find_branch(folder, branch) is Branch.OPEN:
        fix = f"See to its merge; once it is merged, or refused: git branch -D {branch}"
        raise ConfigurationError(f"the branch {branch} is there already", fix=fix)
    path = _git(folder, "ls-files", "--full-name", "--", file.name).strip()
    with tempfile.TemporaryDirectory() as scratch:
        index = {"GIT_INDEX_FILE": f"{scratch}/index"}
        _git(folder, "read-tree", "HEAD", **index)
        blob = _git(folder, "hash-object", "-w", "--stdin", given=text).strip()
        _git(folder, "update-index", "--cacheinfo", f"100644,{blob},{path}", **index)
        tree = _git(folder, "write-tree", **index).strip()
    commit = _git(folder, "commit-tree", tree, "-p", "HEAD", given=message).strip()
    _git(folder, "branch", "--force", "--no-track", branch, commit)


def find_branch(folder: Path, branch: str) -> Branch:
    """NONE also where there is no git."""
    ref = f"refs/heads/{branch}"
    try:
        if not _git(folder, "for-each-ref", "--format=%(refname)", ref).strip():
            return Branch.NONE
        return Branch.OPEN if _git(folder, "rev-list", "-1", ref, "--not", "HEAD").strip() else Branch.MERGED
    except ConfigurationError:
        return Branch.NONE


def _git(folder: Path, *args: str, given: str | None = None, **environ: str) -> str:
    try:
        done = subprocess.run(
            ["git", *args],
            cwd=folder,
            input=(given or "").encode(),
            capture_output=True,
            env=os.environ | environ,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigurationError("git cannot be run", why=str(error), fix="Leave --branch away.") from None
    if done.returncode:
        why = done.stderr.decode(errors="replace").strip()
        raise ConfigurationError(f"git {args[0]} failed", where=str(folder), why=why, fix="Leave --branch away.")
    return done.stdout.decode()
