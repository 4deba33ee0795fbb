"""Fields that tell of a person, masked for readers without a grant: under every name that a version has for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from busline.contract.model import Contract
from busline.contract.nodes import Field, Node, Record, walk

MASK: Final = "***"


def masked_fields(contract: Contract) -> frozenset[str]:
    """What is marked `pii`, and what a rename in any version made of it or made it from."""
    fields = [field for version in contract.versions for field in _fields(version.schema.root)]
    names = set(contract.pii)
    while more := {n for f in fields if names & {f.name, *f.aliases} for n in (f.name, *f.aliases)} - names:
        names |= more
    return frozenset(names)


def recurring(contract: Contract) -> frozenset[frozenset[str]]:
    """The field names of records that hold records of their own kind, as a person and their manager, a version each."""
    roots = [version.schema.root for version in contract.versions]
    return frozenset(
        frozenset(f.name for f in root.fields)
        for root in roots
        if isinstance(root, Record) and any(_is_named(n, root.name) for f in root.fields for n in walk(f.type))
    )


def mask(
    value: Mapping[str, Any], names: frozenset[str], again: frozenset[frozenset[str]] = frozenset()
) -> dict[str, Any]:
    """A copy in which these fields are the text MASK, whatever they were, absent values too.

    again: records with these fields, wherever they stand within, are masked like the whole.
    """
    shown = {name: MASK if name in names else inner for name, inner in value.items()}
    return {name: _within(inner, names, again) for name, inner in shown.items()} if again else shown


def _within(value: Any, names: frozenset[str], again: frozenset[frozenset[str]]) -> Any:
    if type(value) is list:
        return [_within(one, names, again) for one in value]
    if not isinstance(value, Mapping):
        return value
    if frozenset(value) in again:
        return mask(value, names, again)
    return {name: _within(inner, names, again) for name, inner in value.items()}


def _is_named(node: Node, name: str) -> bool:
    return isinstance(node, Record) and node.name == name


def _fields(root: object) -> tuple[Field, ...]:
    return root.fields if isinstance(root, Record) else ()
