"""The tree that an Avro schema is (Avro 1.12 specification).

A node says what its bytes are; `python`, where it is set, says what a model makes of them (a class, an Enum, `tuple`),
so that one tree serves schemas from files and schemas derived from models. Named types that refer to themselves are
the same node object.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

PRIMITIVES: Final = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
FINER: Final = {
    "time-millis": "time-micros",
    "timestamp-millis": "timestamp-micros",
    "local-timestamp-millis": "local-timestamp-micros",
}
"""A reader of the finer unit takes the coarser one; the other way something would be cut off."""


@dataclass(frozen=True, slots=True)
class Logical:
    """A logical type that we know, with its attributes. Unknown or ill-formed ones are ignored, as the spec says."""

    name: str
    precision: int = 0
    scale: int = 0

    def __str__(self) -> str:
        """As people say it: `decimal(12, 2)`, `timestamp-millis`."""
        return f"decimal({self.precision}, {self.scale})" if self.name == "decimal" else self.name


@dataclass(eq=False, slots=True)
class Primitive:
    """One of the eight primitive types."""

    type: str
    logical: Logical | None = None
    python: object = None


@dataclass(eq=False, slots=True)
class Fixed:
    """`size` bytes under a full name."""

    name: str
    size: int
    aliases: tuple[str, ...] = ()
    logical: Logical | None = None
    doc: str = ""
    python: object = None


@dataclass(eq=False, slots=True)
class Enum:
    """Symbols in order; `default` is what a reader takes for a symbol that it does not know."""

    name: str
    symbols: tuple[str, ...]
    default: str | None = None
    aliases: tuple[str, ...] = ()
    doc: str = ""
    python: object = None


@dataclass(eq=False, slots=True)
class Array:
    items: Node
    python: object = None


@dataclass(eq=False, slots=True)
class Map:
    """String keys."""

    values: Node
    python: object = None


@dataclass(eq=False, slots=True)
class Union:
    branches: tuple[Node, ...]
    python: object = None


@dataclass(eq=False, slots=True)
class Field:
    """`default` is JSON as written (bytes and fixed: a string of code points 0 to 255), or MISSING."""

    name: str
    type: Node
    default: object = MISSING
    doc: str = ""
    aliases: tuple[str, ...] = ()
    order: str = "ascending"


@dataclass(eq=False, slots=True)
class Record:
    """Fields are set after creation, so that a field's type can be the record itself."""

    name: str
    fields: tuple[Field, ...] = ()
    aliases: tuple[str, ...] = ()
    doc: str = ""
    python: object = None


Node: TypeAlias = Primitive | Fixed | Enum | Array | Map | Union | Record
Named: TypeAlias = Fixed | Enum | Record


def nullable(node: Node) -> Node | None:
    """The other branch of a union of null and one type, else None."""
    if isinstance(node, Union) and len(node.branches) == 2:
        rest = [b for b in node.branches if not (isinstance(b, Primitive) and b.type == "null")]
        return rest[0] if len(rest) == 1 else None
    return None


def answers_to(node: Named, name: str) -> bool:
    """The unqualified names match, or an alias does (specification, "Schema Resolution" and "Aliases")."""
    names = (node.name, *node.aliases)
    return name in names or name.rpartition(".")[2] in (known.rpartition(".")[2] for known in names)


def stands_for(written: Logical | None, wanted: Logical | None) -> bool:
    """Whether every value written with one logical type is one of the other. Any may be read as its plain value."""
    if wanted is None or written == wanted:
        return True
    if written is None:
        return wanted.name == "uuid"
    if written.name == wanted.name == "decimal":
        return written.scale == wanted.scale and written.precision <= wanted.precision
    return written.name == wanted.name or FINER.get(written.name) == wanted.name


def branch_name(node: Node) -> str:
    """What makes a union branch unique: the full name of a named type, else the type's name."""
    match node:
        case Primitive():
            return node.type
        case Array():
            return "array"
        case Map():
            return "map"
        case Union():
            return "union"
    return node.name


def walk(node: Node) -> Iterable[Node]:
    """Every node once, depth first."""
    seen: set[int] = set()
    stack = [node]
    while stack:
        one = stack.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        match one:
            case Array():
                stack.append(one.items)
            case Map():
                stack.append(one.values)
            case Union():
                stack.extend(reversed(one.branches))
            case Record():
                stack.extend(f.type for f in reversed(one.fields))
