"""Where a bus is told what it needs: arguments, then `BUSLINE_*`, then `[tool.busline]` in pyproject.toml.

Each value knows where it came from, so that an error or `busline settings` can say it. Secrets never show.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from busline.errors import ConfigurationError
from busline.transport.security import Security

MASK: Final = "********"
_TABLE: Final = "[tool.busline]"


@dataclass(frozen=True, kw_only=True)
class Known:
    """A setting that exists. file: may stand in pyproject.toml; path: relative to the file that says it."""

    about: str
    file: bool = True
    secret: bool = False
    path: bool = False


KNOWN: Final[Mapping[str, Known]] = {
    "url": Known(about="the engine: memory://, sqlite:///path, kafka://host:9092,…"),
    "service": Known(about="who publishes and subscribes: <team>/<service>"),
    "workspace": Known(about="the folder of contracts (schemas/)", path=True),
    "registry": Known(about="the schema registry's URL, for the tools"),
    "app": Known(about="module:bus, for the tools and the pytest plugin"),
    "generated": Known(about="the module that busline codegen writes, for busline check", path=True),
    "release": Known(about="what is deployed, as schema owners see it beside the running readers"),
    "user": Known(about="the user to sign in with"),
    "password": Known(about="that user's password", file=False, secret=True),
    "password_file": Known(about="a file that holds the password, read anew before each connect", path=True),
}


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One value and where it came from: an argument, an environment variable, or a file."""

    name: str
    value: str = field(repr=False)
    origin: str

    @property
    def shown(self) -> str:
        """The value as it may be printed."""
        return MASK if KNOWN[self.name].secret else self.value


@dataclass(frozen=True)
class Settings:
    """What was found, by name. What was given nowhere is absent."""

    found: Mapping[str, Setting]

    @classmethod
    def load(
        cls,
        given: Mapping[str, str | None] | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> Settings:
        """`given` are arguments (None: not given); `folder` is where the search for pyproject.toml begins.

        Raises ConfigurationError for an unknown name, a wrong type, or a secret in pyproject.toml.
        """
        sources = (
            _arguments(given or {}),
            _environment(os.environ if environ is None else environ),
            _project(folder or Path.cwd()),
        )
        found: dict[str, Setting] = {}
        for setting in (setting for source in sources for setting in source):
            found.setdefault(setting.name, setting)
        return cls(found)

    def get(self, name: str) -> str | None:
        setting = self.found.get(name)
        return setting.value if setting else None

    def origin(self, name: str) -> str:
        setting = self.found.get(name)
        return setting.origin if setting else "not set"

    def security(self) -> Security | None:
        """None: whatever the environment says. Else that, with what a file says of user and password_file."""
        names = [name for name in ("user", "password_file") if self.origin(name).endswith(_TABLE)]
        if not names or (self.get("url") or "").startswith(("memory:", "sqlite:")):
            return None
        return Security.from_environment(
            os.environ | {f"BUSLINE_{name.upper()}": self.found[name].value for name in names}
        )

    def with_argument(self, name: str, value: str) -> Settings:
        """A copy in which an argument gives the value."""
        return Settings({**self.found, name: Setting(name=name, value=value, origin="argument")})


def _arguments(given: Mapping[str, str | None]) -> Iterator[Setting]:
    for name, value in given.items():
        if value is not None:
            yield Setting(name=name, value=value, origin="argument")


def _environment(environ: Mapping[str, str]) -> Iterator[Setting]:
    for name in KNOWN:
        variable = f"BUSLINE_{name.upper()}"
        if value := environ.get(variable):
            yield Setting(name=name, value=value, origin=variable)


def _project(folder: Path) -> Iterator[Setting]:
    file = next((p for d in (folder, *folder.parents) if (p := d / "pyproject.toml").is_file()), None)
    if file is None:
        return
    for name, value in _table(file).items():
        origin = f"{file} {_TABLE}"
        known = KNOWN.get(name)
        if known is None or not known.file:
            raise _not_there(name, origin, known)
        if not isinstance(value, str):
            raise ConfigurationError(f"{name} is {value!r}", where=origin, fix=f'Write text: {name} = "…".')
        yield Setting(name=name, value=str(file.parent / value) if known.path else value, origin=origin)


def _table(file: Path) -> dict[str, object]:
    try:
        tool = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigurationError("pyproject.toml cannot be read", where=str(file), why=str(error)) from error
    table = tool.get("busline", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise ConfigurationError("[tool.busline] is not a table", where=str(file))
    return table


def _not_there(name: str, origin: str, known: Known | None) -> ConfigurationError:
    if known is not None:
        what = f"{name} is a secret and does not belong here" if known.secret else f"{name} does not belong here"
        fix = f"Set BUSLINE_{name.upper()}, or BUSLINE_PASSWORD_FILE: this file is in version control."
        return ConfigurationError(what, where=origin, fix=fix if known.secret else f"Set BUSLINE_{name.upper()}.")
    names = ", ".join(name for name, known in KNOWN.items() if known.file)
    return ConfigurationError(f"there is no setting {name!r}", where=origin, fix=f"Known are {names}.")
