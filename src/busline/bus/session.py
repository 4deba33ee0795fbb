"""What a bus holds between start and end: the engine, its contracts, and what this service may do with them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from busline.bus.contract_log import FRESHEN, WATCH, ContractLog
from busline.bus.embedded import Embedded
from busline.bus.notices import Notices, today
from busline.bus.publishing import Outbox
from busline.bus.settings import Settings
from busline.contract.access import decide, shows_pii
from busline.contract.event import Event
from busline.contract.masking import masked_fields
from busline.contract.model import Action, Contract
from busline.contract.workspace import Workspace
from busline.errors import BuslineError, ConfigurationError, ContractError, ContractUnknown, UnknownTopic
from busline.names import ContractName, Service
from busline.transport.base import Admin, Seekable, Transport
from busline.transport.resolve import resolve

_log = logging.getLogger("busline.bus")


class Session:
    """From one start to its end. free: everything is allowed: on an embedded engine where no workspace is said, to whom
    is not named, and to all as long as nobody applied a workspace there."""

    def __init__(self, settings: Settings, transport: Transport, service: Service, workspace: Workspace | None) -> None:
        self.url = settings.get("url") or ""
        self.release = settings.get("release") or ""
        self.transport, self.service, self._workspace = transport, service, workspace
        self._folder = settings.get("workspace")
        self.is_embedded = is_embedded(transport)
        self.free = self.is_embedded and workspace is None
        self._named = settings.get("service") is not None
        self.log = ContractLog(transport)
        self.outbox = Outbox(transport)
        self.notices = Notices(service, self.log.catalog.contract)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def embedded(self) -> Embedded:
        return Embedded(self.transport, self.log)

    async def open(self, models: Iterable[type[Event]]) -> None:
        """Connect and learn the contracts; an embedded engine is brought up first. models: what is subscribed to."""
        await self.transport.start()
        if self.is_embedded:
            await self._bring_up(models)
        else:
            await self._learn()
        self._tasks = [
            asyncio.create_task(
                self.log.keep_fresh(WATCH if self.is_embedded else FRESHEN), name="busline: contract log"
            ),
            asyncio.create_task(self.notices.keep(), name="busline: notices"),
        ]

    async def _bring_up(self, models: Iterable[type[Event]]) -> None:
        await self.embedded.prepare()
        if self._workspace is not None:
            await self.embedded.apply(self._workspace)
        self.log.changed.append(self._bound)
        self._bound()
        if not self.free:
            return self._say_who_guards()
        sys.stderr.write(
            f"busline: {self.url} without a workspace: contracts come from the models, everything is allowed, "
            f"this service is {self.service}\n"
        )
        return await self.embedded.introduce_readers(list(models))

    def _bound(self) -> None:
        """Once a workspace was applied here, by whomever, its grants hold for who is named and starts without one."""
        self.free = self.free and not (self._named and self.log.catalog.teams())

    def _say_who_guards(self) -> None:
        if self.transport.features.durable != "process":
            _log.warning(
                "%s: busline guards the contracts in its own processes; whoever may write the file can go around them",
                self.url,
            )

    async def _learn(self) -> None:
        try:
            await self.log.read()
        except UnknownTopic as error:
            what = f"nothing was ever applied on {self.url}"
            raise ContractUnknown(what, why=error.what, fix="Run: busline apply --env …") from error
        if not self.transport.features.enforced:
            _log.warning("%s does not enforce contracts: a foreign client is not held back there", self.url)

    def contract(self, name: ContractName) -> Contract:
        """As it is applied. Raises ContractUnknown, with the way on."""
        contract = self.log.catalog.contract(name)
        if contract is not None:
            return contract
        if self.free:
            fix = "Nobody has published it here, or subscribed to it; look at the name."
        elif merged := self._merged(name):
            fix = f"It is {merged}, not yet applied there. Run: busline apply --env …"
        else:
            fix = "Declare it (busline declare), merge it, then: busline apply --env …"
        raise ContractUnknown(f"{name} is no contract on {self.url}", fix=fix)

    async def prepare_dead_letters(self, contracts: Sequence[Contract]) -> None:
        """Before the first event, not when the first one fails. Raises UnknownTopic with the way on, NotAuthorized."""
        if self.is_embedded:
            await self.embedded.dead_letters(self.service, contracts)
        elif isinstance(self.transport, Seekable):
            try:
                await self.transport.bounds(self.service.dead_letters)
            except UnknownTopic as error:
                raise UnknownTopic(
                    f"{self.service} has no place for its dead letters",
                    where=f"{self.service.dead_letters} on {self.url}",
                    why="the topic comes with the service's subscriptions, when its service file is applied",
                    fix="Run: busline declare, merge it, then: busline apply --env …",
                ) from error

    def _merged(self, name: ContractName) -> str | None:
        """What the workspace, if one is set, says of a contract that the engine lacks."""
        workspace = self._workspace
        if workspace is None and self._folder is not None:
            with contextlib.suppress(BuslineError, OSError):
                workspace = Workspace.load(Path(self._folder))
        if workspace is None or name not in workspace.contracts:
            return None
        return f"merged at {workspace.commit[:7]}" if workspace.commit else "in the workspace"

    def allow(self, action: Action, contract: Contract, fields: Iterable[str] = ()) -> None:
        """Raises AccessDenied with rule, file, line and whom to ask. fields: those that are read, where it is known."""
        if self.free:
            return
        catalog = self.log.catalog
        decision = decide(
            service=self.service,
            action=action,
            contract=contract,
            declared=catalog.service(self.service),
            team=catalog.team(contract.owner),
            today=today(),
        )
        if not decision:
            error = decision.error()
            error.what = f"{self.service} may not {action} {contract.name}"
            raise error
        self.notices.use(contract, fields)

    def hidden(self, contract: Contract) -> frozenset[str]:
        """The fields that this service is shown masked, where it reads without a model."""
        return frozenset() if shows_pii(self.service, contract) else masked_fields(contract)

    async def aclose(self, deadline: float) -> None:
        """Idempotent. deadline: seconds for what is being published."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.log.aclose()
        try:
            await self.outbox.aclose(deadline)
        finally:
            await self.transport.aclose()


def make_session(
    settings: Settings, security: object | None, origin: str, transport: Transport | None = None
) -> Session:
    """Without IO but for reading the workspace. origin: the program's name, for a service that has none. transport:
    an engine that was made already, of the kind that the URL names.

    Raises ConfigurationError, WorkspaceInvalid, UnknownTransport, MissingExtra.
    """
    url = settings.get("url")
    if url is None:
        fix = 'Bus("sqlite:///bus.db"), BUSLINE_URL, or url in [tool.busline] of pyproject.toml.'
        raise ConfigurationError("no engine is named", fix=fix)
    path = settings.get("workspace")
    engine = transport if transport is not None else resolve(url, security=security or settings.security())
    embedded = is_embedded(engine)
    workspace = Workspace.load(Path(path)) if path is not None and embedded else None
    service = _service(settings, origin, free=embedded and workspace is None)
    return Session(settings, engine, service, workspace)


def is_embedded(engine: Transport) -> bool:
    """Whether a bus brings the engine up itself: nobody guards it, and it lets anybody make topics."""
    return isinstance(engine, Admin) and not engine.features.enforced


def _service(settings: Settings, origin: str, *, free: bool) -> Service:
    name = settings.get("service")
    if name is not None:
        try:
            return Service(name)
        except ContractError as error:
            raise ConfigurationError(error.what, where=settings.origin("service"), fix=error.fix) from None
    if free:
        return Service(f"local/{origin}")
    fix = 'Bus(service="<team>/<service>"), BUSLINE_SERVICE, or service in [tool.busline] of pyproject.toml.'
    raise ConfigurationError("no service is named", why="contracts say who may do what", fix=fix)
