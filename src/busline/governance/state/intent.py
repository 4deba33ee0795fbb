"""What an apply says in the contract log before it touches anything, under the key `intent`.

It tells the next one that this one began and has not ended, and which rights it took away and gave: brokers may not
follow yet. The transaction that writes the new state removes it. No bus reads it: it is no contract, service or team.
"""

from __future__ import annotations

import base64
import datetime as dt
import getpass
import json
import socket
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from busline.transport.guard import Acl, Resource

KEY: Final = b"intent"
_FORMAT: Final = 1
_UNKNOWN: Final = "unknown"


@dataclass(frozen=True, kw_only=True)
class Intent:
    """by: who runs it. started: ISO 8601, UTC. takes, gives: rights that it was about to change; those that it took
    may still hold on some broker."""

    by: str
    started: str
    commit: str | None = None
    fingerprint: str = ""
    takes: frozenset[Acl] = frozenset()
    gives: frozenset[Acl] = frozenset()

    def record(self) -> bytes:
        said = {
            "v": _FORMAT,
            "by": self.by,
            "started": self.started,
            "commit": self.commit,
            "fingerprint": self.fingerprint,
            "rights": _packed(self.takes, self.gives),
        }
        return json.dumps(said, separators=(",", ":")).encode()

    def __str__(self) -> str:
        commit = f", commit {self.commit[:10]}" if self.commit else ""
        return f"an apply by {self.by}, started at {self.started}{commit}"


def begun(*, commit: str | None, fingerprint: str, takes: Iterable[Acl], gives: Iterable[Acl]) -> Intent:
    """The intent of an apply that begins now."""
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    return Intent(
        by=_who(), started=now, commit=commit, fingerprint=fingerprint, takes=frozenset(takes), gives=frozenset(gives)
    )


def read_intent(value: bytes | None) -> Intent | None:
    """What another apply left. One that cannot be read (a newer busline's) still says that there was one."""
    if value is None:
        return None
    try:
        said = json.loads(value)
        takes, gives = _unpacked(said["rights"])
        return Intent(
            by=str(said["by"]),
            started=str(said["started"]),
            commit=said.get("commit"),
            fingerprint=str(said.get("fingerprint", "")),
            takes=takes,
            gives=gives,
        )
    except (ValueError, KeyError, TypeError, AttributeError, zlib.error):
        return Intent(by=_UNKNOWN, started=_UNKNOWN)


def _packed(*rights: frozenset[Acl]) -> str:
    """A tenth of the size: tens of thousands of rights stay far below the largest record."""
    lists = [[list(acl) for acl in sorted(some)] for some in rights]
    return base64.b64encode(zlib.compress(json.dumps(lists).encode())).decode()


def _unpacked(text: str) -> tuple[frozenset[Acl], frozenset[Acl]]:
    takes, gives = json.loads(zlib.decompress(base64.b64decode(text)))
    return frozenset(map(_acl, takes)), frozenset(map(_acl, gives))


def _acl(said: list[Any]) -> Acl:
    principal, resource, name, operation, prefixed, allow, host = said
    return Acl(principal, Resource(resource), name, operation, prefixed, allow, host)


def _who() -> str:
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        user = _UNKNOWN
    return f"{user}@{socket.gethostname()}"
