"""Whether what was written from the code, and code that was written from contracts, is what it would be now."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from busline.bus.settings import Settings
from busline.cli.declare import declared_changes
from busline.cli.loading import load_bus
from busline.contract.finding import Finding
from busline.contract.generated import check_generated
from busline.contract.workspace import Workspace
from busline.errors import BuslineError

DECLARE, CODEGEN = "declare-fresh", "codegen-fresh"


def check_fresh(workspace: Workspace) -> Iterator[Finding]:
    """Of the service that [tool.busline] names by `app`, and the module that it names by `generated`."""
    settings = Settings.load()
    if app := settings.get("app"):
        yield from _declared(workspace, app)
    if generated := settings.get("generated"):
        yield from _generated(workspace, Path(generated))


def _declared(workspace: Workspace, app: str) -> Iterator[Finding]:
    fix = f"Run: busline declare {app}"
    try:
        stale = declared_changes(load_bus(app), app, workspace)
    except BuslineError as error:
        what = f"{app} cannot be compared with its files: {error.what}"
        yield Finding(file="busline.yaml", what=what, fix=error.fix or fix, rule=DECLARE)
        return
    for file in stale:
        yield Finding(file=file, what=f"{file} is not what the code says ({app})", fix=fix, rule=DECLARE)


def _generated(workspace: Workspace, file: Path) -> Iterator[Finding]:
    place = os.path.relpath(file.resolve(), workspace.path.resolve())
    if not file.is_file():
        what = f"there is no {file}, which [tool.busline] names as generated"
        yield Finding(file=place, what=what, fix=f"Run: busline codegen --out {file}", rule=CODEGEN)
        return
    for finding in check_generated(workspace, file):
        yield Finding(file=place, line=finding.line, what=finding.what, fix=finding.fix, rule=CODEGEN)
