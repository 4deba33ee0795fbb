"""`busline declare module:bus`: the service's models as the workspace's files."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from busline.bus.bus import Bus
from busline.cli.loading import load_bus
from busline.cli.options import json_option, workspace_option
from busline.cli.output import Output
from busline.cli.report.report import counted
from busline.cli.target import LOCAL
from busline.cli.workspace_path import FILE, FOLDER, find_workspace
from busline.contract.checks import NOT_GRANTED
from busline.contract.declaration import Declared, service_path, stale
from busline.contract.declaration import declare as declared_files
from busline.contract.event import Event
from busline.contract.finding import Finding
from busline.contract.overlaid_folder import findings_with
from busline.contract.workspace import Workspace
from busline.errors import ConfigurationError, ContractStale, WorkspaceInvalid
from busline.names import ContractName, Service

_LOCAL_URL = "sqlite:///.busline/local.db"


@click.command(epilog="Example: busline declare hello:bus --check")
@click.argument("app", metavar="MODULE:BUS")
@click.option("--check", is_flag=True, help="Write nothing; exit code 3 if anything would be written.")
@click.option(
    "--service", metavar="TEAM/SERVICE", help="Who the service is; else as the bus says, else BUSLINE_SERVICE."
)
@workspace_option
@json_option
def declare(output: Output, app: str, check: bool, service: str | None, workspace: Path | None) -> None:
    """Write the service file, and new contracts and versions of its team, from the code.

    Subscriptions come from the bus; published are the models of the service's own team, unless the service file has
    them as subscriptions only, or, before there is a file, another service of the team publishes them. What people
    write (contract.yaml, `start`, `accepts`) stays as it is.
    """
    bus = load_bus(app)
    folder = find_workspace(workspace, bus.settings)
    new = {} if folder else _new_workspace(bus)
    folder = folder or Path(FOLDER)
    loaded = Workspace.load(folder, granted=False) if not new else None
    declared = _declared(bus, app, service, loaded)
    new |= {} if loaded and declared.service.team in loaded.teams else _new_team(declared.service)
    existing = _texts(folder, service_path(declared.service))
    files = new | declared_files(declared, loaded.known if loaded else {}, existing)
    changed = stale(files, existing | _texts(folder, *files))
    if check and changed:
        names = ", ".join(str(folder / path) for path in changed)
        raise ContractStale(
            f"{len(changed)} files are not what the code says", where=names, fix=f"busline declare {app}"
        )
    lacking = [] if check else _write(folder, {path: files[path] for path in changed})
    _show(output, declared, folder, changed)
    if lacking:
        raise WorkspaceInvalid(f"the workspace {folder} has {counted(len(lacking), 'finding')}", lacking)
    if not check:
        output.note(f"next: busline apply --env {LOCAL}" if changed else "everything is as the code says")


def _write(folder: Path, files: Mapping[str, str]) -> list[Finding]:
    """The grants that are missing: an owner gives them to a service that is declared, so they hinder no writing.

    Raises WorkspaceInvalid, and writes nothing, where the workspace would not hold together otherwise.
    """
    findings = findings_with(folder, files)
    if any(finding.rule != NOT_GRANTED for finding in findings):
        would = f"{folder} would have {counted(len(findings), 'finding')}"
        raise WorkspaceInvalid(f"nothing was written: {would}", findings)
    write_files(folder, files)
    return findings


def declared_changes(bus: Bus, app: str, workspace: Workspace) -> list[str]:
    """The files that declare would write anew. Raises what declare raises."""
    declared = _declared(bus, app, None, workspace)
    files = declared_files(declared, workspace.known, _texts(workspace.path, service_path(declared.service)))
    return stale(files, _texts(workspace.path, *files))


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Each file whole or not at all. Raises ConfigurationError where it cannot be written."""
    try:
        for path, text in files.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False, encoding="utf-8") as part:
                part.write(text)
            Path(part.name).chmod(0o644)
            os.replace(part.name, file)
    except OSError as error:
        raise ConfigurationError("a file cannot be written", where=str(folder), why=str(error)) from None


def busline_yaml(company: str, url: str = _LOCAL_URL) -> str:
    return f'company: {company}\nenvironments:\n  {LOCAL}: {{url: "{url}"}}\n'


def team_yaml(team: str) -> str:
    return f"description: The team {team}.\ncontact: {{}}\n"


def _new_workspace(bus: Bus) -> dict[str, str]:
    """Where there is none: with the bus's own engine as the environment `local`."""
    url = bus.settings.get("url") or ""
    return {FILE: busline_yaml("example", url if url.startswith("sqlite:") else _LOCAL_URL)}


def _new_team(service: Service) -> dict[str, str]:
    return {f"{service.team}/team.yaml": team_yaml(service.team)}


def _declared(bus: Bus, app: str, given: str | None, workspace: Workspace | None) -> Declared:
    subscribed = list(dict.fromkeys(subscription.model for subscription in bus.subscriptions))
    models = list(dict.fromkeys([*_models(), *subscribed]))
    service = _service(bus, app, given, models)
    heard = _only_heard(service, {model.__busline__.name for model in subscribed}, workspace)
    own = [m for m in models if m.__busline__.name.team == service.team and m.__busline__.name not in heard]
    return Declared(service=service, publishes=own, subscribes=subscribed)


def _only_heard(service: Service, subscribed: set[ContractName], workspace: Workspace | None) -> set[ContractName]:
    """Contracts of the team that the service subscribes to and does not publish: as its file says; where it has none
    yet, those that another service of the team publishes already."""
    services = workspace.services if workspace else {}
    file = services.get(service)
    if file is not None:
        return {s.contract for s in file.subscribes if not file.publication(s.contract)}
    published = {p.contract for other in services.values() for p in other.publishes}
    return subscribed & published


def _service(bus: Bus, app: str, given: str | None, models: list[type[Event]]) -> Service:
    """As said, else `<the one team of the models>/<the module's last name>`."""
    if name := given or bus.settings.get("service"):
        return Service(name)
    teams = {model.__busline__.name.team for model in models}
    if len(teams) != 1:
        raise ConfigurationError(
            "no service is named", why=f"the models are of {len(teams)} teams", fix="Say it: --service TEAM/SERVICE."
        )
    module = app.partition(":")[0].rpartition(".")[2]
    return Service(f"{teams.pop()}/{module.replace('_', '-')}")


def _models(parent: type[Event] = Event) -> Iterator[type[Event]]:
    """Every model of a contract that the application has imported."""
    for model in parent.__subclasses__():
        if getattr(model, "__busline__", None) is not None:
            yield model
        yield from _models(model)


def _texts(folder: Path, *paths: str) -> dict[str, str]:
    files = {path: folder / path for path in paths}
    return {path: file.read_text(encoding="utf-8") for path, file in files.items() if file.is_file()}


def _show(output: Output, declared: Declared, folder: Path, changed: list[str]) -> None:
    written = [str(folder / path) for path in changed]
    publishes = [model.__busline__.name for model in declared.publishes]
    subscribes = [model.__busline__.name for model in declared.subscribes]
    output.note(f"{declared.service} publishes {_listed(publishes)}; subscribes to {_listed(subscribes)}")
    output.result(
        {"service": declared.service, "publishes": publishes, "subscribes": subscribes, "written": written},
        "\n".join(f"wrote {path}" for path in written),
    )


def _listed(names: list[ContractName]) -> str:
    return ", ".join(names) or "nothing"
