"""`busline adopt --env ENV`: contracts and services for what is on a cluster already."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from busline.bus.notices import today
from busline.bus.settings import Settings
from busline.cli import options
from busline.cli.adopt_questions import ask_owners
from busline.cli.adopt_view import show
from busline.cli.declare import write_files
from busline.cli.failures import Exit
from busline.cli.options import Decorated, json_option, run_async
from busline.cli.output import Output
from busline.cli.target import Target, environment, of_environment, registry_at, started
from busline.cli.workspace_path import FILE, FOLDER, find_workspace
from busline.contract.workspace import Workspace
from busline.errors import ConfigurationError
from busline.governance.adopt.adoption import Asked
from busline.governance.adopt.adoption import adopt as adopted
from busline.governance.adopt.live import Live, read_live
from busline.governance.adopt.owners import Owners, owners_of

if TYPE_CHECKING:
    pass


@dataclass(frozen=True, kw_only=True)
class Said:
    """What people say that no cluster does: whose everything is, and keys by topic."""

    owners: Owners
    keys: Mapping[str, tuple[str, ...]]


def _said_options(function: Decorated) -> Decorated:
    """--owner, --owners and --key as one argument `said`."""

    @click.option(
        "--owner",
        "lines",
        multiple=True,
        metavar="GLOB=TEAM",
        help="Whose the topics and users are that fit; user:GLOB=TEAM: users alone. The first that fits. Can be"
        " repeated.",
    )
    @click.option(
        "--owners",
        "file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="A YAML file of them: `GLOB: team`, a line each.",
    )
    @click.option(
        "--key",
        "keys",
        multiple=True,
        metavar="TOPIC=FIELD[,FIELD]",
        help="The key of a topic's events, where the registry does not say it. Can be repeated.",
    )
    @functools.wraps(function)
    def wrapped(*args: Any, lines: tuple[str, ...], file: Path | None, keys: tuple[str, ...], **kwargs: Any) -> Any:
        owners = owners_of(lines, file.read_text(encoding="utf-8") if file else "", str(file or ""))
        return function(*args, said=Said(owners=owners, keys=dict(_key(line) for line in keys)), **kwargs)

    return wrapped


@click.command(epilog="Example: busline adopt --env prod --owner 'ord_*=orders' --dry-run")
@click.option("--env", type=options.text, required=True, help="An environment of the workspace's busline.yaml.")
@_said_options
@click.option(
    "--into",
    "--workspace",
    "into",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder of contracts; else BUSLINE_WORKSPACE, or schemas/ here or above.",
)
@click.option("--dry-run", is_flag=True, help="Write nothing; exit code 3 if anything would be written.")
@json_option
def adopt(output: Output, env: str, said: Said, into: Path | None, dry_run: bool) -> int:
    """Write contracts and service files for the topics, users and groups that are there.

    Everything keeps its name and its settings, so that a plan has nothing to change. What cannot be a contract as it
    is stays as it is, and is listed with why. Contracts that are there already are left alone: it can be run again.

    Exit code 4 where somebody has to say whose a topic or a user is.
    """
    workspace = _workspace(into, env)
    live = run_async(_look(output, of_environment(workspace, environment(workspace, env))))
    asked = Asked(workspace=workspace, owners=said.owners, keys=said.keys, today=today())
    if output.interactive and sys.stdin.isatty() and not dry_run:
        asked = ask_owners(output, live, asked)
    found = adopted(live, asked)
    if not dry_run:
        write_files(workspace.path, found.files)
    show(output, found, live, env, written=not dry_run)
    if any(left.reason.to_decide for left in found.left):
        return Exit.FINDINGS
    return Exit.PENDING if dry_run and found.files else Exit.OK


def _workspace(into: Path | None, env: str) -> Workspace:
    """Raises ConfigurationError with what to write where there is none: which cluster it is stands nowhere else."""
    path = find_workspace(into, Settings.load())
    if path is None or not (path / FILE).is_file():
        fix = f'company: NAME\nenvironments:\n  {env}: {{url: "kafka://HOST:PORT", registry: "https://HOST"}}'
        raise ConfigurationError(
            "there is no workspace here", where=str(path or Path.cwd()), fix=f"Write {path or FOLDER}/{FILE}:\n{fix}"
        )
    return Workspace.load(path)


async def _look(output: Output, target: Target) -> Live:
    async with contextlib.AsyncExitStack() as stack:
        engine = await stack.enter_async_context(started(target))
        registry = None
        if target.registry:
            registry = await stack.enter_async_context(registry_at(target.registry))
        return await read_live(engine, registry, output.note)


def _key(line: str) -> tuple[str, tuple[str, ...]]:
    topic, _, fields = line.rpartition("=")
    names = tuple(name.strip() for name in fields.split(",") if name.strip())
    if not topic or not names:
        raise ConfigurationError(f"{line!r} does not say a key", fix="Write TOPIC=FIELD, e.g. --key prices=sku.")
    return topic, names
