"""The Avro schema of a model: annotations to Avro types (Avro 1.12 specification), nothing guessed.

Names come from the contract and, for nested types, from the published version by field path; a type that is not
published yet is named after the path where it is met first. What the names of Python classes are never matters.
Fields stand in the published order, new ones behind them, so that moving lines about in a class changes nothing.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, ForwardRef, NamedTuple, get_args, get_origin

from pydantic import BaseModel, RootModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from busline.contract.annotations import Hint, is_enum, is_literal, is_model, is_null, members, unwrap, wire_name
from busline.contract.defaults import branch_of, to_json
from busline.contract.matching import assign, branches, of_kind, of_size
from busline.contract.nodes import (
    MISSING,
    Array,
    Enum,
    Field,
    Fixed,
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
from busline.contract.scalars import ADVICE, NoType, python_type, scalar, takes
from busline.contract.schema import Schema
from busline.contract.types import Aliases, Fallback
from busline.errors import ModelInvalid
from busline.names import ContractName

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DEPTH: Final = 64
_FIXED_FACTORIES: Final = (list, dict, tuple)
_HINTS: Final[tuple[tuple[tuple[object, ...], str], ...]] = (
    ((Any, object), "Name the type, or the kinds as a union."),
    ((set, frozenset), "Avro's array keeps order and repeats: use list[...] or tuple[..., ...]."),
)


class Unresolved(Exception):
    """A forward reference that names nothing yet: the class may be defined later."""


class Place(NamedTuple):
    """Where the walk is: `path` for errors, `words` (the field names) for naming, and what is published there."""

    path: str
    words: tuple[str, ...] = ()
    published: Node | None = None
    suffix: str = ""
    depth: int = 0

    def inside(self, mark: str, published: Node | None) -> Place:
        return Place(self.path + mark, self.words, published, self.suffix, self.depth + 1)

    def refuse(self, why: str, fix: str | None = None) -> ModelInvalid:
        return ModelInvalid("the model cannot be expressed in Avro", where=self.path, why=why, fix=fix)


def schema_of(model: type[BaseModel], published: Schema | None = None) -> Schema:
    """The schema of a model, its nodes bound to the model's classes (`python`).

    published: the contract's version that names the nested types, and lends their aliases. Raises ModelInvalid with
    the field's path and how to mend it.
    """
    contract = getattr(model, "__busline__", None)
    if contract is None:
        return build(model, None, published)
    return contract.schema if published is None else build(model, contract.name, published)


def build(model: type[BaseModel], contract: ContractName | None, published: Schema | None = None) -> Schema:
    """As `schema_of`, for a model whose contract is not set yet. Raises Unresolved too."""
    place = Place(model.__name__, (), published.root if published else None)
    root = _Builder(model, contract, published).record(model, place)
    return Schema(root, render(root))


def camel(words: Sequence[str]) -> str:
    """`order-placed`, `line_items` as OrderPlaced, LineItems."""
    parts = [part for word in words for part in re.split(r"[^A-Za-z0-9]+", word) if part]
    return "".join(part[0].upper() + part[1:] for part in parts)


def root_name(contract: ContractName) -> str:
    """The full name of a contract's record: orders.order-placed as orders.OrderPlaced."""
    return f"{contract.team.replace('-', '_')}.{camel([contract.stream])}"


class _Builder:
    """One walk over a model, with the named types met so far."""

    def __init__(self, model: type[BaseModel], contract: ContractName | None, published: Schema | None) -> None:
        self.name = root_name(contract) if contract else camel([model.__name__])
        self.prefix = f"{contract.team}.{contract.stream}.".replace("-", "_") if contract else self.name
        if published is not None and isinstance(published.root, Named) and "." not in published.root.name:
            self.prefix = published.root.name  # within a namespace, its types could not be named
        self.reserved = {n.name for n in walk(published.root) if isinstance(n, Named)} if published else set()
        self.taken: set[str] = set()
        self.first: dict[object, Named] = {}
        self.by_name: dict[tuple[object, str], Named] = {}

    def node(self, annotation: Any, place: Place, metadata: tuple[object, ...] = ()) -> Node:
        if place.depth > _DEPTH:
            raise place.refuse(f"nested deeper than {_DEPTH}", "A type contains itself through a model only.")
        if isinstance(annotation, str | ForwardRef):
            raise Unresolved(f"{place.path}: {annotation}")
        try:
            hint = unwrap(annotation, metadata)
        except ValueError as error:
            raise place.refuse(str(error), "A type contains itself through a model only.") from None
        alternatives = members(hint.type)
        if alternatives is not None:
            return self.union(alternatives, hint.metadata, place)
        stray = next((m for m in hint.metadata if not takes(hint.type, m)), None)
        if stray is not None:
            raise place.refuse(f"{stray!r} says nothing about {_show(hint.type)}", "Take it away, or change the type.")
        if is_model(hint.type):
            return self.record(hint.type, place)
        if is_enum(hint.type) or is_literal(hint.type):
            return self.enum(hint, place)
        return self.container(hint.type, place) or self.scalar(hint, place)

    def container(self, annotation: Any, place: Place) -> Node | None:
        origin, args = get_origin(annotation) or annotation, get_args(annotation)
        if origin in (list, Sequence) and len(args) == 1:
            return Array(self.items(args[0], place))
        if origin is tuple and len(args) == 2 and args[1] is Ellipsis:
            return Array(self.items(args[0], place), tuple)
        if origin is tuple:
            raise place.refuse(f"{_show(annotation)} is no array", "Use tuple[X, ...], or a model with named fields.")
        if origin in (dict, Mapping) and len(args) == 2:
            if unwrap(args[0]).type is not str:
                raise place.refuse(f"the keys of {_show(annotation)}", "Avro's map has string keys: dict[str, ...].")
            published = of_kind(place.published, Map)
            return Map(self.node(args[1], place.inside("{}", published.values if published else None)))
        if origin in (list, dict, Sequence, Mapping):
            raise place.refuse(f"{_show(annotation)} does not say of what", "Write list[X] or dict[str, X].")
        return None

    def items(self, annotation: Any, place: Place) -> Node:
        published = of_kind(place.published, Array)
        return self.node(annotation, place.inside("[]", published.items if published else None))

    def scalar(self, hint: Hint, place: Place) -> Node:
        try:
            node = scalar(hint)
        except NoType as error:
            raise place.refuse(error.why, error.fix) from None
        if node is None:
            origin = get_origin(hint.type) or hint.type
            fix = next((text for types, text in _HINTS if any(origin is t for t in types)), ADVICE)
            raise place.refuse(f"{_show(hint.type)} has no Avro type", fix)
        return self.fixed(node, place) if isinstance(node, Fixed) else node

    def union(self, alternatives: tuple[Any, ...], metadata: tuple[object, ...], place: Place) -> Node:
        rest = [a for a in alternatives if not is_null(unwrap(a).type)]
        nodes: list[Node] = [Primitive("null")] if len(rest) < len(alternatives) else []
        several = sum(is_model(unwrap(a).type) for a in rest) > 1
        for alternative, published in zip(rest, assign(rest, place.published), strict=True):
            bare = unwrap(alternative).type
            suffix = camel([bare.__name__]) if several and is_model(bare) else ""
            named = is_model(bare) or is_enum(bare) or is_literal(bare)
            at = place._replace(published=published if named else place.published, suffix=suffix, depth=place.depth + 1)
            nodes.append(self.node(alternative, at, tuple(m for m in metadata if takes(bare, m))))
        stray = next((m for m in metadata if not any(takes(unwrap(a).type, m) for a in rest)), None)
        if stray is not None:
            raise place.refuse(f"{stray!r} says nothing about any member of the union", "Take it away.")
        return _union(nodes, place)

    def named(self, key: object, place: Place, published: Named | None, make: Any) -> Named:
        """The node of that key: as published here, or the one met before, or a new one under a name of its own."""
        if published is None and key in self.first:
            return self.first[key]
        known = self.by_name.get((key, published.name)) if published else None
        if known is not None:
            return known
        node: Named = make(self.free_name(place, published))
        if published is not None:
            renamed = (published.name,) if node.name != published.name else ()
            node.aliases = (*published.aliases, *renamed)
            self.by_name[key, published.name] = node
        self.first.setdefault(key, node)
        return node

    def free_name(self, place: Place, published: Named | None) -> str:
        if published is not None and published.name not in self.taken:
            name = published.name
        else:
            wanted = f"{self.prefix}{camel(place.words)}{place.suffix}" if place.words else self.name
            used = self.taken | self.reserved
            tries = (wanted if n == 1 else f"{wanted}{n}" for n in range(1, len(used) + 2))
            name = next(n for n in tries if n not in used)
        self.taken.add(name)
        return name

    def counterpart(self, annotation: Any, place: Place) -> Record | Enum | None:
        return assign([annotation], place.published)[0]

    def fixed(self, node: Fixed, place: Place) -> Node:
        published = of_size(place.published, node.size, node.logical)
        key = ("fixed", node.size, node.logical, None if published else place.words)
        return self.named(key, place, published, lambda name: Fixed(name, node.size, logical=node.logical))

    def enum(self, hint: Hint, place: Place) -> Node:
        symbols = _symbols(hint, place)
        fallback = hint.marker(Fallback)
        default = fallback.symbol if fallback else None
        if default is not None and default not in symbols:
            raise place.refuse(f"Fallback({default!r}) is none of {', '.join(symbols)}")
        published = self.counterpart(hint.type, place)
        python = hint.type if is_enum(hint.type) else None
        key = (python, default) if python else (symbols, default, None if published else place.words)

        def make(name: str) -> Enum:
            return Enum(
                name,
                symbols,
                default,
                doc=_doc(python) if python else published.doc if published else "",
                python=python,
            )

        return self.named(key, place, published, make)

    def record(self, model: type[BaseModel], place: Place) -> Node:
        if issubclass(model, RootModel):
            raise place.refuse(f"{model.__name__} is a RootModel", "Annotate the field with its inner type.")
        published = self.counterpart(model, place)
        before = len(self.taken)
        node = self.named(model, place, published, lambda name: Record(name, doc=_doc(model), python=model))
        if len(self.taken) > before:
            assert isinstance(node, Record)
            node.fields = tuple(self.fields(model, place._replace(published=published)))
        return node

    def fields(self, model: type[BaseModel], place: Place) -> list[Field]:
        if not model.__pydantic_complete__:
            model.model_rebuild(raise_errors=False)
        before = {f.name: f for f in place.published.fields} if isinstance(place.published, Record) else {}
        order = {name: index for index, name in enumerate(before)}
        given = {wire_name(attribute, info): info for attribute, info in model.model_fields.items()}
        names = sorted(given, key=lambda name: order.get(name, len(order)))
        return [self.field(name, given[name], before.get(name), place) for name in names]

    def field(self, name: str, info: FieldInfo, published: Field | None, place: Place) -> Field:
        at = Place(
            f"{place.path}.{name}", (*place.words, name), published.type if published else None, "", place.depth + 1
        )
        if not _NAME.fullmatch(name):
            raise at.refuse(f"{name!r} is not an Avro name", 'Give it one: Field(serialization_alias="...").')
        if info.exclude:
            raise at.refuse("the field is excluded from what is written", "Use a PrivateAttr for what stays inside.")
        metadata = tuple(info.metadata)
        node = self.node(info.annotation, at, tuple(m for m in metadata if not isinstance(m, Aliases)))
        default = _default(info, node, at)
        if isinstance(node, Union) and default is not MISSING:
            _lead_with_default(node, info.get_default(call_default_factory=True))
        marked = Hint(None, metadata).marker(Aliases)
        order = published.order if published else "ascending"
        return Field(name, node, default, info.description or "", marked.names if marked else (), order)


def _default(info: FieldInfo, node: Node, place: Place) -> object:
    """A factory that computes (now, uuid4) is the publisher's affair: in the schema the field has no default then."""
    factory = info.default_factory
    if factory is not None and factory not in _FIXED_FACTORIES and not is_model(factory):
        return MISSING
    value = info.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return MISSING
    try:
        return to_json(node, value)
    except ValueError as error:
        fix = "Write `X | None` for a field that may be None." if value is None else None
        raise place.refuse(f"the default {error}", fix) from None


def _lead_with_default(node: Union, default: object) -> None:
    """The branch of the default comes first: what readers before Avro 1.12 insist on."""
    index = branch_of(node, default)
    node.branches = (node.branches[index], *node.branches[:index], *node.branches[index + 1 :])


def _union(nodes: list[Node], place: Place) -> Node:
    """In the published order, new branches behind. Refused where a value would not say which branch it is of."""
    for of in (branch_name, python_type):
        names = [of(node) for node in nodes]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            why = f"two members of the union are both {getattr(twice, '__name__', twice)}"
            raise place.refuse(why, "Keep one, or give each a model of its own.")
    if len(nodes) == 1:
        return nodes[0]
    order = {branch_name(branch): index for index, branch in enumerate(branches(place.published))}
    return Union(tuple(sorted(nodes, key=lambda node: order.get(branch_name(node), len(order)))))


def _symbols(hint: Hint, place: Place) -> tuple[str, ...]:
    given = get_args(hint.type) if is_literal(hint.type) else tuple(member.value for member in hint.type)
    for symbol in given:
        if symbol is None:
            raise place.refuse("None in a Literal", 'Write Literal["..."] | None.')
        if type(symbol) is not str and not (isinstance(symbol, str) and not is_literal(hint.type)):
            raise place.refuse(f"the symbol {symbol!r} is not text", "Use a StrEnum, or a Literal of strings.")
        if not _NAME.fullmatch(symbol):
            raise place.refuse(f"{symbol!r} is not an Avro name", "Symbols are letters, digits and _.")
    if not given:
        raise place.refuse("the enum has no symbols")
    return tuple(str(symbol) for symbol in given)


def _doc(python: type) -> str:
    """The class's own docstring, dedented; nothing that is inherited."""
    text = vars(python).get("__doc__")
    return inspect.cleandoc(text).strip() if isinstance(text, str) else ""


def _show(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) and not get_args(annotation) else str(annotation)
