"""Read a contract's events without a group: from a start to an end, or live."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any, Final, Generic, TypeVar

from busline.bus.decoding import Decoder
from busline.bus.delivery import Delivery
from busline.bus.notes import reader_note
from busline.bus.session import Session
from busline.bus.standing import Standing
from busline.bus.starts import Moment, parse_end, parse_start
from busline.bus.stretch import Span, read_stretch
from busline.contract.event import Deleted, Event
from busline.contract.masking import mask, recurring
from busline.contract.model import Action, Contract, Kind
from busline.contract.schema import Schema
from busline.errors import BuslineError, ConfigurationError, DecodeError, RetentionGap, UnknownSchema
from busline.names import ContractName, Group
from busline.record import StoredRecord, TopicPartition
from busline.transport.base import Bounds, Groups, Seekable, Unreadable

_log = logging.getLogger("busline.reading")
READ_GROUP: Final = "~read"
_PASS: Final = "Read on behind them: start={partition: offset}."
E = TypeVar("E")
From = Moment | Mapping[int, int]
"""A start as subscriptions write it, or offsets by partition (those that are left out are not read)."""


class Reading(Generic[E]):
    """An asynchronous iterator of events; `deliveries()` gives them with position, key, headers and time.

    Each iteration begins anew. Raises AccessDenied, ContractUnknown, ContractMismatch, DecodeError, UnknownSchema,
    and RetentionGap where what lies after the start was removed already.
    """

    def __init__(
        self,
        session: Session,
        of: type[Event] | ContractName,
        start: From,
        end: Moment | None,
        *,
        current: bool = False,
    ) -> None:
        """current: dicts have the current version's shape, whichever version was written."""
        self._session = session
        self._model = None if isinstance(of, str) else of
        self._name = of if isinstance(of, str) else of.__busline__.name
        self._start, self._end, self._current = start, end, current
        parse_start("earliest" if isinstance(start, Mapping) else start)
        parse_end("now" if end is None else end)

    def __aiter__(self) -> AsyncIterator[E]:
        return self._events()

    async def _events(self) -> AsyncGenerator[E, None]:
        async with contextlib.aclosing(self._deliveries()) as deliveries:
            async for delivery in deliveries:
                yield delivery.event

    def deliveries(self) -> AsyncGenerator[Delivery[E], None]:
        return self._deliveries()

    async def _deliveries(self) -> AsyncGenerator[Delivery[E], None]:
        session = self._session
        contract = session.contract(self._name)
        session.allow(Action.READ, contract)
        standing = Standing(session, Action.READ, self._name)
        spans = await self._spans(contract)
        decode = Decoder(session.log, contract.name, self._reader(contract))
        hidden = frozenset() if self._model else session.hidden(contract)
        again = recurring(contract) if hidden else frozenset()
        next_offsets = {partition: span.begin for partition, span in spans.items()}
        await self._mark(contract, next_offsets)
        try:
            async with contextlib.aclosing(self._records(contract.topic, spans)) as records:
                async for partition, record in records:
                    if standing.seen != session.log.generation:
                        standing.check()
                    event = _masked(await self._decoded(decode, record), hidden, again)
                    next_offsets[partition] = record.offset + 1
                    yield Delivery(event, record, (contract.topic, partition, contract.name, None))
        finally:
            await self._mark(contract, next_offsets)

    def _reader(self, contract: Contract) -> type[Event] | Schema | None:
        return contract.current.schema if self._current and contract.current else self._model

    async def _decoded(self, decode: Decoder, record: StoredRecord) -> Any:
        try:
            return decode(record)
        except UnknownSchema:
            await decode.refresh()
            return decode(record)

    async def _records(self, topic: str, spans: Mapping[int, Span]) -> AsyncGenerator[tuple[int, StoredRecord], None]:
        """(partition, record), until every partition is at its end."""
        async with contextlib.aclosing(read_stretch(_seekable(self._session), topic, spans)) as stretch:
            async for run in stretch:
                if isinstance(run, Unreadable):
                    where = f"{topic}[{run.lease.partition}]@{run.first}"
                    raise DecodeError("records cannot be read", where=where, why=run.why, fix=_PASS)
                for record in run.records:
                    yield run.lease.partition, record

    async def _spans(self, contract: Contract) -> dict[int, Span]:
        engine = _seekable(self._session)
        bounds = await engine.bounds(contract.topic)
        begins = await self._begins(engine, contract, bounds)
        ends: Mapping[int, int | None] = dict.fromkeys(bounds)
        if self._end is not None:
            moment = parse_end(self._end)
            nexts = {p: bound.next for p, bound in bounds.items()}
            ends = nexts if moment is None else await engine.at_time(contract.topic, moment)
        return {p: Span(begin, ends[p]) for p, begin in begins.items()}

    async def _begins(self, engine: Seekable, contract: Contract, bounds: Mapping[int, Bounds]) -> Mapping[int, int]:
        if isinstance(self._start, Mapping):
            if unknown := sorted(self._start.keys() - bounds.keys()):
                raise ConfigurationError(
                    f"{contract.name} has no partition {unknown[0]}", fix=f"It has 0 to {len(bounds) - 1}."
                )
            return self._start
        start = parse_start(self._start)
        _check_state(contract, start, self._end)
        if start == "earliest":
            return {p: bound.first for p, bound in bounds.items()}
        if start == "latest":
            return {p: bound.next for p, bound in bounds.items()}
        begins = await engine.at_time(contract.topic, start)
        _check_gap(contract, bounds, begins, start)
        return begins

    async def _mark(self, contract: Contract, offsets: Mapping[int, int]) -> None:
        """Say in this service's own group what it reads, so that the contract's owner knows. Best effort."""
        session = self._session
        if not isinstance(session.transport, Groups) or session.service.is_people or not offsets:
            return
        note = reader_note([(contract, self._model, None)], session.release)
        marks = {TopicPartition(contract.topic, p): offset for p, offset in offsets.items()}
        try:
            await session.transport.mark(Group.of(session.service, READ_GROUP), marks, note)
        except BuslineError as error:
            _log.debug("%s could not be marked as read: %s", contract.name, error)


def _masked(event: Any, hidden: frozenset[str], again: frozenset[frozenset[str]]) -> Any:
    if not hidden:
        return event
    if isinstance(event, Deleted):
        return Deleted(event.contract, **mask(event.key, hidden))
    return mask(event, hidden, again) if isinstance(event, Mapping) else event


def _check_state(contract: Contract, start: object, end: Moment | None) -> None:
    """A moment in the middle of a state's log has no meaning: what is kept there depends on what came later."""
    if contract.kind is Kind.STATE and (isinstance(start, int) or end not in (None, "now")):
        raise ConfigurationError(
            f"{contract.name} is a state: it cannot be read from or to a time",
            why="the latest value of each key is kept; a key that changed since has lost what it was then",
            fix="Read it whole (start earliest), or follow it (start latest).",
        )


def _check_gap(contract: Contract, bounds: Mapping[int, Bounds], begins: Mapping[int, int], start: int) -> None:
    for partition, bound in bounds.items():
        if bound.first > 0 and begins[partition] <= bound.first:
            when = dt.datetime.fromtimestamp(start / 1000, dt.UTC).isoformat(timespec="seconds")
            raise RetentionGap(
                f"{contract.name} does not reach back to {when}",
                where=f"{contract.topic}[{partition}]",
                why=f"its first {bound.first} records were removed by retention",
                fix='Begin later, or read what is left: start="earliest".',
            )


def _seekable(session: Session) -> Seekable:
    engine = session.transport
    assert isinstance(engine, Seekable)  # the contract log needed it
    return engine
