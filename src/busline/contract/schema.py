"""Avro schemas, parsed once into a tree of nodes (Avro 1.12 specification).

A node says what its bytes are; `python`, where it is set, says what a model makes of them (a class, an Enum, `tuple`),
so that one tree serves schemas from files and schemas derived from models. Named types that refer to themselves are
the same node object.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, TypeAlias, cast

from busline.errors import SchemaInvalid

MAX_DEPTH: Final = 64
MAX_TEXT: Final = 1_048_576
PRIMITIVES: Final = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()


@dataclass(frozen=True, slots=True)
class Logical:
    """A logical type that we know, with its attributes. Unknown or ill-formed ones are ignored, as the spec says."""

    name: str
    precision: int = 0
    scale: int = 0


@dataclass(eq=False, slots=True)
class Primitive:
    """One of the eight primitive types."""

    type: str
    logical: Logical | None = None
    python: object = None


@dataclass(eq=False, slots=True)
class Fixed:
    """`size` bytes under a full name."""

    name: str
    size: int
    aliases: tuple[str, ...] = ()
    logical: Logical | None = None
    doc: str = ""
    python: object = None


@dataclass(eq=False, slots=True)
class Enum:
    """Symbols in order; `default` is what a reader takes for a symbol that it does not know."""

    name: str
    symbols: tuple[str, ...]
    default: str | None = None
    aliases: tuple[str, ...] = ()
    doc: str = ""
    python: object = None


@dataclass(eq=False, slots=True)
class Array:
    items: Node
    python: object = None


@dataclass(eq=False, slots=True)
class Map:
    """String keys."""

    values: Node
    python: object = None


@dataclass(eq=False, slots=True)
class Union:
    branches: tuple[Node, ...]
    python: object = None


@dataclass(eq=False, slots=True)
class Field:
    """`default` is JSON as written (bytes and fixed: a string of code points 0 to 255), or MISSING."""

    name: str
    type: Node
    default: object = MISSING
    doc: str = ""
    aliases: tuple[str, ...] = ()
    order: str = "ascending"


@dataclass(eq=False, slots=True)
class Record:
    """Fields are set after creation, so that a field's type can be the record itself."""

    name: str
    fields: tuple[Field, ...] = ()
    aliases: tuple[str, ...] = ()
    doc: str = ""
    python: object = None


Node: TypeAlias = Primitive | Fixed | Enum | Array | Map | Union | Record
Named: TypeAlias = Fixed | Enum | Record


@dataclass(frozen=True, eq=False)
class Schema:
    """A parsed schema: `root` is its tree, `json` its JSON as given."""

    root: Node
    json: Json = field(repr=False)

    @cached_property
    def text(self) -> str:
        """Compact JSON with everything that was given (docs, aliases, defaults, logical types)."""
        return json.dumps(self.json, ensure_ascii=False, separators=(",", ":"))

    @cached_property
    def canonical(self) -> str:
        """Parsing Canonical Form (Avro spec, "Transforming into Parsing Canonical Form")."""
        return json.dumps(_canonical(self.root, set()), ensure_ascii=False, separators=(",", ":"))

    @cached_property
    def fingerprint(self) -> int:
        """CRC-64-AVRO of the canonical form, as an unsigned 64-bit integer (little-endian on the wire)."""
        return crc64_avro(self.canonical.encode())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schema) and self.json == other.json

    def __hash__(self) -> int:
        return hash(self.canonical)


def parse(source: str | bytes | Mapping[str, Any] | list[Any] | Schema, *, where: str | None = None) -> Schema:
    """A schema from JSON text, from parsed JSON, or as it is. Raises SchemaInvalid with the path in the schema."""
    if isinstance(source, Schema):
        return source
    value = _load(source, where) if isinstance(source, str | bytes) else source
    return Schema(_Parser(where).node(value, None, "$", 0), cast(Json, value))


def crc64_avro(data: bytes) -> int:
    """Rabin fingerprint of the Avro specification ("Schema Fingerprints")."""
    crc = _EMPTY
    for byte in data:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc


def nullable(node: Node) -> Node | None:
    """The other branch of a union of null and one type, else None."""
    if isinstance(node, Union) and len(node.branches) == 2:
        rest = [b for b in node.branches if not (isinstance(b, Primitive) and b.type == "null")]
        return rest[0] if len(rest) == 1 else None
    return None


_EMPTY: Final = 0xC15D213AA4D7A795


def _entry(value: int) -> int:
    for _ in range(8):
        value = (value >> 1) ^ (_EMPTY & -(value & 1))
    return value


_TABLE: Final = tuple(_entry(i) for i in range(256))
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
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


def _load(text: str | bytes, where: str | None) -> object:
    if len(text) > MAX_TEXT:
        raise SchemaInvalid(f"the schema has {len(text)} bytes", where=where, fix=f"At most {MAX_TEXT} are taken.")
    try:
        value = json.loads(text, object_pairs_hook=_unique)
        return "null" if value is None else value  # the bare name of a primitive, like the others below
    except RecursionError:
        raise SchemaInvalid("the schema is nested too deeply", where=where) from None
    except ValueError as error:
        bare = text.decode(errors="replace") if isinstance(text, bytes) else text
        if _NAME.fullmatch(bare):  # a bare primitive name, as registries hand it out
            return bare
        raise SchemaInvalid("the schema is not JSON", where=where, why=str(error)) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return out


class _Parser:
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
        if not isinstance(full, str) or not all(_NAME.fullmatch(part) for part in full.split(".")):
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
        if not isinstance(symbols, list) or not all(isinstance(s, str) and _NAME.fullmatch(s) for s in symbols):
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
        if not _NAME.fullmatch(name):
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


def branch_name(node: Node) -> str:
    """What makes a union branch unique: the full name of a named type, else the type's name."""
    match node:
        case Primitive():
            return node.type
        case Array():
            return "array"
        case Map():
            return "map"
        case Union():
            return "union"
    return node.name


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


def _canonical(node: Node, seen: set[str]) -> Json:
    match node:
        case Primitive():
            return node.type
        case Array():
            return {"type": "array", "items": _canonical(node.items, seen)}
        case Map():
            return {"type": "map", "values": _canonical(node.values, seen)}
        case Union():
            return [_canonical(b, seen) for b in node.branches]
    if node.name in seen:
        return node.name
    seen.add(node.name)
    match node:
        case Fixed():
            return {"name": node.name, "type": "fixed", "size": node.size}
        case Enum():
            return {"name": node.name, "type": "enum", "symbols": list(node.symbols)}
        case Record():
            fields: list[Json] = [{"name": f.name, "type": _canonical(f.type, seen)} for f in node.fields]
            return {"name": node.name, "type": "record", "fields": fields}


def walk(node: Node) -> Iterable[Node]:
    """Every node once, depth first."""
    seen: set[int] = set()
    stack = [node]
    while stack:
        one = stack.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        match one:
            case Array():
                stack.append(one.items)
            case Map():
                stack.append(one.values)
            case Union():
                stack.extend(reversed(one.branches))
            case Record():
                stack.extend(f.type for f in reversed(one.fields))
