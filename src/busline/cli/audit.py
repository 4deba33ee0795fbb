"""`busline audit`: what is on an engine and in its registry that no contract explains; and in code."""

from __future__ import annotations

import contextlib
import importlib
import os
from pathlib import Path
from typing import Final

import click

from busline.bus.notices import today
from busline.cli import options
from busline.cli.failures import Exit
from busline.cli.options import json_option, run_async, workspace_option
from busline.cli.output import Output
from busline.cli.report.formats import FORMATS
from busline.cli.report.report import Report
from busline.cli.target import environment, load_workspace, of_environment, started
from busline.contract.finding import Finding
from busline.contract.rules.codeowners import repository_root
from busline.contract.workspace import Workspace
from busline.errors import ConfigurationError
from busline.governance.audit.audit import engine_findings, expect
from busline.governance.audit.seen import look

_MORE: Final = {"code": "busline.cli.audit_code:code"}


class _Group(click.Group):
    """`audit` alone looks at an environment; its subcommands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_MORE)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _MORE:
            return None
        module, _, name = _MORE[cmd_name].partition(":")
        found: click.Command = getattr(importlib.import_module(module), name)
        return found


@click.group(
    cls=_Group,
    invoke_without_command=True,
    epilog="Example: busline audit --env prod --authorizer-log kafka-authorizer.log",
)
@click.option("--env", type=options.text, help="The environment to look at.")
@click.option(
    "--format", "form", type=click.Choice(list(FORMATS)), help="How to show it; else text, or github in its Actions."
)
@workspace_option
@json_option
@click.pass_context
def audit(context: click.Context, output: Output, env: str | None, form: str | None, workspace: Path | None) -> int:
    """Find what goes around the contracts. Exit code 4 if anything has to be mended. Nothing is changed.

    On the engine: topics, rights, users, quotas and groups that no contract explains; settings that differ; listeners
    that let strangers in; records that are no events of their contract. In the registry: subjects, versions and levels.
    What is merged or applied explains. Rules are explained by `busline explain RULE`.
    """
    if context.invoked_subcommand is not None:
        return Exit.OK
    if env is None:
        raise ConfigurationError("it is not said what to audit", fix="Say --env ENV, or `busline audit code PATH`.")
    loaded = load_workspace(workspace)
    report = _report(loaded, run_async(_audited(loaded, env)))
    click.echo(FORMATS[form or _default(output)](report))
    return Exit.FINDINGS if report.failed else Exit.OK


def _default(output: Output) -> str:
    if output.as_json:
        return "json"
    return "github" if os.environ.get("GITHUB_ACTIONS") == "true" else "text"


async def _audited(workspace: Workspace, env: str) -> list[Finding]:
    found = environment(workspace, env)
    async with contextlib.AsyncExitStack() as stack:
        engine = await stack.enter_async_context(started(of_environment(workspace, found)))
        expected = await expect(workspace, found, engine, today())
        return list(engine_findings(expected, await look(engine)))


def _report(workspace: Workspace, findings: list[Finding]) -> Report:
    folder = workspace.path
    folder = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    root = repository_root(folder)
    return Report(
        findings=tuple(sorted(findings)),
        folder=folder,
        in_repository=folder.resolve().relative_to(root) if root else folder,
        looked_at=len(workspace.contracts),
        title="audit",
    )
