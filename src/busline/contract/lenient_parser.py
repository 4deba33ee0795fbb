"""Schemas that exist, taken as Avro's Java parser takes them (org.apache.avro.Schema.Parser, 1.12).

`schema.parse` is for schemas that are published here and is strict; what is compared may come from anywhere. As Java:
comments, names used before they are defined, one type defined twice alike, letters of any script. More than Java, since
the verdict is the same: any name, any default, any order. Logical types and docs are not kept: they decide nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from busline.contract.nodes import (
    MISSING,
    PRIMITIVES,
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
from busline.contract.trampoline import Step, run
from busline.errors import SchemaInvalid

MAX_TEXT: Final = 16_777_216
_INT32_MAX: Final = 2_147_483_647
_COMMENT: Final = re.compile(r'("(?:\\.|[^"\\])*(?:"|\Z))|//[^\n]*|/\*.*?(?:\*/|\Z)', re.DOTALL)


def parse_leniently(source: str | bytes | Mapping[str, Any] | list[Any]) -> Node:
    """A schema's tree from JSON text or parsed JSON. Raises SchemaInvalid where Java too finds no schema in it."""
    value = _load(source) if isinstance(source, str | bytes) else source
    parser = _Parser()
    return parser.link(run(parser.node(value, None, "$")))


def _load(source: str | bytes) -> object:
    if len(source) > MAX_TEXT:
        _fail("$", f"{len(source)} characters; at most {MAX_TEXT} are taken")
    try:
        text = source.decode("utf-8-sig") if isinstance(source, bytes) else source.removeprefix("\ufeff")
        return text.strip() if text.strip() in PRIMITIVES and text.strip() != "null" else _json(text)
    except RecursionError:
        _fail("$", "nested too deeply for a JSON text")
    except ValueError as error:
        _fail("$", f"not JSON: {error}")


def _json(text: str) -> object:
    try:
        value = json.loads(text)
    except ValueError:
        value = json.loads(_COMMENT.sub(lambda found: found[1] or " ", text))
    return "null" if value is None else value


def _fail(path: str, why: str) -> NoReturn:
    raise SchemaInvalid("not an Avro schema", where=path, why=why)


def _text(value: Mapping[str, Any], key: str) -> str | None:
    found = value.get(key)
    return found if isinstance(found, str) else None


@dataclass
class _Parser:
    """One walk over the JSON. A name that is not known yet becomes a stand-in, replaced when all names are known."""

    names: dict[str, Named] = field(default_factory=dict)
    waiting: dict[int, tuple[Record, str]] = field(default_factory=dict)

    def node(self, value: object, space: str | None, path: str) -> Step[Node]:
        if isinstance(value, str):
            return self.reference(value, space, path)
        if isinstance(value, list):
            return Union((yield self.branches(value, space, path)))
        if not isinstance(value, Mapping):
            _fail(path, f"expected a name, a list or an object, not {value!r:.60}")
        kind = value.get("type")
        match kind:
            case "array":
                return Array((yield self.node(self.need(value, "items", path), space, f"{path}[]")))
            case "map":
                return Map((yield self.node(self.need(value, "values", path), space, f"{path}{{}}")))
            case "record" | "error" | "enum" | "fixed":
                named: Node = yield self.named(value, kind, space, path)
                return named
            case str():
                return self.reference(kind, space, path)
            case Mapping() | list():
                wrapped: Node = yield self.node(kind, space, path)
                return wrapped
        _fail(path, "the type is missing" if kind is None else f"{kind!r:.60} is not a type")

    def need(self, value: Mapping[str, Any], key: str, path: str) -> Any:
        return value[key] if key in value else _fail(path, f"{key!r} is missing")

    def reference(self, name: str, space: str | None, path: str) -> Node:
        if name in PRIMITIVES:
            return Primitive(name)
        full = name if "." in name or not space else f"{space}.{name}"
        known = self.names.get(full) or self.names.get(name)
        if known is not None:
            return known
        later = Record(full)
        self.waiting[id(later)] = later, path
        return later

    def branches(self, value: list[Any], space: str | None, path: str) -> Step[tuple[Node, ...]]:
        branches = []
        for index, item in enumerate(value):
            branch: Node = yield self.node(item, space, f"{path}|{index}")
            if isinstance(branch, Union):
                _fail(path, "a union stands directly in a union")
            branches.append(branch)
        return tuple(branches)

    def named(self, value: Mapping[str, Any], kind: str, space: str | None, path: str) -> Step[Node]:
        full = self.full_name(value, space, path)
        own = full.rpartition(".")[0] or None
        aliases = tuple(
            alias if "." in alias or not own else f"{own}.{alias}" for alias in self.texts(value, "aliases", path)
        )
        node: Named
        match kind:
            case "fixed":
                node = Fixed(full, self.size(value, path), aliases)
            case "enum":
                node = self.enum(value, full, aliases, path)
            case _:
                node = Record(full, (yield self.fields(value, own, path)), aliases)
        known = self.names.setdefault(full, node)  # only now: as in Java, a record's own fields do not know it yet
        if known is not node and not _alike(known, node):
            _fail(path, f"the name {full!r} is defined twice, and not alike")
        return node

    def full_name(self, value: Mapping[str, Any], space: str | None, path: str) -> str:
        name = _text(value, "name") or _fail(path, "the name is missing")
        given, dot, simple = name.rpartition(".")
        if not dot:
            own = _text(value, "namespace")
            given = (space if own is None else own) or ""
        full = f"{given}.{simple}" if given else simple
        if not simple or full in PRIMITIVES:
            _fail(path, f"{name!r:.80} cannot be a type's name")
        return full

    def texts(self, value: Mapping[str, Any], key: str, path: str) -> list[str]:
        given = value.get(key, [])
        if not isinstance(given, list) or not all(isinstance(item, str) for item in given):
            _fail(path, f"{key} must be a list of strings")
        return list(dict.fromkeys(given)) if key == "aliases" else given

    def size(self, value: Mapping[str, Any], path: str) -> int:
        size = self.need(value, "size", path)
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _INT32_MAX:
            _fail(path, f"size must be a number of bytes, not {size!r:.40}")
        return size

    def enum(self, value: Mapping[str, Any], full: str, aliases: tuple[str, ...], path: str) -> Enum:
        self.need(value, "symbols", path)
        symbols, default = self.texts(value, "symbols", path), _text(value, "default")
        if len(set(symbols)) != len(symbols):
            _fail(path, "a symbol stands twice")
        if default is not None and default not in symbols:
            _fail(path, f"the default {default!r:.80} is none of the symbols")
        return Enum(full, tuple(symbols), default, aliases)

    def fields(self, value: Mapping[str, Any], space: str | None, path: str) -> Step[tuple[Field, ...]]:
        given = self.need(value, "fields", path)
        if not isinstance(given, list):
            _fail(path, "fields must be a list")
        out: dict[str, Field] = {}
        for item in given:
            name = _text(item, "name") if isinstance(item, Mapping) else None
            if name is None or name in out:
                _fail(path, f"the field {name!r:.80} stands twice" if name else "a field needs a name and a type")
            here = f"{path}.{name}"
            node: Node = yield self.node(self.need(item, "type", here), space, here)
            aliases = tuple(self.texts(item, "aliases", here))
            out[name] = Field(name, node, item.get("default", MISSING), aliases=aliases)
        return tuple(out.values())

    def link(self, root: Node) -> Node:
        """Every stand-in replaced by what bears its name, and every union checked."""
        root = self.known(root)  # `walk` looks at a node's parts after it has given the node: when they are in place
        for node in walk(root):
            match node:
                case Array():
                    node.items = self.known(node.items)
                case Map():
                    node.values = self.known(node.values)
                case Record():
                    for one in node.fields:
                        one.type = self.known(one.type)
                case Union():
                    node.branches = tuple(self.known(branch) for branch in node.branches)
                    names = [branch_name(branch) for branch in node.branches]
                    if len(set(names)) != len(names):
                        _fail("$", f"a union has a branch twice: {', '.join(names):.200}")
        return root

    def known(self, node: Node) -> Node:
        if id(node) not in self.waiting:
            return node
        later, path = self.waiting[id(node)]
        return self.names.get(later.name) or _fail(path, f"the name {later.name!r} is not defined")


def _alike(one: Node, other: Node) -> bool:
    """Whether Java holds two definitions for equal: aliases, docs and enum defaults do not count."""
    stack, seen = [(one, other)], set()
    while stack:
        a, b = stack.pop()
        if a is b or (id(a), id(b)) in seen:
            continue
        seen.add((id(a), id(b)))
        match a, b:
            case (Primitive(), Primitive()) if a.type == b.type:
                continue
            case (Fixed(), Fixed()) if (a.name, a.size) == (b.name, b.size):
                continue
            case (Enum(), Enum()) if (a.name, a.symbols) == (b.name, b.symbols):
                continue
            case (Array(), Array()):
                stack.append((a.items, b.items))
            case (Map(), Map()):
                stack.append((a.values, b.values))
            case (Union(), Union()) if len(a.branches) == len(b.branches):
                stack += zip(a.branches, b.branches, strict=True)
            case (Record(), Record()) if a.name == b.name and _labels(a) == _labels(b):
                stack += zip((f.type for f in a.fields), (f.type for f in b.fields), strict=True)
            case _:
                return False
    return True


def _labels(record: Record) -> list[tuple[str, str]]:
    return [(f.name, "" if f.default is MISSING else json.dumps(f.default)) for f in record.fields]
