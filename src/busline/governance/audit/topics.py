"""Topics without a contract, and topics that are kept otherwise than their contract says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from busline.contract.duration import duration_text
from busline.contract.finding import Finding
from busline.governance.audit.expected import Expected, busline_topics, internal
from busline.governance.audit.findings import found, some
from busline.governance.audit.seen import Seen
from busline.names import DEAD_LETTERS
from busline.transport.base import TopicSpec

_FIELDS: Final = ("partitions", "replicas", "compacted", "retention", "max_record", "append_time", "min_insync")
_WORDS: Final = {
    "partitions": "partitions",
    "replicas": "replicas",
    "compacted": "compaction",
    "retention": "retention",
    "max_record": "max record size",
    "append_time": "LogAppendTime",
    "min_insync": "min.insync.replicas",
}
_BY_HAND: Final = "Somebody set it by hand. `busline plan` shows what apply puts right."
_KIND: Final = "Set cleanup.policy back with kafka-configs: plan stops here, as a stream's kind never changes."


def topics_without_contract(expected: Expected, seen: Seen) -> Iterator[Finding]:
    known = set(busline_topics(expected.states))
    for name in sorted(seen.topics):
        if name in known or internal(name):
            continue
        letters = name.startswith(DEAD_LETTERS)
        what = f"topic {name} is the dead letters of no service" if letters else f"topic {name} has no contract"
        fix = (
            "Look at them, then delete the topic."
            if letters
            else "Write its contract (`busline adopt` does, for a stream in use), or delete the topic."
        )
        spec = seen.topics[name]
        yield found(
            "topic-without-contract",
            what,
            fix,
            at=expected.place_of_topic(name),
            seen=f"{spec.partitions} partitions; {_users_of(name, seen)}",
            ask=expected.owner_of_topic(name),
        )


def _users_of(topic: str, seen: Seen) -> str:
    """Who has a right on it, and which groups read it."""
    users = sorted({acl.principal for acl in seen.acls if acl.name == topic})
    groups = sorted(group for group, at in seen.committed.items() if any(t == topic for t, _ in at))
    parts = [f"rights of {some(users)}" if users else "", f"read by group {some(groups)}" if groups else ""]
    named = ", ".join(part for part in parts if part) or "no rights and no groups name it"
    return f"{named}; written by {seen.who(topic, 'WRITE', 'TOPIC')}"


def settings_that_differ(expected: Expected, seen: Seen) -> Iterator[Finding]:
    """A setting as it was applied is right, too: the merged one comes with the next apply."""
    names = sorted({name for state in expected.states for name in state.topics if name in seen.topics})
    for name in names:
        wanted = [state.topics[name] for state in expected.states if name in state.topics]
        raw = seen.settings.get(name, {})
        differs = [*_different(wanted, seen.topics[name], raw), *_by_size(raw)]
        for what in differs:
            yield found(
                "settings-differ",
                f"topic {name}: {what}",
                _KIND if what.startswith(_WORDS["compacted"]) else _BY_HAND,
                at=expected.place_of_topic(name),
                ask=expected.owner_of_topic(name),
            )


def _different(wanted: list[TopicSpec], there: TopicSpec, raw: Mapping[str, str]) -> Iterator[str]:
    for field in _FIELDS:
        values = [getattr(spec, field) for spec in wanted]
        live = getattr(there, field)
        if field == "retention" and there.compacted:
            continue
        if field in ("replicas", "min_insync"):
            values = [value for value in values if value is not None]
            if not values or live is None:
                continue
        if live not in values:
            yield f"{_WORDS[field]} is {_said(field, live)}, the contract says {_said(field, values[0])}"
    policy = raw.get("cleanup.policy", "")
    if there.compacted and wanted[0].compacted and "delete" in policy:
        yield f"cleanup.policy is {policy}, the contract says compact"


def _said(field: str, value: object) -> str:
    if field == "retention":
        return duration_text(value if isinstance(value, int) else None)
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


def _by_size(raw: Mapping[str, str]) -> Iterator[str]:
    limit = raw.get("retention.bytes", "-1")
    if limit != "-1":
        yield f"retention.bytes is {limit}, which removes records by size, whatever the contract's retention says"
