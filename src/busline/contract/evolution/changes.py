"""What one version changes of another, field by field: added, removed, renamed, changed; for people and tools."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from busline.contract.evolution.pairing import Pair, RecordPair, leaf_pairs, record_pairs
from busline.contract.evolution.wording import default_text, simple, type_text
from busline.contract.nodes import MISSING, Enum, Field, Fixed, Node, Record
from busline.contract.schema import Schema


class ChangeKind(StrEnum):
    """renamed: under an alias, perhaps with other changes besides."""

    ADDED = "added"
    REMOVED = "removed"
    RENAMED = "renamed"
    CHANGED = "changed"


@dataclass(frozen=True, kw_only=True)
class FieldView:
    """A field in one version, in words. default: JSON text, None where there is none."""

    name: str
    type: str
    doc: str = ""
    default: str | None = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Change:
    """path: the field's (`lines[].price`), in the newer version where it is there; `$` for the record itself.

    details: what is different, a few words each; empty where a field is added or removed.
    """

    kind: ChangeKind
    path: str
    old: FieldView | None
    new: FieldView | None
    details: tuple[str, ...] = ()


ROOT = "$"


def changes(old: Schema, new: Schema) -> list[Change]:
    """In the order of the newer version's fields, each record's removed ones after its others; empty: the same."""
    found: list[Change] = []
    if not isinstance(old.root, Record) or not isinstance(new.root, Record):
        found += _of_roots(old.root, new.root)
    for records in record_pairs(old.root, new.root):
        found += _of_record(records)
        for pair in records.fields:
            found += _of_pair(pair)
    return found


def _of_roots(old: Node, new: Node) -> Iterator[Change]:
    details = tuple(dict.fromkeys(_type_details(old, new)))
    if details:
        views = [FieldView(name=ROOT, type=type_text(node)) for node in (old, new)]
        yield Change(kind=ChangeKind.CHANGED, path=ROOT, old=views[0], new=views[1], details=details)


def _of_record(pair: RecordPair) -> Iterator[Change]:
    """A record's own name, doc and aliases."""
    old, new = pair.old, pair.new
    details = [f"name: {old.name} → {new.name}"] if old.name != new.name else []
    details += _aliases(old.aliases, new.aliases)
    details += _doc(old.doc, new.doc)
    if details:
        views = [FieldView(name=simple(r.name), type=type_text(r), doc=r.doc, aliases=r.aliases) for r in (old, new)]
        path = pair.path or ROOT
        yield Change(kind=ChangeKind.CHANGED, path=path, old=views[0], new=views[1], details=tuple(details))


def _of_pair(pair: Pair) -> Iterator[Change]:
    old, new = pair.old, pair.new
    if old is None or new is None:
        kind = ChangeKind.ADDED if old is None else ChangeKind.REMOVED
        yield Change(kind=kind, path=pair.path, old=_view(old), new=_view(new))
        return
    details = _field_details(old, new)
    if details or pair.is_renamed:
        kind = ChangeKind.RENAMED if pair.is_renamed else ChangeKind.CHANGED
        yield Change(kind=kind, path=pair.path, old=_view(old), new=_view(new), details=details)


def _view(field: Field | None) -> FieldView | None:
    if field is None:
        return None
    default = None if field.default is MISSING else default_text(field)
    return FieldView(name=field.name, type=type_text(field.type), doc=field.doc, default=default, aliases=field.aliases)


def _field_details(old: Field, new: Field) -> tuple[str, ...]:
    details = [f"name: {old.name} → {new.name}"] if old.name != new.name else []
    details += _type_details(old.type, new.type)
    before, now = default_text(old), default_text(new)
    if before != now or (old.default is MISSING) != (new.default is MISSING):
        details.append(f"default: {before or 'none'} → {now or 'none'}")
    details += _aliases(old.aliases, new.aliases)
    details += _doc(old.doc, new.doc)
    return tuple(dict.fromkeys(details))


def _type_details(old: Node, new: Node) -> Iterator[str]:
    was, now = type_text(old, brief=True), type_text(new, brief=True)
    if was != now:
        yield f"type: {was} → {now}"
    for one, other in leaf_pairs(old, new):
        if isinstance(one, Enum | Fixed) and isinstance(other, Enum | Fixed) and one.name != other.name:
            yield f"name of its type: {one.name} → {other.name}"
        if isinstance(one, Enum) and isinstance(other, Enum):
            yield from _symbols(one, other)


def _symbols(old: Enum, new: Enum) -> Iterator[str]:
    for word, symbols, others in (("new", new.symbols, old.symbols), ("gone", old.symbols, new.symbols)):
        names = [symbol for symbol in symbols if symbol not in others]
        if names:
            yield f"{word} symbol{'s' * (len(names) > 1)}: {', '.join(names)}"
    if old.default != new.default:
        yield f"default symbol: {old.default or 'none'} → {new.default or 'none'}"


def _aliases(old: tuple[str, ...], new: tuple[str, ...]) -> list[str]:
    return [f"aliases: {', '.join(old) or 'none'} → {', '.join(new) or 'none'}"] if old != new else []


def _doc(old: str, new: str) -> list[str]:
    return ["doc"] if old != new else []
