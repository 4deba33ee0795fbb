"""Which published type stands where a model's annotation stands: by field path, then by structure, by name to tip.

A type that is published somewhere keeps its name there, whatever the model's classes are called.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, get_args

from busline.contract.annotations import is_enum, is_literal, is_model, unwrap, wire_name
from busline.contract.nodes import Array, Enum, Fixed, Logical, Map, Node, Record, Union

_Kind = TypeVar("_Kind", Array, Map)


def branches(published: Node | None) -> tuple[Node, ...]:
    """The branches of a union, the one node that is none, or nothing."""
    if published is None:
        return ()
    return published.branches if isinstance(published, Union) else (published,)


def of_kind(published: Node | None, kind: type[_Kind]) -> _Kind | None:
    """The array or the map that is published here, in a union or bare."""
    return next((b for b in branches(published) if isinstance(b, kind)), None)


def of_size(published: Node | None, size: int, logical: Logical | None) -> Fixed | None:
    """The fixed of that size and meaning that is published here, in a union or bare."""
    fits = (b for b in branches(published) if isinstance(b, Fixed) and b.size == size and b.logical == logical)
    return next(fits, None)


def assign(alternatives: Sequence[Any], published: Node | None) -> list[Record | Enum | None]:
    """For each annotation the published record or enum that it is: the most alike first, none twice."""
    left = [b for b in branches(published) if isinstance(b, Record | Enum)]
    found: list[Record | Enum | None] = [None] * len(alternatives)
    pairs = [(_likeness(a, b), -i, -k) for i, a in enumerate(alternatives) for k, b in enumerate(left)]
    candidates = sorted(((score, -i, -k) for score, i, k in pairs if score is not None), key=_best_first)
    only = len(candidates) == 1
    taken: set[int] = set()
    for score, i, k in candidates:
        if found[i] is None and k not in taken and (only or score > (0, 0.0)):
            found[i] = left[k]
            taken.add(k)
    return found


def _best_first(candidate: tuple[tuple[int, float], int, int]) -> tuple[float, float, int, int]:
    (named, shared), i, k = candidate
    return (-named, -shared, i, k)


def _likeness(alternative: Any, branch: Record | Enum) -> tuple[int, float] | None:
    """(the same name, the share of parts that both have), or None when they are not of one kind."""
    annotation = unwrap(alternative).type
    if isinstance(branch, Record):
        if not is_model(annotation):
            return None
        fields = {wire_name(attribute, info) for attribute, info in annotation.model_fields.items()}
        return _named_alike(annotation, branch), _shared(fields, {f.name for f in branch.fields})
    if is_enum(annotation):
        return _named_alike(annotation, branch), _shared({m.value for m in annotation}, set(branch.symbols))
    return (0, _shared(set(get_args(annotation)), set(branch.symbols))) if is_literal(annotation) else None


def _named_alike(annotation: type, branch: Record | Enum) -> int:
    return int(branch.name.rpartition(".")[2] == annotation.__name__)


def _shared(ours: set[Any], theirs: set[str]) -> float:
    return len(ours & theirs) / len(ours | theirs) if ours | theirs else 1.0
