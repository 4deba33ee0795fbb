"""`busline audit`: what is on an engine and in its registry that no contract explains; and in code."""

from __future__ import annotations

import contextlib
import functools
import importlib
from pathlib import Path
from typing import Any, Final

import click

from busline.bus.notices import today
from busline.cli import options
from busline.cli.failures import Exit
from busline.cli.options import Decorated, json_option, run_async, workspace_option
from busline.cli.output import Output
from busline.cli.report.formats import FORMATS, in_format
from busline.cli.report.report import Report
from busline.cli.target import environment, load_workspace, of_environment, registry_at, started
from busline.contract.rules.codeowners import repository_root
from busline.contract.workspace import Workspace
from busline.errors import ConfigurationError
from busline.governance.audit.audit import Asked, Audited, Registries, expect
from busline.governance.audit.audit import audit as look_into
from busline.governance.audit.probes import probe_secret

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


def _asked_options(function: Decorated) -> Decorated:
    """How closely to look, as one argument `asked`."""

    @click.option(
        "--authorizer-log",
        "logs",
        metavar="FILE",
        multiple=True,
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="The brokers' authorizer logs, all of them: who was refused, and who wrote. Can be repeated.",
    )
    @click.option("--publish", is_flag=True, help="Tell the log's refusals as events on busline.access-denied, once.")
    @click.option(
        "--samples",
        type=click.IntRange(0, 10_000),
        default=20,
        show_default=True,
        help="Records from the end of each partition that are looked at; 0: none.",
    )
    @click.option(
        "--unused",
        type=click.IntRange(0),
        default=30,
        show_default=True,
        help="Days after which a right that was not used is told; 0: none is.",
    )
    @functools.wraps(function)
    def wrapped(*args: Any, logs: tuple[Path, ...], publish: bool, samples: int, unused: int, **kwargs: Any) -> Any:
        if publish and not logs:
            raise ConfigurationError("--publish tells what an authorizer's log says", fix="Say --authorizer-log FILE.")
        asked = Asked(samples=samples, unused=unused, logs=logs, publish=publish, probe=probe_secret())
        return function(*args, asked=asked, **kwargs)

    return wrapped


@click.group(
    cls=_Group,
    invoke_without_command=True,
    epilog="Example: busline audit --env prod --authorizer-log kafka-authorizer.log",
)
@click.option("--env", type=options.text, help="The environment to look at.")
@_asked_options
@click.option(
    "--format", "form", type=click.Choice(list(FORMATS)), help="How to show it; else text, or github in its Actions."
)
@workspace_option
@json_option
@click.pass_context
def audit(
    context: click.Context, output: Output, env: str | None, asked: Asked, form: str | None, workspace: Path | None
) -> int:
    """Find what goes around the contracts. Exit code 4 if anything has to be mended. Nothing is changed.

    On the engine: topics, rights, users, quotas and groups that no contract explains; settings that differ; listeners
    that let strangers in; records that are no events of their contract. In the registry: subjects, versions and levels.
    What is merged or applied explains, and what `known` in busline.yaml lists. Rules: `busline explain RULE`.

    The secret of the user busline/probe is taken from BUSLINE_PROBE_PASSWORD_FILE or BUSLINE_PROBE_PASSWORD.
    """
    if context.invoked_subcommand is not None:
        return Exit.OK
    if env is None:
        raise ConfigurationError("it is not said what to audit", fix="Say --env ENV, or `busline audit code PATH`.")
    loaded = load_workspace(workspace)
    report = _report(loaded, run_async(audited(loaded, env, asked)))
    click.echo(in_format(report, form, output))
    return Exit.FINDINGS if report.failed else Exit.OK


async def audited(workspace: Workspace, env: str, asked: Asked) -> Audited:
    """All that is found, and how it was looked at. Raises what the engine and the registry raise."""
    found = environment(workspace, env)
    target = of_environment(workspace, found)
    async with contextlib.AsyncExitStack() as stack:
        engine = await stack.enter_async_context(started(target))
        expected = await expect(workspace, found, engine, today())
        registries = await _registries(stack, target.registry) if target.registry else None
        return await look_into(asked, expected, engine, lambda: started(target), registries)


async def _registries(stack: contextlib.AsyncExitStack, url: str) -> Registries:
    return Registries(
        ours=await stack.enter_async_context(registry_at(url)),
        anonymous=await stack.enter_async_context(registry_at(url, anonymous=True)),
    )


def _report(workspace: Workspace, audited: Audited) -> Report:
    folder = workspace.path
    folder = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    root = repository_root(folder)
    return Report(
        findings=tuple(sorted(audited.findings)),
        folder=folder,
        in_repository=folder.resolve().relative_to(root) if root else folder,
        looked_at=len(workspace.contracts),
        notes=tuple(audited.notes),
        title="audit",
    )
