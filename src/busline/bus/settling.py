"""What becomes of an event whose handler failed: called again, or dead-lettered. Off the hot path."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Mapping

from busline.bus.dead_letter import DeadLetters, Why
from busline.bus.retry import Undecodable, is_permanent, may_pass, nobody_reads, pause_after
from busline.bus.route import Chunk, PartDone, Route
from busline.bus.slot import Interrupted, Slot
from busline.errors import BuslineError, Reject, UnknownSchema
from busline.record import Position, StoredRecord

logger = logging.getLogger("busline.bus")

REFRESH_AFTER = 1.0
"""Seconds until the contract log is asked again, when it could not be read."""


class Settling:
    """One group's answer to failures. Calling it with a slot and an error answers: call again (True), or done.

    Raises what the group cannot go on from: DeadLetterFailed, and BrokenPipeError when stdout's reader has gone.
    """

    def __init__(self, group: str, routes: Mapping[str, Route], dead_letters: DeadLetters) -> None:
        self._group, self._routes, self._dead_letters = group, routes, dead_letters
        self.retried = self.dead_lettered = 0

    async def __call__(self, slot: Slot, error: Exception) -> bool:
        if isinstance(error, PartDone):
            return True
        if nobody_reads(error):
            raise BrokenPipeError(errno.EPIPE, "stdout is closed, and a handler prints to it") from error
        route, item = self._routes[slot.lease.topic], slot.item
        if isinstance(error, Interrupted):
            slot.uncounted += 1
            return await self._again(slot, route, error)
        if slot.attempt == 1 and isinstance(error, Undecodable) and isinstance(error.__cause__, UnknownSchema):
            slot.uncounted += 1
            return await self._refresh(slot, route)
        if isinstance(item, Chunk):
            return await self._chunk(slot, route, item, error)
        if slot.calls < route.retry_of(item).attempts and not is_permanent(error, route.retry_of(item)):
            return await self._again(slot, route, error)
        await self._bury(slot, route, item, error)
        return False

    async def _refresh(self, slot: Slot, route: Route) -> bool:
        """The schema may be newer than what is known here: learn, then decode again."""
        while route.refresh is not None:
            try:
                await route.refresh()
                break
            except BuslineError as error:
                if not may_pass(error):
                    raise
                logger.warning("%s: the contract log cannot be read, trying again: %s", route.contract, error)
                await slot.pause(REFRESH_AFTER)
        return True

    async def _again(self, slot: Slot, route: Route, error: Exception) -> bool:
        retry = route.retry_of(slot.item)
        pause = pause_after(max(1, slot.calls), retry)
        position = Position(slot.lease.topic, slot.lease.partition, slot.item.offset)
        logger.warning(
            "%s: %s failed (call %d of %d), again in %.2f s: %s",
            route.contract,
            position,
            slot.calls,
            retry.attempts,
            pause,
            _short(error),
            extra=self._fields(route, position),
        )
        self.retried += 1
        await slot.pause(pause)
        return True

    async def _chunk(self, slot: Slot, route: Route, chunk: Chunk, error: Exception) -> bool:
        """The whole part again; after the last try one by one, so that only the bad ones are dead-lettered."""
        if isinstance(error, Undecodable):
            await self._bury(slot, route, chunk.remove_bad(), error)
            return True
        if chunk.attempt < route.retry.attempts and not is_permanent(error, route.retry):
            await self._again(slot, route, error)
            chunk.attempt += 1
            return True
        chunk.attempt = route.retry.attempts
        if len(chunk.parts[0]) > 1:
            chunk.split()
            return True
        await self._bury(slot, route, chunk.parts[0][0], error)
        del chunk.parts[0]
        return bool(chunk.parts)

    async def _bury(self, slot: Slot, route: Route, record: StoredRecord, error: Exception) -> None:
        position = Position(slot.lease.topic, slot.lease.partition, record.offset)
        calls = slot.item.attempt if isinstance(slot.item, Chunk) else slot.calls
        why = Why.of(error, contract=route.contract, group=self._group, calls=calls)
        await self._dead_letters.write(position, record, why, slot.pause)
        self.dead_lettered += 1
        logger.error(
            "%s: %s dead-lettered after %d call(s): %s",
            route.contract,
            position,
            calls,
            why,
            exc_info=None if isinstance(error, Reject | Undecodable) else error,
            extra=self._fields(route, position),
        )

    async def unreadable(self, position: Position, why: str) -> None:
        """A hole in the log that the transport reports: its position and reason are kept."""
        route = self._routes[position.topic]
        record = StoredRecord(position.offset, 0, None, None)
        reason = Why(contract=route.contract, group=self._group, error="Unreadable", reason=why, calls=0)
        await self._dead_letters.write(position, record, reason, asyncio.sleep)
        self.dead_lettered += 1

    def _fields(self, route: Route, position: Position) -> dict[str, object]:
        topic, partition, offset = position
        return {"contract": route.contract, "topic": topic, "partition": partition, "offset": offset}


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
