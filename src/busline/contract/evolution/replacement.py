"""What a change means for one field that a reader is hurt by: gone, renamed, another type, another symbol."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from busline.contract.evolution.narrowing import is_same
from busline.contract.evolution.readers import Hurt
from busline.contract.model import Contract, Version
from busline.contract.nodes import Array, Enum, Field, Fixed, Map, Node, Primitive, Record, nullable
from busline.contract.schema import Schema


class Case(StrEnum):
    """Each has its own way to hurt no one."""

    REMOVED = "removed"
    REPLACED = "replaced"
    RETYPED = "retyped"
    SYMBOLS = "symbols"
    RENAMED_TYPE = "renamed type"


@dataclass(frozen=True, kw_only=True)
class Change:
    """path: the field that readers use. use: what to read instead, empty where nothing is."""

    case: Case
    path: str
    use: str = ""


def change_of(contract: Contract, old: Version, new: Version, hurt: tuple[str, Hurt]) -> Change:
    """What became of a reader's field between the version that it reads and the one that hurts it."""
    path, kind = hurt
    match kind:
        case Hurt.SYMBOLS:
            return Change(case=Case.SYMBOLS, path=path)
        case Hurt.NAME:
            return Change(case=Case.RENAMED_TYPE, path=path)
        case Hurt.TYPE:
            return _retyped(contract, old, new, path)
    use = _instead(contract, old, new, path)
    return Change(case=Case.REPLACED if use else Case.REMOVED, path=path, use=use)


def _retyped(contract: Contract, old: Version, new: Version, path: str) -> Change:
    """Another type; or, under null or in a union, the same type that changed within."""
    before, after = _held_at(old.schema, path), _held_at(new.schema, path)
    if isinstance(before, Enum) and isinstance(after, Enum) and set(after.symbols) - set(before.symbols):
        return Change(case=Case.SYMBOLS, path=path)
    gone = [f.name for f in before.fields] if isinstance(before, Record) and isinstance(after, Record) else []
    written = {f.name for f in after.fields} if isinstance(after, Record) else set()
    lost = next((name for name in gone if name not in written), None)
    if lost is not None:
        return change_of(contract, old, new, (f"{path}.{lost}", Hurt.GONE))
    return Change(case=Case.RETYPED, path=path, use=_beside(path, field_at(new.schema, path)))


def _held_at(schema: Schema, path: str) -> Node | None:
    field = field_at(schema, path)
    return _held(field.type) if field else None


def _instead(contract: Contract, old: Version, new: Version, path: str) -> str:
    """The field that took over: as the contract says, by its alias, or the only one that came as the only one went."""
    said = contract.deprecated.get(path)
    if said and said.use:
        return said.use
    parent, _, name = path.rpartition(".")
    before, after = _fields(old.schema, parent), _fields(new.schema, parent)
    came = [field for key, field in after.items() if key not in before]
    gone = [field for key, field in before.items() if key not in after]
    unsaid = [field for field in came if not before.keys() & set(field.aliases)]
    found = next((f for f in came if name in f.aliases), None) or _pair(unsaid, gone, before.get(name))
    prefix = f"{parent}." if parent else ""
    return f"{prefix}{found.name}" if found else ""


def _pair(came: list[Field], gone: list[Field], field: Field | None) -> Field | None:
    if len(came) == len(gone) == 1:
        return came[0]
    for alike in (is_same, _is_akin):
        taken = [f for f in came if field and alike(f.type, field.type)]
        others = [f for f in gone if field and alike(f.type, field.type)]
        if len(taken) == len(others) == 1:
            return taken[0]
    return None


def _is_akin(one: Node, other: Node) -> bool:
    """Both numbers, both texts, both moments: what a redesign turns into each other."""
    return _kin(one) == _kin(other)


def _kin(node: Node) -> str:
    held = _held(node)
    logical = getattr(held, "logical", None)
    if logical is not None:
        return "number" if logical.name == "decimal" else logical.name.removeprefix("local-").partition("-")[0]
    if isinstance(held, Primitive):
        return "number" if held.type in ("int", "long", "float", "double") else held.type
    return type(held).__name__


def _fields(schema: Schema, path: str) -> dict[str, Field]:
    node = record_at(schema, path)
    return {field.name: field for field in node.fields} if node else {}


def record_at(schema: Schema, path: str) -> Record | None:
    """The record that a path's last field holds, through lists, maps and null; the root for an empty path."""
    node = _held(schema.root)
    for name in _plain(path).split(".") if path else ():
        fields: Iterable[Field] = node.fields if isinstance(node, Record) else ()
        node = next((_held(f.type) for f in fields if f.name == name), None)
    return node if isinstance(node, Record) else None


def field_at(schema: Schema, path: str) -> Field | None:
    parent, _, name = _plain(path).rpartition(".")
    return _fields(schema, parent).get(name)


def _plain(path: str) -> str:
    """A field's path without the marks of lists and maps."""
    return path.replace("[]", "").replace("{}", "")


def _held(node: Node) -> Node | None:
    match node:
        case Array():
            return _held(node.items)
        case Map():
            return _held(node.values)
    inner = nullable(node)
    return _held(inner) if inner else node


def _beside(path: str, field: Field | None) -> str:
    """A name for a field of the new type beside the old one: `total_decimal`."""
    return f"{path.rstrip('[]{}')}_{_word(field.type if field else None)}"


def _word(node: Node | None) -> str:
    inner = nullable(node) if node else None
    match inner or node:
        case Primitive() | Fixed() as plain if plain.logical:
            return plain.logical.name.partition("-")[0]
        case Primitive() as plain:
            return plain.type
        case Array():
            return "list"
        case Map():
            return "map"
        case Enum() | Record() | Fixed() as named:
            return named.name.rpartition(".")[2].lower()
    return "new"
