"""`busline check`: one gate for a workspace, in the format that whoever asks can read."""

from __future__ import annotations

import functools
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import click

from busline.bus.notices import today
from busline.cli.comparing import Compared, compare
from busline.cli.declare import write_files
from busline.cli.failures import Exit
from busline.cli.fresh import check_fresh
from busline.cli.options import Decorated, json_option, run_async, workspace_option
from busline.cli.output import Output
from busline.cli.report.formats import FORMATS, in_format
from busline.cli.report.report import Report, counted, subject_of
from busline.cli.workspace_path import workspace_folder
from busline.contract.evolution.recipe import recipes
from busline.contract.finding import Finding, Severity
from busline.contract.locate import located
from busline.contract.model import Audience
from busline.contract.rules.codeowners import repository_root
from busline.errors import ConfigurationError, WorkspaceInvalid
from busline.governance.gate.baseline import FILE, Baseline, baseline_text, may_stay, read_baseline
from busline.governance.gate.gate import ALL, Part, Question, as_if_for, run_gate

_NAMES: Final = ", ".join(Part)
_OUTSIDE: Final = (Audience.PARTNER.value, Audience.PUBLIC.value)
_UNREAD: Final = "busline.yaml cannot be read: the other checks come when it can"


def _parts(context: click.Context, option: click.Parameter, given: str | None) -> frozenset[Part]:
    if given is None:
        return ALL
    try:
        return frozenset(Part(name.strip()) for name in given.split(","))
    except ValueError as error:
        raise click.BadParameter(f"{error}: there are {_NAMES}.", context, option) from None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is to be looked at. audience: as if every contract were for that one."""

    against: str | None
    only: frozenset[Part]
    audience: Audience | None


def _asked_options(function: Decorated) -> Decorated:
    """--against, --only and --as as one argument `asked`."""

    @click.option(
        "--against", metavar="REF|DIR|ENV", help="Only what changed since: a commit, a folder, an environment."
    )
    @click.option("--only", metavar="PARTS", callback=_parts, help=f"Only these parts, with commas: {_NAMES}.")
    @click.option("--as", "audience", type=click.Choice(_OUTSIDE), help="What contracts lack to be shown to them.")
    @functools.wraps(function)
    def wrapped(*args: Any, against: str | None, only: frozenset[Part], audience: str | None, **kwargs: Any) -> Any:
        asked = Asked(against=against, only=only, audience=Audience(audience) if audience else None)
        return function(*args, asked=asked, **kwargs)

    return wrapped


@click.command(epilog="Example: busline check --against main")
@_asked_options
@click.option("--write-baseline", is_flag=True, help="Record what is found now; from then on only new findings fail.")
@click.option(
    "--format", "form", type=click.Choice(list(FORMATS)), help="How to show it; else text, or github in its Actions."
)
@workspace_option
@json_option
def check(output: Output, asked: Asked, write_baseline: bool, form: str | None, workspace: Path | None) -> int:
    """Check a workspace: files, rules, versions, readers. Exit code 4 if anything has to be mended.

    All of it, and what is new against the branch that publishes (`branch` in busline.yaml, else main). With --against,
    what is new since then; against a commit, only what changed and what refers to it is looked at. Rules are explained
    by `busline explain RULE`, and are off only in the file that they are off for, with a reason.

    With --as, what each contract lacks before partners or the public could be shown it, by rules and levels.
    """
    folder = _folder(workspace)
    report = run_async(_checked(output, folder, asked))
    if write_baseline:
        return _write(output, report)
    report = _new(report, Baseline() if asked.audience else read_baseline(folder))
    click.echo(in_format(report, form, output))
    return Exit.FINDINGS if report.failed else Exit.OK


def _folder(given: Path | None) -> Path:
    folder = workspace_folder(given)
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder


async def _checked(output: Output, folder: Path, asked: Asked) -> Report:
    """All that was found; the baseline is not yet taken off."""
    try:
        compared = await compare(folder, asked.against)
    except WorkspaceInvalid as error:
        return _report(folder, [finding for finding in error.findings if isinstance(finding, Finding)], 0, _UNREAD)
    if compared.said:
        output.note(compared.said)
    if asked.audience:
        return _as_if(folder, compared, asked.audience)
    return _judged(folder, compared, asked.only)


def _as_if(folder: Path, compared: Compared, audience: Audience) -> Report:
    """What is missing outside; a contract that nothing is found for could be shown there."""
    question = replace(as_if_for(compared.workspace, audience), scope=compared.scope)
    found = [*compared.invalid, *run_gate(question)]
    lacking = {subject_of(one) for one in found if one.severity is Severity.ERROR}
    fit = [n for n in question.contracts if not {str(n), f"team {n.team}"} & lacking]
    note = f"ready for {audience.value}: {', '.join(sorted(fit)) or 'none'}"
    return _report(folder, found, len(question.contracts), note)


def _judged(folder: Path, compared: Compared, only: frozenset[Part]) -> Report:
    day, scope = today(), compared.scope
    question = Question(workspace=compared.workspace, base=compared.base, today=day, only=only, scope=scope)
    invalid = compared.invalid if Part.VALIDITY in only else ()
    fresh = check_fresh(compared.workspace) if Part.FRESH in only and scope is None and not compared.invalid else ()
    report = _report(folder, run_gate(question, [*invalid, *fresh]), len(question.contracts), compared.note)
    steps: defaultdict[str, list[str]] = defaultdict(list)
    for one in recipes(compared.workspace, question.before, day) if Part.READERS in only else ():
        if one.contract in question.contracts:
            steps[str(one.contract)] += one.lines
    shown = {name: "\n".join(lines) for name, lines in steps.items()}
    return replace(report, recipes=shown, whole=scope is None and only == ALL and not compared.invalid)


def _write(output: Output, report: Report) -> int:
    if not report.whole:
        why = "only a part was checked, or the files do not hold together"
        fix = "Mend what `busline check --only validity` finds, and say neither --against nor --only."
        raise ConfigurationError("no baseline was written", why=why, fix=fix)
    text = baseline_text(report.findings)
    write_files(report.folder, {FILE: text})
    written, count = report.folder / FILE, text.count('"fingerprint"')
    output.result({"written": str(written), "findings": count}, f"wrote {written}: {count} findings")
    left = [one for one in report.findings if one.severity is Severity.ERROR and not may_stay(one)]
    if left:
        rules = ", ".join(sorted({one.rule for one in left}))
        output.note(f"not recorded, and still to be mended: {counted(len(left), 'error')} of {rules}")
    output.note("next: commit it; from now on `busline check` fails on new findings only")
    return Exit.OK


def _report(folder: Path, findings: list[Finding], looked_at: int, note: str) -> Report:
    root = repository_root(folder)
    return Report(
        findings=tuple(findings),
        folder=folder,
        in_repository=folder.resolve().relative_to(root) if root else folder,
        looked_at=looked_at,
        notes=(note,) if note else (),
    )


def _new(report: Report, baseline: Baseline) -> Report:
    """Without what the baseline knows, and with lines."""
    new = baseline.new(report.findings)
    return replace(
        report,
        findings=tuple(located(new, report.folder)),
        known=len(report.findings) - len(new),
        gone=baseline.gone(report.findings) if report.whole else (),
    )
