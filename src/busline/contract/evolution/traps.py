"""The traps of evolution: what passes every level of compatibility and still hurts, over all versions of a contract.

A level asks whether bytes can be decoded. These ask whether the value that comes out is the one that was written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from busline.contract.evolution.alias_traps import alias_traps
from busline.contract.evolution.meaning import changed_meaning, same_json
from busline.contract.evolution.narrowing import is_same
from busline.contract.evolution.pairing import Pair, leaf_pairs, record_pairs
from busline.contract.evolution.trap import Trap
from busline.contract.evolution.wording import default_text, simple, type_text
from busline.contract.finding import Finding
from busline.contract.model import Contract, Source, Version
from busline.contract.nodes import MISSING, Enum, Field

SYMBOL_ADDED: Final = "enum-symbol-added"
FIELD_DEFAULT: Final = "enum-default-on-field"
TYPE_UNDER_ALIAS: Final = "type-changed-under-alias"
MEANING_CHANGED: Final = "meaning-changed"
DEFAULT_CHANGED: Final = "default-changed"


def find_traps(contract: Contract, new: Collection[int] | None = None) -> list[Finding]:
    """In the order of versions. new: only what these versions bring, since published ones cannot change."""
    return [
        _finding(contract, version, trap)
        for version in contract.versions
        if new is None or version.number in new
        for trap in _traps(contract.versions[: version.number - 1], version)
    ]


def _finding(contract: Contract, version: Version, trap: Trap) -> Finding:
    source = version.source or contract.source or Source(file="?")
    return Finding(
        file=source.file,
        line=source.line,
        key=trap.path,
        what=f"version {version.number}: {trap.what}",
        fix=trap.fix,
        rule=trap.rule,
        severity=trap.severity,
    )


def _traps(older: tuple[Version, ...], version: Version) -> Iterator[Trap]:
    yield from alias_traps(older, version)
    seen: set[str] = set()
    enums: dict[int, _Symbols] = {}
    for before in reversed(older):  # a field is compared with the last version that had it
        for records in record_pairs(before.schema.root, version.schema.root):
            for pair in records.fields:
                if pair.old is None or pair.new is None:
                    continue
                _note_symbols(enums, pair, pair.old, pair.new, before.number)
                if pair.path not in seen:
                    seen.add(pair.path)
                    yield from _of_field(pair, pair.old, pair.new, before.number)
    for symbols in enums.values():
        yield from symbols.traps()


def _of_field(pair: Pair, old: Field, new: Field, number: int) -> Iterator[Trap]:
    if old is new:
        return
    if pair.is_renamed and not is_same(old.type, new.type):
        what = (
            f"`{new.name}` takes the place of `{old.name}` by an alias and changes its type too, from"
            f" {type_text(old.type)} to {type_text(new.type)}: clients that do not follow aliases see neither"
        )
        fix = "Rename and keep the type, or add a new field and leave the old one until nobody reads it."
        yield Trap(TYPE_UNDER_ALIAS, pair.path, what, fix)
    for one, other in leaf_pairs(old.type, new.type):
        if found := changed_meaning(one, other):
            why, severity = found
            what = f"`{pair.path}` is {type_text(other)}, and was {type_text(one)} in version {number}: {why}"
            fix = f"Keep {type_text(one)}; what means something else is a field of its own."
            yield Trap(MEANING_CHANGED, pair.path, what, fix, severity)
        if isinstance(one, Enum) and isinstance(other, Enum) and one.default and one.default != other.default:
            was, now = one.default, other.default or "none"
            yield _default(pair.path, f"the default of enum {simple(other.name)}", (was, now), number)
    if old.default is not MISSING and new.default is not MISSING and not same_json(old.default, new.default):
        yield _default(pair.path, f"the default of `{pair.path}`", (default_text(old), default_text(new)), number)


def _default(path: str, whose: str, values: tuple[str, str], number: int) -> Trap:
    was, now = values
    what = (
        f"{whose} is {now}, and was {was} in version {number}: the same event is read as {was} by who stays"
        f" and as {now} by who moves"
    )
    return Trap(DEFAULT_CHANGED, path, what, f"Keep the default {was}.")


class _Symbols(NamedTuple):
    """An enum's new symbols. behind: the versions whose readers know neither them nor a default."""

    pair: Pair
    enum: Enum
    added: tuple[str, ...]
    behind: list[int]

    def traps(self) -> Iterator[Trap]:
        if not self.added or not self.behind:
            return
        names, path, simple_name = ", ".join(self.added), self.pair.path, simple(self.enum.name)
        versions = f"version{'s' * (len(self.behind) > 1)} {', '.join(map(str, sorted(self.behind)))}"
        fix = (
            f"First publish a version in which enum {simple_name} has a `default` among its symbols; add {names} when"
            " every reader has moved to it."
        )
        if (default := self._default_of_field()) is not None:
            what = (
                f"enum {simple_name} gains {names}, and readers of {versions} fail on it: the default {default!r} of"
                f" the field `{path}` stands in for a missing field, never for an unknown symbol"
            )
            yield Trap(FIELD_DEFAULT, path, what, fix)
        else:
            what = f"enum {simple_name} gains {names}, and readers of {versions} have no default for an unknown symbol"
            yield Trap(SYMBOL_ADDED, path, what, fix)

    def _default_of_field(self) -> str | None:
        for field in (self.pair.old, self.pair.new):
            if field is not None and isinstance(field.default, str):
                return field.default
        return None


def _note_symbols(enums: dict[int, _Symbols], pair: Pair, old: Field, new: Field, number: int) -> None:
    """added: against the nearest older version; behind: of all older ones."""
    for one, other in leaf_pairs(old.type, new.type):
        if isinstance(one, Enum) and isinstance(other, Enum):
            added = tuple(symbol for symbol in other.symbols if symbol not in one.symbols)
            noted = enums.setdefault(id(other), _Symbols(pair, other, added, []))
            if one.default is None and set(noted.added) - set(one.symbols) and number not in noted.behind:
                noted.behind.append(number)
