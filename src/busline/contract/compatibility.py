"""Can a reader read what a writer writes? The verdict of Avro's Java SchemaCompatibility (1.12), explained.

No breaks means that every value of the writer's schema can be read by the reader's. It is Java's verdict in every case,
also where it is not what one would expect: names of records, enums and fixeds match without their namespaces; a type
that is met again while it is being compared counts as compatible. Where Java's checker throws, there is a break.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias, cast

from busline.contract.breaks import (
    Break,
    BreakKind,
    Fault,
    ambiguous,
    branch_missing,
    fixed_sizes,
    names_differ,
    no_default,
    symbols_missing,
    type_name,
    types_differ,
)
from busline.contract.lenient_parser import parse_leniently
from busline.contract.nodes import MISSING, Array, Enum, Field, Fixed, Map, Named, Node, Primitive, Record, Union, walk
from busline.contract.schema import Schema
from busline.contract.trampoline import Step, run

Source: TypeAlias = "str | bytes | Mapping[str, Any] | list[Any] | Schema"
PROMOTIONS: Final = {
    "long": {"int"},
    "float": {"int", "long"},
    "double": {"int", "long", "float"},
    "bytes": {"string"},
    "string": {"bytes"},
}
__all__ = ["Break", "BreakKind", "find_breaks"]


def find_breaks(reader: Source, writer: Source) -> list[Break]:
    """Why the reader's schema may fail on what the writer's schema writes; empty: it never does.

    JSON text, parsed JSON or a Schema. Raises SchemaInvalid where one of them is no Avro schema.
    """
    return list(_unfold(run(_Checker().compare(_tree(reader), _tree(writer)))))


def _tree(source: Source) -> Node:
    if not isinstance(source, Schema):
        return parse_leniently(source)
    names = [one.name for one in walk(source.root) if isinstance(one, Record | Enum | Fixed)]
    if len({name.rpartition(".")[2] for name in names}) == len(names):
        return source.root
    return parse_leniently(
        cast("dict[str, Any]", source.json)
    )  # by one simple name, Java may understand another type than we do


@dataclass(eq=False)
class _Outcome:
    """What comparing one pair of types found: faults of its own, and of the pairs below by the step that leads there.

    `thrown` are the ways to what Java throws at, also through branches that were only tried: Java tries no others then.
    """

    parts: list[_Part] = field(default_factory=list)
    thrown: list[_Part] = field(default_factory=list)

    def add(self, step: str, name: str, inner: _Outcome | Fault) -> None:
        if isinstance(inner, Fault) or inner.parts:
            self.parts.append((step, name, inner))
        self.tried(step, name, inner)

    def tried(self, step: str, name: str, inner: _Outcome | Fault) -> None:
        if inner.throws if isinstance(inner, Fault) else inner.thrown:
            self.thrown.append((step, name, inner))


_Part: TypeAlias = tuple[str, str, _Outcome | Fault]  # JSON pointer, field path, what is there
_FINE: Final = _Outcome()


def _unfold(root: _Outcome) -> Iterator[Break]:
    """Each fault once, at the first place that leads to it: types that are used in many places do not multiply it."""
    told: set[int] = set()
    for thrown in (False, True):
        seen: set[int] = set()
        stack: list[_Part] = [("", "", root)]
        while stack:
            path, name, here = stack.pop()
            if isinstance(here, Fault):
                if id(here) not in told:
                    told.add(id(here))
                    yield here.at(path, name)
            elif id(here) not in seen:
                seen.add(id(here))
                parts = here.thrown if thrown else here.parts
                stack += [(path + step, name + more, inner) for step, more, inner in reversed(parts)]


class _Checker:
    """One comparison, with what it has found for every pair of types; None while a pair is being compared."""

    def __init__(self) -> None:
        self.known: dict[tuple[Node, Node], _Outcome | None] = {}

    def compare(self, reader: Node, writer: Node) -> Step[_Outcome]:
        pair = (reader, writer)
        if pair in self.known:
            return self.known[pair] or _FINE
        self.known[pair] = None
        out = _Outcome()
        yield self.fill(out, reader, writer)
        self.known[pair] = out
        return out

    def fill(self, out: _Outcome, reader: Node, writer: Node) -> Step[None]:
        match reader, writer:
            case (Union(), Union()):
                yield self.unions(out, reader, writer)
            case (_, Union()):
                for index, branch in enumerate(writer.branches):
                    out.add(f"/{index}", "", (yield self.compare(reader, branch)))
            case (Union(), _):
                yield self.branches(out, reader, writer)
            case (Array(), Array()):
                out.add("/items", "[]", (yield self.compare(reader.items, writer.items)))
            case (Map(), Map()):
                out.add("/values", "{}", (yield self.compare(reader.values, writer.values)))
            case (Record(), Record()):
                _name(out, reader, writer)
                yield self.fields(out, reader, writer)
            case (Enum(), Enum()):
                _name(out, reader, writer)
                _symbols(out, reader, writer)
            case (Fixed(), Fixed()):
                _name(out, reader, writer)
                if reader.size != writer.size:
                    out.add("/size", "", fixed_sizes(reader, writer))
            case _ if not _reads(reader, writer):
                out.add("", "", types_differ(reader, writer))

    def unions(self, out: _Outcome, reader: Union, writer: Union) -> Step[None]:
        """Every branch that may be written has to be read by some branch."""
        for index, branch in enumerate(writer.branches):
            inner: _Outcome = yield self.compare(reader, branch)
            for _, _, fault in inner.parts:
                out.add(f"/{index}", "", replace(fault) if isinstance(fault, Fault) else fault)
            out.tried(f"/{index}", "", inner)

    def branches(self, out: _Outcome, reader: Union, writer: Node) -> Step[None]:
        """One of the reader's branches has to read it; Java looks no further than the first that does."""
        nearest: _Outcome | None = None
        for index, branch in enumerate(reader.branches):
            inner: _Outcome = yield self.compare(branch, writer)
            out.tried(f"/{index}", "", inner)
            if not inner.parts:
                return
            if type(branch) is type(writer) and type_name(branch) == type_name(writer):
                nearest = inner
        out.add("", "", _missing(reader, writer, nearest))

    def fields(self, out: _Outcome, reader: Record, writer: Record) -> Step[None]:
        written = {one.name: one for one in writer.fields}
        for index, wanted in enumerate(reader.fields):
            step, name = f"/fields/{index}", f".{wanted.name}"
            found = [written[known] for known in (wanted.name, *dict.fromkeys(wanted.aliases)) if known in written]
            if len(found) > 1:
                out.add(step, name, ambiguous(wanted, [one.name for one in found]))
            elif not found:
                _default(out, step, name, wanted, (reader, writer))
            elif not _plainly(wanted.type, found[0].type):
                out.add(f"{step}/type", name, (yield self.compare(wanted.type, found[0].type)))


def _plainly(reader: Node, writer: Node) -> bool:
    """The usual case, without a step of its own."""
    return isinstance(reader, Primitive) and isinstance(writer, Primitive) and _reads(reader, writer)


def _reads(reader: Node, writer: Node) -> bool:
    if not isinstance(reader, Primitive) or not isinstance(writer, Primitive):
        return False
    return reader.type == writer.type or writer.type in PROMOTIONS.get(reader.type, ())


def _name(out: _Outcome, reader: Named, writer: Named) -> None:
    """As Java: the names without their namespaces, or an alias that is the writer's full name.

    `.X` stands for X without a namespace; a reader with a namespace takes it for no name at all.
    """
    if type_name(reader) == type_name(writer) or writer.name in reader.aliases:
        return
    if "." in reader.name or f".{writer.name}" not in reader.aliases:
        out.add("/name", "", names_differ(reader, writer))


def _symbols(out: _Outcome, reader: Enum, writer: Enum) -> None:
    lacking = sorted(set(writer.symbols) - set(reader.symbols))
    if lacking and reader.default is None:
        out.add("/symbols", "", symbols_missing(reader, lacking))


def _default(out: _Outcome, step: str, name: str, wanted: Field, records: tuple[Record, Record]) -> None:
    if wanted.default is not MISSING:
        return
    reader, writer = records
    fault = no_default(wanted, reader, writer)
    if isinstance(wanted.type, Enum) and wanted.type.default is not None:  # Java compares it with the writer's record
        out.add(f"{step}/type", name, fault.as_kind(BreakKind.TYPE_MISMATCH))
    else:
        out.add(step, name, fault)


def _missing(reader: Union, writer: Node, nearest: _Outcome | None) -> Fault:
    """The first fault of the branch that was meant says more than that no branch fits."""
    inner = next(_unfold(nearest)) if nearest is not None else None
    return branch_missing(reader, writer, inner)
