"""Rights that nobody used for many days, as far as anybody can know.

A subscription's use is seen in its groups' positions: no commit has a time, but the log has, so a position behind a
record that is older than the window has not moved since. A publisher's use is seen in the authorizer's log alone,
where it tells what was allowed and reaches back so far; without it, only a topic that nobody wrote to tells something.
What cannot be known is counted, and never told as unused. Nothing is told of what was applied within the window.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from busline.bus.stretch import read_kept
from busline.contract.finding import Finding
from busline.contract.model import EVERYONE, Contract, ServiceSpec
from busline.errors import BuslineError
from busline.governance.audit.authorizer_log import AuthorizerLog, Use
from busline.governance.audit.expected import Expected
from busline.governance.audit.findings import found, place_of, some
from busline.governance.audit.samples import TOPICS_AT_ONCE, Open
from busline.governance.audit.seen import Seen
from busline.governance.readers.running import parse_group
from busline.names import CONTRACT_LOG, PEOPLE, ContractName, Service
from busline.transport.base import Bounds, Seekable, Transport
from busline.transport.guard import USER


class Window(NamedTuple):
    """A topic's partitions: what is kept, and the first offset that was written within the window."""

    bounds: Mapping[int, Bounds]
    begins: Mapping[int, int]

    @property
    def silent(self) -> bool:
        """Nobody wrote within the window."""
        return all(self.begins[p] >= bounds.next for p, bounds in self.bounds.items())


@dataclass(frozen=True, kw_only=True)
class Unused:
    """unknown: uses of which nothing can be known, in words."""

    findings: list[Finding] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Looking:
    """since: when the window begins. applied: when each record of the contract log was written."""

    expected: Expected
    seen: Seen
    since: dt.datetime
    days: int
    log: AuthorizerLog | None = None
    applied: Mapping[str, dt.datetime] = field(default_factory=dict)

    def is_old(self, key: str) -> bool:
        """Applied before the window begins."""
        return (at := self.applied.get(key)) is not None and at < self.since

    @property
    def log_reaches(self) -> bool:
        log = self.log
        return log is not None and log.allowed and log.since is not None and log.since <= self.since

    def was_logged(self, user: str, operation: str, topic: str) -> bool:
        times = self.log.used.get(Use(USER + user, operation, topic)) if self.log else None
        return times is not None and times.last >= self.since


async def find_unused(asked: Looking, engine: Transport, open_: Open) -> Unused:
    """Raises what reading the contract log raises."""
    if not isinstance(engine, Seekable):
        return Unused()
    looking = replace(asked, applied=await _applied_at(engine))
    old = [spec for spec in looking.expected.merged.services.values() if looking.is_old(f"service/{spec.name}")]
    topics = {contract.topic for spec in old for contract in _used_contracts(spec, looking.expected)}
    windows = await _windows(sorted(topics & looking.seen.topics.keys()), looking.since, open_)
    unused = Unused()
    for spec in old:
        _subscriptions(spec, looking, windows, unused)
        _publications(spec, looking, windows, unused)
    unused.findings.extend(_undeclared_grants(looking))
    return unused


async def _applied_at(engine: Seekable) -> dict[str, dt.datetime]:
    found_at: dict[str, dt.datetime] = {}
    async with contextlib.aclosing(read_kept(engine, CONTRACT_LOG)) as records:
        async for record in records:
            at = dt.datetime.fromtimestamp(record.timestamp / 1000, dt.UTC)
            found_at[(record.key or b"").decode(errors="replace")] = at
    return found_at


def _used_contracts(spec: ServiceSpec, expected: Expected) -> Iterator[Contract]:
    names = [*(use.contract for use in spec.subscribes), *(use.contract for use in spec.publishes)]
    yield from (expected.contracts[name] for name in names if name in expected.contracts)


async def _windows(topics: Sequence[str], since: dt.datetime, open_: Open) -> dict[str, Window]:
    """Topics that cannot be asked are left out: nothing is known of them."""
    found_in: dict[str, Window] = {}
    stamp = int(since.timestamp() * 1000)

    for at in range(0, len(topics), TOPICS_AT_ONCE):
        async with open_() as engine:
            assert isinstance(engine, Seekable)
            for name in topics[at : at + TOPICS_AT_ONCE]:
                with contextlib.suppress(BuslineError):
                    found_in[name] = Window(await engine.bounds(name), await engine.at_time(name, stamp))
    return found_in


def _subscriptions(spec: ServiceSpec, looking: Looking, windows: Mapping[str, Window], unused: Unused) -> None:
    applied = looking.expected.applied.services.get(spec.name)
    for use in spec.subscribes:
        contract = looking.expected.contracts.get(use.contract)
        window = windows.get(contract.topic) if contract else None
        if contract is None or window is None or applied is None or applied.subscription(use.contract) is None:
            continue
        still = _stands_still(spec, contract.topic, looking.seen, window)
        if still is None:
            unused.unknown.append(f"{spec.name} subscribes to {contract.name}")
        elif still:
            place = place_of(use.source, looking.expected.place_of_service(spec.name))
            unused.findings.append(_finding(looking, spec.name, contract.name, "handled", still, place))


def _stands_still(spec: ServiceSpec, topic: str, seen: Seen, window: Window) -> str | None:
    """Why it is known to be unused; empty: it is used; None: nobody can know."""
    groups = [name for name in {*seen.groups, *seen.committed} if _is_of(name, spec)]
    for name in groups:
        detail = seen.groups.get(name)
        if detail and any(topic in member.topics for member in detail.members):
            return ""
    positions = [
        (partition, at.next)
        for name in groups
        for (of, partition), at in seen.committed.get(name, {}).items()
        if of == topic and partition in window.bounds
    ]
    if not positions:
        return "no group of it has a position there, and none is connected"
    if any(next_ > window.begins[partition] for partition, next_ in positions):
        return ""
    behind = [partition for partition, next_ in positions if next_ < window.begins[partition]]
    return f"its positions stand before records of then, in partition {some(sorted(behind))}" if behind else None


def _is_of(group: str, spec: ServiceSpec) -> bool:
    if group in spec.kafka_groups:
        return True
    known = parse_group(group)
    return known is not None and known[0] == spec.name and "/~" not in group


def _publications(spec: ServiceSpec, looking: Looking, windows: Mapping[str, Window], unused: Unused) -> None:
    for use in spec.publishes:
        contract = looking.expected.contracts.get(use.contract)
        window = windows.get(contract.topic) if contract else None
        if contract is None or window is None or looking.was_logged(spec.user, "WRITE", contract.topic):
            continue
        if window.silent:
            why = "nobody wrote to its topic"
        elif looking.log_reaches:
            why = "the authorizer's log has no write of it"
        else:
            if not _is_alone(spec, contract, looking.expected):
                unused.unknown.append(f"{spec.name} publishes {contract.name}")
            continue
        place = place_of(use.source, looking.expected.place_of_service(spec.name))
        unused.findings.append(_finding(looking, spec.name, contract.name, "published", why, place))


def _is_alone(spec: ServiceSpec, contract: Contract, expected: Expected) -> bool:
    """The only one who may have written what was written."""
    others = (one for one in expected.services.values() if one.name != spec.name)
    return not any(one.publication(contract.name) for one in others)


def _finding(
    looking: Looking, service: Service, contract: ContractName, did: str, why: str, at: tuple[str, int]
) -> Finding:
    return found(
        "grant-unused",
        f"{service} has not {did} {contract} for {looking.days} days",
        "Remove it from the service file, then the grant, and apply.",
        at=at,
        seen=f"{why}; since {looking.since:%Y-%m-%d}",
        ask=looking.expected.contact(service.team),
    )


def _undeclared_grants(looking: Looking) -> Iterator[Finding]:
    """Grants to services and teams that declare nothing of the kind. `everyone` and people need not."""
    expected = looking.expected
    for contract in expected.merged.contracts.values():
        if not looking.is_old(f"contract/{contract.name}"):
            continue
        for grant in contract.grants:
            if grant.to == EVERYONE or grant.to.endswith(f"/{PEOPLE}") or _declared(grant.to, contract, expected):
                continue
            yield found(
                "grant-unused",
                f"{contract.name} is granted to {grant.to}, which declares no use of it",
                "Remove the line, or let the service declare what it reads.",
                at=place_of(grant.source, expected.place_of_topic(contract.topic)),
                seen=f"applied before {looking.since:%Y-%m-%d}",
                ask=expected.contact(contract.owner),
            )


def _declared(to: str, contract: Contract, expected: Expected) -> bool:
    services: Iterable[ServiceSpec] = (
        spec for state in expected.states for spec in state.services.values() if to in (spec.name, spec.name.team)
    )
    return any(spec.subscription(contract.name) or contract.name in spec.reads for spec in services)


def unknown_notes(unused: Unused) -> list[str]:
    """What nobody can know, for the report's end."""
    count = len(unused.unknown)
    how = "a log of the authorizer at DEBUG that reaches back so far says who wrote"
    return [f"whether {count} rights are used cannot be known ({some(unused.unknown, 3)}): {how}"] if count else []
