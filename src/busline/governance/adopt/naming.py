"""Names of contracts and services made from names that were never meant to be: valid, unique, and none alike.

The same names come out for the same cluster: what collides is told apart by a hash of the old name, not by a count.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Final

from busline.contract.checks import look
from busline.names import NAME_LENGTH, PEOPLE, ContractName, Service, Team

_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_HASH: Final = 6


class Names:
    """Gives names out, none that looks like one before. taken: those that there are."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {look(name) for name in taken}

    def contract(self, team: Team, topic: str) -> ContractName:
        return ContractName(self._free(f"{team}.", _own_part(topic, team) or "topic", topic))

    def service(self, team: Team, user: str) -> Service:
        name = _own_part(user, team) or "service"
        return Service(self._free(f"{team}/", f"{name}-service" if name == PEOPLE else name, user))

    def _free(self, prefix: str, word: str, old: str) -> str:
        digest = hashlib.sha256(old.encode()).hexdigest()
        length = _HASH if len(word) > NAME_LENGTH else 0
        while True:
            name = prefix + _bounded(word, digest[:length])
            if look(name) not in self._taken:
                self._taken.add(look(name))
                return name
            length = max(_HASH, length + 1)


def words(name: str) -> list[str]:
    """The words of a name in any of the usual spellings: `ORD_Placed.v2`, `ordPlacedV2`, `ord-placed`."""
    return re.findall(r"[a-z0-9]+", _HUMP.sub("-", name).lower())


def _own_part(name: str, team: Team) -> str:
    """In busline's spelling, without the team's name in front, as that stands before it anyway."""
    parts, own = words(name), team.split("-")
    rest = parts[len(own) :] if parts[: len(own)] == own else parts
    text = "-".join(rest)
    return f"n-{text}" if text[:1].isdigit() else text


def _bounded(word: str, digest: str) -> str:
    if not digest:
        return word
    return f"{word[: NAME_LENGTH - len(digest) - 1].rstrip('-')}-{digest}"
