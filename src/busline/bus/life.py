"""One life of a bus, from start to end: its session, its consumer groups, and what becomes of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Final

from busline.bus.groups import GroupMaker, Subscribed
from busline.bus.outlets import Outlets
from busline.bus.session import Session
from busline.bus.subscribing import GroupRunner
from busline.record import TopicPartition
from busline.transport.base import Seekable

_log = logging.getLogger("busline.bus")
LONELY_AFTER: Final = 5.0
"""Seconds after which a memory:// that nobody publishes to is worth a word."""


class Life:
    """`failed` is done as soon as a subscription cannot go on; the other ones do go on until `end`."""

    def __init__(self, session: Session, subscriptions: Sequence[Subscribed]) -> None:
        self.session = session
        self.outlets = Outlets(session)
        self.failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        self.runners: list[GroupRunner] = []
        self._subscriptions = subscriptions
        self._tasks: list[asyncio.Task[None]] = []
        self._lonely: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Raises what keeps the bus from starting: the engine, a contract, a model, access."""
        await self.session.open([subscription.model for subscription in self._subscriptions])
        self.runners = await GroupMaker(self.session, self._subscriptions).runners()
        self._tasks = [asyncio.create_task(self._run(runner)) for runner in self.runners]
        if self.session.url.startswith("memory:") and self._subscriptions:
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

    async def caught_up(self) -> None:
        """Until everything that is in the log now is handled or dead-lettered. Raises what a subscription failed by."""
        ends = await self._ends()
        waiting: asyncio.Future[Any] = asyncio.gather(*(runner.caught_up(ends) for runner in self.runners))
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
        stops = (runner.stop(max(0.0, deadline - loop.time())) for runner in self.runners)
        try:
            for outcome in await asyncio.gather(*stops, return_exceptions=True):
                if isinstance(outcome, Exception):
                    _log.error("a subscription did not stop in order: %s", outcome)
            await asyncio.gather(*self._tasks)
        finally:
            self.failed.cancel()
            await self.session.aclose(max(0.0, deadline - loop.time()))
