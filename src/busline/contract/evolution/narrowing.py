"""The schema that a reader really reads by: the version that it declares, with the fields that its code uses."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

from busline.contract.model import FieldUse
from busline.contract.nodes import MISSING, Field, Node, Record, walk
from busline.contract.render import render
from busline.contract.schema import Schema


def narrowed(schema: Schema, fields: Sequence[FieldUse]) -> Schema:
    """Only these fields of the root record, in its order; one that is optional has a default. No fields: all of them.

    The default that stands for a model's own is null, whatever the type: it says that there is one, not which.
    """
    root = schema.root
    if not fields or not isinstance(root, Record):
        return schema
    if any(node is root for field in root.fields for node in walk(field.type)):
        root = copy.deepcopy(root, {id(MISSING): MISSING})  # a record in itself is the narrowed one there too
        root.fields = _kept(root, fields)
    else:
        root = replace(root, fields=_kept(root, fields))
    return Schema(root, render(root))


def _kept(root: Record, fields: Sequence[FieldUse]) -> tuple[Field, ...]:
    optional = {use.name: use.optional for use in fields}
    return tuple(
        replace(field, default=None) if optional[field.name] and field.default is MISSING else field
        for field in root.fields
        if field.name in optional
    )


def is_same(one: Node, other: Node) -> bool:
    """Whether two types are the same in all that a reader sees: names, symbols, sizes, logical types, fields in order.

    Docs, aliases and defaults apart; `True` for a record within itself where all else is.
    """
    return _Comparison().same(one, other)


class _Comparison:
    def __init__(self) -> None:
        self.seen: set[tuple[int, int]] = set()

    def same(self, one: Node, other: Node) -> bool:
        if one is other:
            return True
        if type(one) is not type(other) or _own(one) != _own(other):
            return False
        if (id(one), id(other)) in self.seen:
            return True
        self.seen.add((id(one), id(other)))
        ours, theirs = _parts(one), _parts(other)
        return len(ours) == len(theirs) and all(map(self.same, ours, theirs))


def _own(node: Node) -> tuple[object, ...]:
    """What makes a node what it is, its parts apart."""
    if isinstance(node, Record):
        return node.name, *(field.name for field in node.fields)
    return tuple(getattr(node, name, None) for name in ("type", "name", "size", "symbols", "default", "logical"))


def _parts(node: Node) -> list[Node]:
    if isinstance(node, Record):
        return [field.type for field in node.fields]
    parts = (getattr(node, name, None) for name in ("items", "values"))
    return [part for part in (*parts, *getattr(node, "branches", ())) if part is not None]
