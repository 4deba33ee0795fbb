"""One contract as the rules look at it: every field of its current version, taken apart once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from busline.contract.model import Contract, TeamSpec
from busline.contract.nodes import Array, Field, Map, Node, Primitive, Record, Union
from busline.contract.rules.words import Words, words_of


class Site(NamedTuple):
    """A field where it stands. type: what it holds, without null, list and map around it; None for several."""

    path: str
    field: Field
    type: Node | None
    words: Words
    record: Record

    @property
    def number(self) -> Primitive | None:
        """Its type, where it is a number without a logical type that would say what it counts."""
        node = self.type
        plain = isinstance(node, Primitive) and node.logical is None and node.type in ("int", "long", "float", "double")
        return node if plain else None  # type: ignore[return-value]

    @property
    def top(self) -> str:
        return self.path.partition(".")[0]


@dataclass(frozen=True)
class Subject:
    """A contract, its team, and the fields of its current version."""

    contract: Contract
    team: TeamSpec | None
    sites: tuple[Site, ...]

    @classmethod
    def of(cls, contract: Contract, team: TeamSpec | None) -> Subject:
        root = contract.current.schema.root if contract.current else None
        return cls(contract, team, tuple(_sites(root, "", set())) if isinstance(root, Record) else ())


def _sites(record: Record, prefix: str, seen: set[int]) -> Iterator[Site]:
    """Depth first; a record that stands in several places is looked at in the first."""
    if id(record) in seen:
        return
    seen.add(id(record))
    for field in record.fields:
        held = _held(field.type)
        path = prefix + field.name
        yield Site(path, field, held[0] if len(held) == 1 else None, words_of(field.name), record)
        for node in held:
            if isinstance(node, Record):
                yield from _sites(node, f"{path}.", seen)


def _held(node: Node) -> list[Node]:
    """The types inside lists, maps and unions, null left out."""
    match node:
        case Array():
            return _held(node.items)
        case Map():
            return _held(node.values)
        case Union():
            return [one for branch in node.branches for one in _held(branch)]
        case Primitive(type="null"):
            return []
    return [node]
