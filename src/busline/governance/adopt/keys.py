"""Which fields are a stream's key, as far as the registry says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from busline.contract.checks import key_type
from busline.contract.lenient_parser import parse_leniently
from busline.contract.nodes import MISSING, Field, Record
from busline.contract.schema import Schema
from busline.errors import SchemaInvalid
from busline.governance.adopt.live import SubjectSeen

SUFFIX: Final = "-key"


def key_fields(subject: SubjectSeen | None) -> tuple[str, ...]:
    """The fields of a record that is the key's schema; a single value does not say which field it is."""
    if subject is None or not subject.versions or subject.versions[-1].kind != "AVRO":
        return ()
    try:
        root = parse_leniently(subject.versions[-1].text)
    except SchemaInvalid:
        return ()
    return tuple(field.name for field in root.fields) if isinstance(root, Record) else ()


def candidates(schemas: Sequence[Schema]) -> list[str]:
    """The fields that may be in a key: in every version, of one type, required, with one text for each value."""
    roots = [schema.root for schema in schemas if isinstance(schema.root, Record)]
    names = [field.name for field in roots[-1].fields] if roots else []
    return [name for name in names if _holds(name, roots)]


def _holds(name: str, roots: Sequence[Record]) -> bool:
    found: list[Field] = [field for root in roots for field in root.fields if field.name == name]
    types = {key_type(field.type) for field in found}
    required = all(field.default is MISSING for field in found)
    return len(found) == len(roots) and required and len(types) == 1 and None not in types
