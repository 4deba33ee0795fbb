"""Handling a service's dead letters again: by the service itself, in a group of its own, up to their end at the call.

Nothing is published to the source: a service has no right to, and others would get the event twice. What fails again
is appended as a letter with attempt + 1. The group's position is what makes a replay resumable.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from busline.bus.dead_letter import DeadLetters
from busline.bus.delivery import Delivery
from busline.bus.handlers import Handler, Shape
from busline.bus.letter import Letter, parse_letter
from busline.bus.options import Concurrency, Retry
from busline.bus.retry import Undecodable
from busline.bus.route import Chunk, Route
from busline.bus.subscribing import GroupRunner, GroupSpec
from busline.errors import ConfigurationError, Reject, UnknownSchema
from busline.names import Group, Service
from busline.record import StoredRecord, TopicPartition
from busline.transport.base import Groups, Lease, Seekable, Transport

REPLAY_GROUP = "~dlq"
Key = tuple[str, str]
"""(group, contract): whose letter it is."""


@dataclass(frozen=True, kw_only=True)
class ReplayPlan:
    """letters: how many a replay would handle, at most (gaps in the log count). begins, ends: next offsets."""

    letters: int
    begins: Mapping[TopicPartition, int]
    ends: Mapping[TopicPartition, int]


@dataclass(kw_only=True)
class Replayed:
    """handled: by (group, contract); failed: appended again."""

    handled: Counter[Key] = field(default_factory=Counter)
    failed: int = 0


@dataclass(frozen=True, kw_only=True)
class _LetterRoute(Route):
    """Retries a letter as its own subscription says."""

    retries: Mapping[Key, Retry]

    def retry_of(self, item: Any) -> Retry:
        try:
            letter = parse_letter(self.topic, 0, item)
        except ValueError:
            return self.retry
        return self.retries.get((letter.group, letter.contract), self.retry)


class Replay:
    """specs: the service's own groups, as its bus makes them. Nothing else may run in `<service>/~dlq`."""

    def __init__(
        self, transport: Transport, service: Service, specs: Sequence[GroupSpec], dead_letters: DeadLetters
    ) -> None:
        self._transport, self._dead_letters = transport, dead_letters
        self.group = Group.of(service, REPLAY_GROUP)
        self._routes: dict[Key, Route] = {(spec.group, r.contract): r for spec in specs for r in spec.routes}
        self._done: Callable[[Letter], None] | None = None
        self.result = Replayed()

    async def plan(self) -> ReplayPlan:
        """What would be handled now. Raises UnknownTopic, NotAuthorized, Unreachable."""
        if not isinstance(self._transport, Seekable):
            raise ConfigurationError("this engine cannot tell where its dead letters end")
        topic = self._dead_letters.topic
        committed: Mapping[tuple[str, int], Any] = {}
        if isinstance(self._transport, Groups):
            committed = await self._transport.committed(self.group)
        begins, ends = {}, {}
        for partition, bounds in (await self._transport.bounds(topic)).items():
            known = committed.get((topic, partition))
            begins[TopicPartition(topic, partition)] = max(bounds.first, known.next if known else 0)
            ends[TopicPartition(topic, partition)] = bounds.next
        letters = sum(max(0, end - begins[tp]) for tp, end in ends.items())
        return ReplayPlan(letters=letters, begins=begins, ends=ends)

    async def run(
        self, plan: ReplayPlan, *, progress: Callable[[Letter], None] | None = None, concurrency: int = 64
    ) -> Replayed:
        """Handle what is planned; returns at its end. progress: called after each letter that was handled.

        Cancelled, it commits what finished; the next run goes on there. Raises as GroupRunner.run does.
        """
        if not plan.letters:
            return self.result
        self._done = progress
        before = self._dead_letters.written
        spec = GroupSpec(
            group=self.group,
            routes=(self._route(),),
            concurrency=Concurrency(keys=concurrency),
            until=plan.ends,
        )
        await GroupRunner(self._transport, spec, self._dead_letters).run()
        self.result.failed += self._dead_letters.written - before
        return self.result

    def _route(self) -> Route:
        limits = [route.timeout for route in self._routes.values()]
        return _LetterRoute(
            contract=self._dead_letters.topic,
            topic=self._dead_letters.topic,
            decode=_as_it_is,
            handler=Handler(function=self._handle, name="dead letter replay", shape=Shape.DELIVERY, models=()),
            timeout=max(limit for limit in limits if limit) if limits and all(limits) else None,
            retries={key: route.retry for key, route in self._routes.items()},
        )

    async def _handle(self, delivery: Delivery[StoredRecord]) -> None:
        letter = _parsed(delivery)
        key = (letter.group, letter.contract)
        route = self._routes.get(key)
        if route is None:
            raise Reject(f"this service has no handler of {letter.contract} in {letter.group} any more")
        if letter.omitted is not None:
            raise Reject(f"the event at {letter.source} was too large to be kept: {letter.omitted} bytes")
        call = _call(route, letter, delivery.attempt)
        try:
            await call()
        except Undecodable as error:
            if route.refresh is None or not isinstance(error.__cause__, UnknownSchema):
                raise
            await route.refresh()
            await call()
        self.result.handled[key] += 1
        if self._done:
            self._done(letter)


def _parsed(delivery: Delivery[StoredRecord]) -> Letter:
    topic, partition, _ = delivery.position
    try:
        return parse_letter(topic, partition, delivery.record)
    except ValueError as error:
        raise Undecodable from error


def _call(route: Route, letter: Letter, attempt: int) -> Callable[[], Awaitable[None]]:
    handle = route.bind(Lease(letter.source.topic, letter.source.partition, 0))
    record = letter.record()

    async def call() -> None:
        await handle(Chunk([record]) if route.handler.shape is Shape.BATCH else record, attempt)

    return call


def _as_it_is(record: StoredRecord) -> StoredRecord:
    return record
