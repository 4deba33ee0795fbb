"""The seven levels of compatibility over the versions of a contract, and what a version breaks of its level.

A level guesses at readers: backward, that whoever moves to a new version still meets what older ones wrote; forward,
that whoever stays on an old version meets what the new one writes. Where the readers are known, they decide
(`evolution.readers`); what a break carries here is enough to ask them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from busline.contract.compatibility import Break, find_breaks
from busline.contract.finding import Finding
from busline.contract.model import Audience, Contract, Source, Version

RULE: Final = "compatibility-level"


class Level(StrEnum):
    """As schema registries name them; contract.yaml writes them with `-` or `_`."""

    NONE = "none"
    BACKWARD = "backward"
    BACKWARD_TRANSITIVE = "backward_transitive"
    FORWARD = "forward"
    FORWARD_TRANSITIVE = "forward_transitive"
    FULL = "full"
    FULL_TRANSITIVE = "full_transitive"

    @property
    def is_transitive(self) -> bool:
        """Against every older version, not only the one before."""
        return self.endswith("_transitive")

    @property
    def directions(self) -> tuple[Direction, ...]:
        kind = self.removesuffix("_transitive")
        return _DIRECTIONS[kind]


class Direction(StrEnum):
    """backward: the new version reads what the old one wrote. forward: the old one reads what the new one writes."""

    BACKWARD = "backward"
    FORWARD = "forward"


_DIRECTIONS: Final = {
    "none": (),
    "backward": (Direction.BACKWARD,),
    "forward": (Direction.FORWARD,),
    "full": (Direction.BACKWARD, Direction.FORWARD),
}
_DEFAULTS: Final = {
    Audience.TEAM: Level.BACKWARD_TRANSITIVE,
    Audience.COMPANY: Level.BACKWARD_TRANSITIVE,
    Audience.PARTNER: Level.FULL_TRANSITIVE,
    Audience.PUBLIC: Level.FULL_TRANSITIVE,
}


def level_of(contract: Contract) -> Level:
    """What contract.yaml says, else what its audience asks for: outsiders cannot be asked, so both directions hold."""
    if contract.compatibility is None:
        return _DEFAULTS[contract.audience]
    return Level(contract.compatibility.replace("-", "_"))


@dataclass(frozen=True, kw_only=True)
class LevelBreak:
    """One break between a version and an older one; reader and writer follow from the direction."""

    contract: Contract
    version: Version
    older: Version
    direction: Direction
    cause: Break

    @property
    def finding(self) -> Finding:
        source = self.version.source or self.contract.source or Source(file="?")
        return Finding(
            file=source.file,
            line=source.line,
            key=self.cause.field,
            what=self._what(),
            fix=self._fix(),
            rule=RULE,
        )

    def _what(self) -> str:
        level, new, old = level_of(self.contract), self.version.number, self.older.number
        where = f"{self.cause.message} (at {self.cause.path})"
        if self.direction is Direction.BACKWARD:
            return f"{level}: a reader that moves to version {new} fails on what version {old} wrote: {where}"
        return f"{level}: a reader that stays on version {old} fails on what version {new} writes: {where}"

    def _fix(self) -> str:
        mend = self.cause.in_reader if self.direction is Direction.BACKWARD else self.cause.in_writer
        return f"In version {self.version.number}, {mend}."


def check_levels(contract: Contract, new: Collection[int] | None = None) -> list[Finding]:
    """Every break of the contract's level. new: only what these versions break, since published ones cannot change."""
    return [found.finding for found in level_breaks(contract, new)]


def level_breaks(contract: Contract, new: Collection[int] | None = None) -> Iterator[LevelBreak]:
    """By version, the nearest older one first."""
    level = level_of(contract)
    if level is Level.NONE:
        return
    for version in contract.versions:
        if new is not None and version.number not in new:
            continue
        older = contract.versions[: version.number - 1][::-1]
        for before in older if level.is_transitive else older[:1]:
            for direction in level.directions:
                for cause in breaks_between(before, version, direction):
                    yield LevelBreak(contract=contract, version=version, older=before, direction=direction, cause=cause)


def breaks_between(old: Version, new: Version, direction: Direction) -> list[Break]:
    if old.schema is new.schema or old.schema == new.schema:
        return []
    pair = (new, old) if direction is Direction.BACKWARD else (old, new)
    return find_breaks(pair[0].schema, pair[1].schema)
