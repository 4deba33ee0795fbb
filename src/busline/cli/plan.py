"""`busline plan --env ENV`: what apply would change, and nothing is changed."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from busline.cli.failures import Exit
from busline.cli.options import json_option, run_async
from busline.cli.output import Output
from busline.cli.plan_file import write_plan
from busline.cli.planning import Asked, Planned, plan_options, planned


@click.command(epilog="Example: busline plan --env prod --out plan.json")
@plan_options
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep the plan in this file, for apply --plan.",
)
@click.option("--exit-code", is_flag=True, help="Exit code 3 if anything would change: the alarm for drift.")
@click.option("--full", is_flag=True, help="Show each line, also those that are alike.")
@json_option
def plan(output: Output, asked: Asked, out: Path | None, exit_code: bool, full: bool) -> int:
    """Show what apply would change: topics, schemas, rights, users, quotas and the contract log.

    `busline check` runs first. What is shown is grouped by contract and service; what destroys, what widens access, and
    what `enforce: observe` holds back stand apart. It needs rights to look and none to change: of the principal
    busline/plan (`busline init --platform`).
    """
    made = run_async(_plan(output, asked, out))
    show(output, made, full=full, more={"next": (following := next_command(made, asked, out))})
    if made.plan.changes:
        output.note(f"nothing was changed; to do it: {following}")
    return Exit.PENDING if exit_code and made.plan.changes else Exit.OK


async def _plan(output: Output, asked: Asked, out: Path | None) -> Planned:
    async with planned(asked, output) as made:
        if out:
            write_plan(out, made, asked)
        return made


def show(output: Output, made: Planned, *, full: bool, more: dict[str, Any]) -> None:
    output.result({**told(made), **more}, made.shown.text(full=full))


def told(made: Planned) -> dict[str, Any]:
    """A plan, for programs."""
    return {
        "environment": made.env,
        "commit": made.workspace.commit,
        **made.shown.as_json(),
        "fingerprint": made.plan.fingerprint,
    }


def next_command(made: Planned, asked: Asked, file: Path | None) -> str:
    """What carries this plan out. file: where it is kept."""
    if file:
        return f"busline apply --plan {shlex.quote(str(file))}"
    words = ["busline", "apply", "--env", made.env]
    if asked.url:
        words += ["--url", asked.url]
    named = {
        "--team": asked.teams,
        "--remove-team": asked.removed,
        "--allow-delete": asked.allow_delete,
        "--allow-partitions": asked.allow_partitions,
    }
    for option, names in named.items():
        words += [word for name in sorted(names) for word in (option, name)]
    return shlex.join(words)
