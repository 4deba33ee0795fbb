"""The contract log's records compared: what would have to be written to bring it to what is wanted."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from typing import Any, Final

_TEAM_ENDS: Final = {"contract": ".", "version": ".", "service": "/", "team": "/"}


def content(value: bytes) -> dict[str, Any]:
    """What a record says, without the commit it came with: else every merge would rewrite the whole log."""
    loaded = json.loads(value)
    return {key: one for key, one in loaded.items() if key != "commit"} if isinstance(loaded, dict) else {"": loaded}


def team_of(key: bytes) -> str | None:
    """Whose record it is; None for a key of no kind that is known here."""
    kind, _, name = key.decode(errors="replace").partition("/")
    return name.partition(_TEAM_ENDS[kind])[0] if kind in _TEAM_ENDS else None


def changed_entries(wanted: Mapping[bytes, bytes], applied: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """The records that are new, or say something else."""
    return {key: value for key, value in wanted.items() if key not in applied or _differ(value, applied[key])}


def log_changes(
    wanted: Mapping[bytes, bytes],
    applied: Mapping[bytes, bytes],
    *,
    teams: Container[str],
    removed: Container[str] = (),
) -> dict[bytes, bytes | None]:
    """What is to be written where `wanted` is a whole workspace: changed records, and None for what is gone.

    Gone are services of the workspace's own `teams`: the log may be shared with other workspaces. Contracts and teams
    stay, as their records may still be in the topics; but everything of `removed` teams goes.
    """
    changes: dict[bytes, bytes | None] = {**changed_entries(wanted, applied)}
    for key in applied.keys() - wanted.keys():
        team = team_of(key)
        if team is not None and (team in removed or (team in teams and key.startswith(b"service/"))):
            changes[key] = None
    return dict(sorted(changes.items()))


def _differ(one: bytes, other: bytes) -> bool:
    return one != other and content(one) != content(other)
