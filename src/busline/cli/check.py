"""`busline check`: one gate for a workspace, in the format that whoever asks can read."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import click

from busline.bus.settings import Settings
from busline.cli.declare import write_files
from busline.cli.failures import Exit
from busline.cli.options import json_option, workspace_option
from busline.cli.output import Output
from busline.cli.report.formats import FORMATS
from busline.cli.report.report import Report
from busline.cli.target import find_workspace
from busline.contract.finding import Finding
from busline.contract.locate import located
from busline.contract.rules.codeowners import repository_root
from busline.contract.workspace import Workspace
from busline.errors import ConfigurationError, WorkspaceInvalid
from busline.governance.baseline import FILE, Baseline, baseline_text, read_baseline
from busline.governance.gate import ALL, Part, run_gate

_NAMES: Final = ", ".join(Part)


def _parts(context: click.Context, option: click.Parameter, given: str | None) -> frozenset[Part]:
    if given is None:
        return ALL
    try:
        return frozenset(Part(name.strip()) for name in given.split(","))
    except ValueError as error:
        raise click.BadParameter(f"{error}: there are {_NAMES}.", context, option) from None


@click.command(epilog="Example: busline check --against main")
@click.option("--only", metavar="PARTS", callback=_parts, help=f"Only these parts, with commas: {_NAMES}.")
@click.option("--write-baseline", is_flag=True, help="Record what is found now; from then on only new findings fail.")
@click.option(
    "--format", "form", type=click.Choice(list(FORMATS)), help="How to show it; else text, or github in its Actions."
)
@workspace_option
@json_option
def check(output: Output, only: frozenset[Part], write_baseline: bool, form: str | None, workspace: Path | None) -> int:
    """Check a workspace: files, rules, versions, readers. Exit code 4 if anything has to be mended.

    Rules are explained by `busline explain RULE`, and are off only in the file that they are off for, with a reason.
    """
    folder = _folder(workspace)
    findings, looked_at, notes = _checked(folder, only)
    if write_baseline:
        return _write(output, folder, findings)
    report = _report(folder, findings, looked_at, notes, only)
    click.echo(FORMATS[form or _default(output)](report))
    return Exit.FINDINGS if report.failed else Exit.OK


def _folder(given: Path | None) -> Path:
    folder = find_workspace(given, Settings.load())
    if folder is None:
        raise ConfigurationError(
            "there is no workspace here", where=str(Path.cwd()), fix="Make one: busline init, or name it: --workspace."
        )
    return folder


def _default(output: Output) -> str:
    if output.as_json:
        return "json"
    return "github" if os.environ.get("GITHUB_ACTIONS") == "true" else "text"


def _checked(folder: Path, only: frozenset[Part]) -> tuple[list[Finding], int, list[str]]:
    """The findings, how many contracts were looked at, and what to know about it."""
    try:
        workspace = Workspace.load(folder)
    except WorkspaceInvalid as error:
        found = [finding for finding in error.findings if isinstance(finding, Finding)]
        return found, 0, ["the files do not hold together yet: the other checks come when they do"]
    return run_gate(workspace, None, dt.date.today(), only=only), len(workspace.contracts), []


def _write(output: Output, folder: Path, findings: Iterable[Finding]) -> int:
    text = baseline_text(findings)
    write_files(folder, {FILE: text})
    count = text.count('"fingerprint"')
    output.result({"written": str(folder / FILE), "findings": count}, f"wrote {folder / FILE}: {count} findings")
    output.note("next: commit it; from now on `busline check` fails on new findings only")
    return Exit.OK


def _report(folder: Path, findings: list[Finding], looked_at: int, notes: list[str], only: frozenset[Part]) -> Report:
    baseline = read_baseline(folder) if looked_at else Baseline()
    new = baseline.new(findings)
    root = repository_root(folder)
    return Report(
        findings=tuple(located(new, folder)),
        folder=folder,
        in_repository=folder.resolve().relative_to(root) if root else folder,
        looked_at=looked_at,
        known=len(findings) - len(new),
        gone=baseline.gone(findings) if only == ALL else (),
        notes=tuple(notes),
    )
