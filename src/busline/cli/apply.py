"""`busline apply --env ENV`: bring an environment to what the workspace says."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from busline.cli import options
from busline.cli.failures import Exit
from busline.cli.options import json_option, run_async, workspace_option
from busline.cli.output import Output
from busline.cli.target import Target, environment, load_workspace, of_environment, started
from busline.errors import ApplyError
from busline.governance.apply import apply as carry_out
from busline.governance.plan import Goal, Plan, plan_changes
from busline.names import Team
from busline.transport.base import Transport

if TYPE_CHECKING:
    from busline.governance.registry import Registry

_COLOURS: Final = {"+": "green", "~": "yellow", "-": "red"}


@click.command(epilog="Example: busline apply --env local --dry-run")
@click.option("--env", type=options.text, required=True, help="An environment of the workspace's busline.yaml.")
@click.option("--url", type=options.text, help="The engine's URL; instead of the environment's.")
@click.option("--dry-run", is_flag=True, help="Show what would change, change nothing; exit code 3 if anything would.")
@click.option(
    "--remove-team",
    "removed",
    type=options.team,
    multiple=True,
    metavar="TEAM",
    help="Its folder is gone: remove its contracts and services from the contract log. Can be repeated.",
)
@workspace_option
@json_option
def apply(
    output: Output, env: str, url: str | None, dry_run: bool, removed: tuple[Team, ...], workspace: Path | None
) -> int:
    """Create and alter topics, register schemas and write the contract log, as the workspace says.

    It can be run again at any time: what is done already is found done. A topic's retention and max_record follow its
    contract; its partitions never change. No topic is ever deleted, and of the contract log only the entries of
    services that are gone from a team of this workspace: several workspaces may share one engine.
    """
    loaded = load_workspace(workspace)
    found = environment(loaded, env)
    target = of_environment(loaded, found)
    goal = Goal(
        contracts=loaded.contracts,
        services=loaded.services,
        teams=loaded.teams,
        commit=loaded.commit,
        replicas=found.replicas,
        removed=frozenset(removed),
    )
    return run_async(_apply(output, goal, replace(target, url=url or target.url), dry_run))


async def _apply(output: Output, goal: Goal, target: Target, dry_run: bool) -> int:
    async with contextlib.AsyncExitStack() as stack:
        engine = await stack.enter_async_context(started(target))
        _check_enforced(engine, target)
        registry = None
        if target.registry:
            registry = await stack.enter_async_context(_registry(target.registry))
        plan = await plan_changes(goal, engine, registry)
        if not dry_run:
            await carry_out(plan, engine, registry, narrate=output.note)
    _show(output, plan, target, dry_run)
    return Exit.PENDING if dry_run and plan.changes else Exit.OK


@contextlib.asynccontextmanager
async def _registry(url: str) -> AsyncIterator[Registry]:
    """Imported only where there is one: httpx comes with an extra."""
    from busline.governance.registry import Registry

    async with Registry.at(url) as registry:
        yield registry


def _check_enforced(engine: Transport, target: Target) -> None:
    denies = target.environment is not None and target.environment.enforce == "deny"
    if denies and not engine.features.enforced:
        raise ApplyError(
            "this engine does not enforce contracts, and the environment says `enforce: deny`",
            where=target.url,
            fix="Write `enforce: warn` if that is what you want, or take an engine that refuses what is not granted.",
        )


def _show(output: Output, plan: Plan, target: Target, dry_run: bool) -> None:
    env = target.environment.name if target.environment else ""
    for note in plan.notes:
        output.note(click.style(f"note: {note}", fg="yellow"))
    output.result(
        {
            "environment": env,
            "applied": not dry_run,
            "changes": [change._asdict() for change in plan.changes],
            "notes": list(plan.notes),
        },
        "\n".join(_lines(plan)),
    )
    if dry_run and plan.changes:
        output.note(f"nothing was changed; to do it: busline apply --env {env}")
    elif plan.changes:
        output.note(f"applied to {target.url}; next: busline run MODULE:BUS")


def _lines(plan: Plan) -> Iterator[str]:
    """Grouped by what the changes are about, then one line of counts."""
    for about, changes in groupby(plan.changes, key=lambda change: change.about):
        yield click.style(about, bold=True)
        for change in changes:
            yield click.style(f"  {change.mark} {change.what}", fg=_COLOURS[change.mark])
    counts = Counter[str](change.mark for change in plan.changes)
    words = {"+": "new", "~": "changed", "-": "gone"}
    yield ", ".join(f"{counts[mark]} {words[mark]}" for mark in words if counts[mark]) or "no changes"
