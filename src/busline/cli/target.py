"""From what the command line says to an engine: which workspace, which environment, which URL, which registry."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from busline.bus.contract_log import ContractLog
from busline.bus.session import Session, is_embedded
from busline.bus.settings import Settings
from busline.cli.options import Where
from busline.cli.options import service as service_name
from busline.cli.workspace_path import FILE, find_workspace, workspace_folder
from busline.contract.model import Environment
from busline.contract.workspace import Workspace
from busline.errors import ConfigurationError, ContractUnknown, UnknownTopic
from busline.names import Service
from busline.transport.base import Transport
from busline.transport.resolve import resolve
from busline.transport.security import Command, Security

if TYPE_CHECKING:
    from busline.governance.registry.registry import Registry

LOCAL: Final = "local"
NOBODY: Final = Service("local/busline")


@dataclass(frozen=True, kw_only=True)
class Target:
    """An engine to work on. environment None: the URL alone is known. declared: the workspace's services."""

    url: str
    registry: str | None = None
    environment: Environment | None = None
    service: Service | None = None
    declared: frozenset[Service] = frozenset()

    @property
    def user(self) -> str:
        """By whom the engine is logged in to, as far as settings say."""
        said = Settings.load({"url": self.url}).security() or Security.from_environment()
        return said.user or "unknown"

    def transport(self) -> Transport:
        """Not yet started. An environment's credentials command is asked before each connect."""
        credentials = self.environment.credentials if self.environment else None
        said = Settings.load({"url": self.url}).security()
        if not credentials:
            return resolve(self.url, security=said)
        return resolve(
            self.url, security=replace(said or Security.from_environment(), password=Command(tuple(credentials)))
        )


def load_workspace(given: Path | None, *, granted: bool = True) -> Workspace:
    """As `Workspace.load`. Raises ConfigurationError where there is none, WorkspaceInvalid with all findings."""
    return Workspace.load(workspace_folder(given), granted=granted)


def registry_at(url: str, *, anonymous: bool = False) -> Registry:
    """To be closed. anonymous: asked without credentials. Imported only where there is one: httpx comes with an
    extra."""
    from busline.governance.registry.http import RegistryHttp
    from busline.governance.registry.registry import Registry

    return Registry(RegistryHttp(url)) if anonymous else Registry.at(url)


def environment(workspace: Workspace, name: str) -> Environment:
    found = workspace.environments.get(name)
    if found is None:
        known = ", ".join(workspace.environments) or "none yet"
        raise ConfigurationError(
            f"no environment {name!r}", where=str(workspace.path / FILE), fix=f"There are: {known}."
        )
    return found


def find_target(where: Where) -> Target:
    """--url, --env, the url setting, else the workspace's environment `local`. Raises ConfigurationError."""
    settings = Settings.load({"service": where.service})
    name = settings.get("service")
    service = service_name(name) if name else None
    if where.env is None and (url := where.url or settings.get("url")):
        _check_is_there(url)
        return Target(url=url, registry=settings.get("registry"), service=service)
    path = find_workspace(where.workspace, settings)
    if path is None:
        raise ConfigurationError(
            "no engine is named", fix="Say --url, or --env in a workspace, or set BUSLINE_URL; or begin: busline init."
        )
    return replace(find_in(Workspace.load(path), where), service=service)


def find_in(workspace: Workspace, where: Where) -> Target:
    """The environment that is said, else `local`, of a workspace that is read already. Raises as `find_target`."""
    found = environment(workspace, where.env or LOCAL)
    url = where.url or engine_url(workspace, found)
    _check_is_there(url)
    return replace(of_environment(workspace, found), url=url)


def _check_is_there(url: str) -> None:
    """Who asks makes no file: a slip in the path would be a new, empty log."""
    scheme, _, rest = url.partition(":///")
    file = Path(rest.partition("?")[0])
    if scheme == "sqlite" and rest and not file.exists():
        raise _nothing_applied(url, f"there is no file {file}")


def of_environment(workspace: Workspace, found: Environment) -> Target:
    return Target(
        url=engine_url(workspace, found),
        registry=found.registry,
        environment=found,
        declared=frozenset(workspace.services),
    )


def engine_url(workspace: Workspace, found: Environment) -> str:
    """A relative sqlite path is relative to the folder that holds the workspace, wherever the command runs."""
    scheme, _, path = found.url.partition(":///")
    if scheme != "sqlite" or path.startswith("/"):
        return found.url
    file = workspace.path.absolute().parent / path.partition("?")[0]
    file.parent.mkdir(parents=True, exist_ok=True)
    query = path.partition("?")[1:]
    return f"sqlite:///{file}{''.join(query)}"


@asynccontextmanager
async def started(target: Target) -> AsyncIterator[Transport]:
    transport = target.transport()
    try:
        await transport.start()
        yield transport
    finally:
        await transport.aclose()


@asynccontextmanager
async def session(target: Target) -> AsyncIterator[Session]:
    """An engine with its contracts read, for commands that publish and read; brings nothing up, applies nothing.

    On an embedded engine everything is allowed to whom is not named, or where no workspace was applied.

    Raises ContractUnknown where nothing was ever applied.
    """
    settings = Settings.load({"url": target.url, "service": target.service})
    transport = target.transport()
    if target.service is None and not is_embedded(transport):
        raise ConfigurationError(
            "it is not said who asks",
            why="contracts say who may do what",
            fix="Say --as TEAM/SERVICE, for a person --as TEAM/people, or set BUSLINE_SERVICE.",
        )
    made = Session(settings, transport, target.service or NOBODY, None)
    try:
        await made.transport.start()
        await read_log(made.log, target.url)
        made.free = made.is_embedded and (target.service is None or not made.log.catalog.teams())
        yield made
    finally:
        await made.aclose(30.0)


async def read_log(log: ContractLog, url: str) -> None:
    try:
        await log.read()
    except UnknownTopic as error:
        raise _nothing_applied(url, "no contracts are kept there") from error


def _nothing_applied(url: str, why: str) -> ContractUnknown:
    """A service brings up an embedded engine by itself, and no other."""
    more = ", or start the service" if url.startswith(("sqlite:", "memory:")) else ""
    return ContractUnknown(f"nothing was ever applied on {url}", why=why, fix=f"Run: busline apply --env …{more}.")
