"""A schema's JSON from its tree: what `parse` reads back."""

from __future__ import annotations

from typing import Final

from busline.contract.nodes import (
    MISSING,
    PRIMITIVES,
    Array,
    Enum,
    Field,
    Fixed,
    Json,
    Logical,
    Map,
    Named,
    Node,
    Primitive,
    Record,
    Union,
)
from busline.errors import SchemaInvalid

_TYPE_WORDS: Final = PRIMITIVES | {"record", "error", "enum", "fixed", "array", "map", "union"}


def render(root: Node) -> Json:
    """JSON with docs, aliases, defaults and logical types. A named type stands in full where it is met first.

    A name without a namespace is written bare within one, as Java writes it: Java and `parse` look for it there first,
    then without. Raises SchemaInvalid where that finds another type. (The specification knows no way to write it.)
    """
    return _render(root, None, set())


def _render(node: Node, space: str | None, seen: set[str]) -> Json:
    match node:
        case Primitive():
            return {"type": node.type, **_logical(node.logical)} if node.logical else node.type
        case Array():
            return {"type": "array", "items": _render(node.items, space, seen)}
        case Map():
            return {"type": "map", "values": _render(node.values, space, seen)}
        case Union():
            return [_render(branch, space, seen) for branch in node.branches]
    own, _, name = node.name.rpartition(".")
    if node.name in seen:
        return _reference(node.name, space or "", seen)
    seen.add(node.name)
    head = {"type": type(node).__name__.lower(), "name": name, **({"namespace": own} if own != (space or "") else {})}
    return head | _described(node) | _body(node, own or None, seen)


def _reference(full: str, space: str, seen: set[str]) -> str:
    own, _, name = full.rpartition(".")
    if own == space:
        return full if name in _TYPE_WORDS else name
    if not own and f"{space}.{name}" in seen:
        raise SchemaInvalid(
            f"the name {name!r} means another type here",
            where=f"the namespace {space}",
            why=f"{space}.{name} is defined as well, and a bare name means that one",
            fix=f"Give {name!r} a namespace.",
        )
    return full


def _described(node: Named) -> dict[str, Json]:
    out: dict[str, Json] = {"doc": node.doc} if node.doc else {}
    if node.aliases:
        out["aliases"] = list(node.aliases)
    return out


def _body(node: Named, space: str | None, seen: set[str]) -> dict[str, Json]:
    match node:
        case Fixed():
            return {"size": node.size, **_logical(node.logical)}
        case Enum():
            symbols: Json = list(node.symbols)
            return {"symbols": symbols, **({"default": node.default} if node.default is not None else {})}
        case Record():
            return {"fields": [_field(f, space, seen) for f in node.fields]}


def _field(field: Field, space: str | None, seen: set[str]) -> Json:
    out: dict[str, Json] = {"name": field.name, "type": _render(field.type, space, seen)}
    if field.doc:
        out["doc"] = field.doc
    if field.default is not MISSING:
        out["default"] = field.default  # type: ignore[assignment]  # JSON as written
    if field.aliases:
        out["aliases"] = list(field.aliases)
    if field.order != "ascending":
        out["order"] = field.order
    return out


def _logical(logical: Logical | None) -> dict[str, Json]:
    if logical is None:
        return {}
    decimal: dict[str, Json] = {"precision": logical.precision, "scale": logical.scale}
    return {"logicalType": logical.name, **(decimal if logical.name == "decimal" else {})}
