"""A workspace's contracts as raw text, for a search: read, not parsed, and nothing is checked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from busline.contract.search import Raw
from busline.contract.yaml_reader import MAX_BYTES
from busline.errors import ContractError
from busline.names import ContractName


def raw_contracts(folder: Path) -> Iterator[Raw]:
    """Every contract with its current version, by name. Links are not followed."""
    for team in _folders(folder):
        for stream in _folders(team.path):
            try:
                name = ContractName(f"{team.name}.{stream.name}")
            except ContractError:
                continue
            current = f"{stream.path}/{_current(stream.path)}.avsc"
            yield Raw(name, _bytes(f"{stream.path}/contract.yaml"), _bytes(current))


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


def _current(folder: str) -> int:
    stems = (name.removesuffix(".avsc") for name in os.listdir(folder) if name.endswith(".avsc"))
    return max((int(stem) for stem in stems if stem.isascii() and stem.isdigit() and len(stem) < 6), default=0)


def _bytes(path: str) -> bytes:
    """Without Python's buffers, which cost more than these small files."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return b""
    try:
        return os.read(descriptor, MAX_BYTES)
    except OSError:
        return b""
    finally:
        os.close(descriptor)
