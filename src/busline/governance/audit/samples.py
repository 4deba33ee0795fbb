"""Records from the end of each contract's topic: what is no event of it, and keys that lie elsewhere.

Bounded in records, in time and, as a broker answers with whole batches, in bytes by what one fetch takes. A connection
is asked about few topics, since it keeps what it knows of each, and asks for all of it again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from busline.bus.stretch import Span, next_of, place, read_spans
from busline.contract.finding import Finding, Severity
from busline.errors import BuslineError, RetentionGap
from busline.governance.audit.expected import PLATFORM, Expected
from busline.governance.audit.findings import found, reason, some
from busline.governance.audit.judging import Judge
from busline.governance.some_at_once import some_at_once
from busline.record import TopicPartition
from busline.transport.base import Bounds, Seekable, Transport, Unreadable

Open: TypeAlias = Callable[[], AbstractAsyncContextManager[Transport]]
"""A connection of its own, for a while."""
Writers: TypeAlias = Callable[[str], str]
"""Who wrote to a topic, in words, as far as somebody knows."""
TOPICS_AT_ONCE: Final = 50
_CONNECTIONS: Final = 2
SURELY_GROWN: Final = 6
"""Keys that fit no number of partitions together by chance."""
PATIENCE: Final = 30.0
"""Seconds for the topics of one connection."""


@dataclass(kw_only=True)
class Samples:
    """judges: of each topic that was looked into. missed: topics that could not be, and why."""

    judges: list[Judge] = field(default_factory=list)
    missed: dict[str, str] = field(default_factory=dict)

    @property
    def records(self) -> int:
        return sum(judge.faults.looked_at for judge in self.judges)


async def sample(topics: Sequence[str], expected: Expected, count: int, open_: Open) -> Samples:
    """The last `count` records of each partition. What fails is said in `missed`."""
    samples = Samples()

    async def some_of(names: Sequence[str]) -> None:
        try:
            async with open_() as engine:
                if isinstance(engine, Seekable):
                    await _Portion(engine, expected, count, samples).take(names)
        except BuslineError as error:
            samples.missed |= {name: reason(error) for name in names if name not in samples.missed}

    names = sorted(topics)
    portions = [names[at : at + TOPICS_AT_ONCE] for at in range(0, len(names), TOPICS_AT_ONCE)]
    await some_at_once(portions, some_of, _CONNECTIONS)
    return samples


class _Portion:
    """Some topics by one connection."""

    def __init__(self, engine: Seekable, expected: Expected, count: int, samples: Samples) -> None:
        self._engine, self._expected, self._count, self._samples = engine, expected, count, samples
        self._judges: dict[str, Judge] = {}

    async def take(self, names: Sequence[str]) -> None:
        ends: dict[TopicPartition, Bounds] = {}
        for name in names:
            try:
                bounds = await self._engine.bounds(name)
            except BuslineError as error:
                self._samples.missed[name] = reason(error)
                continue
            contracts = [c for state in self._expected.states if (c := state.by_topic.get(name)) is not None]
            self._judges[name] = Judge(contracts, len(bounds))
            ends |= {TopicPartition(name, p): one for p, one in bounds.items() if one.first < one.next}
        self._samples.judges += self._judges.values()
        if ends:
            await self._read(ends)

    async def _read(self, ends: dict[TopicPartition, Bounds]) -> None:
        left = {at: bounds.next for at, bounds in ends.items()}
        try:
            async with asyncio.timeout(PATIENCE):
                await self._until_ends(ends, left)
        except TimeoutError:
            why = f"not read within {PATIENCE:g} s"
            self._samples.missed |= {at.topic: why for at in left}
        except BuslineError as error:
            self._samples.missed |= {at.topic: reason(error) for at in left}

    async def _until_ends(self, ends: dict[TopicPartition, Bounds], left: dict[TopicPartition, int]) -> None:
        begins = {at: max(bounds.first, bounds.next - self._count) for at, bounds in ends.items()}
        try:
            await self._judge_from(begins, left)
        except RetentionGap:  # retention went on meanwhile: what is left is at the end
            await self._judge_from({at: max(begin, ends[at].next - 1) for at, begin in begins.items()}, left)

    async def _judge_from(self, begins: dict[TopicPartition, int], left: dict[TopicPartition, int]) -> None:
        spans = {at: Span(begin, left[at]) for at, begin in begins.items()}
        async with contextlib.aclosing(read_spans(self._engine, spans)) as stretch:
            async for item in stretch:
                at, judge = place(item), self._judges[item.lease.topic]
                if isinstance(item, Unreadable):
                    judge.unreadable(at.partition, item.first, item.why)
                else:
                    for record in item.records:
                        judge.look(at.partition, record)
                if next_of(item) >= left[at]:
                    del left[at]


def sample_findings(expected: Expected, samples: Samples, writers: Writers) -> Iterator[Finding]:
    for judge in sorted(samples.judges, key=lambda one: one.topic):
        yield from _of_topic(expected, judge, writers)
    by_reason: dict[str, list[str]] = {}
    for topic, why in sorted(samples.missed.items()):
        by_reason.setdefault(why, []).append(topic)
    for why, topics in by_reason.items():
        yield found(
            "records-not-sampled",
            f"{len(topics)} of the contracts' topics could not be looked into: {why}",
            "Give the audit's user READ on topic `*`, and run it again.",
            at=expected.place,
            seen=some(topics),
            ask=PLATFORM,
        )


def _of_topic(expected: Expected, judge: Judge, writers: Writers) -> Iterator[Finding]:
    faults, topic = judge.faults, judge.topic
    at, ask = expected.place_of_topic(topic), expected.owner_of_topic(topic)
    claims = f"; the records say that they come from {some(sorted(faults.claims))}" if faults.claims else ""
    who = f"written by {writers(topic)}{claims}"
    if faults.undecodable:
        reasons = sorted(faults.reasons.items(), key=lambda one: -one[1])
        yield found(
            "record-undecodable",
            f"topic {topic} holds records that are no events of its contract",
            "Find the writer, and take its right away: `busline audit --authorizer-log FILE` names who wrote.",
            at=at,
            seen=f"{len(faults.undecodable)} of {faults.looked_at} sampled, {some(faults.undecodable, 3)}:"
            f" {some([why for why, _ in reasons], 2)}; {who}",
            ask=ask,
        )
    if faults.misplaced:
        yield _misplaced(expected, judge, who)


def _misplaced(expected: Expected, judge: Judge, who: str) -> Finding:
    """What grew has keys from before where fewer partitions put them; a few keys fit some number by chance."""
    faults, before = judge.faults, judge.grown_from()
    positions = [position for position, _ in faults.misplaced]
    keys = {key for _, key in faults.misplaced}
    grown = f"; {before} partitions would put them there: maybe the topic was grown" if before else ""
    told = found(
        "key-misplaced",
        f"topic {judge.topic} holds keys that are not where murmur2 puts them",
        "Set the publisher's partitioner (librdkafka: partitioner=murmur2_random); what lies there stays.",
        at=expected.place_of_topic(judge.topic),
        seen=f"{len(positions)} of {faults.looked_at} sampled, in partition"
        f" {some(sorted({position.partition for position in positions}))}, {some(positions, 3)}{grown}; {who}",
        ask=expected.owner_of_topic(judge.topic),
    )
    return replace(told, severity=Severity.NOTE) if before is not None and len(keys) >= SURELY_GROWN else told
