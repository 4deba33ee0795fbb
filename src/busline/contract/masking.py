"""Fields that tell of a person, masked for readers without a grant: under every name that a version has for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from busline.contract.model import Contract
from busline.contract.nodes import Field, Record

MASK: Final = "***"


def masked_fields(contract: Contract) -> frozenset[str]:
    """What is marked `pii`, and what a rename in any version made of it or made it from."""
    fields = [field for version in contract.versions for field in _fields(version.schema.root)]
    names = set(contract.pii)
    while more := {n for f in fields if names & {f.name, *f.aliases} for n in (f.name, *f.aliases)} - names:
        names |= more
    return frozenset(names)


def mask(value: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """A copy in which these fields are the text MASK, whatever they were, absent values too."""
    return {name: MASK if name in names else inner for name, inner in value.items()}


def _fields(root: object) -> tuple[Field, ...]:
    return root.fields if isinstance(root, Record) else ()
