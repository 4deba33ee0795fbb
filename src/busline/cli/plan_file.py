"""A plan in a file, between the one who looks at it and the run that carries it out.

It holds what was asked and what would be changed, and no secret. apply makes the plan again and compares: a file that
was changed by hand, or is from another commit or another state of the environment, is refused before anything is
touched.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from busline.cli.planning import Asked, Planned
from busline.errors import BuslineError, ConfigurationError, PlanStale
from busline.governance.state.change import Change
from busline.names import Team

_FORMAT: Final = 1
_LARGEST: Final = 256 * 1_048_576


class PlanFile(BaseModel):
    """v: the format. commit: the workspace's. fingerprint: of the plan. digest: of everything else in the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    busline: Literal["plan"]
    v: Literal[1]
    environment: str
    url: str
    other_url: str | None = None
    commit: str | None
    teams: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    allow_delete: tuple[str, ...] = ()
    allow_partitions: tuple[str, ...] = ()
    fingerprint: str
    changes: tuple[Change, ...]
    digest: str = ""

    def asked(self, workspace: Path | None) -> Asked:
        return Asked(
            env=self.environment,
            url=self.other_url,
            workspace=workspace,
            teams=frozenset(map(Team, self.teams)),
            removed=frozenset(map(Team, self.removed)),
            allow_delete=frozenset(self.allow_delete),
            allow_partitions=frozenset(self.allow_partitions),
        )

    def check_is(self, planned: Planned) -> None:
        """Raises PlanStale, with what is different, where this is not what would be done now."""
        commit = planned.workspace.commit
        if commit != self.commit:
            raise _stale("the workspace is at another commit", f"planned at {self.commit}, now at {commit}")
        if _place(planned.target.url) != self.url:
            raise _stale("the environment is elsewhere", f"planned for {self.url}")
        if planned.plan.fingerprint != self.fingerprint:
            differ = sorted(set(planned.plan.changes) ^ set(self.changes))
            said = [f"{line.about}: {line.what}" for line in differ]
            more = f" and {len(said) - 3} more" if len(said) > 3 else ""
            raise _stale("the workspace or the environment changed since", "; ".join(said[:3]) + more)


def _stale(what: str, where: str) -> PlanStale:
    return PlanStale(f"this plan is not what would be done now: {what}", where=where or None, fix="Plan again.")


def write_plan(file: Path, planned: Planned, asked: Asked) -> None:
    """0600. Raises ConfigurationError where there is a file that is no plan, or none can be written."""
    if asked.url and urlsplit(asked.url).password:
        fix = "Give it by BUSLINE_PASSWORD_FILE."
        raise ConfigurationError("the plan would hold the password of --url", where=str(file), fix=fix)
    if file.exists():
        _check_is_a_plan(file)
    held: dict[str, Any] = {
        "busline": "plan",
        "v": _FORMAT,
        "environment": planned.env,
        "url": _place(planned.target.url),
        "other_url": asked.url,
        "commit": planned.workspace.commit,
        "teams": sorted(asked.teams),
        "removed": sorted(asked.removed),
        "allow_delete": sorted(asked.allow_delete),
        "allow_partitions": sorted(asked.allow_partitions),
        "fingerprint": planned.plan.fingerprint,
        "changes": [list(change) for change in planned.plan.changes],
    }
    held["digest"] = _digest(held)
    unfinished = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            json.dump(held, out, indent=1)
            out.write("\n")
        unfinished.replace(file)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise ConfigurationError("the plan cannot be written", where=str(file), why=error.strerror) from None


def read_plan(file: Path) -> PlanFile:
    """Raises ConfigurationError for what is not a whole, unchanged plan of a format that is known here."""
    held: Any = None
    try:
        if file.stat().st_size > _LARGEST:
            raise _not_a_plan(file, "it is too large")
        held = json.loads(file.read_bytes())
        found = PlanFile.model_validate(held)
    except OSError as error:
        raise ConfigurationError("the plan cannot be read", where=str(file), why=error.strerror) from None
    except ValidationError as error:
        if isinstance(held, dict) and isinstance(v := held.get("v"), int) and v > _FORMAT:
            why = f"format {v} is newer than {_FORMAT}"
            raise ConfigurationError("the plan cannot be read", where=str(file), why=why, fix="Upgrade.") from None
        first = error.errors(include_url=False, include_input=False)[0]
        raise _not_a_plan(file, f"{'.'.join(map(str, first['loc'])) or 'it'}: {first['msg']}") from None
    except (ValueError, RecursionError):
        raise _not_a_plan(file, "it is not JSON") from None
    assert isinstance(held, dict)  # else it was no PlanFile
    if found.digest != _digest({name: value for name, value in held.items() if name != "digest"}):
        raise _not_a_plan(file, "it was changed after it was written")
    return found


def _check_is_a_plan(file: Path) -> None:
    try:
        read_plan(file)
    except BuslineError as error:
        what = "there is a file already, and it is no plan: it is not overwritten"
        raise ConfigurationError(what, where=str(file), why=error.why, fix="Name another one, or remove it.") from None


def _not_a_plan(file: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        "this is no plan of busline", where=str(file), why=why, fix="Make one: busline plan --env … --out FILE."
    )


def _digest(held: dict[str, Any]) -> str:
    text = json.dumps(held, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _place(url: str) -> str:
    """The URL without what might be a secret in it."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
