"""The files of a service's folder: bounded, in order of names, never out of the folder, never a device."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from busline.contract.finding import Finding
from busline.contract.yaml_reader import read_bytes
from busline.governance.audit_code.sighting import Note
from busline.governance.audit_code.words import words

MAX_FILE: Final = 2 * 1024 * 1024
MAX_FILES: Final = 200_000
SKIPPED: Final = words(
    ".venv venv node_modules .git .hg .svn build dist __pycache__ .tox .nox .mypy_cache .pytest_cache .ruff_cache "
    ".eggs site-packages .idea .terraform"
)


@dataclass
class ServiceFolder:
    """links: symbolic links and where they lead; they are told and not followed."""

    path: Path
    notes: list[Note] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)

    def files(self) -> Iterator[tuple[str, Path]]:
        """Shown name and path of every file that may be of interest. Workspaces of contracts are left out."""
        stack, count = [("", self.path)], 0
        while stack:
            shown, folder = stack.pop()
            entries = self._list(shown, folder)
            names = {entry.name for entry in entries}
            if "pyvenv.cfg" in names or ("busline.yaml" in names and shown):
                continue
            for entry in entries:
                name = shown + entry.name
                if entry.is_symlink():
                    self._link(name, entry.path)
                elif entry.is_dir(follow_symlinks=False):
                    if entry.name not in SKIPPED and not entry.name.endswith(".egg-info"):
                        stack.append((name + "/", Path(entry.path)))
                elif entry.is_file(follow_symlinks=False):
                    count += 1
                    if count > MAX_FILES:
                        return self.notes.append(Note(".", 1, f"more than {MAX_FILES:,} files: the rest was left out"))
                    yield name, Path(entry.path)
        return None

    def read(self, shown: str, path: Path) -> bytes | None:
        """None, and a note, where it cannot be read or is too large."""
        data = read_bytes(path, shown, MAX_FILE)
        if isinstance(data, Finding):
            self.notes.append(Note(shown, 1, data.what))
            return None
        return data

    def _list(self, shown: str, folder: Path) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as found:
                return sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            self.notes.append(Note(shown or ".", 1, f"cannot be read: {error.strerror}"))
            return []

    def _link(self, shown: str, path: str) -> None:
        try:
            target = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(path)), os.readlink(path)))
        except OSError:
            return
        self.links.append((shown, target))
