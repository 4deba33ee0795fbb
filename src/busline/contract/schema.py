"""Avro schemas, parsed once into a tree of nodes, with what identifies them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, cast

from busline.contract.canonical import canonical_form, crc64_avro
from busline.contract.nodes import Json, Node
from busline.contract.schema_parser import MAX_TEXT, Alike, Parser, is_name
from busline.errors import SchemaInvalid

_COMPACT: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, eq=False)
class Schema:
    """A parsed schema: `root` is its tree, `json` its JSON as given."""

    root: Node
    json: Json = field(repr=False)

    @cached_property
    def text(self) -> str:
        """Compact JSON with everything that was given (docs, aliases, defaults, logical types)."""
        return _COMPACT.encode(self.json)

    @cached_property
    def canonical(self) -> str:
        """Parsing Canonical Form (Avro spec, "Transforming into Parsing Canonical Form")."""
        return canonical_form(self.root)

    @cached_property
    def fingerprint(self) -> int:
        """CRC-64-AVRO of the canonical form, as an unsigned 64-bit integer (little-endian on the wire)."""
        return crc64_avro(self.canonical.encode())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schema) and self.json == other.json

    def __hash__(self) -> int:
        return hash(self.canonical)


def parse(source: str | bytes | Mapping[str, Any] | list[Any] | Schema, *, alike: Alike | None = None) -> Schema:
    """A schema from JSON text, from parsed JSON, or as it is. Raises SchemaInvalid with the path in the schema.

    alike: what the other versions of one contract, parsed from text with the same, have in common with this one.
    """
    if isinstance(source, Schema):
        return source
    if not isinstance(source, str | bytes):
        return Schema(Parser().node(source, None, "$", 0), cast(Json, source))
    value = _load(source)
    return Schema(Parser(alike).node(value, None, "$", 0), cast(Json, value))


def _load(text: str | bytes) -> object:
    if len(text) > MAX_TEXT:
        raise SchemaInvalid(f"the schema has {len(text)} bytes", fix=f"At most {MAX_TEXT} are taken.")
    try:
        value = json.loads(text, object_pairs_hook=_unique)
        return "null" if value is None else value  # the bare name of a primitive, like the others below
    except RecursionError:
        raise SchemaInvalid("the schema is nested too deeply") from None
    except ValueError as error:
        bare = text.decode(errors="replace") if isinstance(text, bytes) else text
        if is_name(bare):  # a bare primitive name, as registries hand it out
            return bare
        raise SchemaInvalid("the schema is not JSON", why=str(error)) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return out
