"""How this service publishes each contract: checked at the first event, then remembered."""

from __future__ import annotations

import asyncio
import datetime as dt
import weakref
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any, TypeAlias

from busline.bus.cloudevents import Stamp
from busline.bus.fitting import written
from busline.bus.publishing import Outlet, Publisher
from busline.bus.session import Session
from busline.codec.codec import Codec
from busline.codec.framing import registry_prefix, single_object_prefix
from busline.codec.keys import key_encoder
from busline.contract.event import Deleted, Event
from busline.contract.model import Action, Contract, Kind, Version
from busline.contract.schema import Schema
from busline.contract.uuid7 import uuid7
from busline.errors import ContractError
from busline.names import ContractName, Service
from busline.record import Headers, Record

Published = type[Event] | ContractName
"""What is published: events of a model, or, by a contract's name, dicts and deletions."""


class Outlets:
    """One a session. `known` is for the hot path: look there first."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._opening = asyncio.Lock()
        self.known: dict[object, Outlet[Any]] = {}
        self._streams: weakref.WeakSet[Publisher[Any]] = weakref.WeakSet()
        session.log.changed.append(self.ask_again)

    def ask_again(self) -> None:
        """What was allowed may not be any more: the next event of each contract, and of each stream, asks."""
        self.known.clear()
        for stream in self._streams:
            stream.ask_first(self._allowed)

    async def stream(self, of: Published) -> Publisher[Any]:
        """Raises what `open` raises."""
        stream = Publisher(await self.open(of), self._session.outbox)
        self._streams.add(stream)
        return stream

    async def open(self, of: Published) -> Outlet[Any]:
        """Raises ContractUnknown, ContractMismatch, AccessDenied."""
        async with self._opening:
            if of not in self.known:
                self.known[of] = self._untyped(of) if isinstance(of, str) else await self._typed(of)
            return self.known[of]

    async def deletions(self, name: ContractName) -> Outlet[Any]:
        """For `Deleted`. Raises ContractError for what is no state."""
        outlet = self.known.get(name) or await self.open(name)
        if self._session.contract(name).kind is not Kind.STATE:
            raise ContractError(f"{name} is no state: what happened stays", fix="Only a State can be Deleted.")
        return outlet

    async def records(self, events: Iterable[object], extra: Headers) -> list[Record]:
        """Events and deletions as they are published now. Raises EncodeError, and what `open` raises."""
        made = []
        for event in events:
            if isinstance(event, Deleted):
                made.append((await self.deletions(event.contract)).deletion(event, extra))
            else:
                outlet = self.known.get(type(event)) or await self.open(_model(event))
                made.append(outlet.record(event, extra))
        return made

    async def record_at(
        self, event: object, event_id: bytes | None, when: dt.datetime | None, extra: Headers
    ) -> Record:
        """One event or deletion with an id or a time of the caller's."""
        if isinstance(event, Deleted):
            return (await self.deletions(event.contract)).deletion(event, extra, event_id, when)
        return (await self.open(_model(event))).record_at(event, event_id, when, extra)

    async def _typed(self, model: type[Event]) -> Outlet[Any]:
        if getattr(model, "__busline__", None) is None:
            fix = 'Define it as class X(Event, contract="<team>.<stream>", key="…").'
            raise ContractError(f"{model.__name__} is no model of a contract", fix=fix)
        session = self._session
        if session.free:
            await session.embedded.introduce_writer(model)
        contract = self._allowed(model.__busline__.name)
        declared = session.log.catalog.service(session.service)
        publication = declared.publication(contract.name) if declared else None
        return outlet_of(session.service, model, contract, publication.version if publication else None)

    def _untyped(self, name: ContractName) -> Outlet[Any]:
        contract = self._allowed(name)
        version = contract.current
        if version is None:
            raise ContractError(f"{name} has no version yet", fix="Run `busline declare`, then apply.")
        making = Codec(version.schema).encode, _key(contract, version.schema), _new_id
        return _outlet(self._session.service, contract, version, making)

    def _allowed(self, name: ContractName) -> Contract:
        contract = self._session.contract(name)
        self._session.allow(Action.PUBLISH, contract)
        return contract


def outlet_of(service: Service, model: type[Event], contract: Contract, pinned: int | None = None) -> Outlet[Any]:
    """How a service writes a model's events. pinned: the version to write; None: the newest that the model fills.

    Raises ContractMismatch.
    """
    version, codec = written(model, contract, pinned)
    return _outlet(service, contract, version, (codec.encode, _key(contract, model), _own_id))


_Making: TypeAlias = tuple[Callable[[Any], bytes], Callable[[Any], bytes | None], Callable[[Any], str]]
"""What makes an event's value, its key and its id."""


def _outlet(service: Service, contract: Contract, version: Version, making: _Making) -> Outlet[Any]:
    if version.registry_id is None:
        prefix = single_object_prefix(version.schema.fingerprint)
    else:
        prefix = registry_prefix(version.registry_id)
    encode, key, event_id = making
    return Outlet(
        contract=contract.name,
        topic=contract.topic,
        prefix=prefix,
        encode=encode,
        key=key,
        event_id=event_id,
        stamp=Stamp(service, contract.name),
    )


def _key(contract: Contract, source: type[Event] | Schema) -> Callable[[Any], bytes | None]:
    return key_encoder(contract.key, source) if contract.key else _no_key


def _no_key(_: object) -> None:
    return None


_own_id: Callable[[Any], str] = attrgetter("event_id")


def _new_id(_: object) -> str:
    return uuid7()


def _model(event: object) -> type[Event]:
    if isinstance(event, Event):
        return type(event)
    fix = 'Publish instances of an Event class; dicts go through bus.publisher("<team>.<stream>").'
    raise ContractError(f"{type(event).__name__} cannot be published", fix=fix)
