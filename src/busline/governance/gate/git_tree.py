"""A folder as git knows it at some commit: asked of the git program, read without touching the work tree.

git is only asked: nothing is fetched, checked out or written to the repository. Blob ids tell which files changed, so
that a check costs what changed and not what there is.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from busline.errors import ConfigurationError

_OPTIONS: Final = (
    "--no-optional-locks",
    "--literal-pathspecs",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.quotepath=off",
)
_REGULAR: Final = ("100644", "100755")
_LIMIT: Final = 256 * 1024 * 1024
"""Bytes of all files that are read of one commit."""


@dataclass(frozen=True)
class GitTree:
    """A folder within a repository. prefix: of the folder, from the repository's root, with a slash; may be empty."""

    folder: Path
    prefix: str

    @classmethod
    async def around(cls, folder: Path) -> GitTree | None:
        """None where there is no repository, no git program, or no commit yet."""
        try:
            code, out, _ = await _run(folder, "rev-parse", "--verify", "--quiet", "HEAD^{commit}")
            if code:
                return None
            code, out, _ = await _run(folder, "rev-parse", "--show-prefix")
        except OSError:
            return None
        return None if code else cls(folder, out.decode().rstrip("\n"))

    async def commit(self, ref: str) -> str | None:
        """The commit that a ref, tag or id names; None: there is none."""
        if ref.startswith("-"):
            return None
        code, out, _ = await _run(
            self.folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}"
        )
        return None if code else out.decode().strip()

    async def merge_base(self, commit: str) -> str | None:
        """Where HEAD left that commit's line; None where they have nothing in common (a shallow clone)."""
        code, out, _ = await _run(self.folder, "merge-base", "HEAD", commit)
        return None if code else out.decode().split("\n")[0]

    async def blobs(self, commit: str) -> dict[str, str]:
        """Blob ids of the folder's regular files at a commit, by path in the folder."""
        out = await self._asked(
            "ls-tree", "-r", "-z", "--full-tree", commit, "--", *([self.prefix] if self.prefix else [])
        )
        found: dict[str, str] = {}
        for line in out.decode(errors="surrogateescape").split("\0"):
            head, _, path = line.partition("\t")
            mode, *rest = head.split(" ")
            if mode in _REGULAR and _is_plain(path):
                found[path.removeprefix(self.prefix)] = rest[-1]
        return found

    async def changed(self, commit: str) -> set[str]:
        """Paths in the folder that are not as they were at a commit: edited, added (also untracked), removed."""
        spec = ["--", self.prefix or "."] if self.prefix else []
        differ, other = await asyncio.gather(
            self._asked("diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", commit, *spec, top=True),
            self._asked("ls-files", "--others", "-z", "--full-name", *spec, top=True),
        )
        paths = (differ + other).decode(errors="surrogateescape").split("\0")
        return {path.removeprefix(self.prefix) for path in paths if path}

    async def extract(self, blobs: Mapping[str, str], into: Path) -> None:
        """Write these files, by path in the folder, as they are in git."""
        for path, data in (await self.read(blobs)).items():
            file = into / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)

    async def read(self, blobs: Mapping[str, str]) -> dict[str, bytes]:
        names = "".join(f"{blob}\n" for blob in blobs.values()).encode()
        out = await self._asked("cat-file", "--batch", given=names)
        found, at = {}, 0
        for path in blobs:
            end = out.index(b"\n", at)
            size = int(out[at:end].split(b" ")[2])
            found[path] = out[end + 1 : end + 1 + size]
            at = end + size + 2
        return found

    async def _asked(self, *args: str, given: bytes | None = None, top: bool = False) -> bytes:
        folder = self.folder.joinpath(*([".."] * len(PurePosixPath(self.prefix).parts))) if top else self.folder
        code, out, err = await _run(folder, *args, given=given)
        if code:
            why = err.decode(errors="replace").strip()
            raise ConfigurationError(f"git {args[0]} failed", where=str(self.folder), why=why)
        if len(out) > _LIMIT:
            raise ConfigurationError(f"git {args[0]} gives {len(out):,} bytes", where=str(self.folder))
        return out


async def _run(folder: Path, *args: str, given: bytes | None = None) -> tuple[int, bytes, bytes]:
    environment = {name: value for name, value in os.environ.items() if name not in ("GIT_DIR", "GIT_WORK_TREE")}
    process = await asyncio.create_subprocess_exec(
        "git",
        *_OPTIONS,
        *args,
        cwd=folder,
        env={**environment, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"},
        stdin=asyncio.subprocess.PIPE if given is not None else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await process.communicate(given)
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    return process.returncode or 0, out, err


def _is_plain(path: str) -> bool:
    """A hostile tree may name places above it."""
    return bool(path) and not path.startswith("/") and not {"..", ".", ""} & set(path.split("/"))
