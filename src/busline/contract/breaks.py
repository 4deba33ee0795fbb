"""What a break is, in words: what the reader would see, and the smallest change on either side that mends it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from busline.contract.nodes import Array, Enum, Field, Fixed, Map, Named, Node, Primitive, Record, Union, branch_name


class BreakKind(StrEnum):
    """As Avro's Java SchemaIncompatibilityType."""

    NAME_MISMATCH = "NAME_MISMATCH"
    FIXED_SIZE_MISMATCH = "FIXED_SIZE_MISMATCH"
    MISSING_ENUM_SYMBOLS = "MISSING_ENUM_SYMBOLS"
    READER_FIELD_MISSING_DEFAULT_VALUE = "READER_FIELD_MISSING_DEFAULT_VALUE"
    TYPE_MISMATCH = "TYPE_MISMATCH"
    MISSING_UNION_BRANCH = "MISSING_UNION_BRANCH"


@dataclass(frozen=True)
class Break:
    """Why a reader may fail. path: JSON pointer into the reader's schema, as Java gives it (`/fields/0/type`).

    hint: the smallest changes that mend it; in_reader and in_writer: what either side would do, as a phrase.
    field: the dotted path of the field (`lines[].price`), empty for the root.
    """

    kind: BreakKind
    path: str
    message: str
    hint: str
    field: str = ""
    in_reader: str = ""
    in_writer: str = ""


@dataclass(frozen=True, eq=False)
class Fault:
    """A break that does not know its place yet. throws: Java's checker throws here instead of answering."""

    kind: BreakKind
    message: str
    in_reader: str
    in_writer: str
    throws: bool = False

    def at(self, path: str, name: str) -> Break:
        dotted = name.removeprefix(".")
        message = f"`{dotted}`: {self.message}" if dotted else self.message
        hint = f"In the reader: {self.in_reader}. Or in the writer: {self.in_writer}."
        return Break(self.kind, path or "/", message, hint, dotted, self.in_reader, self.in_writer)

    def as_kind(self, kind: BreakKind) -> Fault:
        return replace(self, kind=kind)


def type_name(node: Node) -> str:
    """A named type's name without its namespace, else the type."""
    return branch_name(node).rpartition(".")[2]


def say(node: Node) -> str:
    """A type as one would say it."""
    match node:
        case Primitive():
            return node.type
        case Array():
            return f"array of {_short(node.items)}"
        case Map():
            return f"map of {_short(node.values)}"
        case Union():
            return f"union of {', '.join(_short(branch) for branch in node.branches)}"
    return f"{_KINDS[type(node)]} {type_name(node)}"


_KINDS: dict[type, str] = {Record: "record", Enum: "enum", Fixed: "fixed"}


def _short(node: Node) -> str:
    return type_name(node)


def names_differ(reader: Named, writer: Named) -> Fault:
    kind = _KINDS[type(reader)]
    return Fault(
        BreakKind.NAME_MISMATCH,
        f"written as {kind} `{writer.name}`, read as {kind} `{reader.name}`",
        f"give `{type_name(reader)}` the alias `{writer.name}`",
        f"keep the name `{type_name(reader)}`",
    )


def fixed_sizes(reader: Fixed, writer: Fixed) -> Fault:
    return Fault(
        BreakKind.FIXED_SIZE_MISMATCH,
        f"fixed `{type_name(reader)}` is written with {writer.size} bytes and read with {reader.size}",
        f"keep the size {writer.size}; another size needs a field of its own, with a default",
        f"keep the size {reader.size}; another size needs a field of its own, with a default",
    )


def symbols_missing(reader: Enum, lacking: Sequence[str]) -> Fault:
    names = ", ".join(lacking)
    return Fault(
        BreakKind.MISSING_ENUM_SYMBOLS,
        f"enum `{type_name(reader)}` may be written as {names}: the reader does not know it, and has no default symbol",
        f"keep {names}, or give the enum (not the field) a default symbol",
        f"leave {names} out until the readers' enum has a default symbol",
    )


def no_default(wanted: Field, reader: Record, writer: Record) -> Fault:
    renamed = _renamed(wanted, reader, writer)
    alias = f", or the alias `{renamed}` if it is the same under a new name" if renamed else ""
    return Fault(
        BreakKind.READER_FIELD_MISSING_DEFAULT_VALUE,
        f"the writer's `{type_name(writer)}` has no such field, and the reader has no default for it",
        f"give `{wanted.name}` a default{alias}",
        f"keep the field `{wanted.name}`",
    )


def _renamed(wanted: Field, reader: Record, writer: Record) -> str | None:
    """The only field of that type which the reader knows nothing of: probably the same under its other name."""
    known = {name for one in reader.fields for name in (one.name, *one.aliases)}
    alike = [one.name for one in writer.fields if one.name not in known and say(one.type) == say(wanted.type)]
    return alike[0] if len(alike) == 1 else None


def ambiguous(wanted: Field, found: Sequence[str]) -> Fault:
    names = " and ".join(f"`{name}`" for name in dict.fromkeys(found))
    twice = " twice" if len(set(found)) == 1 else ""
    return Fault(
        BreakKind.NAME_MISMATCH,
        f"its name and aliases answer to {names} of the writer{twice}: Java throws, other libraries take any of them",
        f"take the aliases of `{wanted.name}` that name fields which were written beside it away",
        f"write only one of {names}",
        throws=True,
    )


def types_differ(reader: Node, writer: Node) -> Fault:
    return Fault(
        BreakKind.TYPE_MISMATCH,
        f"written as {say(writer)}, read as {say(reader)}",
        f"keep the type {say(writer)}; another type needs a field of its own, with a default",
        f"keep the type {say(reader)}; another type needs a field of its own, with a default",
    )


def branch_missing(reader: Union, writer: Node, nearest: Break | None) -> Fault:
    """nearest: why the branch that was meant does not read it."""
    if nearest is not None:
        return Fault(
            BreakKind.MISSING_UNION_BRANCH,
            f"no branch of the reader's union reads {say(writer)}; in {type_name(writer)}, {nearest.message}",
            nearest.in_reader,
            nearest.in_writer,
        )
    return Fault(
        BreakKind.MISSING_UNION_BRANCH,
        f"may be written as {say(writer)}, and the reader takes {say(reader)}",
        f"add {type_name(writer)} to the union",
        f"leave {type_name(writer)} out",
    )
