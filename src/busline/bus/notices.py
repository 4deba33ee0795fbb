"""What a running service is told of what it uses and what will go: at its first use, then once a day, in its log.

Nothing is asked per record: who was allowed something is remembered by name, and one task wakes at midnight, UTC.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Callable, Iterable

from busline.contract.evolution.lifecycle import field_notice, notice
from busline.contract.model import Contract
from busline.errors import BuslineError
from busline.names import ContractName, Service

_log = logging.getLogger("busline.lifecycle")
Look = Callable[[ContractName], Contract | None]


def today() -> dt.date:
    """Announced days are days of UTC."""
    return dt.datetime.now(dt.UTC).date()


def seconds_to_midnight(now: dt.datetime) -> float:
    """To the next day's first second; now: in UTC."""
    start = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return (start + dt.timedelta(days=1, seconds=1) - now).total_seconds()


class Notices:
    """One a session. look: the contract as it is applied now. each_day: called when a day begins."""

    def __init__(self, service: Service, look: Look) -> None:
        self._service, self._look = service, look
        self._used: dict[ContractName, set[str]] = {}
        self.each_day: list[Callable[[], None]] = []

    def use(self, contract: Contract, fields: Iterable[str] = ()) -> None:
        """The service was allowed to use it. fields: those that its code reads. What will go is told at once."""
        is_new = contract.name not in self._used
        known = self._used.setdefault(contract.name, set())
        new = set(fields) - known
        known |= new
        self._tell(contract, sorted(new), whole=is_new)

    def new_day(self) -> None:
        """Tell it all again, by the contracts as they are now."""
        for name, fields in self._used.items():
            if (contract := self._look(name)) is not None:
                self._tell(contract, sorted(fields), whole=True)
        for call in self.each_day:
            call()

    def _tell(self, contract: Contract, fields: Iterable[str], *, whole: bool) -> None:
        day = today()
        if whole and (told := notice(contract, day)):
            _log.warning("%s uses what will go: %s", self._service, told)
        for name in fields:
            if told := field_notice(contract, name, day):
                _log.warning("%s reads what will go: %s", self._service, told)

    async def keep(self) -> None:
        """For a task of its own."""
        while True:
            await asyncio.sleep(seconds_to_midnight(dt.datetime.now(dt.UTC)))
            try:
                self.new_day()
            except BuslineError as error:
                _log.warning("what will go could not be told: %s", error)
