"""Models from published contracts: one readable, typed module, the same text for the same contracts.

Every identifier is made here, and every text is quoted: nothing in a schema can become code. A field whose Avro name is
no attribute's name (a keyword, `copy`, `_id`) keeps it as its serialization alias.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Mapping
from typing import Final

from busline.contract.avro import camel
from busline.contract.codegen_types import IMPORTS, Types
from busline.contract.event import Event
from busline.contract.model import Contract, FieldDeprecation, Kind
from busline.contract.nodes import MISSING, Array, Enum, Field, Map, Node, Record, Union
from busline.contract.schema import Schema
from busline.contract.source import Expression, Parts, assignment, call, comma_tuple, docstring, lay_out, named, quote
from busline.errors import ContractError

_HEADER: Final = '"""Models of published contracts. Made by `busline codegen`: make anew, do not edit."""'
_BUILTINS: Final = frozenset({"bool", "int", "float", "str", "bytes", "list", "dict"})
_IDENTIFIERS: Final = frozenset(IMPORTS) | _BUILTINS
_ATTRIBUTES: Final = frozenset(dir(Event)) | _IDENTIFIERS
_STDLIB: Final = frozenset({"datetime", "decimal", "enum", "typing", "uuid"})


def generate(contracts: Iterable[Contract], versions: Mapping[str, int] | None = None) -> str:
    """The module's text: a class for each contract and for each record and enum in it.

    versions: which version of a contract, where not the current one. Raises ContractError for a contract without that
    version, and for what Python types cannot express, with the place in the schema.
    """
    module = _Module()
    for contract in sorted(contracts, key=lambda c: c.name):
        number = (versions or {}).get(contract.name)
        version = contract.current if number is None else contract.version(number)
        if version is None:
            what = f"{contract.name} has no version {number or 1}"
            raise ContractError(what, fix="Publish it, or name one that is there.")
        module.contract(contract, version.schema)
    return module.text()


class _Module:
    """The classes so far, in an order in which each comes behind what it is made of."""

    def __init__(self) -> None:
        self.used: set[str] = set()
        self.class_names: set[str] = set(_IDENTIFIERS)
        self.blocks: list[list[str]] = []

    def text(self) -> str:
        imports = _imports(self.used)
        return "\n".join([_HEADER, "", "from __future__ import annotations", *imports, *self._spaced()]) + "\n"

    def _spaced(self) -> list[str]:
        return [line for block in self.blocks for line in ["", "", *block]]

    def contract(self, contract: Contract, schema: Schema) -> None:
        root = schema.root
        if not isinstance(root, Record):
            raise ContractError(f"{contract.name} is no record", fix="Read it without a model.")
        names = self.name_all(contract, root)
        reserved = _ATTRIBUTES | set(names.values())
        records = [node for node in _inner_first(root) if isinstance(node, Record)]
        attributes = {node.name: _identifiers([f.name for f in node.fields], reserved) for node in records}
        types = Types(str(contract.name), names, attributes, self.used)
        for node in _inner_first(root):
            if isinstance(node, Enum):
                self.blocks.append(_enum(node, types))
            else:
                gone = contract.deprecated if node is root else {}
                self.blocks.append(_record(node, self.bases(contract, node is root), types, gone))

    def name_all(self, contract: Contract, root: Record) -> dict[str, str]:
        """A class name for each record and enum: its own where it is free, else with the contract's in front."""
        out: dict[str, str] = {}
        stream = camel([contract.name.stream])
        for node in (root, *_inner_first(root)):
            if node.name not in out:
                simple = camel([node.name.rpartition(".")[2]]) or "Type"
                own = simple if not simple[0].isdigit() else f"Type{simple}"
                tries = (own, f"{stream}{own}", *(f"{stream}{own}{n}" for n in range(2, len(self.class_names) + 2)))
                out[node.name] = next(t for t in tries if t not in self.class_names and not keyword.iskeyword(t))
                self.class_names.add(out[node.name])
        return out

    def bases(self, contract: Contract, is_root: bool) -> tuple[Expression, ...]:
        if not is_root:
            self.used.add("BaseModel")
            return "BaseModel", "frozen=True"
        base = "State" if contract.kind is Kind.STATE else "Event"
        self.used.add(base)
        keys = [quote(k) for k in contract.key]
        key = [] if not keys else [f"key={keys[0] if len(keys) == 1 else comma_tuple(keys)}"]
        return base, f"contract={quote(str(contract.name))}", *key


def _record(
    node: Record, bases: tuple[Expression, ...], types: Types, gone: Mapping[str, FieldDeprecation]
) -> list[str]:
    lines = lay_out("class ", Parts(f"{types.names[node.name]}(", bases), ":")
    doc = docstring(node.doc)
    attributes = types.attributes[node.name]
    body = []
    for field in node.fields:
        extra = [named("deprecated", quote(_farewell(gone[field.name])))] if field.name in gone else []
        body += _field(field, attributes[field.name], types, node, extra)
    return [*lines, *doc, *([""] if doc and body else []), *(body or ([] if doc else ["    pass"]))]


def _farewell(deprecation: FieldDeprecation) -> str:
    since = f"since {deprecation.since}" if deprecation.since else "it will go"
    return f"{since}: use {deprecation.use}" if deprecation.use else since


def _field(field: Field, attribute: str, types: Types, record: Record, more: list[Expression]) -> list[str]:
    place = f"{record.name}.{field.name}"
    annotation = types.annotation(field.type, place)
    if field.aliases:
        annotation = types.annotated(annotation, call("Aliases", *(quote(a) for a in field.aliases)), "Aliases")
    value = None if field.default is MISSING else types.default(field.type, field.default, place)
    extra: list[Expression] = []
    if attribute != field.name:
        extra.append(f"serialization_alias={quote(field.name)}")
    if field.doc:
        extra.append(f"description={quote(field.doc)}")
    extra += more
    mutable = isinstance(value, Parts) and value.close in "]}"
    if extra or mutable:
        types.used.add("Field")
        value = call("Field", *([named("default", value)] if value is not None else []), *extra)
    return assignment(attribute, annotation, value)


def _enum(node: Enum, types: Types) -> list[str]:
    types.used.add("StrEnum")
    doc = docstring(node.doc)
    members = types.members(node)
    body = [f"    {members[symbol]} = {quote(symbol)}" for symbol in node.symbols]
    return [f"class {types.names[node.name]}(StrEnum):", *doc, *([""] if doc else []), *body]


def _identifiers(names: list[str], reserved: frozenset[str] | set[str]) -> dict[str, str]:
    """An attribute's name for each field's; those that can stay as they are do."""
    fine = [n for n in names if n not in reserved and not keyword.iskeyword(n) and not n.startswith(("_", "model_"))]
    out = dict(zip(fine, fine, strict=True))
    taken = set(fine) | reserved
    for name in names:
        if name not in out:
            made = f"{re.sub('^[_0-9]+', '', name) or 'field'}_"
            while made in taken or made.startswith("model_"):
                made = f"{made}_" if not made.startswith("model_") else f"field_{made}"
            taken.add(made)
            out[name] = made
    return out


def _inner_first(root: Node) -> list[Record | Enum]:
    """Records and enums, each behind those that its fields hold; a cycle is entered where it is met first."""
    out: list[Record | Enum] = []
    seen: set[str] = set()

    def visit(node: Node) -> None:
        match node:
            case Array():
                visit(node.items)
            case Map():
                visit(node.values)
            case Union():
                for branch in node.branches:
                    visit(branch)
            case Record() | Enum() if node.name not in seen:
                seen.add(node.name)
                for field in node.fields if isinstance(node, Record) else ():
                    visit(field.type)
                out.append(node)

    visit(root)
    return out


def _imports(used: set[str]) -> list[str]:
    modules: dict[str, list[str]] = {}
    for name in used:
        modules.setdefault(IMPORTS[name], []).append(name)
    sections: list[list[str]] = []
    for standard in (True, False):
        lines = [
            line
            for module in sorted(modules)
            if (module in _STDLIB) is standard
            for line in _import(module, sorted(modules[module], key=lambda n: (not n.isupper(), n.islower(), n)))
        ]
        if lines:
            sections.append(["", *lines])
    return [line for section in sections for line in section]


def _import(module: str, names: list[str]) -> list[str]:
    line = f"from {module} import {', '.join(names)}"
    return [line] if len(line) <= 88 else [f"from {module} import (", *(f"    {n}," for n in names), ")"]
