"""`busline apply --env ENV`: bring an environment to what the workspace says."""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from busline.cli import rotate
from busline.cli.failures import Exit
from busline.cli.options import Decorated, json_option, run_async
from busline.cli.output import Output
from busline.cli.plan import next_command, show, told
from busline.cli.plan_file import PlanFile, read_plan
from busline.cli.planning import Asked, Planned, plan_options, planned
from busline.cli.rotate import Rotating, rotation_options
from busline.cli.secret_places import Keeping, as_json, secret_options, tell
from busline.errors import ConfigurationError
from busline.governance.apply.announce import Announcer
from busline.governance.apply.apply import apply as carry_out
from busline.governance.users.secrets import Secrets


@dataclass(frozen=True, kw_only=True)
class How:
    """file: carry out the plan that is in it."""

    file: Path | None
    dry_run: bool
    yes: bool
    full: bool


def _how_options(function: Decorated) -> Decorated:
    """--plan, --dry-run, --yes and --full as one argument `how`."""

    @click.option(
        "--plan",
        "file",
        metavar="FILE",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Carry out this plan of busline plan --out, if it is still what would be done.",
    )
    @click.option(
        "--dry-run", is_flag=True, help="Show what would change, change nothing; exit code 3 if anything would."
    )
    @click.option("--yes", is_flag=True, help="Do not ask, where a person is there, before access widens or data goes.")
    @click.option("--full", is_flag=True, help="Show each line, also those that are alike.")
    @functools.wraps(function)
    def wrapped(*args: Any, file: Path | None, dry_run: bool, yes: bool, full: bool, **kwargs: Any) -> Any:
        return function(*args, how=How(file=file, dry_run=dry_run, yes=yes, full=full), **kwargs)

    return wrapped


@click.command(epilog="Example: busline apply --env local --dry-run")
@plan_options
@_how_options
@secret_options
@rotation_options
@json_option
def apply(output: Output, asked: Asked, how: How, keeping: Keeping, rotating: Rotating) -> int | None:
    """Bring an environment to what the workspace says: topics, schemas, rights, users, quotas and the contract log.

    It does what `busline plan` shows. It can be run again at any time: what is done already is found done, and what was
    stopped is gone on with. Rights that no contract gives are taken away before others are given, and it ends when
    every broker follows. Nothing that holds records is deleted without --allow-delete, and no topic gets more
    partitions without --allow-partitions. A new user's secret is made here unless one is given: by the variable
    BUSLINE_SECRET_TEAM_SERVICE, by a file, or by `credentials.services` of busline.yaml.
    """
    if rotating:
        _check_alone(asked, how)
        return run_async(rotate.carry_out(output, asked, rotating, keeping))
    file = read_plan(how.file) if how.file else None
    if file is not None:
        asked = _from_file(file, asked)
    return run_async(_apply(output, asked, how, keeping, file))


def _check_alone(asked: Asked, how: How) -> None:
    """Who wants to see what would change must not get a rotation."""
    if how.file or how.dry_run or asked != Asked(env=asked.env, url=asked.url, workspace=asked.workspace):
        raise ConfigurationError(
            "--rotate changes one secret and nothing else", fix="Leave out what says what to plan."
        )


def _from_file(file: PlanFile, asked: Asked) -> Asked:
    if asked.env not in (None, file.environment):
        raise ConfigurationError(
            f"the plan is for the environment {file.environment!r}", fix="Leave out --env, or plan for that one."
        )
    if asked != Asked(env=asked.env, workspace=asked.workspace):
        raise ConfigurationError("a plan was made with its own options", fix="With --plan, say none; or plan again.")
    return file.asked(asked.workspace)


async def _apply(output: Output, asked: Asked, how: How, keeping: Keeping, file: PlanFile | None) -> int:
    async with planned(asked, output) as made:
        if file is not None:
            file.check_is(made)
        if how.dry_run:
            show(output, made, full=how.full, more={"applied": False})
            return _pending(output, made, next_command(made, asked, how.file))
        if not output.as_json:
            show(output, made, full=how.full, more={})
        if not _is_wanted(output, made, how):
            output.note("nothing was changed")
            return Exit.PENDING
        await _carry_out(output, made, keeping)
    return Exit.OK


def _pending(output: Output, made: Planned, following: str) -> int:
    if not made.plan.changes:
        return Exit.OK
    output.note(f"nothing was changed; to do it: {following}")
    return Exit.PENDING


def somebody_is_there(output: Output) -> bool:
    return output.interactive and sys.stdin.isatty()


def _is_wanted(output: Output, made: Planned, how: How) -> bool:
    """A pipeline is not asked: there, the merge was the question."""
    hurts = made.plan.destroys or made.plan.widens
    if not hurts or how.yes or not somebody_is_there(output):
        return True
    return click.confirm(f"Apply this to {made.env} ({made.target.url})?", err=True)


async def _carry_out(output: Output, made: Planned, keeping: Keeping) -> None:
    assert made.target.environment is not None
    secrets = keeping.secrets(made.workspace, made.target.environment)
    done = False
    try:
        await carry_out(
            made.plan,
            made.engine,
            made.registry,
            secrets=secrets,
            narrate=output.note,
            announcer=Announcer(environment=made.env, by=made.target.user),
        )
        done = True
    finally:  # a user may have its secret by now, also where a later step failed
        _tell(output, made, secrets, done=done)


def _tell(output: Output, made: Planned, secrets: Secrets, *, done: bool) -> None:
    tell(output, secrets)
    if output.as_json and (done or secrets.to_print):
        output.result({**told(made), "applied": done, **as_json(secrets)})
    if done and made.plan.changes:
        following = "" if made.engine.features.enforced else "; next: busline run MODULE:BUS"
        output.note(f"applied to {made.target.url}{following}")
