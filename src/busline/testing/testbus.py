"""A service under test: its own bus on a memory:// of its own, its contracts checked, its handlers as they are."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple, Self, TypeVar

from busline.bus.bus import Bus
from busline.bus.cloudevents import Stamp
from busline.bus.decoding import Decoder
from busline.bus.groups import Subscribed
from busline.bus.letter import Letter, parse_letter
from busline.bus.publishing import Outlet, positions
from busline.bus.session import Session
from busline.bus.settings import Settings
from busline.cli.loading import load_bus
from busline.codec.codec import Codec
from busline.codec.framing import single_object_prefix
from busline.codec.keys import key_encoder
from busline.contract.event import Deleted, Event, State
from busline.contract.model import Contract
from busline.errors import ConfigurationError, ContractUnknown, Reject, SubscriptionError
from busline.names import ContractName, Service
from busline.record import Position, Record, StoredRecord
from busline.testing.completing import Completing
from busline.testing.failures import Failures
from busline.transport.base import Outcome
from busline.transport.memory import MemoryTransport

URL: Final = "memory://"
WITHIN: Final = 30.0
"""Seconds for all that follows from what was given."""

E = TypeVar("E", bound=Event)


def find_app(root: Path) -> Bus:
    """The bus that [tool.busline] names in the pyproject.toml of `root` or above, else of this folder.

    Raises ConfigurationError.
    """
    folder = root if Settings.load(folder=root).get("app") else Path.cwd()
    app = Settings.load(folder=folder).get("app")
    if app is None:
        fix = 'Write it into pyproject.toml, below [tool.busline]: app = "invoicing.main:bus".'
        raise ConfigurationError("no app is named for testbus", where=f"[tool.busline] from {root} up", fix=fix)
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    return load_bus(app)


class _Published(NamedTuple):
    record: Record
    position: Position

    @property
    def stored(self) -> StoredRecord:
        return StoredRecord(self.position.offset, 0, self.record.key, self.record.value, self.record.headers)


class _Engine(MemoryTransport):
    """Memory that remembers, in order, all that was published."""

    def __init__(self) -> None:
        super().__init__()
        self.journal: list[_Published] = []

    async def publish(self, records: Sequence[Record]) -> list[Outcome]:
        outcomes = await super().publish(records)
        pairs = zip(records, outcomes, strict=True)
        self.journal += [_Published(record, at) for record, at in pairs if isinstance(at, Position)]
        return outcomes


class TestBus:
    """One app, from one start to its end. `bus` is the app's own Bus, which publishes and handles on memory meanwhile.

    For one event loop.
    """

    __test__ = False

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self._engine = _Engine()
        self._failures = Failures()
        self._given: set[Position] = set()
        self._told = 0
        self._session: Session | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self) -> None:
        """Raises what keeps the app from starting: a model that does not fit, access, a wrong workspace."""
        settings = self.bus.settings.with_argument("url", URL)
        subscriptions = [_as_tested(self._failures.watch(one)) for one in self.bus.subscriptions]
        self._loop = asyncio.get_running_loop()
        self._session = await self.bus.begin(settings, subscriptions, self._engine)

    async def aclose(self) -> None:
        await self.bus.aclose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def given(self, *events: Event | Deleted) -> None:
        """Deliver events as their contracts' publishers would; return when they, and what followed, are handled.

        Raises what a handler raised at last, but for Reject; an ExceptionGroup for several. Raises ContractUnknown,
        ContractMismatch, EncodeError for what its publisher could not write.
        """
        outbox = self._started.outbox
        self._check_loop()
        records = [await self._record(event) for event in events]
        self._given |= set(positions(await outbox.send(records)))
        await self._handled()
        self._raise_failures()

    def published(self, model: type[E]) -> list[E]:
        """What the app published, in order; without a state's deletions."""
        return [event for event in self._own(model) if not isinstance(event, Deleted)]

    def deleted(self, model: type[State]) -> list[Deleted]:
        """The deletions of a state that the app published, in order."""
        return [event for event in self._own(model) if isinstance(event, Deleted)]

    def dead_lettered(self, model: type[E]) -> list[E]:
        """What the app gave up on, in order; once for each group that did."""
        contract = model.__busline__.name
        decode = Decoder(self._started.log, contract, model)
        return [decode(letter.record()) for letter in self._letters() if letter.contract == contract]

    @property
    def _started(self) -> Session:
        if self._session is None:
            raise ConfigurationError("testbus is not started", fix="Use it inside `async with TestBus(bus)`.")
        return self._session

    def _check_loop(self) -> None:
        if self._loop is not asyncio.get_running_loop():
            raise ConfigurationError(
                "testbus lives in another event loop than this test",
                fix="Give tests and fixtures one loop scope: asyncio_default_fixture_loop_scope, …_test_loop_scope.",
            )

    def _own(self, model: type[Event]) -> list[Any]:
        name = model.__busline__.name
        contract = self._contract(name)
        if contract is None:
            return []
        decode = Decoder(self._started.log, name, model)
        ours = (one for one in self._engine.journal if one.record.topic == contract.topic)
        return [decode(one.stored) for one in ours if one.position not in self._given]

    def _contract(self, name: ContractName) -> Contract | None:
        """None: not there yet, where contracts are inferred at the first publish."""
        try:
            return self._started.contract(name)
        except ContractUnknown:
            if self._started.free:
                return None
            raise

    def _letters(self) -> list[Letter]:
        topic = self._started.service.dead_letters
        found = [one for one in self._engine.journal if one.record.topic == topic]
        return [parse_letter(topic, one.position.partition, one.stored) for one in found]

    async def _record(self, event: Event | Deleted) -> Record:
        session = self._started
        name = event.contract if isinstance(event, Deleted) else event.__busline__.name
        if session.free and isinstance(event, Event):
            await session.embedded.introduce_writer(type(event))
        contract = session.contract(name)
        version = contract.current
        if version is None:
            raise ContractUnknown(f"{name} has no version yet", fix="Run `busline declare`.")
        outlet: Outlet[Any] = Outlet(
            contract=name,
            topic=contract.topic,
            prefix=single_object_prefix(version.schema.fingerprint),
            encode=Codec(version.schema).encode,
            key=key_encoder(contract.key, version.schema) if contract.key else lambda _: None,
            event_id=lambda _: event.event_id,
            stamp=Stamp(self._publisher(contract), name),
        )
        if isinstance(event, Deleted):
            return outlet.deletion(event)
        return outlet.record(Completing(type(event), contract, version).value(event))

    def _publisher(self, contract: Contract) -> Service:
        """A service of the owner that declares to publish it, else one that might."""
        log = self._started.log
        for key in log.records:
            kind, _, name = key.decode().partition("/")
            if kind == "service" and name.startswith(f"{contract.owner}/"):
                declared = log.catalog.service(Service(name))
                if declared is not None and declared.publication(contract.name):
                    return declared.name
        return Service(f"{contract.owner}/publisher")

    async def _handled(self) -> None:
        """Until nothing follows any more: what handlers publish may be the app's own to handle."""
        try:
            async with asyncio.timeout(WITHIN):
                seen = -1
                while seen != len(self._engine.journal):
                    seen = len(self._engine.journal)
                    await self.bus.caught_up()
        except TimeoutError:
            raise SubscriptionError(
                f"not all is handled after {WITHIN:g} s",
                why="a handler does not return, or its events call for events without end",
            ) from None

    def _raise_failures(self) -> None:
        letters = self._letters()
        new, self._told = letters[self._told :], len(letters)
        errors = [self._failures.of(letter) for letter in new]
        failures = [error for error in errors if not isinstance(error, Reject)]
        if len(failures) == 1:
            raise failures[0]
        if failures:
            raise ExceptionGroup(f"{len(failures)} events were given up", failures)


def _as_tested(subscription: Subscribed) -> Subscribed:
    """Without the pauses between attempts, and from the log's begin: it is empty, and nothing given may be missed."""
    return replace(subscription, start="earliest", retry=replace(subscription.retry, initial=0.0, maximum=0.0))
