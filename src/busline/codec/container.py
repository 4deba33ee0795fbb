"""Writing Avro's object container files (Avro 1.12 specification, "Object Container Files"), deflated.

"Obj" 1, metadata (schema, codec), a sync marker, then blocks: count, size, data, the marker again
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable
from typing import BinaryIO, Final

from busline.contract.schema import Schema

MAGIC: Final = b"Obj\x01"
BLOCK: Final = 65_536
"""Bytes of encoded values that are gathered before a block is written."""


class ContainerWriter:
    """Values are given encoded. `close` writes the last block; the file stays open."""

    def __init__(self, file: BinaryIO, schema: Schema) -> None:
        self._file = file
        self._sync = os.urandom(16)
        self._values: list[bytes] = []
        self._size = 0
        file.write(MAGIC + _map({"avro.schema": schema.text.encode(), "avro.codec": b"deflate"}) + self._sync)

    def write(self, values: Iterable[bytes]) -> None:
        for value in values:
            self._values.append(value)
            self._size += len(value)
            if self._size >= BLOCK:
                self._flush()

    def close(self) -> None:
        self._flush()

    def _flush(self) -> None:
        if not self._values:
            return
        deflate = zlib.compressobj(wbits=-15)  # raw, without zlib's header: as the specification says
        data = deflate.compress(b"".join(self._values)) + deflate.flush()
        self._file.write(_long(len(self._values)) + _long(len(data)) + data + self._sync)
        self._values, self._size = [], 0


def _map(entries: dict[str, bytes]) -> bytes:
    pairs = (_long(len(key)) + key.encode() + _long(len(value)) + value for key, value in entries.items())
    return _long(len(entries)) + b"".join(pairs) + b"\0"


def _long(value: int) -> bytes:
    """Zigzag, of what is not negative."""
    left, out = value << 1, bytearray()
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    out.append(left)
    return bytes(out)
