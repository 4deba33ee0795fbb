"""Which written type becomes which wanted one: Avro's schema resolution, decided once per pair of schemas.

Avro 1.12 specification, "Schema Resolution"; unions by the rules of the Java implementation (the full name first, the
same type, then promotion). Stricter where leniency would give a silently wrong value: a field that two written fields
could fill, and logical types that mean something else, are refused here, with the path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from busline.codec.scalar_reading import PROMOTIONS
from busline.contract.nodes import (
    MISSING,
    Array,
    Enum,
    Field,
    Fixed,
    Logical,
    Map,
    Named,
    Node,
    Primitive,
    Record,
    Union,
    answers_to,
    stands_for,
)
from busline.errors import ContractMismatch


@dataclass(frozen=True, slots=True, eq=False)
class Scalars:
    """A primitive or fixed."""

    written: Primitive | Fixed
    wanted: Primitive | Fixed


@dataclass(frozen=True, slots=True, eq=False)
class Enums:
    """`symbols[i]` is the wanted symbol for the written index i, None for one that the reader does not know."""

    written: Enum
    wanted: Enum
    symbols: tuple[str | None, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Arrays:
    items: Plan
    wanted: Array


@dataclass(frozen=True, slots=True, eq=False)
class Maps:
    values: Plan
    wanted: Map


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """A written field that fills a wanted one."""

    written: Field
    wanted: Field
    plan: Plan


@dataclass(slots=True, eq=False)
class Records:
    """`steps` in written order, a bare Field is skipped; `defaulted` are wanted fields that are not written."""

    written: Record
    wanted: Record
    steps: tuple[Taken | Field, ...] = ()
    defaulted: tuple[Field, ...] = ()
    recursive: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Unions:
    """One plan a written branch; a text says why that branch cannot be read."""

    written: Union
    wanted: Node
    branches: tuple[Plan | str, ...]

    def nullable(self) -> tuple[Plan, Plan] | None:
        """Of null and one other type that can be read: the plan of each."""
        plans = [(is_null(n), plan) for n, plan in zip(self.written.branches, self.branches, strict=True)]
        able = {null: plan for null, plan in plans if not isinstance(plan, str)}
        count = sum(not isinstance(plan, str) for _, plan in plans)
        return (able[True], able[False]) if count == len(able) == 2 else None


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """A written type that is no union, as branch `index` of a wanted union."""

    wanted: Union
    index: int
    plan: Plan


def is_null(node: Node) -> bool:
    return isinstance(node, Primitive) and node.type == "null"


Plan: TypeAlias = Scalars | Enums | Arrays | Maps | Records | Unions | Chosen


class _Unfit(Exception):
    def __init__(self, path: str, why: str) -> None:
        super().__init__(why)
        self.path = path
        self.why = why


def resolve(written: Node, wanted: Node, *, total: bool = False) -> Plan:
    """The plan for reading `wanted` from what was written as `written`.

    total: every value that can be written must be readable; else what only some values lack is found when they come.
    Raises ContractMismatch with the path in the schema.
    """
    try:
        return _Resolver(total).plan(written, wanted, "")
    except _Unfit as error:
        where = error.path.lstrip(".") or "the whole value"
        raise ContractMismatch("the schemas do not fit", where=where, why=error.why) from None
    except RecursionError:
        raise ContractMismatch("the schemas are nested too deeply to be compared") from None


class _Resolver:
    """One walk over two schemas; records that are being compared are met again as the plan in the making."""

    def __init__(self, total: bool) -> None:
        self.total = total
        self.records: dict[tuple[int, int], Records] = {}
        self.open: set[tuple[int, int]] = set()
        self.unfit: dict[tuple[int, int], tuple[str, str]] = {}
        self.renamed: dict[tuple[int, str], Record] = {}

    def plan(self, written: Node, wanted: Node, path: str) -> Plan:
        if isinstance(written, Union):
            return self.union(written, wanted, path)
        if isinstance(wanted, Union):
            return self.chosen(written, wanted, path)
        match written, wanted:
            case Record(), Record():
                return self.record(written, wanted, path)
            case Enum(), Enum():
                return self.enum(written, wanted, path)
            case Array(), Array():
                return Arrays(self.plan(written.items, wanted.items, path + "[]"), wanted)
            case Map(), Map():
                return Maps(self.plan(written.values, wanted.values, path + "{}"), wanted)
            case ((Primitive() | Fixed()), (Primitive() | Fixed())):
                return self.scalar(written, wanted, path)
        raise _Unfit(path, f"written as {describe(written)}, wanted as {describe(wanted)}")

    # --- scalars

    def scalar(self, written: Primitive | Fixed, wanted: Primitive | Fixed, path: str) -> Plan:
        why = _unlike(written, wanted) or _other_meaning(written.logical, wanted.logical)
        if why:
            raise _Unfit(path, f"written as {describe(written)}, wanted as {describe(wanted)}: {why}")
        return Scalars(written, wanted)

    def enum(self, written: Enum, wanted: Enum, path: str) -> Plan:
        _check_name(written, wanted, path)
        symbols = tuple(s if s in wanted.symbols else wanted.default for s in written.symbols)
        unknown = [s for s, found in zip(written.symbols, symbols, strict=True) if found is None]
        if unknown and (self.total or len(unknown) == len(symbols)):
            raise _Unfit(path, f"the symbols {', '.join(unknown)} are unknown, and there is no default symbol")
        return Enums(written, wanted, symbols)

    # --- records

    def record(self, written: Record, wanted: Record, path: str) -> Plan:
        _check_name(written, wanted, path)
        pair = (id(written), id(wanted))
        known = self.records.get(pair)
        if known is not None:
            known.recursive = known.recursive or pair in self.open
            return known
        if pair in self.unfit:
            below, why = self.unfit[pair]
            raise _Unfit(path + below, why)
        plan = self.records[pair] = Records(written, wanted)
        self.open.add(pair)
        try:
            sources = self.sources(written, wanted, path)
            plan.steps = tuple(self.step(f, sources, path) for f in written.fields)
            plan.defaulted = tuple(f for f in wanted.fields if f.name not in {s.name for s in sources.values()})
            return plan
        except _Unfit as error:
            self.unfit[pair] = error.path.removeprefix(path), error.why
            for key in tuple(self.records)[tuple(self.records).index(pair) :]:
                del self.records[key]  # what was begun after this one may hold it, which never will be finished
            raise
        finally:
            self.open.discard(pair)

    def step(self, written: Field, sources: dict[str, Field], path: str) -> Taken | Field:
        wanted = sources.get(written.name)
        if wanted is None:
            return written
        return Taken(written, wanted, self.plan(written.type, wanted.type, f"{path}.{wanted.name}"))

    def sources(self, written: Record, wanted: Record, path: str) -> dict[str, Field]:
        """The wanted field by the written name that fills it."""
        names = {f.name for f in written.fields}
        out: dict[str, Field] = {}
        for field in wanted.fields:
            here = f"{path}.{field.name}"
            found = [n for n in dict.fromkeys((field.name, *field.aliases)) if n in names]
            if len(found) > 1:
                raise _Unfit(here, f"its name and aliases fit several written fields: {', '.join(found)}")
            if not found and field.default is MISSING:
                raise _Unfit(here, "the field is not written, and has no default")
            if found and found[0] in out:
                raise _Unfit(here, f"the written field {found[0]!r} fills {out[found[0]].name!r} already")
            if found:
                out[found[0]] = field
        return out

    # --- unions

    def union(self, written: Union, wanted: Node, path: str) -> Plan:
        branches = tuple(self.branch(branch, wanted, path) for branch in written.branches)
        if branches and all(isinstance(b, str) for b in branches):
            raise _Unfit(path, str(branches[0]))
        return Unions(written, wanted, branches)

    def branch(self, written: Node, wanted: Node, path: str) -> Plan | str:
        try:
            return self.plan(written, wanted, path)
        except _Unfit as error:
            if self.total:
                raise
            return f"{error.why} (at {error.path.lstrip('.')})" if error.path != path else error.why

    def chosen(self, written: Node, wanted: Union, path: str) -> Plan:
        """The branch by Java's order: the full name, the same type, a record of the same form, a promotion."""
        for fits in (_same_full_name, _same_kind, _same_form, _promotes):
            plans = [
                (index, plan)
                for index, branch in enumerate(wanted.branches)
                if fits(written, branch)
                and (plan := self.attempt(written, branch, path, fits is _same_form)) is not None
            ]
            if len(plans) > 1 and fits is _same_form:
                raise _Unfit(path, f"{describe(written)} has the form of several wanted branches and the name of none")
            if plans:
                return Chosen(wanted, *plans[0])
        kinds = ", ".join(describe(b) for b in wanted.branches)
        raise _Unfit(path, f"written as {describe(written)}, wanted as one of {kinds}")

    def attempt(self, written: Node, wanted: Node, path: str, by_form: bool) -> Plan | None:
        try:
            if by_form and isinstance(written, Record) and isinstance(wanted, Record):
                return self.record(written, self.under(written.name, wanted), path)
            return self.plan(written, wanted, path)
        except _Unfit:
            if isinstance(written, Record) and _same_full_name(written, wanted):
                raise
            return None

    def under(self, name: str, node: Record) -> Record:
        """The record with one alias more; the same object each time, so that recursion ends."""
        known = self.renamed.get((id(node), name))
        if known is None:
            known = Record(node.name, node.fields, (*node.aliases, name), node.doc, node.python)
            self.renamed[id(node), name] = known
        return known


def _same_full_name(written: Node, wanted: Node) -> bool:
    return (
        isinstance(written, Record | Enum | Fixed)
        and isinstance(wanted, Record | Enum | Fixed)
        and type(written) is type(wanted)
        and (written.name == wanted.name or written.name in wanted.aliases)
    )


def _same_kind(written: Node, wanted: Node) -> bool:
    if isinstance(written, Primitive):
        return isinstance(wanted, Primitive) and written.type == wanted.type
    if isinstance(written, Record | Enum | Fixed) and isinstance(wanted, Record | Enum | Fixed):
        return type(written) is type(wanted) and answers_to(wanted, written.name)
    return type(written) is type(wanted)


def _same_form(written: Node, wanted: Node) -> bool:
    return isinstance(written, Record) and isinstance(wanted, Record)


def _promotes(written: Node, wanted: Node) -> bool:
    return (
        isinstance(written, Primitive) and isinstance(wanted, Primitive) and (written.type, wanted.type) in PROMOTIONS
    )


def _check_name(written: Named, wanted: Named, path: str) -> None:
    if not answers_to(wanted, written.name):
        raise _Unfit(path, f"written as {written.name}, wanted as {wanted.name}; an alias would join them")


def _unlike(written: Primitive | Fixed, wanted: Primitive | Fixed) -> str | None:
    if isinstance(written, Fixed) and isinstance(wanted, Fixed):
        if written.size != wanted.size:
            return "the sizes differ"
        return None if answers_to(wanted, written.name) else "the names differ; an alias would join them"
    if isinstance(written, Primitive) and isinstance(wanted, Primitive):
        same = written.type == wanted.type or (written.type, wanted.type) in PROMOTIONS
        return None if same else "no promotion leads there"
    return "the types differ"


def _other_meaning(written: Logical | None, wanted: Logical | None) -> str | None:
    """Why one logical type cannot stand for the other."""
    if stands_for(written, wanted):
        return None
    if written is None or wanted is None:
        return f"what was written does not say that it is {wanted}"
    if written.name == wanted.name == "decimal":
        return "the scales differ" if written.scale != wanted.scale else "fewer digits are wanted than may be written"
    return "the logical types mean different things"


def describe(node: Node) -> str:
    """A type in a few words, for messages."""
    match node:
        case Primitive():
            return f"{node.logical} ({node.type})" if node.logical else node.type
        case Fixed():
            logical = f"{node.logical} " if node.logical else ""
            return f"{logical}fixed {node.name} of {node.size} bytes"
        case Array():
            return f"array of {describe(node.items)}"
        case Map():
            return f"map of {describe(node.values)}"
        case Union():
            return f"one of {', '.join(describe(b) for b in node.branches)}"
    return f"{type(node).__name__.lower()} {node.name}"
