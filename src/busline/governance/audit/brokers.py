"""The brokers' own settings: what would let somebody in, or lose what is promised."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Final

from busline.contract.duration import duration_text
from busline.contract.finding import Finding
from busline.contract.model import Kind
from busline.governance.audit.expected import PLATFORM, Expected
from busline.governance.audit.findings import found, some
from busline.governance.audit.listeners import listeners_of
from busline.governance.audit.seen import Seen

HOUR: Final = 3_600_000
_REAUTH: Final = "connections.max.reauth.ms"
_UNCLEAN: Final = "unclean.leader.election.enable"
_OFFSETS: Final = "offsets.retention.minutes"


def broker_settings(expected: Expected, seen: Seen) -> Iterator[Finding]:
    at, ask = expected.place, PLATFORM
    if seen.guarded is False:
        fix = "Turn it on: docs/platform.md says how, without stopping anybody."
        yield found(
            "no-authorizer", "the brokers have no authorizer: every client may do everything", fix, at=at, ask=ask
        )
    if on := _brokers(seen, "auto.create.topics.enable", "true"):
        fix = "Set auto.create.topics.enable=false in server.properties, and restart the brokers one by one."
        yield found("auto-creation", f"topics come into being by themselves on {on}", fix, at=at, ask=ask)
    if on := _brokers(seen, _UNCLEAN, "true"):
        fix = f"Set {_UNCLEAN}=false."
        yield found("unclean-election", f"a replica that lacks records may lead on {on}", fix, at=at, ask=ask)
    else:
        yield from _unclean_topics(expected, seen)
    yield from _reauthentication(expected, seen)
    yield from _positions(expected, seen)


def _brokers(seen: Seen, setting: str, value: str) -> str:
    """Those that have it so, in words; empty: none."""
    having = [number for number, settings in sorted(seen.brokers.items()) if settings.get(setting) == value]
    return f"broker {some(having)}" if having else ""


def _unclean_topics(expected: Expected, seen: Seen) -> Iterator[Finding]:
    for name, settings in sorted(seen.settings.items()):
        if settings.get(_UNCLEAN) == "true" and expected.contract_of(name) is not None:
            yield found(
                "unclean-election",
                f"topic {name}: a replica that lacks records may lead",
                f"Delete {_UNCLEAN} from the topic's settings.",
                at=expected.place_of_topic(name),
                ask=expected.owner_of_topic(name),
            )


def _reauthentication(expected: Expected, seen: Seen) -> Iterator[Finding]:
    """By listener and mechanism, the narrowest setting that there is (KIP-368)."""
    wrong: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for number, settings in sorted(seen.brokers.items()):
        for listener in listeners_of(number, settings):
            for mechanism in listener.mechanisms:
                value = reauthentication(settings, listener.name, mechanism)
                if value is not None and not 0 < value <= HOUR:
                    said = "never" if value == 0 else f"after {duration_text(value)}"
                    wrong[f"{listener.name}, {mechanism}", said].append(number)
    if not wrong:
        return
    yield found(
        "reauthentication",
        "who is connected is not asked again within the hour: a deleted user stays in",
        f"Set {_REAUTH}=3600000 or less in server.properties, and restart the brokers one by one.",
        at=expected.place,
        seen="; ".join(f"{what}: {said} (broker {some(brokers)})" for (what, said), brokers in sorted(wrong.items())),
        ask=PLATFORM,
    )


def reauthentication(settings: Mapping[str, str], listener: str, mechanism: str) -> int | None:
    """Milliseconds; 0: never; None: the broker does not say."""
    own = f"listener.name.{listener.lower()}"
    for key in (f"{own}.{mechanism.lower()}.{_REAUTH}", f"{own}.{_REAUTH}", _REAUTH):
        value = settings.get(key)
        if value is not None and value.lstrip("-").isdigit():
            return int(value)
    return None


def _positions(expected: Expected, seen: Seen) -> Iterator[Finding]:
    """Of streams that a group reads; those that are kept for ever cannot be matched by any setting."""
    read = {use.contract for state in expected.states for one in state.services.values() for use in one.subscribes}
    kept = {
        name: c.storage.retention for name, c in expected.contracts.items() if c.kind is Kind.EVENT and name in read
    }
    finite = {name: value for name, value in kept.items() if value is not None}
    minutes = {n: int(v) for n, s in seen.brokers.items() if (v := s.get(_OFFSETS, "")).isdigit()}
    if not finite or not minutes:
        return
    least, longest = min(minutes.values()) * 60_000, max(finite, key=lambda name: finite[name])
    if least < finite[longest]:
        yield found(
            "offsets-retention",
            f"positions are kept {duration_text(least)}, events of {longest} {duration_text(finite[longest])}",
            f"Set {_OFFSETS}={finite[longest] // 60_000} or more in server.properties.",
            at=expected.place,
            seen="a group that was stopped for longer handles everything again",
            ask=PLATFORM,
        )
