"""Bus: what a service publishes, subscribes and reads with.

A Bus is made without IO, at import time. `run`, `lifespan` or `async with` start it and end it in order; it can be
started again after that.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final, Self, TypeVar, Unpack, overload

from busline.bus import running
from busline.bus.cloudevents import UserHeaders, checked_headers, checked_id, checked_time, trace_headers
from busline.bus.groups import Extras, Subscribed, check_single, subscribed
from busline.bus.life import Health, Life
from busline.bus.options import Retry
from busline.bus.outlets import Outlets
from busline.bus.publishing import Publisher, positions, within
from busline.bus.reading import From, Reading
from busline.bus.session import Session, make_session
from busline.bus.settings import Settings
from busline.bus.starts import Moment, parse_start
from busline.contract.event import Deleted, Event
from busline.errors import BuslineError, ConfigurationError, TransportClosed
from busline.names import NAME_LENGTH, ContractName
from busline.record import Headers, Position, Record
from busline.transport.base import Transport
from busline.transport.security import Security

_log = logging.getLogger("busline.bus")
STOP_WITHIN: Final = 30.0
"""Seconds for what is in hand when a bus ends."""

E = TypeVar("E", bound=Event)
F = TypeVar("F", bound=Callable[..., Any])


class Bus:
    """Publish and subscribe with typed models, over published contracts.

    What is not given comes from BUSLINE_URL, BUSLINE_SERVICE, BUSLINE_WORKSPACE, BUSLINE_REGISTRY, then from
    [tool.busline] in pyproject.toml. For one event loop at a time.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        service: str | None = None,
        workspace: str | os.PathLike[str] | None = None,
        registry: str | None = None,
        security: Security | None = None,
    ) -> None:
        folder = os.fspath(workspace) if workspace is not None else None
        self.settings = Settings.load({"url": url, "service": service, "workspace": folder, "registry": registry})
        self._security = security
        self._origin = _origin(sys._getframe(1).f_globals.get("__file__"))
        self._subscriptions: list[Subscribed] = []
        self._life: Life | None = None

    # declare

    @property
    def subscriptions(self) -> tuple[Subscribed, ...]:
        """What is subscribed to so far, in the order of decoration."""
        return tuple(self._subscriptions)

    def subscribe(
        self,
        model: type[Event],
        *,
        name: str | None = None,
        start: Moment | None = None,
        retry: Retry | None = None,
        timeout: float | None = None,
        **extras: Unpack[Extras],
    ) -> Callable[[F], F]:
        """Decorate the handler of a contract's events; it is returned unchanged.

        name: a group of its own. start: where a new group begins (earliest, latest, `7d`, an ISO time); else the
        service file's. timeout: seconds for one call. extras: concurrency, batch, dead_letter, middleware.
        Raises HandlerInvalid, ConfigurationError.
        """
        if start is not None:
            parse_start(start)

        def decorate(function: F) -> F:
            new = Subscribed(
                model=model,
                handler=subscribed(model, function),
                name=name,
                start=start,
                retry=retry or Retry(),
                timeout=timeout,
                extras=extras,
            )
            check_single(new, self._subscriptions)
            if self._life is not None:
                raise ConfigurationError("the bus is started", fix="Subscribe before it is: at import time.")
            self._subscriptions.append(new)
            return function

        return decorate

    # publish

    @overload
    async def publish(
        self,
        event: Event | Deleted,
        /,
        *,
        id: str | None = None,
        headers: UserHeaders | None = None,
        time: dt.datetime | None = None,
        deadline: float | None = None,
    ) -> Position: ...
    @overload
    async def publish(
        self,
        *events: Event | Deleted,
        headers: UserHeaders | None = None,
        time: dt.datetime | None = None,
        deadline: float | None = None,
    ) -> list[Position]: ...
    async def publish(
        self,
        *events: Event | Deleted,
        id: str | None = None,
        headers: UserHeaders | None = None,
        time: dt.datetime | None = None,
        deadline: float | None = None,
    ) -> Position | list[Position]:
        """Returns when durable: one event's position, or a list.

        `Deleted(UserStats, user_id="u1")` deletes a state. id and time: CloudEvents', else the event's own id and
        now. deadline: seconds, else the engine's own. Raises NotPublished (certainly not written), PublishUnknown
        (maybe: publish the same instance again), PublishFailed for several; EncodeError, AccessDenied,
        ContractUnknown, ContractMismatch before anything is written.
        """
        life = self._running()
        if not events:
            return []
        extra = (checked_headers(headers) if headers else ()) + trace_headers()
        if id is None and time is None:
            records = await life.outlets.records(events, extra)
        else:
            records = await _marked(life.outlets, events, id, time, extra)
        outbox = life.session.outbox
        confirmed = outbox.publish(records) if deadline is None else within(outbox.send(records), deadline)
        found = positions(await confirmed)
        return found[0] if len(events) == 1 else found

    @overload
    def publisher(self, of: type[E]) -> AbstractAsyncContextManager[Publisher[E]]: ...
    @overload
    def publisher(self, of: str) -> AbstractAsyncContextManager[Publisher[Mapping[str, object]]]: ...
    @asynccontextmanager
    async def publisher(self, of: type[E] | str) -> AsyncIterator[Publisher[Any]]:
        """A stream: `await stream.send(event)` waits only when too much is under way; leaving waits for everything.

        of: a model, or a contract's name, whose events are dicts then. Raises PublishFailed, and what publish raises.
        """
        life = self._running()
        stream = await life.outlets.stream(_named(of))
        try:
            yield stream
        except BaseException:
            stream.abandon()
            raise
        await stream.flush()

    # read

    @overload
    def read(self, of: type[E], *, start: From = "earliest", end: Moment | None = "now") -> Reading[E]: ...
    @overload
    def read(self, of: str, *, start: From = "earliest", end: Moment | None = "now") -> Reading[dict[str, Any]]: ...
    def read(self, of: type[E] | str, *, start: From = "earliest", end: Moment | None = "now") -> Reading[Any]:
        """Iterate over a contract's events without a group; `.deliveries()` for positions. end None: live.

        of: a model, or a contract's name, whose events are dicts then. A state's deletions are `Deleted`. start:
        earliest, latest, `7d`, an ISO time, or offsets by partition. Raises ConfigurationError; see Reading.
        """
        return Reading(self._running().session, _named(of), start, end)

    async def caught_up(self, timeout: float | None = None) -> None:
        """Until everything that is in the log now is handled or dead-lettered, and committed.

        timeout: seconds. Raises TimeoutError, and what a subscription could not go on from.
        """
        async with asyncio.timeout(timeout):
            await self._running().caught_up()

    # life

    async def start(self) -> None:
        """Connect, learn and check the contracts, start the subscriptions; or raise why not, with nothing left open."""
        await self.begin(self.settings, self.subscriptions)

    async def begin(
        self, settings: Settings, subscriptions: Sequence[Subscribed], transport: Transport | None = None
    ) -> Session:
        """As `start`, with settings, subscriptions and an engine that may differ from the bus's own: for tests."""
        if self._life is not None:
            raise ConfigurationError("the bus is started already", fix="Start it once: run, lifespan or async with.")
        session = make_session(settings, self._security, self._origin, transport)
        self._life = life = Life(session, subscriptions)
        try:
            await life.begin()
        except BaseException:
            await self.aclose()
            raise
        return session

    async def aclose(self) -> None:
        """End in order, within STOP_WITHIN seconds: finish or give back what is in hand, commit, leave. Idempotent."""
        life = self._life
        if life is None:
            return
        try:
            await life.end(STOP_WITHIN)
        finally:
            if self._life is life:
                self._life = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        failure = self.failure
        await self.aclose()
        if failure is not None and error is None:
            raise failure

    @property
    def failure(self) -> BaseException | None:
        """What a subscription could not go on from, if one could not."""
        life = self._life
        return life.failed.result() if life is not None and life.failed.done() else None

    def health(self) -> Health:
        """Liveness from progress, readiness from assignment; a bus that is not started is alive and not ready."""
        if self._life is None:
            return Health(alive=True, ready=False, reason="the bus is not started")
        return self._life.health()

    async def wait_failed(self) -> BaseException:
        """Until a subscription cannot go on: the reason."""
        return await asyncio.shield(self._running().failed)

    def run(self, main: running.Main | None = None) -> None:
        """Run as this process, until `main` is done, or without it until SIGTERM or SIGINT; then end in order.

        A second signal ends at once. Raises what `main` raises, and what a subscription could not go on from.
        """
        if _in_a_loop():
            fix = "Await bus.serve(main), or use `async with bus`."
            raise ConfigurationError("an event loop runs already", fix=fix)
        try:
            asyncio.run(self.serve(main))
        except BuslineError as error:
            raise error.with_traceback(running.without_machinery(error.__traceback__)) from error.__cause__

    async def serve(self, main: running.Main | None = None) -> signal.Signals | None:
        """As `run`, inside an event loop. Returns the signal that ended it, if one did."""
        return await running.serve(self, main)

    @asynccontextmanager
    async def lifespan(self, app: object = None, *, exit_on_failure: bool = True) -> AsyncIterator[None]:
        """For `FastAPI(lifespan=bus.lifespan)` and Starlette.

        A subscription that cannot go on ends the process in order, by SIGTERM to itself: never a green server with a
        dead consumer. With exit_on_failure=False (functools.partial) `health()` turns red instead.
        """
        async with self:
            watch = asyncio.create_task(self._exit_when_failed(), name="busline: exit on failure")
            if not exit_on_failure:
                watch.cancel()
            try:
                yield
            finally:
                watch.cancel()
                await asyncio.gather(watch, return_exceptions=True)

    async def _exit_when_failed(self) -> None:
        error = await self.wait_failed()
        _log.critical("%s: ending this process in order", error)
        os.kill(os.getpid(), signal.SIGTERM)

    def _running(self) -> Life:
        if self._life is None:
            raise TransportClosed(
                "the bus is not started", fix="Use it inside `async with bus`, bus.run or its lifespan."
            )
        return self._life


async def _marked(
    outlets: Outlets, events: Sequence[object], event_id: str | None, when: dt.datetime | None, extra: Headers
) -> list[Record]:
    if event_id is not None and len(events) != 1:
        raise ConfigurationError("id= is for one event", fix="Publish them one by one, or leave their ids to them.")
    made = checked_id(event_id) if event_id is not None else None
    at = checked_time(when) if when is not None else None
    return [await outlets.record_at(event, made, at, extra) for event in events]


def _named(of: type[E] | str) -> type[E] | ContractName:
    return ContractName(of) if isinstance(of, str) else of


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _origin(file: str | None) -> str:
    """The program's name as a service's name: what hello.py calls itself on an engine where nobody must have one."""
    words = re.findall(r"[a-z0-9]+", Path(file).stem.lower()) if file else []
    name = "-".join(words)[:NAME_LENGTH].strip("-")
    return name if name[:1].isalpha() else f"app-{name}".strip("-")[:NAME_LENGTH]
