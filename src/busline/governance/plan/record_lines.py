"""The contract log's changes as lines of a plan, and which of them change nothing for anybody."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from busline.contract.duration import duration_text
from busline.contract.entry_changes import about_of, content, team_of, version_of
from busline.governance.state.applied import Applied
from busline.governance.state.change import Change
from busline.governance.state.goal import Goal
from busline.governance.state.topics import was_before
from busline.names import ContractName, Service, Team

_SHOWN: Final = 60


def record_lines(
    records: Mapping[bytes, bytes | None], applied: Mapping[bytes, bytes], sources: Mapping[str, str]
) -> Iterator[tuple[bytes, Change]]:
    """By the record's key; of a changed record one line a part of it."""
    for key, value in records.items():
        about, version = about_of(key), version_of(key)
        what = f"version {version[1]}" if version else key.decode().partition("/")[0]
        why = sources.get(about, "")
        if value is None:
            yield key, Change(about, "-", what)
        elif key not in applied:
            yield key, Change(about, "+", what, why=why)
        else:
            for part, old, new in _differences(content(applied[key]), content(value)):
                yield key, Change(about, "~", f"{what}: {part}", old, new, why)


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], inside: str = "") -> Iterator[tuple[str, str, str]]:
    """Parts that differ, of settings with parts each part: `storage.retention`."""
    for part in sorted(part for part in old.keys() | new.keys() if old.get(part) != new.get(part)):
        one, other = old.get(part), new.get(part)
        if part == "storage" and not inside:
            yield from _differences(one or {}, other or {}, f"{part}.")
        else:
            yield f"{inside}{part}", _short(old, part), _short(new, part)


def moved(records: Mapping[bytes, bytes | None], applied: Mapping[bytes, bytes]) -> set[bytes]:
    """Records that say what they said, of lines that stand elsewhere in their files by now."""
    return {
        key
        for key, value in records.items()
        if value is not None
        and key in applied
        and _without_places(content(value)) == _without_places(content(applied[key]))
    }


def _without_places(value: Any) -> Any:
    match value:
        case dict():
            return {key: _without_places(one) for key, one in value.items() if key != "source"}
        case list():
            return [_without_places(one) for one in value]
    return value


def taken_over(goal: Goal, applied: Applied, records: Collection[bytes], busy: Collection[str]) -> set[bytes]:
    """Records of streams and services that were there before, and that apply only writes down. busy: contracts,
    services and users of which something else changes."""
    found = set()
    for key in records:
        kind, about = key.decode().partition("/")[0], about_of(key)
        if key in applied.entries or about in busy:
            continue
        if kind in ("contract", "version"):
            contract = goal.published[ContractName(about)]
            if was_before(contract) or (contract.topic in applied.topics and _is_adopted(contract.owner, goal)):
                found.add(key)
        elif kind == "service":
            user = goal.services[Service(about)].kafka_user
            if user and user not in busy:
                found.add(key)
    rest = {team_of(key) for key in set(records) - found if not key.startswith(b"team/")}
    found |= {
        key
        for key in records
        if key.startswith(b"team/") and key not in applied.entries and found and team_of(key) not in rest
    }
    return found


def _is_adopted(team: Team, goal: Goal) -> bool:
    """As adopt writes it: without a user for its persons."""
    return team in goal.teams and not goal.teams[team].people


def _short(values: Mapping[str, Any], part: str) -> str:
    """Nothing where one side has no such part."""
    if part not in values:
        return ""
    value = values[part]
    text = duration_text(value) if part == "retention" else _spoken(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _spoken(value: Any) -> str:
    """JSON as one reads it: `billing/invoicing, everyone (read_only)`; where in a file something stands is left out."""
    match value:
        case None:
            return ""
        case dict():
            first, *rest = [(key, one) for key, one in value.items() if key != "source"] or [("", "")]
            more = ", ".join(key if one is True else f"{key} {_spoken(one)}" for key, one in rest)
            return f"{_spoken(first[1])} ({more})" if more else _spoken(first[1])
        case list():
            return ", ".join(map(_spoken, value))
        case str():
            return value
    return json.dumps(value)
