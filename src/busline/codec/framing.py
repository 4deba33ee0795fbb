"""The schema reference in front of the bytes: Confluent's registry id, or Avro's single-object fingerprint.

Confluent wire format: 0x00, the schema id as 4 bytes big-endian, Avro. Single-object encoding (Avro specification):
C3 01, the CRC-64-AVRO fingerprint of the schema as 8 bytes little-endian, Avro.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from busline.errors import DecodeError

REGISTRY_MARK: Final = b"\x00"
SINGLE_OBJECT_MARK: Final = b"\xc3\x01"
_SINGLE_OBJECT_BEGIN: Final = SINGLE_OBJECT_MARK[:1]
_REGISTRY_LENGTH: Final = 5
_SINGLE_OBJECT_LENGTH: Final = 10
MAX_REGISTRY_ID: Final = 2**31 - 1


class RegistryId(int):
    """A schema's number in the environment's registry."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"RegistryId({int(self)})"

    def __str__(self) -> str:
        return f"registry id {int(self)}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RegistryId) and int(self) == int(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = int.__hash__


class Fingerprint(int):
    """A schema's CRC-64-AVRO fingerprint, unsigned."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Fingerprint(0x{int(self):016x})"

    def __str__(self) -> str:
        return f"fingerprint {int(self):016x}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fingerprint) and int(self) == int(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = int.__hash__


SchemaRef: TypeAlias = RegistryId | Fingerprint


def registry_prefix(schema_id: int) -> bytes:
    """The five bytes in front of every value of that schema."""
    if not 0 <= schema_id <= MAX_REGISTRY_ID:
        raise ValueError(f"a registry id is a number from 0 to {MAX_REGISTRY_ID}, not {schema_id}")
    return REGISTRY_MARK + schema_id.to_bytes(4, "big")


def single_object_prefix(fingerprint: int) -> bytes:
    """The ten bytes in front of every value of that schema."""
    return SINGLE_OBJECT_MARK + fingerprint.to_bytes(8, "little")


def frame_registry(schema_id: int, payload: bytes) -> bytes:
    return registry_prefix(schema_id) + payload


def frame_single_object(fingerprint: int, payload: bytes) -> bytes:
    return single_object_prefix(fingerprint) + payload


def reference_length(value: bytes) -> int:
    """How many bytes the schema reference takes that a value begins with, if it begins with one."""
    return _SINGLE_OBJECT_LENGTH if value[:1] == _SINGLE_OBJECT_BEGIN else _REGISTRY_LENGTH


def split(value: bytes) -> tuple[SchemaRef, bytes]:
    """The reference and the Avro bytes behind it. Raises DecodeError for anything that is framed otherwise."""
    first = value[:1]
    if first == REGISTRY_MARK:
        if len(value) < _REGISTRY_LENGTH:
            raise _unframed(value, f"a registry id takes {_REGISTRY_LENGTH} bytes")
        schema_id = int.from_bytes(value[1:_REGISTRY_LENGTH], "big")
        if schema_id > MAX_REGISTRY_ID:
            raise _unframed(value, f"the registry id {schema_id} is negative in the registry's own counting")
        return RegistryId(schema_id), value[_REGISTRY_LENGTH:]
    if value[:2] == SINGLE_OBJECT_MARK:
        if len(value) < _SINGLE_OBJECT_LENGTH:
            raise _unframed(value, f"a fingerprint takes {_SINGLE_OBJECT_LENGTH} bytes")
        return Fingerprint(int.from_bytes(value[2:_SINGLE_OBJECT_LENGTH], "little")), value[_SINGLE_OBJECT_LENGTH:]
    raise _unframed(value, "neither Confluent framing (00) nor single-object encoding (c3 01)")


def _unframed(value: bytes, why: str) -> DecodeError:
    begin = value[:4].hex(" ") or "nothing"
    return DecodeError(
        f"the value names no schema: {len(value)} bytes, beginning with {begin}",
        why=why,
        fix="The publisher must write through a contract: busline, or a client with the registry's Avro serializer.",
    )
