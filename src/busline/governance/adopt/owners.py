"""Who owns what was there before: said by patterns over names, the first that fits."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from busline.contract.finding import Finding
from busline.contract.yaml_reader import parse_yaml
from busline.errors import ConfigurationError, ContractError
from busline.governance.adopt.naming import words
from busline.names import RESERVED_TEAM, Team

USER: Final = "user:"
_FORM: Final = 'Write GLOB=TEAM, e.g. "ord_*=orders", or "user:svc-*=orders" for users alone.'


@dataclass(frozen=True, kw_only=True)
class Owners:
    """patterns: in order; one that begins with `user:` is about users alone, every other about topics and users."""

    patterns: tuple[tuple[str, Team], ...] = ()

    def of_topic(self, topic: str) -> Team | None:
        return next((team for glob, team in self.patterns if fnmatchcase(topic, glob)), None)

    def of_user(self, user: str) -> Team | None:
        said = ((glob.removeprefix(USER), team) for glob, team in self.patterns)
        return next((team for glob, team in said if fnmatchcase(user, glob)), None)

    @property
    def teams(self) -> frozenset[Team]:
        return frozenset(team for _, team in self.patterns)

    def and_also(self, patterns: Iterable[tuple[str, Team]]) -> Owners:
        return Owners(patterns=(*self.patterns, *patterns))


def owners_of(lines: Iterable[str], text: str = "", file: str = "owners") -> Owners:
    """lines: GLOB=TEAM. text: YAML, a mapping of glob to team; lines come first. Raises ConfigurationError."""
    return Owners(patterns=(*(_line(line) for line in lines), *_from_yaml(text, file)))


def _line(line: str) -> tuple[str, Team]:
    glob, equals, team = line.rpartition("=")
    if not equals or not glob.removeprefix(USER):
        raise ConfigurationError(f"{line!r} does not say whose", fix=_FORM)
    return glob, _team(team, line)


def _from_yaml(text: str, file: str) -> Iterator[tuple[str, Team]]:
    form = 'Write lines of `"ord_*": orders`.'
    document = parse_yaml(text.encode(), file)
    if isinstance(document, Finding):
        raise ConfigurationError("the file of owners is not YAML", where=f"{file}:{document.line}", why=document.what)
    if not isinstance(document.value, Mapping | None):
        raise ConfigurationError("the file of owners is no mapping", where=file, fix=form)
    for glob, team in (document.value or {}).items():
        where = f"{file}:{document.line((glob,))}"
        if not isinstance(team, str):
            raise ConfigurationError(f"{glob!r} has no team", where=where, fix=form)
        yield glob, _team(team, where)


def _team(name: str, where: str) -> Team:
    try:
        team = Team(name.strip())
    except ContractError as error:
        raise ConfigurationError(error.what, where=where, fix=error.fix) from None
    if team == RESERVED_TEAM:
        raise ConfigurationError(f"the team {team!r} is busline's own", where=where, fix="Choose another name.")
    return team


def by_first_word(names: Iterable[str]) -> dict[str, list[str]]:
    """Names of one owner mostly begin with one word, however it is spelled."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault((words(name) or [name])[0], []).append(name)
    return dict(sorted(found.items()))


def patterns_for(names: Collection[str], others: Collection[str]) -> list[str]:
    """Globs for exactly these names among all: short ones where no other name fits them."""
    globs: dict[str, None] = {}
    for name in names:
        first = (words(name) or [""])[0]
        begin = re.match(rf"[^A-Za-z0-9]*{re.escape(first)}", name, re.IGNORECASE)
        prefix = _escaped(begin[0] if begin else name)
        wide = (f"{prefix}*", f"{prefix}[._-]*")
        fits = (glob for glob in wide if fnmatchcase(name, glob) and not any(fnmatchcase(o, glob) for o in others))
        globs[next(fits, _escaped(name)) if len(names) > 1 else _escaped(name)] = None
    return list(globs)


def _escaped(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)
