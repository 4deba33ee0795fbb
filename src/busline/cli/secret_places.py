"""Where apply looks for the secrets of users, and what it says of them afterwards. The secrets are in Secrets alone."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from busline.cli.options import Decorated
from busline.cli.output import Output
from busline.contract.model import Environment
from busline.contract.workspace import Workspace
from busline.governance.users.secrets import Handed, SecretPlaces, Secrets

_EACH: Final = 20
"""As many new secrets are told one by one."""


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """What the command line says: folder None is the environment's own."""

    folder: Path | None
    printed: bool

    def secrets(self, workspace: Workspace, env: Environment) -> Secrets:
        default = workspace.path.absolute().parent / ".busline" / "secrets" / env.name
        users = [service.user for service in workspace.services.values()]
        people = [f"{team}/people" for team in workspace.teams]
        return Secrets(
            SecretPlaces(
                folder=self.folder or default,
                read=env.read_secret,
                store=env.store_secret,
                printed=self.printed,
                users=[*users, *people],
            )
        )


def secret_options(function: Decorated) -> Decorated:
    """--secrets and --print-secrets as one argument `keeping`."""

    @click.option(
        "--secrets",
        "folder",
        metavar="DIR",
        type=click.Path(file_okay=False, path_type=Path),
        help="Files of users' secrets, given and new ones; else .busline/secrets/ENV beside the workspace.",
    )
    @click.option("--print-secrets", "printed", is_flag=True, help="Print new secrets once, on stdout, and keep none.")
    @functools.wraps(function)
    def wrapped(*args: Any, folder: Path | None, printed: bool, **kwargs: Any) -> Any:
        return function(*args, keeping=Keeping(folder=folder, printed=printed), **kwargs)

    return wrapped


def as_json(secrets: Secrets) -> dict[str, object]:
    """For the one object that apply prints; `secrets` is there only where they were asked for."""
    users = [handed._asdict() for handed in secrets.handed]
    return {"users": users, **({"secrets": dict(secrets.to_print)} if secrets.to_print else {})}


def tell(output: Output, secrets: Secrets) -> None:
    """Where each went, for people; and those that are kept nowhere, on stdout."""
    for line in _told(secrets.handed):
        output.note(line)
    if secrets.to_print and not output.as_json:
        for user, secret in sorted(secrets.to_print.items()):
            click.echo(f"{user} {secret}")


def _told(handed: list[Handed]) -> Iterator[str]:
    new = [one for one in handed if one.went]
    files = {Path(one.went).parent for one in new if one.went.endswith(".password")}
    if len(new) > _EACH and len(files) == 1 and all(one.went.endswith(".password") for one in new):
        yield f"{len(new):,} new secrets, a file each, in {files.pop()}"
        new = []
    for one in new:
        yield f"new secret of {one.user} ({one.mechanism}): {one.went}"
    for one in handed:
        if not one.went:
            yield f"secret of {one.user} ({one.mechanism}): as given by {one.came}"
