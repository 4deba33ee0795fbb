"""example.json against a schema: does its shape fit? Values are written as people and pydantic write JSON.

Unions are written plainly (null, or the value), logical types as text: ISO 8601 times, decimals and uuids as strings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, cast

from busline.contract.nodes import MISSING, Array, Enum, Fixed, Map, Node, Primitive, Record, Union
from busline.contract.schema import Schema

_BITS: Final = {"int": 31, "long": 63}


def mismatches(schema: Schema, value: object) -> list[tuple[str, str]]:
    """(path, what is wrong) for every place that does not fit."""
    return list(_check(schema.root, value, ""))


def _check(node: Node, value: object, path: str) -> Iterator[tuple[str, str]]:
    match node:
        case Record():
            yield from _record(node, value, path)
        case Union():
            if all(any(_check(branch, value, path)) for branch in node.branches):
                yield path, f"{_shown(value)} fits no branch of the union"
        case Array():
            yield from _array(node, value, path)
        case Map():
            yield from _map(node, value, path)
        case Enum():
            if value not in node.symbols:
                yield path, f"{_shown(value)} is none of {', '.join(node.symbols)}"
        case Fixed() | Primitive():
            if not _scalar(node, value):
                yield path, f"{_shown(value)} is not {_type(node)}"


def _record(node: Record, value: object, path: str) -> Iterator[tuple[str, str]]:
    if not isinstance(value, Mapping):
        yield path, f"{_shown(value)} is not an object"
        return
    given = cast("Mapping[str, object]", value)
    fields = {f.name: f for f in node.fields}
    for name in given.keys() - fields.keys():
        yield _under(path, name), "no such field"
    for name, field in fields.items():
        if name in given:
            yield from _check(field.type, given[name], _under(path, name))
        elif field.default is MISSING:
            yield _under(path, name), "missing, and it has no default"


def _array(node: Array, value: object, path: str) -> Iterator[tuple[str, str]]:
    if not isinstance(value, list):
        yield path, f"{_shown(value)} is not a list"
        return
    for index, item in enumerate(value):
        yield from _check(node.items, item, f"{path}[{index}]")


def _map(node: Map, value: object, path: str) -> Iterator[tuple[str, str]]:
    if not isinstance(value, Mapping):
        yield path, f"{_shown(value)} is not an object"
        return
    for key, item in value.items():
        yield from _check(node.values, item, _under(path, key))


def _scalar(node: Fixed | Primitive, value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if node.logical is not None:
        return isinstance(value, str) or number or (node.logical.name == "duration" and isinstance(value, list))
    if isinstance(node, Fixed):
        return isinstance(value, str)
    match node.type:
        case "null":
            return value is None
        case "boolean":
            return isinstance(value, bool)
        case "int" | "long":
            bound = 1 << _BITS[node.type]
            return isinstance(value, int) and not isinstance(value, bool) and -bound <= value < bound
        case "float" | "double":
            return number
    return isinstance(value, str)


def _type(node: Fixed | Primitive) -> str:
    if node.logical is not None:
        return f"a {node.logical.name}"
    return f"{node.size} bytes" if isinstance(node, Fixed) else node.type


def _under(path: str, name: object) -> str:
    return f"{path}.{name}" if path else str(name)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
