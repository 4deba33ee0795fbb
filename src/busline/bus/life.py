"""One life of a bus, from start to end: its session, its consumer groups, and what becomes of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from busline.bus.groups import GroupMaker, Made, Subscribed
from busline.bus.health import GroupHealth
from busline.bus.outlets import Outlets
from busline.bus.session import Session
from busline.bus.subscribing import GroupRunner
from busline.record import TopicPartition
from busline.transport.base import Seekable

_log = logging.getLogger("busline.bus")
LONELY_AFTER: Final = 5.0
"""Seconds after which an engine of this one process that nobody publishes to is worth a word."""


@dataclass(frozen=True, kw_only=True)
class Health:
    """alive: false means that only a restart helps. ready: every group takes part. reason: of what is not well."""

    alive: bool
    ready: bool
    reason: str | None = None
    groups: tuple[GroupHealth, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Ready for json.dumps."""
        groups = [group.to_json() for group in self.groups]
        return {"alive": self.alive, "ready": self.ready, "reason": self.reason, "groups": groups}


class Life:
    """`failed` is done as soon as a subscription cannot go on; the other ones do go on until `end`."""

    def __init__(self, session: Session, subscriptions: Sequence[Subscribed]) -> None:
        self.session = session
        self.outlets = Outlets(session)
        session.notices.each_day.append(self.outlets.ask_again)  # a sunset may be over
        self.failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        self.groups: list[Made] = []
        self._subscriptions = subscriptions
        self._tasks: list[asyncio.Task[None]] = []
        self._lonely: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Raises what keeps the bus from starting: the engine, a contract, a model, access."""
        await self.session.open([subscription.model for subscription in self._subscriptions])
        self.groups = await GroupMaker(self.session, self._subscriptions).groups()
        self._tasks = [asyncio.create_task(self._run(runner)) for runner, _ in self.groups]
        if self.session.transport.features.durable == "process" and self._subscriptions:
            self._lonely = asyncio.create_task(self._say_when_lonely())

    async def _run(self, runner: GroupRunner) -> None:
        try:
            await runner.run()
        except Exception as error:
            _log.error("a subscription of %s cannot go on: %s", self.session.service, error)
            if not self.failed.done():
                self.failed.set_result(error)

    async def _say_when_lonely(self) -> None:
        await asyncio.sleep(LONELY_AFTER)
        if all(end == 0 for end in (await self._ends()).values()):
            _log.warning(
                "nothing was published to %s: it is this one process, and no other can publish to it. "
                "Use sqlite:///bus.db to share it.",
                self.session.url,
            )

    def health(self) -> Health:
        groups = tuple(runner.health for runner, _ in self.groups)
        failure = str(self.failed.result()) if self.failed.done() else None
        reasons = [failure, *(f"{group.group}: {group.reason}" for group in groups if group.reason)]
        return Health(
            alive=failure is None and all(group.alive for group in groups),
            ready=failure is None and all(group.ready for group in groups),
            reason=next((reason for reason in reasons if reason), None),
            groups=groups,
        )

    async def caught_up(self) -> None:
        """Until everything that is in the log now is handled or dead-lettered. Raises what a subscription failed by."""
        ends = await self._ends()
        waiting: asyncio.Future[Any] = asyncio.gather(
            *(runner.caught_up(_of(topics, ends)) for runner, topics in self.groups)
        )
        futures: tuple[asyncio.Future[Any], ...] = (waiting, self.failed)
        try:
            await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
            if self.failed.done():
                raise self.failed.result()
            waiting.result()
        finally:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)

    async def _ends(self) -> dict[TopicPartition, int]:
        engine = self.session.transport
        assert isinstance(engine, Seekable)  # the contract log needed it
        topics = {self.session.contract(subscription.contract).topic for subscription in self._subscriptions}
        return {
            TopicPartition(topic, partition): bound.next
            for topic in topics
            for partition, bound in (await engine.bounds(topic)).items()
        }

    async def end(self, within: float) -> None:
        """In order, within so many seconds: stop fetching, finish or give back, commit, leave. Idempotent."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._end(asyncio.get_running_loop().time() + within))
        await asyncio.shield(self._ending)

    async def _end(self, deadline: float) -> None:
        loop = asyncio.get_running_loop()
        if self._lonely is not None:
            self._lonely.cancel()
            await asyncio.gather(self._lonely, return_exceptions=True)
        stops = (runner.stop(max(0.0, deadline - loop.time())) for runner, _ in self.groups)
        try:
            for outcome in await asyncio.gather(*stops, return_exceptions=True):
                if isinstance(outcome, Exception):
                    _log.error("a subscription did not stop in order: %s", outcome)
            await asyncio.gather(*self._tasks)
        finally:
            self.failed.cancel()
            await self.session.aclose(max(0.0, deadline - loop.time()))


def _of(topics: frozenset[str], ends: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
    return {partition: end for partition, end in ends.items() if partition.topic in topics}
