"""Hypothesis strategies over Avro: schemas with every type, and the values of a schema.

@given(avro_schemas().flatmap(lambda schema: st.tuples(st.just(schema), values_of(schema.root))))
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from hypothesis import strategies as st

from busline.contract.defaults import to_json
from busline.contract.nodes import (
    MISSING,
    PRIMITIVES,
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
    branch_name,
    walk,
)
from busline.contract.render import render
from busline.contract.scalars import decimal_digits, python_type
from busline.contract.schema import Schema, parse
from busline.contract.types import INT32, INT64, UINT32, Duration, LocalNanos, Nanos

_DEPTH: Final = 3
_LONG_LOGICALS: Final = (
    "time-micros",
    *(f"{local}timestamp-{unit}" for local in ("", "local-") for unit in ("millis", "micros", "nanos")),
)
_FIELD_NAMES: Final = (
    *("a", "b_c", "id", "amount", "x2"),
    *("class", "None", "model_config", "copy", "json", "_private", "event_id", "schema", "str", "self", "Field"),
)
_SYMBOLS: Final = ("A", "b", "C_1", "None", "name", "x", "mro")
_DOCS: Final = st.sampled_from(
    ("", "", "Plain.", 'Quotes """ and \\ in it.', "Two\nlines.", "ends with \\", 'ends with "')
)


def avro_schemas(*, modelled: bool = False) -> st.SearchStrategy[Schema]:
    """Schemas of every type, nested, recursive, with names used again, docs, aliases and defaults.

    modelled: only records at the root, and only what Python types tell apart (no union of int and long).
    """
    return _schemas(modelled=modelled)


def values_of(node: Node) -> st.SearchStrategy[Any]:
    """The values of a type as the codec takes and gives them: records as dicts, enums as symbols."""
    return _values(node, 0)


@st.composite
def _schemas(draw: st.DrawFn, modelled: bool) -> Schema:
    grower = _Grower(draw, modelled)
    root = grower.record(0) if modelled or draw(st.integers(0, 3)) else grower.node(0)
    return parse(json.dumps(render(root)))


class _Grower:
    """One schema under construction: `named` are the types that can be used again."""

    def __init__(self, draw: st.DrawFn, modelled: bool) -> None:
        self._draw: Callable[[st.SearchStrategy[Any]], Any] = draw
        self.modelled = modelled
        self.named: list[Named] = []
        self.open: list[Record] = []
        self.count = 0

    def one_of(self, *choices: Any) -> Any:
        return self._draw(st.sampled_from(choices))

    def perhaps(self) -> bool:
        return bool(self._draw(st.booleans()))

    def node(self, depth: int) -> Node:
        makers: list[Callable[[], Node]] = [self.primitive, self.logical, self.enum, self.fixed]
        if depth < _DEPTH:
            makers += [lambda: Array(self.node(depth + 1)), lambda: Map(self.node(depth + 1))]
            makers += [lambda: self.union(depth + 1), lambda: self.record(depth + 1), self.again]
        made: Node = self.one_of(*makers)()
        return made

    def primitive(self) -> Node:
        return Primitive(self.one_of(*sorted(PRIMITIVES)))

    def logical(self) -> Node:
        kind = self.one_of("decimal", "uuid", "date", "time-millis", *_LONG_LOGICALS)
        if kind == "decimal":
            digits = self._draw(st.integers(1, 40))
            return Primitive("bytes", Logical("decimal", digits, self._draw(st.integers(0, digits))))
        return Primitive({"uuid": "string", "date": "int", "time-millis": "int"}.get(kind, "long"), Logical(kind))

    def fixed(self) -> Node:
        kind = self.one_of(None, None, "decimal", "uuid", "duration")
        size = {"uuid": 16, "duration": 12}.get(str(kind)) or self._draw(st.integers(1, 20))
        logical = Logical(kind) if kind else None
        if kind == "decimal":
            digits = self._draw(st.integers(1, decimal_digits(size)))
            logical = Logical("decimal", digits, self._draw(st.integers(0, digits)))
        return self.known(Fixed(self.name("F"), size, self.aliases(), logical))

    def enum(self) -> Node:
        symbols = tuple(self._draw(st.lists(st.sampled_from(_SYMBOLS), min_size=1, unique=True)))
        default = self.one_of(None, *symbols)
        return self.known(Enum(self.name("E"), symbols, default, self.aliases(), self._draw(_DOCS)))

    def again(self) -> Node:
        """A type by its name; a record that is not finished only where its values can end."""
        if self.open and self.perhaps():
            own: Record = self.one_of(*self.open)
            made: Node = self.one_of(Array(own), Map(own), Union((Primitive("null"), own)))
            return made
        known: Node = self.one_of(*self.named) if self.named else self.primitive()
        return known

    def union(self, depth: int) -> Node:
        branches: list[Node] = []
        for _ in range(self._draw(st.integers(1, 4))):
            branch = self.node(depth)
            if not isinstance(branch, Union) and self.distinct(branch, branches):
                branches.append(branch)
        return Union(tuple(branches)) if branches and self.can_be_model(branches) else self.primitive()

    def can_be_model(self, branches: list[Node]) -> bool:
        """A union of one branch, or of null twice, has no annotation of its own."""
        return not self.modelled or len(branches) > 1

    def distinct(self, branch: Node, others: list[Node]) -> bool:
        if branch_name(branch) in {branch_name(other) for other in others}:
            return False
        if not self.modelled or isinstance(branch, Record | Enum):
            return True
        return python_type(branch) not in {
            python_type(other) for other in others if not isinstance(other, Record | Enum)
        }

    def record(self, depth: int) -> Record:
        record = Record(self.name("R"), aliases=self.aliases(), doc=self._draw(_DOCS))
        self.open.append(record)
        names = self._draw(st.lists(st.sampled_from(_FIELD_NAMES), min_size=int(depth == 0), max_size=4, unique=True))
        record.fields = tuple(self.field(name, depth) for name in names)
        self.open.pop()
        self.named.append(record)
        return record

    def field(self, name: str, depth: int) -> Field:
        node = self.node(depth + 1)
        default: object = MISSING
        if self.perhaps():
            first = node.branches[0] if isinstance(node, Union) else node
            if self.ends(first):
                default = to_json(first, self._draw(_values(first, _DEPTH)))
        aliases = (f"former_{name}",) if self.perhaps() else ()
        return Field(name, node, default, self._draw(_DOCS), aliases)

    def ends(self, node: Node) -> bool:
        """Whether a default can be written: not of a record that is still being made."""
        return not any(one is record for one in walk(node) for record in self.open)

    def known(self, node: Fixed | Enum) -> Node:
        self.named.append(node)
        return node

    def name(self, letter: str) -> str:
        self.count += 1
        return f"{self.one_of('', 'n.s.', 'other.')}{letter}{self.count}"

    def aliases(self) -> tuple[str, ...]:
        return (f"former.Name{self.count}",) if self.perhaps() else ()


def _values(node: Node, depth: int) -> st.SearchStrategy[Any]:
    most = 0 if depth > _DEPTH else 3
    match node:
        case Primitive() | Fixed():
            return _logical(node, node.logical) if node.logical else _plain(node)
        case Enum():
            return st.sampled_from(node.symbols)
        case Array():
            return st.lists(_later(node.items, depth), max_size=most)
        case Map():
            return st.dictionaries(st.text(max_size=5), _later(node.values, depth), max_size=most)
        case Union():
            flat = [b for b in node.branches if not isinstance(b, Record)]
            return st.one_of(*(_later(b, depth) for b in (flat if flat and depth > _DEPTH else node.branches)))
        case Record():
            return st.fixed_dictionaries({f.name: _later(f.type, depth) for f in node.fields})


def _later(node: Node, depth: int) -> st.SearchStrategy[Any]:
    return st.deferred(lambda: _values(node, depth + 1))


def _plain(node: Primitive | Fixed) -> st.SearchStrategy[Any]:
    if isinstance(node, Fixed):
        return st.binary(min_size=node.size, max_size=node.size)
    of: dict[str, st.SearchStrategy[Any]] = {
        "null": st.none(),
        "boolean": st.booleans(),
        "int": st.integers(*INT32),
        "long": st.integers(*INT64),
        "float": st.floats(width=32, allow_nan=False, allow_infinity=False),
        "double": st.floats(allow_nan=False, allow_infinity=False),
        "bytes": st.binary(max_size=20),
        "string": st.text(max_size=20),
    }
    return of[node.type]


def _logical(node: Primitive | Fixed, logical: Logical) -> st.SearchStrategy[Any]:
    if logical.name == "decimal":
        most = 10**logical.precision - 1
        return st.integers(-most, most).map(lambda n: Decimal(f"{n}E-{logical.scale}"))
    whole = st.datetimes(min_value=dt.datetime(1, 1, 2), max_value=dt.datetime(9999, 12, 30))
    millis = whole.map(lambda when: when.replace(microsecond=when.microsecond // 1000 * 1000))
    of: dict[str, st.SearchStrategy[Any]] = {
        "uuid": st.uuids(),
        "date": st.dates(),
        "time-millis": millis.map(dt.datetime.time),
        "time-micros": st.times(),
        "timestamp-millis": millis.map(lambda when: when.replace(tzinfo=dt.UTC)),
        "timestamp-micros": whole.map(lambda when: when.replace(tzinfo=dt.UTC)),
        "timestamp-nanos": st.integers(*INT64).map(Nanos),
        "local-timestamp-millis": millis,
        "local-timestamp-micros": whole,
        "local-timestamp-nanos": st.integers(*INT64).map(LocalNanos),
        "duration": st.tuples(*[st.integers(0, UINT32)] * 3).map(lambda parts: Duration(*parts)),
    }
    return of[logical.name]
