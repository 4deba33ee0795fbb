"""Where the secret of an engine's user comes from, and where a new one goes. Never into a log, an error or an argv.

Asked in this order: the variable BUSLINE_SECRET_<TEAM>_<SERVICE>, a file in the folder of secrets, the command
`credentials.services.read`; else it is made here. A made one goes to `credentials.services.store`, else to a file in
that folder, or is kept to be printed once. It is there before the engine knows it: whoever is stopped in between finds
it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
import subprocess
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

from busline.errors import BuslineError, ConfigurationError, ContractError
from busline.names import Service
from busline.transport.guard import MECHANISMS, Mechanism

SHORTEST: Final = 16
COMMAND_TIMEOUT: Final = 30.0
_MADE: Final = 32
"""Random bytes of a secret that is made here: 256 bits, as 43 url-safe characters."""
_FIRST: Final = MECHANISMS[0]
_VARIABLE: Final = "BUSLINE_SECRET_"


class Handed(NamedTuple):
    """A secret that was asked for, without it. came: from where; went: where a new one is kept, "" for a given one."""

    user: str
    mechanism: Mechanism
    came: str
    went: str = ""


@dataclass(frozen=True, kw_only=True)
class SecretPlaces:
    """folder: of files. read, store: programs with arguments; empty: none. printed: new ones are kept in memory, to be
    shown once, and not in a file. users: all that there are, so that no two share a variable."""

    folder: Path
    read: tuple[str, ...] = field(default=(), repr=False)
    store: tuple[str, ...] = field(default=(), repr=False)
    printed: bool = False
    users: Collection[str] = ()
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)


class Secrets:
    """One run's secrets. `handed` says what was asked for, `to_print` holds what is in no other place."""

    def __init__(self, places: SecretPlaces) -> None:
        self._places = places
        self._shared = _shared_variables(places.users)
        self.handed: list[Handed] = []
        self.to_print: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"Secrets({self._places.folder})"

    async def secret(self, user: str, mechanism: Mechanism = _FIRST, *, other: bool = False) -> str:
        """The user's secret, kept where it belongs when it is new. other: another than the one in use, so that a store
        is not asked for what it has.

        Raises ConfigurationError for a given secret that is none, a file that cannot be used, a command that fails.
        """
        given = self._from_variable(user) or self._from_file(user, mechanism)
        if given is None and self._places.read and not (other and self._places.store):
            printed = await _ask(self._places.read, "read", user, mechanism)
            given = (printed, f"the command {self._places.read[0]}") if printed else None
        if given is not None:
            found, came = given
            _check(found, user, came)
            self.handed.append(Handed(user, mechanism, came))
            return found
        made = secrets.token_urlsafe(_MADE)
        self.handed.append(Handed(user, mechanism, "made here", await self._keep(user, mechanism, made)))
        return made

    def forget(self, user: str, mechanism: Mechanism) -> Path | None:
        """Remove the file of a secret that holds no more; which, if there was one."""
        file = self.file(user, mechanism)
        try:
            file.unlink()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unusable(file, error) from None
        return file

    def file(self, user: str, mechanism: Mechanism) -> Path:
        """One a user and mechanism. A service's name has no dot; in other users' everything odd is written out."""
        try:
            name = Service(user).replace("/", ".")
        except ContractError:
            name = quote(user, safe="").replace(".", "%2E")
        between = "" if mechanism == _FIRST else f".{mechanism.lower()}"
        return self._places.folder / f"{name}{between}.password"

    def _from_variable(self, user: str) -> tuple[str, str] | None:
        name = variable(user)
        found = self._places.environ.get(name)
        if found is None:
            return None
        if name in self._shared:
            raise ConfigurationError(
                f"{name} would be the secret of more than one user",
                where=", ".join(self._shared[name]),
                fix="Give theirs by files in the folder of secrets: --secrets.",
            )
        return found, name

    def _from_file(self, user: str, mechanism: Mechanism) -> tuple[str, str] | None:
        file = self.file(user, mechanism)
        try:
            return file.read_text().rstrip("\r\n"), str(file)
        except FileNotFoundError:
            return None
        except (OSError, UnicodeError) as error:
            raise _unusable(file, error) from None

    async def _keep(self, user: str, mechanism: Mechanism, secret: str) -> str:
        if self._places.store:
            await _ask(self._places.store, "store", user, mechanism, secret)
            return f"the command {self._places.store[0]}"
        if self._places.printed:
            self.to_print[user] = secret
            return "printed"
        file = self.file(user, mechanism)
        await asyncio.to_thread(write_secret, file, secret)
        return str(file)


def variable(user: str) -> str:
    """The environment variable of a user's secret: upper case, everything else an underscore."""
    return _VARIABLE + re.sub(r"[^A-Z0-9]", "_", user.upper())


def _shared_variables(users: Collection[str]) -> dict[str, list[str]]:
    """`a-b/c` and `a/b-c` have the same one: which they are, of each such."""
    count = Counter(variable(user) for user in set(users))
    return {name: sorted(u for u in set(users) if variable(u) == name) for name, many in count.items() if many > 1}


def _check(secret: str, user: str, came: str) -> None:
    why = ""
    if len(secret) < SHORTEST:
        why = f"it has fewer than {SHORTEST} characters, and SCRAM can be guessed offline by who sees a login"
    elif not (secret.isascii() and secret.isprintable()) or " " in secret:
        why = "it has whitespace, or characters that are not printable ASCII, which clients prepare differently"
    if why:
        fix = "Give another one, or none: then one is made."
        raise ConfigurationError(f"the secret given for {user} is refused", where=came, why=why, fix=fix)


def write_secret(file: Path, secret: str) -> None:
    """A new file, 0600, whole or not there. Raises ConfigurationError, also where there is one already."""
    unfinished = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        _make_folder(file.parent)
        handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with open(handle, "w") as out:
                out.write(secret + "\n")
                out.flush()
                os.fsync(handle)
            os.link(unfinished, file)  # unlike a rename, it never replaces
        finally:
            with contextlib.suppress(OSError):
                unfinished.unlink()
    except OSError as error:
        raise _unusable(file, error) from None


def _make_folder(folder: Path) -> None:
    """0700, and out of git's sight, where it is made here; one that is there is its owner's to guard."""
    if folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        (folder / ".gitignore").write_text("*\n")


def _unusable(file: Path, error: Exception) -> ConfigurationError:
    reason = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
    fix = "Look at the folder, or say another one: --secrets."
    return ConfigurationError("a file of a secret cannot be used", where=str(file), why=reason, fix=fix)


async def _ask(command: tuple[str, ...], name: str, user: str, mechanism: Mechanism, given: str | None = None) -> str:
    """What a command of `credentials.services` prints. What it says when it fails may be the secret: never shown."""
    told = {**os.environ, "BUSLINE_USER": user, "BUSLINE_SASL_MECHANISM": mechanism}
    entered = None if given is None else given.encode() + b"\n"
    failure: str
    try:
        code, printed = await asyncio.to_thread(_run, command, told, entered)
        if code == 0:
            return printed.decode().rstrip("\r\n")
        failure = f"exit code {code}"
    except (OSError, subprocess.SubprocessError, UnicodeError) as error:
        failure = type(error).__name__
    raise _failed(command, name, user, failure)


def _run(command: tuple[str, ...], environ: Mapping[str, str], entered: bytes | None) -> tuple[int, bytes]:
    """Exit code and output. Without input, its stdin is empty, so that it cannot wait for a person."""
    done = subprocess.run(
        command, env=environ, input=entered or b"", capture_output=True, timeout=COMMAND_TIMEOUT, check=False
    )
    return done.returncode, done.stdout


def _failed(command: tuple[str, ...], name: str, user: str, why: str) -> BuslineError:
    return ConfigurationError(
        f"the command {command[0]!r} of credentials.services.{name} failed for {user}",
        why=f"{why}; its output is not shown, as it may hold the secret",
        fix=f"Run it with BUSLINE_USER={user} and look.",
    )
