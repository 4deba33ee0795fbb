"""Parsing Canonical Form and CRC-64-AVRO: what makes two schemas the same bytes (Avro 1.12 specification)."""

from __future__ import annotations

import json
from typing import Final

from busline.contract.nodes import Array, Enum, Fixed, Json, Map, Node, Primitive, Record, Union


def canonical_form(node: Node) -> str:
    """Parsing Canonical Form ("Transforming into Parsing Canonical Form")."""
    return json.dumps(_canonical(node, set()), ensure_ascii=False, separators=(",", ":"))


def crc64_avro(data: bytes) -> int:
    """Rabin fingerprint of the Avro specification ("Schema Fingerprints")."""
    crc = _EMPTY
    for byte in data:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc


_EMPTY: Final = 0xC15D213AA4D7A795


def _entry(value: int) -> int:
    for _ in range(8):
        value = (value >> 1) ^ (_EMPTY & -(value & 1))
    return value


_TABLE: Final = tuple(_entry(i) for i in range(256))


def _canonical(node: Node, seen: set[str]) -> Json:
    match node:
        case Primitive():
            return node.type
        case Array():
            return {"type": "array", "items": _canonical(node.items, seen)}
        case Map():
            return {"type": "map", "values": _canonical(node.values, seen)}
        case Union():
            return [_canonical(b, seen) for b in node.branches]
    if node.name in seen:
        return node.name
    seen.add(node.name)
    match node:
        case Fixed():
            return {"name": node.name, "type": "fixed", "size": node.size}
        case Enum():
            return {"name": node.name, "type": "enum", "symbols": list(node.symbols)}
        case Record():
            fields: list[Json] = [{"name": f.name, "type": _canonical(f.type, seen)} for f in node.fields]
            return {"name": node.name, "type": "record", "fields": fields}
