"""Two versions' fields side by side, as Avro pairs them: by name, else by an alias of the newer one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from busline.contract.nodes import Array, Enum, Field, Fixed, Map, Node, Primitive, Record, Union


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One field in both versions, or in one of them. path: in the newer one, where it has it (`lines[].price`)."""

    path: str
    old: Field | None
    new: Field | None
    old_path: str

    @property
    def is_renamed(self) -> bool:
        return self.old is not None and self.new is not None and self.old.name != self.new.name


@dataclass(frozen=True, kw_only=True)
class RecordPair:
    """One record in both versions. path: where it stands, empty for the root."""

    path: str
    old: Record
    new: Record
    fields: tuple[Pair, ...]


def record_pairs(old: Node, new: Node) -> Iterator[RecordPair]:
    """Every pair of records that meet, once, from the root down."""
    seen: set[tuple[int, int]] = set()
    stack = [("", "", old, new)]
    while stack:
        old_path, path, one, other = stack.pop()
        if isinstance(one, Record) and isinstance(other, Record):
            if (id(one), id(other)) in seen:
                continue
            seen.add((id(one), id(other)))
            pairs = tuple(_fields((old_path, one), (path, other)))
            yield RecordPair(path=path, old=one, new=other, fields=pairs)
            met = [(p.old_path, p.path, p.old.type, p.new.type) for p in pairs if p.old and p.new]
        else:
            met = [(old_path + more, path + more, a, b) for more, a, b in inner_pairs(one, other)]
        stack += reversed(met)


def _fields(old: tuple[str, Record], new: tuple[str, Record]) -> Iterator[Pair]:
    """In the order of the newer record, then what is gone."""
    (old_path, one), (path, other) = old, new
    written = {field.name: field for field in one.fields}
    taken: set[str] = set()
    for field in other.fields:
        before = next((written[name] for name in (field.name, *field.aliases) if name in written), None)
        taken |= {before.name} if before else set()
        where = below(path, field.name)
        yield Pair(path=where, old=before, new=field, old_path=below(old_path, before.name) if before else where)
    for field in one.fields:
        if field.name not in taken:
            where = below(old_path, field.name)
            yield Pair(path=below(path, field.name), old=field, new=None, old_path=where)


def below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def inner_pairs(old: Node, new: Node) -> Iterator[tuple[str, Node, Node]]:
    """The types inside two types which meet, one step down: what the step adds to the path, and the two."""
    match old, new:
        case (Array(), Array()):
            yield "[]", old.items, new.items
        case (Map(), Map()):
            yield "{}", old.values, new.values
        case (Union(), Union()):
            for branch in old.branches:
                if (met := meeting(branch, new.branches)) is not None:
                    yield "", branch, met
        case (Union(), _):
            if (met := meeting(new, old.branches)) is not None:
                yield "", met, new
        case (_, Union()):
            if (met := meeting(old, new.branches)) is not None:
                yield "", old, met


def meeting(node: Node, branches: tuple[Node, ...]) -> Node | None:
    """The branch that is the same as `node`, else the only one of its kind (numbers are of one kind)."""
    alike = [branch for branch in branches if _kind(branch) == _kind(node)]
    same = [branch for branch in alike if _name(branch) == _name(node)]
    return same[0] if same else alike[0] if len(alike) == 1 else None


def _kind(node: Node) -> str:
    if isinstance(node, Primitive):
        return "number" if node.type in ("int", "long", "float", "double") else node.type
    return type(node).__name__


def _name(node: Node) -> str:
    if isinstance(node, Record | Enum | Fixed):
        return node.name.rpartition(".")[2]
    return node.type if isinstance(node, Primitive) else ""


def leaf_pairs(old: Node, new: Node) -> Iterator[tuple[Node, Node]]:
    """What meets inside two fields' types without another record between: scalars, enums, records."""
    inner = list(inner_pairs(old, new))
    if not inner:
        yield old, new
    for _, one, other in inner:
        yield from leaf_pairs(one, other)
