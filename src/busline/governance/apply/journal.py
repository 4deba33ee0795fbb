"""The contract log as one apply writes it: the intent first, the state last, and nobody else between.

Of two applies the one that began later goes on: it fences the earlier one where the engine can, and the earlier one
sees the other's intent before each step.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import TypeAlias

from busline.bus.contract_log import TRANSACTION, ContractLog, write_records
from busline.errors import ApplyError, Fenced, NotPublished
from busline.governance.state.applied import Applied
from busline.governance.state.intent import KEY, Intent
from busline.names import CONTRACT_LOG
from busline.record import Position, Record
from busline.transport.base import Fencing, Transport

Changes: TypeAlias = Mapping[bytes, bytes | None]
_Publish: TypeAlias = Callable[[Sequence[Record]], Awaitable[Sequence[Position]]]


class Journal:
    """One apply's. Raises ApplyError as soon as somebody else wrote since `applied`."""

    def __init__(self, engine: Transport, applied: Applied, publish: _Publish) -> None:
        self._publish = publish
        self._log = ContractLog(engine)
        self._log.next = applied.next
        self._begun = self._overtaken = False

    async def begin(self, intent: Intent) -> None:
        """On return it is seen by who reads, and nobody wrote between plan and now."""
        written = await self._write({KEY: intent.record()})
        seen = await self._log.read_past(written[-1].offset)
        if [entry.offset for entry in seen] != [written[-1].offset]:
            raise another()
        self._begun = True

    async def check(self) -> None:
        self._overtaken = self._overtaken or bool(await self._log.read())
        if self._overtaken:
            raise another()

    async def end(self, changes: Changes, more: Sequence[Record] = ()) -> None:
        """The state, all visible together with what is told of it, and the intent gone."""
        await self.check()
        ended: Changes = {KEY: None} if self._begun else {}
        if changes or ended or more:
            await self._write({**changes, **ended}, more)

    async def _write(self, changes: Changes, more: Sequence[Record] = ()) -> Sequence[Position]:
        records = [*(Record(CONTRACT_LOG, key, value) for key, value in changes.items()), *more]
        try:
            return await self._publish(records)
        except NotPublished as error:
            if isinstance(error.cause, Fenced):
                raise another() from error
            raise


@contextlib.asynccontextmanager
async def journal(engine: Transport, applied: Applied) -> AsyncIterator[Journal]:
    """The contract log's topic is there."""
    if isinstance(engine, Fencing):
        async with engine.transactions(TRANSACTION) as held:
            yield Journal(engine, applied, held.publish)
        return

    async def publish(records: Sequence[Record]) -> Sequence[Position]:
        return await write_records(engine, records)

    yield Journal(engine, applied, publish)


def another() -> ApplyError:
    """What stops an apply for the sake of one that began later."""
    return ApplyError("another apply came between", where=CONTRACT_LOG, fix="Run it again.")
