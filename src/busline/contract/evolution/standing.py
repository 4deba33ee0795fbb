"""What a reader gets that its own check for breaks does not see: defaults where a field is gone, and other meanings.

One walk over a reader's schema and a written one, along the types that Avro's resolution pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

from busline.contract.nodes import (
    MISSING,
    Array,
    Enum,
    Fixed,
    Logical,
    Map,
    Node,
    Primitive,
    Record,
    Union,
    answers_to,
    stands_for,
)

MOST: Final = 100
"""Paths that are told of one record: a small schema can have millions."""


class Standing(NamedTuple):
    """A reader's field, by its path (`customer.zip`, `lines[].price`). why: its bytes mean something else now; empty:
    it is not written, and a default stands in."""

    path: str
    why: str = ""


def standing(reader: Node, writer: Node) -> list[Standing]:
    """In the order of the reader's fields; each path once."""
    return list(dict.fromkeys(_Walk().pair(reader, writer, "")))


class _Walk:
    """Each pair of records is walked once; `known` holds what was found in it, by paths within it."""

    def __init__(self) -> None:
        self.known: dict[tuple[int, int], list[Standing]] = {}

    def pair(self, reader: Node, writer: Node, path: str) -> Iterator[Standing]:
        match reader, writer:
            case _, Union():
                for branch in writer.branches:
                    yield from self.pair(reader, branch, path)
            case Union(), _:
                if (chosen := _branch(reader, writer)) is not None:
                    yield from self.pair(chosen, writer, path)
            case Record(), Record():
                for found in self.record(reader, writer):
                    yield Standing(f"{path}.{found.path}".lstrip("."), found.why)
            case Array(), Array():
                yield from self.pair(reader.items, writer.items, f"{path}[]")
            case Map(), Map():
                yield from self.pair(reader.values, writer.values, f"{path}{{}}")
            case ((Primitive() | Fixed()), (Primitive() | Fixed())):
                if why := _other_meaning(reader.logical, writer.logical):
                    yield Standing(path, why)

    def record(self, reader: Record, writer: Record) -> list[Standing]:
        pair = (id(reader), id(writer))
        if pair not in self.known:
            self.known[pair] = []  # what is met again within itself has nothing new to say
            self.known[pair] = list(islice(self.fields(reader, writer), MOST))
        return self.known[pair]

    def fields(self, reader: Record, writer: Record) -> Iterator[Standing]:
        written = {field.name: field for field in writer.fields}
        for field in reader.fields:
            found = next((written[name] for name in (field.name, *field.aliases) if name in written), None)
            if found is not None:
                yield from self.pair(field.type, found.type, field.name)
            elif field.default is not MISSING:
                yield Standing(field.name)


def _branch(reader: Union, writer: Node) -> Node | None:
    """The branch that a written type goes to: the same one, else the only one of its kind."""
    alike = [branch for branch in reader.branches if type(branch) is type(writer)]
    if isinstance(writer, Record | Enum | Fixed):
        names = [b for b in alike if isinstance(b, Record | Enum | Fixed) and answers_to(b, writer.name)]
        return names[0] if names else alike[0] if len(alike) == 1 else None
    if isinstance(writer, Primitive):
        alike = [b for b in alike if isinstance(b, Primitive) and b.type == writer.type]
    return alike[0] if alike else None


def _other_meaning(reader: Logical | None, writer: Logical | None) -> str:
    """Why what was written with one logical type is no value of the other, though the bytes fit; empty: it is one.

    busline's codec refuses these; other clients take one number for another.
    """
    if stands_for(writer, reader):
        return ""
    return f"it is {reader} for the reader, and {'a plain value' if writer is None else writer} now"
