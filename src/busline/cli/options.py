"""What the commands share: --json, where the engine is, who asks; each command gets it as one value."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import click
from click.shell_completion import CompletionItem

from busline.cli.output import Output
from busline.errors import BuslineError, ConfigurationError, ContractError
from busline.names import ContractName, Service, Team

R = TypeVar("R")
Decorated: TypeAlias = Callable[..., Any]


@dataclass(frozen=True, kw_only=True)
class Where:
    """What the command line says about the engine. None: not said."""

    env: str | None
    url: str | None
    workspace: Path | None
    service: str | None = None


if TYPE_CHECKING:
    ContractType = click.ParamType[ContractName]
else:
    ContractType = click.ParamType  # older clicks know no type arguments


class _Contract(ContractType):
    """A contract's name; a shell completes it from the folders of the workspace, and opens no file there."""

    name = "contract"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> ContractName:
        return _name(ContractName, value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from busline.bus.settings import Settings
        from busline.cli.workspace_path import find_workspace
        from busline.contract.search_folder import OWN, contract_names

        try:
            folder = find_workspace(ctx.params.get("workspace"), Settings.load())
        except BuslineError:
            return []
        found = (*contract_names(folder), *contract_names(OWN)) if folder else ()
        return [CompletionItem(name) for name in found if name.startswith(incomplete)]


contract = _Contract()


def service(given: str) -> Service:
    return _name(Service, given)


def team(given: str) -> Team:
    return _name(Team, given)


def text(given: str) -> str:
    """What a script left empty by mistake is not taken for what was not said."""
    if not given.strip():
        raise ValueError("it is empty")
    return given


def _name(kind: Callable[[str], R], given: str) -> R:
    """On the command line a wrong name is wrong usage."""
    try:
        return kind(given)
    except ContractError as error:
        raise ConfigurationError(error.what, fix=error.fix) from None


def json_option(function: Decorated) -> Decorated:
    """--json, and the command's two streams as its first argument."""

    @click.option("--json", "as_json", is_flag=True, help="Results as JSON, one object a line; errors as JSON too.")
    @functools.wraps(function)
    def wrapped(*args: Any, as_json: bool, **kwargs: Any) -> Any:
        return function(Output(as_json=as_json), *args, **kwargs)

    return wrapped


def workspace_option(function: Decorated) -> Decorated:
    return click.option(
        "--workspace",
        type=click.Path(file_okay=False, path_type=Path),
        help="The folder of contracts; else BUSLINE_WORKSPACE, or schemas/ here or above.",
    )(function)


def where_options(function: Decorated) -> Decorated:
    """--env, --url and --workspace as one argument `where`."""

    @click.option("--env", type=text, help="An environment of the workspace's busline.yaml.")
    @click.option("--url", type=text, help="The engine's URL; instead of the environment's.")
    @workspace_option
    @functools.wraps(function)
    def wrapped(*args: Any, env: str | None, url: str | None, workspace: Path | None, **kwargs: Any) -> Any:
        service = kwargs.pop("as_service", None)
        return function(*args, where=Where(env=env, url=url, workspace=workspace, service=service), **kwargs)

    return wrapped


def service_option(function: Decorated) -> Decorated:
    """--as; to be put above `where_options`."""
    return click.option(
        "--as",
        "as_service",
        type=service,
        metavar="TEAM/SERVICE",
        help="Who asks; else BUSLINE_SERVICE. TEAM/people for a person.",
    )(function)


def run_async(work: Coroutine[Any, Any, R]) -> R:
    """Run a command's work; Ctrl-C cancels it, in order."""
    # The result goes round the task: where asyncio.run takes back its SIGINT handler, signal.signal writes out the repr
    # of the whole task (CPython 3.11), which takes seconds where the result is large.
    results: list[R] = []

    async def kept() -> None:
        results.append(await work)

    asyncio.run(kept())
    return results[0]
