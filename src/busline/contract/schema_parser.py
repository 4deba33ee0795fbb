"""From parsed JSON to the tree of nodes, strictly: one walk, with the path of what is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

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
)
from busline.errors import SchemaInvalid

MAX_DEPTH: Final = 64
MAX_TEXT: Final = 1_048_576
NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_INTS: Final = {"date": "int", "time-millis": "int"}
_LONGS: Final = dict.fromkeys(
    (
        "time-micros",
        "timestamp-millis",
        "timestamp-micros",
        "timestamp-nanos",
        "local-timestamp-millis",
        "local-timestamp-micros",
        "local-timestamp-nanos",
    ),
    "long",
)
_PLAIN_LOGICAL: Final = _INTS | _LONGS


class Parser:
    """One walk over the JSON, with the names defined so far."""

    def __init__(self, where: str | None) -> None:
        self.where = where
        self.names: dict[str, Named] = {}

    def fail(self, path: str, why: str) -> SchemaInvalid:
        return SchemaInvalid("not an Avro schema", where=f"{self.where}: {path}" if self.where else path, why=why)

    def node(self, value: object, space: str | None, path: str, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise self.fail(path, f"nested deeper than {MAX_DEPTH}")
        if isinstance(value, str):
            return self.reference(value, space, path)
        if isinstance(value, list):
            return self.union(value, space, path, depth)
        if not isinstance(value, Mapping):
            raise self.fail(path, f"expected a name, a list or an object, not {value!r:.60}")
        kind = value.get("type")
        if isinstance(kind, dict | list):  # {"type": {...}} as Java accepts it
            return self.node(kind, space, path, depth + 1)
        if kind == "array":
            return Array(self.node(self.need(value, "items", path), space, path + "[]", depth + 1))
        if kind == "map":
            return Map(self.node(self.need(value, "values", path), space, path + "{}", depth + 1))
        if kind in ("record", "error", "enum", "fixed"):
            return self.named(value, str(kind), space, path, depth)
        if isinstance(kind, str) and kind in PRIMITIVES:
            return Primitive(kind, _logical(value, kind, None))
        if isinstance(kind, str):
            return self.reference(kind, space, path)
        raise self.fail(path, f"unknown type {kind!r}")

    def need(self, value: Mapping[str, Any], key: str, path: str) -> Any:
        if key not in value:
            raise self.fail(path, f"{key!r} is missing")
        return value[key]

    def reference(self, name: str, space: str | None, path: str) -> Node:
        if name in PRIMITIVES:
            return Primitive(name)
        full = name if "." in name or not space else f"{space}.{name}"
        found = self.names.get(full) or self.names.get(name)
        if found is None:
            raise self.fail(path, f"the name {name!r} is not defined before this place")
        return found

    def union(self, value: list[Any], space: str | None, path: str, depth: int) -> Union:
        branches = tuple(self.node(v, space, f"{path}|{i}", depth + 1) for i, v in enumerate(value))
        seen: set[str] = set()
        for branch in branches:
            if isinstance(branch, Union):
                raise self.fail(path, "a union stands directly in a union")
            key = branch_name(branch)
            if key in seen:
                raise self.fail(path, f"the union has two branches {key!r}")
            seen.add(key)
        return Union(branches)

    def named(self, value: Mapping[str, Any], kind: str, space: str | None, path: str, depth: int) -> Named:
        full = self.full_name(value, space, path)
        own_space = full.rpartition(".")[0] or None
        aliases = self.aliases(value, own_space, path)
        doc = value.get("doc") if isinstance(value.get("doc"), str) else ""
        doc = str(doc)
        if full in self.names:
            raise self.fail(path, f"the name {full!r} is defined twice")
        if kind == "fixed":
            size = self.need(value, "size", path)
            if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= MAX_TEXT:
                raise self.fail(path, f"size must be a number of bytes from 0 to {MAX_TEXT}, not {size!r:.40}")
            node: Named = Fixed(full, size, aliases, _logical(value, "fixed", size), doc)
        elif kind == "enum":
            node = self.enum(value, full, aliases, doc, path)
        else:
            node = Record(full, aliases=aliases, doc=doc)
        self.names[full] = node
        if isinstance(node, Record):
            node.fields = self.fields(value, own_space, path, depth)
        return node

    def full_name(self, value: Mapping[str, Any], space: str | None, path: str) -> str:
        name = self.need(value, "name", path)
        given = value.get("namespace", space) or None
        full = name if isinstance(name, str) and "." in name else f"{given}.{name}" if given else name
        if not isinstance(full, str) or not all(NAME.fullmatch(part) for part in full.split(".")):
            raise self.fail(path, f"{full!r:.80} is not a name: letters, digits and _, not beginning with a digit")
        if full in PRIMITIVES:
            raise self.fail(path, f"{full!r} is the name of a primitive type")
        return full

    def aliases(self, value: Mapping[str, Any], space: str | None, path: str) -> tuple[str, ...]:
        given = value.get("aliases", [])
        if not isinstance(given, list) or not all(isinstance(a, str) for a in given):
            raise self.fail(path, "aliases must be a list of names")
        return tuple(a if "." in a or not space else f"{space}.{a}" for a in given)

    def enum(self, value: Mapping[str, Any], full: str, aliases: tuple[str, ...], doc: str, path: str) -> Enum:
        symbols = self.need(value, "symbols", path)
        if not isinstance(symbols, list) or not all(isinstance(s, str) and NAME.fullmatch(s) for s in symbols):
            raise self.fail(path, "symbols must be a list of names")
        if len(set(symbols)) != len(symbols):
            raise self.fail(path, "a symbol stands twice")
        default = value.get("default")
        if default is not None and default not in symbols:
            raise self.fail(path, f"the default {default!r} is none of the symbols")
        return Enum(full, tuple(symbols), default, aliases, doc)

    def fields(self, value: Mapping[str, Any], space: str | None, path: str, depth: int) -> tuple[Field, ...]:
        given = self.need(value, "fields", path)
        if not isinstance(given, list):
            raise self.fail(path, "fields must be a list")
        out: list[Field] = []
        for i, item in enumerate(given):
            if not isinstance(item, Mapping) or not isinstance(item.get("name"), str):
                raise self.fail(f"{path}.fields[{i}]", "a field is an object with a name and a type")
            out.append(self.field(item, space, path, depth))
        names = [f.name for f in out]
        if len(set(names)) != len(names):
            raise self.fail(path, f"a field name stands twice in {names!r:.200}")
        return tuple(out)

    def field(self, item: Mapping[str, Any], space: str | None, path: str, depth: int) -> Field:
        name = item["name"]
        here = f"{path}.{name}"
        if not NAME.fullmatch(name):
            raise self.fail(here, f"{name!r:.80} is not a field name")
        aliases = item.get("aliases", [])
        if not isinstance(aliases, list) or not all(isinstance(a, str) for a in aliases):
            raise self.fail(here, "aliases must be a list of names")
        node = self.node(self.need(item, "type", here), space, here, depth + 1)
        doc = item.get("doc")
        return Field(
            name,
            node,
            item.get("default", MISSING),
            doc if isinstance(doc, str) else "",
            tuple(aliases),
            str(item.get("order", "ascending")),
        )


def _logical(value: Mapping[str, Any], kind: str, size: int | None) -> Logical | None:
    name = value.get("logicalType")
    if name == "decimal" and kind in ("bytes", "fixed"):
        return _decimal(value, size)
    if name == "uuid" and (kind == "string" or (kind == "fixed" and size == 16)):
        return Logical("uuid")
    if name == "duration" and kind == "fixed" and size == 12:
        return Logical("duration")
    if isinstance(name, str) and _PLAIN_LOGICAL.get(name) == kind:
        return Logical(name)
    return None


def _decimal(value: Mapping[str, Any], size: int | None) -> Logical | None:
    precision, scale = value.get("precision"), value.get("scale", 0)
    if not isinstance(precision, int) or not isinstance(scale, int) or not 0 <= scale <= precision or precision < 1:
        return None
    if size is not None and precision > len(str((1 << (8 * size - 1)) - 1)) - 1 and size < 1:
        return None
    return Logical("decimal", precision, scale)
