"""A bus's subscriptions as consumer groups: what is declared in code, checked against the contracts, made to run."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypedDict, TypeVar

from busline.bus.dead_letter import DeadLetters
from busline.bus.decoding import Decoder
from busline.bus.fitting import check_reads
from busline.bus.handlers import Handler, inspect_handler
from busline.bus.middleware import Middleware
from busline.bus.notes import field_names, reader_note
from busline.bus.options import Batch, Concurrency, DeadLetter, Retry
from busline.bus.route import Route
from busline.bus.session import Session
from busline.bus.standing import Standing
from busline.bus.starts import Moment, parse_start
from busline.bus.subscribing import GroupRunner, GroupSpec
from busline.contract.event import Deleted, Event, State
from busline.contract.model import Action, Contract
from busline.errors import HandlerInvalid
from busline.names import ContractName, Group
from busline.transport.base import Groups, Seekable, Start

_log = logging.getLogger("busline.subscribing")


T = TypeVar("T")


class Extras(TypedDict, total=False):
    """What seldom is said to `subscribe`. concurrency is one for all subscriptions of a group."""

    concurrency: Concurrency
    batch: Batch
    dead_letter: DeadLetter
    middleware: Sequence[Middleware]


@dataclass(frozen=True, kw_only=True)
class Subscribed:
    """One decorated handler. start None: what the service file says, else earliest."""

    model: type[Event]
    handler: Handler
    name: str | None = None
    start: Moment | None = None
    retry: Retry = field(default_factory=Retry)
    timeout: float | None = None
    extras: Extras = field(default_factory=Extras)

    @property
    def contract(self) -> ContractName:
        return self.model.__busline__.name


def subscribed(model: type[Event], function: Callable[..., object]) -> Handler:
    """The handler, if it takes what it subscribes to, and is the only one. Raises HandlerInvalid."""
    if getattr(model, "__busline__", None) is None:
        raise HandlerInvalid(f"{model!r} is no model of a contract", fix='class X(Event, contract="…", key="…")')
    handler = inspect_handler(function)  # type: ignore[arg-type]  # checked there
    if model not in handler.models:
        taken = " | ".join(m.__name__ for m in handler.models)
        raise HandlerInvalid(
            f"{handler.name} subscribes to {model.__name__} and takes {taken}", fix="Make them the same."
        )
    if issubclass(model, State) and Deleted not in handler.models:
        fix = f"Annotate it `{model.__name__} | Deleted`: a state can be deleted."
        raise HandlerInvalid(f"{handler.name} does not take Deleted", fix=fix)
    return handler


def check_single(new: Subscribed, others: Iterable[Subscribed]) -> None:
    """One handler per contract and group. Raises HandlerInvalid."""
    for other in others:
        if (other.contract, other.name) == (new.contract, new.name):
            raise HandlerInvalid(
                f"{new.handler.name} is a second handler of {new.contract} in one group",
                why=f"{other.handler.name} is the first, and each event would go to one of them only",
                fix=f'Give it a group of its own: @bus.subscribe({new.model.__name__}, name="…").',
            )


class Made(NamedTuple):
    """A group that is ready to run, and the topics that it reads."""

    runner: GroupRunner
    topics: frozenset[str]


class GroupMaker:
    """Makes the groups of one session."""

    def __init__(self, session: Session, subscriptions: Sequence[Subscribed]) -> None:
        self._session, self._subscriptions = session, subscriptions
        self._now = dt.datetime.now(dt.UTC)

    async def groups(self) -> list[Made]:
        """Raises ContractUnknown, ContractMismatch, AccessDenied for what cannot be subscribed to."""
        for subscription in self._subscriptions:
            self._check(subscription)
        if self._subscriptions:
            await self._session.prepare_dead_letters([self._contract(s) for s in self._subscriptions])
        names = dict.fromkeys(subscription.name for subscription in self._subscriptions)
        return [await self._group(name, [s for s in self._subscriptions if s.name == name]) for name in names]

    def _check(self, subscription: Subscribed) -> None:
        contract = self._session.contract(subscription.contract)
        self._session.allow(Action.SUBSCRIBE, contract, field_names(subscription.model))
        check_reads(subscription.model, contract)

    async def _group(self, name: str | None, members: Sequence[Subscribed]) -> Made:
        session = self._session
        group = Group.of(session.service, name)
        starts: dict[str, Start] = {self._contract(s).topic: self._start(s) for s in members}
        reads = [(self._contract(s), s.model, self._declared_version(s)) for s in members]
        concurrency = _one([s.extras["concurrency"] for s in members if "concurrency" in s.extras], group)
        letters = _one([s.extras["dead_letter"] for s in members if "dead_letter" in s.extras], group)
        spec = GroupSpec(
            group=group,
            routes=tuple(self._route(s) for s in members),
            start=starts,
            note=reader_note(reads, session.release),
            concurrency=concurrency or Concurrency(),
            allowed=self._allowed(members),
        )
        await self._announce(group, starts)
        dead_letters = DeadLetters(
            session.transport, session.service.dead_letters, release=session.release, options=letters
        )
        return Made(GroupRunner(session.transport, spec, dead_letters), frozenset(starts))

    def _allowed(self, members: Sequence[Subscribed]) -> Callable[[], None] | None:
        """Where the engine guards nothing: before each batch, whether each subscription's right still stands."""
        if not self._session.is_embedded:
            return None
        standing = [Standing(self._session, Action.SUBSCRIBE, member.contract) for member in members]

        def check() -> None:
            for one in standing:
                one.check()

        return check

    def _contract(self, subscription: Subscribed) -> Contract:
        return self._session.contract(subscription.contract)

    def _route(self, subscription: Subscribed) -> Route:
        contract = self._contract(subscription)
        decoder = Decoder(self._session.log, contract.name, subscription.model)
        return Route(
            contract=contract.name,
            topic=contract.topic,
            decode=decoder,
            handler=subscription.handler,
            version=self._declared_version(subscription) or len(contract.versions),
            retry=subscription.retry,
            timeout=subscription.timeout,
            batch=subscription.extras.get("batch", Batch()),
            middleware=tuple(subscription.extras.get("middleware", ())),
            refresh=decoder.refresh,
        )

    def _declared_version(self, subscription: Subscribed) -> int | None:
        declared = self._session.log.catalog.service(self._session.service)
        found = declared.subscription(subscription.contract) if declared else None
        return found.version if found else None

    def _start(self, subscription: Subscribed) -> Start:
        if subscription.start is not None:
            return parse_start(subscription.start, now=self._now)
        declared = self._session.log.catalog.service(self._session.service)
        found = declared.subscription(subscription.contract) if declared else None
        return parse_start(found.start if found else "earliest", now=self._now)

    async def _announce(self, group: str, starts: Mapping[str, Start]) -> None:
        """A group's first start says how many events come first: a surprise of millions is seen in time."""
        engine = self._session.transport
        if not isinstance(engine, Groups) or not isinstance(engine, Seekable):
            return
        known = {topic for topic, _ in await engine.committed(group)}
        for topic, start in starts.items():
            if topic not in known:
                count = await _ahead(engine, topic, start)
                _log.info("%s begins %s at %s: %s events come first", group, topic, start, f"{count:,}")


async def _ahead(engine: Seekable, topic: str, start: Start) -> int:
    bounds = await engine.bounds(topic)
    if start == "latest":
        return 0
    if start == "earliest":
        return sum(bound.next - bound.first for bound in bounds.values())
    begins = await engine.at_time(topic, start)
    return sum(bound.next - begins[p] for p, bound in bounds.items())


def _one(values: Sequence[T], group: str) -> T | None:
    """What all of a group's subscriptions say. Raises HandlerInvalid where two differ."""
    if any(value != values[0] for value in values):
        fix = "Say it once, or give one of them a group of its own by name=."
        raise HandlerInvalid(f"the subscriptions of {group} have different options", why=f"{values}", fix=fix)
    return values[0] if values else None
