"""`busline apply --rotate SERVICE`: another secret for a service, in two steps, with the old one good meanwhile."""

from __future__ import annotations

import difflib
import functools
from dataclasses import dataclass
from typing import Any

import click

from busline.bus.notices import today
from busline.cli import options
from busline.cli.options import Decorated
from busline.cli.output import Output
from busline.cli.planning import Asked, find_environment, read_workspace
from busline.cli.secret_places import Keeping, as_json, tell
from busline.cli.target import Target, started
from busline.contract.workspace import Workspace
from busline.errors import ConfigurationError
from busline.governance.users.rotation import Rotation, abort, finish, rotate
from busline.names import Service


@dataclass(frozen=True, kw_only=True)
class Rotating:
    """What the command line says. service None: nothing of it."""

    service: Service | None
    finish: bool
    abort: bool

    def __bool__(self) -> bool:
        if self.service is None and (self.finish or self.abort):
            raise ConfigurationError("it is not said which rotation", fix="Say --rotate TEAM/SERVICE too.")
        if self.finish and self.abort:
            raise ConfigurationError("--finish and --abort exclude each other", fix="Say one of them.")
        return self.service is not None


def rotation_options(function: Decorated) -> Decorated:
    """--rotate, --finish and --abort as one argument `rotating`."""

    @click.option(
        "--rotate",
        "service",
        type=options.service,
        metavar="TEAM/SERVICE",
        help="Give this service a second secret, for the other SCRAM mechanism; nothing else is applied.",
    )
    @click.option("--finish", is_flag=True, help="With --rotate: the service uses the new secret; delete the old one.")
    @click.option("--abort", is_flag=True, help="With --rotate: delete the new secret again.")
    @functools.wraps(function)
    def wrapped(*args: Any, service: Service | None, finish: bool, abort: bool, **kwargs: Any) -> Any:
        return function(*args, rotating=Rotating(service=service, finish=finish, abort=abort), **kwargs)

    return wrapped


async def carry_out(output: Output, asked: Asked, rotating: Rotating, keeping: Keeping) -> None:
    workspace = (await read_workspace(asked.workspace)).workspace
    found, target = find_environment(workspace, asked)
    assert rotating.service is not None
    if not rotating.abort:  # whose file is gone: its rotation can still be called off
        _check_is_there(workspace, rotating.service)
    secrets = keeping.secrets(workspace, found)
    if rotating.finish or rotating.abort:
        done = await _ended(target, rotating, rotating.service)
        dead = done.old if rotating.finish else done.new
        removed = secrets.forget(done.user, dead)
        _tell_end(output, done, rotating, f"; removed {removed}" if removed else "")
        return
    try:
        async with started(target) as engine:
            done = await rotate(rotating.service, _user(workspace, rotating.service), engine, secrets, today())
    finally:  # it may be set by now, whatever came after
        tell(output, secrets)
        if output.as_json and secrets.handed:
            output.result({"rotation": rotating.service, **as_json(secrets)})
    _tell_begun(output, done, found.name, secrets.handed[-1].went)


async def _ended(target: Target, rotating: Rotating, service: Service) -> Rotation:
    async with started(target) as engine:
        return await (finish if rotating.finish else abort)(service, engine)


def _check_is_there(workspace: Workspace, service: Service) -> None:
    if service in workspace.services or (service.is_people and service.team in workspace.teams):
        return
    near = difflib.get_close_matches(service, workspace.services, n=1)
    where = str(workspace.path / service.team / f"{service.name}.service.yaml")
    fix = f"Did you mean {near[0]}?" if near else "Look at the service files of the workspace."
    raise ConfigurationError(f"no service {service!r}", where=where, fix=fix)


def _user(workspace: Workspace, service: Service) -> str:
    spec = workspace.services.get(service)
    return spec.user if spec else str(service)


def _tell_begun(output: Output, done: Rotation, env: str, went: str) -> None:
    file = f" BUSLINE_PASSWORD_FILE={went}" if went.endswith(".password") else " and the new secret"
    output.note(
        f"{done.service}: the new secret is for {done.new}; the old one, for {done.old}, is good until --finish"
    )
    output.note(f"next: roll out {done.service} with BUSLINE_SASL_MECHANISM={done.new}{file}")
    output.note(f"then, when every instance is: busline apply --env {env} --rotate {done.service} --finish")


def _tell_end(output: Output, done: Rotation, rotating: Rotating, more: str) -> None:
    dead, good = (done.old, done.new) if rotating.finish else (done.new, done.old)
    said = {"rotation": done.service, "deleted": dead, "kept": good, "finished": rotating.finish}
    word = "old" if rotating.finish else "new"
    output.result(said, f"{done.service}: the {word} secret, for {dead}, is deleted; it logs in by {good}{more}")
