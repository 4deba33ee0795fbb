"""From parsed JSON to the tree of nodes, strictly: one walk, with the path of what is wrong."""

from __future__ import annotations

import marshal
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
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


@dataclass(slots=True)
class _Seen:
    """A field as it was parsed. place: namespace and depth. meant: which name (full, as given) stood for what."""

    item: Mapping[str, Any]
    exact: bytes
    place: tuple[str | None, int]
    field: Field
    defined: dict[str, Named]
    meant: list[tuple[str, str, Named]]


class Alike:
    """Fields of the schemas parsed before, by path: what stands unchanged in the next version is the same object there.

    Versions of a contract have most of their fields in common: that spares most of the time and memory that they take.
    """

    def __init__(self) -> None:
        self.seen: dict[str, _Seen] = {}


class Parser:
    """One walk over the JSON, with the names defined so far.

    alike: take equal fields from there. Only for JSON that nobody else holds: its equal parts are replaced too.
    """

    def __init__(self, alike: Alike | None = None) -> None:
        self.names: dict[str, Named] = {}
        self.alike = alike
        self.meant: list[tuple[str, str, Named]] = []

    def fail(self, path: str, why: str) -> SchemaInvalid:
        return SchemaInvalid("not an Avro schema", where=path, why=why)

    def node(self, value: object, space: str | None, path: str, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise self.fail(path, f"nested deeper than {MAX_DEPTH}")
        if isinstance(value, str):
            return self.reference(value, space, path)
        if isinstance(value, list):
            return self.union(value, space, path, depth)
        if type(value) is not dict and not isinstance(value, Mapping):
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
        self.meant.append((full, name, found))
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
        said = value.get("doc")
        doc = said if isinstance(said, str) else ""
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
        if not isinstance(full, str) or not all(map(is_name, full.split("."))):
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
        if not isinstance(symbols, list) or not all(isinstance(s, str) and is_name(s) for s in symbols):
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
            if not isinstance(item, dict | Mapping) or not isinstance(item.get("name"), str):
                raise self.fail(f"{path}.fields[{i}]", "a field is an object with a name and a type")
            if self.alike is None:
                out.append(self.field(item, space, f"{path}.{item['name']}", depth))
            else:
                seen = self.seen(self.alike, item, (space, depth), f"{path}.{item['name']}")
                given[i] = seen.item
                out.append(seen.field)
        names = [f.name for f in out]
        if len(set(names)) != len(names):
            raise self.fail(path, f"a field name stands twice in {names!r:.200}")
        return tuple(out)

    def field(self, item: Mapping[str, Any], space: str | None, here: str, depth: int) -> Field:
        name = item["name"]
        if not is_name(name):
            raise self.fail(here, f"{name!r:.80} is not a field name")
        aliases = item.get("aliases", ())
        if aliases != () and not (isinstance(aliases, list) and all(isinstance(a, str) for a in aliases)):
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

    def seen(self, alike: Alike, item: Mapping[str, Any], place: tuple[str | None, int], here: str) -> _Seen:
        """An equal field of an earlier schema at this place whose names mean the same here; else this one, parsed."""
        exact = _exact(item)
        known = alike.seen.get(here)
        if known and known.exact == exact and known.place == place and self.means_the_same(known):
            return known
        names, meant = len(self.names), len(self.meant)
        field = self.field(item, place[0], here, place[1])
        defined = dict(islice(self.names.items(), names, None))
        seen = alike.seen[here] = _Seen(item, exact, place, field, defined, self.meant[meant:])
        return seen

    def means_the_same(self, seen: _Seen) -> bool:
        """If so, its names are defined here too."""
        if not seen.defined and not seen.meant:
            return True
        names = self.names | seen.defined
        if len(names) != len(self.names) + len(seen.defined):
            return False
        if any((names.get(full) or names.get(name)) is not node for full, name, node in seen.meant):
            return False
        self.names = names
        self.meant += seen.meant
        return True


def _exact(item: Any) -> bytes:
    """Equal for JSON that is the same in order and type as well, unlike ==, for which 1, 1.0 and true are one.

    The format's version 0 depends on nothing but the value.
    """
    return marshal.dumps(item, 0)


def is_name(text: str) -> bool:
    return text.isascii() and text.isidentifier()


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
