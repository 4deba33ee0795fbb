"""A workspace as it would be with some files written: checked before anything is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from busline.contract.finding import Finding
from busline.contract.folder import Entry, Folder, Listed
from busline.contract.workspace import read
from busline.contract.yaml_reader import MAX_BYTES


def findings_with(path: Path, texts: Mapping[str, str]) -> list[Finding]:
    """What would be wrong with the workspace, which need not be there yet. texts: by path in it, with slashes."""
    return read(OverlaidFolder(path, texts=texts))


@dataclass(frozen=True)
class _Made:
    """An entry that is not on the disk."""

    path: str
    folder: bool

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name

    def is_dir(self) -> bool:
        return self.folder

    def __fspath__(self) -> str:
        return self.path


@dataclass
class OverlaidFolder(Folder):
    """texts: they stand in place of what is on the disk, or beside it."""

    texts: Mapping[str, str] = field(default_factory=dict)

    def _is_there(self) -> bool:
        return bool(self.texts) or super()._is_there()

    def _list(self, folder: str, shown: str) -> Listed:
        listed: dict[str, Entry | None] = {**super()._list(folder, shown)} if Path(folder).is_dir() else {}
        for path in self.texts:
            if path.startswith(shown):
                name, inner, _ = path.removeprefix(shown).partition("/")
                if not inner or name not in listed:
                    listed[name] = _Made(f"{folder}/{name}", bool(inner))
        return dict(sorted(listed.items()))

    def _bytes(self, entry: Entry, shown: str, limit: int = MAX_BYTES) -> bytes | Finding:
        text = self.texts.get(shown)
        return super()._bytes(entry, shown, limit) if text is None else text.encode()
