"""`busline init --platform`: the users that busline itself works with on a guarded engine, and what each may do."""

from __future__ import annotations

import functools
import shlex
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import click

from busline.bus.settings import Settings
from busline.cli import options
from busline.cli.failures import Exit
from busline.cli.options import Decorated, run_async
from busline.cli.output import Output
from busline.cli.secret_places import as_json, tell
from busline.cli.target import Target, environment, load_workspace, of_environment, started
from busline.cli.workspace_path import find_workspace
from busline.errors import ApplyError, ConfigurationError
from busline.governance.users.principals import APPLY, PLAN, PRINCIPALS, platform_acls
from busline.governance.users.secrets import SecretPlaces, Secrets
from busline.transport.guard import ITERATIONS, Acl, Credential, Guarded, Resource

SCRIPT: Final = Path("platform") / "create-principals.sh"
_HEAD: Final = """\
#!/bin/sh
# Written by `busline init --platform`: busline's own users and what each may do. None is a super user.
#   KAFKA      host:port of a broker
#   ADMIN      a properties file with an administrator's login, 0600
#   SECRETS    a folder, 0700: a file a user, used where it is there, else made
# `busline init --platform --env ENV --create` does the same without Kafka's scripts. No secret is in an argument, which
# everybody on the machine could see.
set -eu
umask 077
: "${{KAFKA:={kafka}}}" "${{ADMIN:?}}" "${{SECRETS:?}}"
mkdir -p "$SECRETS"
user() {{
  file=$SECRETS/$(echo "$1" | tr / .).password
  if [ ! -s "$file" ]; then
    head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\\n' > "$file.new"
    mv "$file.new" "$file"
  fi
  printf 'SCRAM-SHA-512=iterations={iterations},password=%s\\n' "$(cat "$file")" > "$file.config"
  trap 'rm -f "$file.config"' EXIT
  kafka-configs.sh --bootstrap-server "$KAFKA" --command-config "$ADMIN" --alter --entity-type users \\
    --entity-name "$1" --add-config-file "$file.config"
  rm -f "$file.config"
}}
acls() {{ kafka-acls.sh --bootstrap-server "$KAFKA" --command-config "$ADMIN" --add "$@"; }}
"""
_FLAGS: Final = {Resource.TOPIC: "--topic", Resource.GROUP: "--group", Resource.TRANSACTIONAL_ID: "--transactional-id"}
_OPERATIONS: Final = {"describe-configs": "DescribeConfigs", "alter-configs": "AlterConfigs"}


@dataclass(frozen=True, kw_only=True)
class Platform:
    """What the command line says. create: make them, and not only say what would be made."""

    env: str | None
    url: str | None
    create: bool
    secrets: Path | None
    printed: bool

    def carry_out(self, output: Output, folder: Path) -> int:
        if self.create:
            return run_async(self._create(output, folder))
        script = folder / SCRIPT
        text = script_text(_host(self._target(folder).url) if self.env or self.url else "localhost:9092")
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(text)
        script.chmod(0o755)
        said = {user: sorted(map(str, acls)) for user, acls in platform_acls().items()}
        output.result({"written": str(script), "users": said}, "\n".join(_lines(script)))
        where = f"--env {self.env}" if self.env else "--env ENV"
        output.note(f"nothing was made; with an administrator's BUSLINE_USER: busline init --platform {where} --create")
        return Exit.OK

    async def _create(self, output: Output, folder: Path) -> int:
        target = self._target(folder)
        secrets = self._secrets(target, folder)
        made: dict[str, int] = {}
        try:
            async with started(target) as engine:
                made = await create(engine, secrets, output)
        finally:  # a user may have its secret by now, also where a later step failed
            tell(output, secrets)
            if output.as_json and (made or secrets.to_print):
                output.result({"made": made, **as_json(secrets)})
        output.note(
            f"next: BUSLINE_USER={PLAN} for busline plan, BUSLINE_USER={APPLY} for busline apply, each with its"
        )
        output.note("BUSLINE_PASSWORD_FILE; the administrator is not needed any more")
        return Exit.OK

    def _target(self, folder: Path) -> Target:
        if self.env:
            path = find_workspace(None if folder == Path() else folder / "schemas", Settings.load())
            workspace = load_workspace(path)
            target = of_environment(workspace, environment(workspace, self.env))
            return target if self.url is None else Target(url=self.url, environment=target.environment)
        if self.url is None:
            raise ConfigurationError("it is not said where", fix="Say --env, or --url kafka://host:port.")
        return Target(url=self.url)

    def _secrets(self, target: Target, folder: Path) -> Secrets:
        env = target.environment
        place = self.secrets or folder.absolute() / ".busline" / "secrets" / (env.name if env else "platform")
        read, store = (env.read_secret, env.store_secret) if env else ((), ())
        return Secrets(SecretPlaces(folder=place, read=read, store=store, printed=self.printed))


def platform_options(function: Decorated) -> Decorated:
    """--platform and what belongs to it, as one argument `platform`."""

    @click.option("--platform", is_flag=True, help="For the platform team: busline's own users, and what each may do.")
    @click.option("--env", type=options.text, help="With --platform: an environment of the workspace's busline.yaml.")
    @click.option("--url", type=options.text, help="With --platform: the engine's URL; instead of the environment's.")
    @click.option("--create", is_flag=True, help="With --platform: make them there, as an administrator.")
    @click.option(
        "--secrets",
        metavar="DIR",
        type=click.Path(file_okay=False, path_type=Path),
        help="With --create: files of the users' secrets; else .busline/secrets/ENV here.",
    )
    @click.option("--print-secrets", "printed", is_flag=True, help="With --create: print them once, and keep none.")
    @functools.wraps(function)
    def wrapped(*args: Any, platform: bool, **kwargs: Any) -> Any:
        said = Platform(**{name: kwargs.pop(name) for name in ("env", "url", "create", "secrets", "printed")})
        if not platform and said != Platform(env=None, url=None, create=False, secrets=None, printed=False):
            raise ConfigurationError("--env, --url, --create and secrets go with --platform", fix="Say --platform too.")
        return function(*args, platform=said if platform else None, **kwargs)

    return wrapped


async def create(engine: object, secrets: Secrets, output: Output) -> dict[str, int]:
    """Make the users that are missing and the rights that are; how many of each. What else they may do is said.

    Raises ApplyError for an engine that refuses nobody, NotAuthorized, Unreachable.
    """
    if not isinstance(engine, Guarded) or not await engine.guards():
        what = "this engine refuses nobody: it has no authorizer"
        raise ApplyError(what, fix="For Kafka, set authorizer.class.name, and log in with SASL; see docs/platform.md.")
    wanted = {acl for acls in platform_acls().values() for acl in acls}
    there, users = await engine.acls(), await engine.users()
    new = [user for user in PRINCIPALS if user not in users]
    for user in new:
        await engine.set_secrets([Credential(user=user, secret=await secrets.secret(user))])
    await engine.create_acls(missing := wanted - there)
    await engine.settled(present=wanted)
    output.note(f"users made: {', '.join(new) or 'none, they were there'}; rights given: {len(missing)}")
    for acl in sorted(acl for acl in there - wanted if acl.user in PRINCIPALS):
        output.note(click.style(f"note: not from here, and left: {acl}", fg="yellow"))
    return {"users": len(new), "rights": len(missing)}


def script_text(kafka: str) -> str:
    lines = [_HEAD.format(kafka=kafka, iterations=ITERATIONS)]
    for user, acls in platform_acls().items():
        lines += [f"# {PRINCIPALS[user]}", f"user {user}"]
        lines += [*_commands(user, acls), ""]
    return "\n".join(lines).rstrip() + "\n"


def _commands(user: str, acls: frozenset[Acl]) -> Iterator[str]:
    by_resource: dict[tuple[Resource, str], list[str]] = defaultdict(list)
    for acl in sorted(acls):
        by_resource[acl.resource, acl.name].append(_OPERATIONS.get(acl.operation, acl.operation.capitalize()))
    for (resource, name), operations in by_resource.items():
        what = ["--cluster"] if resource is Resource.CLUSTER else [_FLAGS[resource], name]
        words = [word for operation in operations for word in ("--operation", operation)]
        yield shlex.join(["acls", "--allow-principal", f"User:{user}", *words, *what])


def _lines(script: Path) -> Iterator[str]:
    for user, acls in platform_acls().items():
        yield click.style(user, bold=True) + f"  {PRINCIPALS[user]}"
        grouped: dict[str, list[str]] = defaultdict(list)
        for acl in sorted(acls):
            name = "" if acl.resource is Resource.CLUSTER else f" {acl.name}"
            grouped[f"{acl.resource}{name}"].append(acl.operation)
        yield from (f"  + {', '.join(operations)} {what}" for what, operations in grouped.items())
    yield f"wrote {script}"


def _host(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "kafka":
        raise ConfigurationError(f"{url} has no users of its own", fix="Say an engine that has: kafka://host:port.")
    return parts.netloc.rpartition("@")[2].partition(",")[0]
