"""The contract log's records compared: what would have to be written to bring it to what is wanted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def content(value: bytes) -> dict[str, Any]:
    """What a record says, without the commit it came with: else every merge would rewrite the whole log."""
    loaded = json.loads(value)
    return {key: one for key, one in loaded.items() if key != "commit"} if isinstance(loaded, dict) else {"": loaded}


def changed_entries(wanted: Mapping[bytes, bytes], applied: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """The records that are new, or say something else."""
    return {key: value for key, value in wanted.items() if key not in applied or _differ(value, applied[key])}


def log_changes(wanted: Mapping[bytes, bytes], applied: Mapping[bytes, bytes]) -> dict[bytes, bytes | None]:
    """What is to be written where `wanted` is a whole workspace: changed records, and None for services that are gone.

    Contracts and teams stay: their records may still be in the topics.
    """
    changes: dict[bytes, bytes | None] = {**changed_entries(wanted, applied)}
    return changes | {key: None for key in applied if key.startswith(b"service/") and key not in wanted}


def _differ(one: bytes, other: bytes) -> bool:
    return one != other and content(one) != content(other)
