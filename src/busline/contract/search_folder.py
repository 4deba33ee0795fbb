"""A workspace's contracts as raw text, for a search: read, not parsed, and nothing is checked."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from busline.contract.search import Raw
from busline.contract.yaml_reader import read_bytes
from busline.errors import ContractError
from busline.names import ContractName

OWN: Final = Path(__file__).parent / "own"
"""busline's own contracts, in the same files."""


def raw_contracts(folder: Path) -> Iterator[Raw]:
    """Every contract with its current version, by name. Links are not followed."""
    for team in _folders(folder):
        for stream in _folders(team.path):
            try:
                name = ContractName(f"{team.name}.{stream.name}")
            except ContractError:
                continue
            files = _files(stream.path)
            yield Raw(name, _bytes(files.get("contract.yaml")), _bytes(files.get(f"{_current(files)}.avsc")))


def contract_names(folder: Path) -> Iterator[str]:
    """From the names of folders alone: for shells, which ask at every key."""
    for team in _folders(folder):
        yield from (f"{team.name}.{stream.name}" for stream in _folders(team.path))


def _folders(folder: Path | str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            inner = [e for e in found if not e.name.startswith(".") and e.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return sorted(inner, key=lambda entry: entry.name)


def _files(folder: str) -> dict[str, os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return {entry.name: entry for entry in found}
    except OSError:
        return {}


def _current(names: Iterable[str]) -> int:
    stems = (name.removesuffix(".avsc") for name in names if name.endswith(".avsc"))
    return max((int(stem) for stem in stems if stem.isascii() and stem.isdigit() and len(stem) < 6), default=0)


def _bytes(file: os.DirEntry[str] | None) -> bytes:
    data = read_bytes(file, file.name) if file else b""
    return data if isinstance(data, bytes) else b""
