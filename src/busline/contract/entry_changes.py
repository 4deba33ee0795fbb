"""The contract log's records compared: what would have to be written to bring it to what is wanted."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Mapping
from typing import Any, Final

from busline.errors import ContractError
from busline.names import ContractName

_COMMIT: Final = re.compile(rb'(?<=^\{"v":1),"commit":"[^"\\]*"')
_REGISTRY_ID: Final = b',"registry_id":'
_TEAM_ENDS: Final = {"contract": ".", "version": ".", "service": "/", "team": "/"}


def content(value: bytes) -> dict[str, Any]:
    """What a record says, without the commit it came with: else every merge would rewrite the whole log."""
    loaded = json.loads(value)
    return {key: one for key, one in loaded.items() if key != "commit"} if isinstance(loaded, dict) else {"": loaded}


def team_of(key: bytes) -> str | None:
    """Whose record it is; None for a key of no kind that is known here."""
    kind, _, name = key.decode(errors="replace").partition("/")
    return name.partition(_TEAM_ENDS[kind])[0] if kind in _TEAM_ENDS else None


def about_of(key: bytes) -> str:
    """The contract's, service's or team's name; a version is about its contract."""
    kind, _, name = key.decode(errors="replace").partition("/")
    return name.rpartition("/")[0] if kind == "version" else name


def version_of(key: bytes) -> tuple[ContractName, int] | None:
    """Of a version's record: its contract and number."""
    kind, _, rest = key.decode(errors="replace").partition("/")
    name, _, number = rest.partition("/")
    try:
        return (ContractName(name), int(number)) if kind == "version" else None
    except (ContractError, ValueError):
        return None


def registry_id(value: bytes) -> int | None:
    """Of a version's record, without a look at its schema."""
    if _REGISTRY_ID not in value:
        return None
    number = value[value.rindex(_REGISTRY_ID) + len(_REGISTRY_ID) : -1]
    if number.isdigit():  # where our own writer puts it
        return int(number)
    said = content(value).get("registry_id")
    return said if isinstance(said, int) else None


def changed_entries(wanted: Mapping[bytes, bytes], applied: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """The records that are new, or say something else."""
    return {key: value for key, value in wanted.items() if key not in applied or not same(value, applied[key])}


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


def same(one: bytes, other: bytes) -> bool:
    """Whether two records say the same, the commit apart. Those of one writer differ in nothing else, and are quick."""
    return one == other or _bare(one) == _bare(other) or content(one) == content(other)


def _bare(value: bytes) -> bytes:
    return _COMMIT.sub(b"", value, count=1)
