"""`busline audit code PATH`: a service's folder looked at for ways around busline. None of its code is run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import click

from busline.bus.notices import today
from busline.bus.settings import Settings
from busline.cli import options
from busline.cli.failures import Exit
from busline.cli.options import json_option, workspace_option
from busline.cli.output import Output
from busline.cli.report.formats import FORMATS, in_format
from busline.cli.report.report import Report
from busline.cli.target import load_workspace
from busline.contract.finding import Severity
from busline.contract.rules.codeowners import repository_root
from busline.contract.validation import suggestion
from busline.errors import ConfigurationError
from busline.governance.audit_code.audit import CodeAudit, audit_code
from busline.names import Service

_NOTHING_HELD: Final = "busline.yaml says nothing under `teams`: only clients of the company's bus can be found"


@click.command(
    "code",
    short_help="Look at a service's folder for ways around busline.",
    epilog="Example: busline audit code services/invoicing --service billing/invoicing",
)
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--service", type=options.service, metavar="TEAM/SERVICE", help="Whose folder it is; else BUSLINE_SERVICE."
)
@click.option(
    "--format", "form", type=click.Choice(list(FORMATS)), help="How to show it; else text, or github in its Actions."
)
@workspace_option
@json_option
def code(output: Output, path: Path, service: Service | None, form: str | None, workspace: Path | None) -> int:
    """Look at a service's folder for ways around busline. Exit code 4 if an error or a warning is found.

    Raw clients pointed at the company's bus or at another team's stores, imports and requirements of another team's
    packages, its files, shared memory and hosts, in Python source, requirements, configuration, compose and Kubernetes
    files. What belongs to whom stands under `teams` in busline.yaml; what is let be, with a reason and a day, under
    `exceptions`. Nothing is run or imported; nothing is sent.
    """
    loaded, whose = load_workspace(workspace), service or _configured()
    if whose.team not in loaded.teams:
        fix = suggestion(whose.team, list(loaded.teams)) or "Say whose code it is: --service TEAM/SERVICE."
        raise ConfigurationError(f"there is no team {whose.team!r} in {loaded.path}", fix=fix)
    report = _report(path, audit_code(path, whose, loaded, today()))
    if not loaded.holdings:
        report = replace(report, notes=(_NOTHING_HELD,))
    click.echo(in_format(report, form, output))
    grave = report.counts[Severity.ERROR] + report.counts[Severity.WARNING]
    return Exit.FINDINGS if grave else Exit.OK


def _configured() -> Service:
    said = Settings.load().get("service")
    if not said:
        raise ConfigurationError("it is not said whose code this is", fix="Say --service TEAM/SERVICE.")
    return options.service(said)


def _report(path: Path, audit: CodeAudit) -> Report:
    root = repository_root(path)
    return Report(
        findings=audit.findings,
        folder=path,
        in_repository=path.resolve().relative_to(root) if root else path,
        looked_at=audit.files,
        things="file",
        title="audit code",
    )
