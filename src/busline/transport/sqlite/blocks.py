"""Blocks: the records that one transaction appended to one partition, as one row each.

A block's bytes, columns of unsigned little-endian 32 bits first: count; each record's distance from the block's
first offset; length of key, headers and value plus one, 0 for None; then all keys, all headers, all values.
A row a record would cost most of a small transaction's time, in pages touched and in steps of the tree.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple, TypeAlias

import apsw

from busline.record import StoredRecord
from busline.transport.sqlite.headers import decode_headers

LARGEST_BLOCK = 512
"""Records of a block, and bytes after which it ends: what a reader decodes anew that stops within it."""
BLOCK_BYTES = 262_144

Row: TypeAlias = tuple[int, bytes | None, bytes, bytes | None]
"""Distance from the block's first offset, key, encoded headers, value."""
PLACED = "from place join block using(id)"


def encode(rows: Sequence[Row]) -> bytes:
    count = len(rows)
    distances, keys, headers, values = zip(*rows, strict=True)
    parts = (*keys, *headers, *values)
    lengths = [0 if part is None else len(part) + 1 for part in parts]
    head = struct.pack(f"<{1 + 4 * count}I", count, *distances, *lengths)
    return head + b"".join([part for part in parts if part is not None])


def decode(data: bytes) -> list[Row]:
    (count,) = struct.unpack_from("<I", data)
    numbers = struct.unpack_from(f"<{4 * count}I", data, 4)
    lengths = numbers[count:]
    begin = 4 + 16 * count
    ends = accumulate([length - 1 if length else 0 for length in lengths], initial=begin)
    parts: list[bytes | None] = [data[start:end] for start, end in pairwise(ends)]
    if 0 in lengths:
        parts = [part if length else None for part, length in zip(parts, lengths, strict=True)]
    headers = parts[count : 2 * count]
    return list(zip(numbers, parts[:count], headers, parts[2 * count :], strict=False))  # type: ignore[arg-type]


def records(first: int, ts: int, data: bytes) -> Iterator[StoredRecord]:
    for distance, key, headers, value in decode(data):
        yield StoredRecord(first + distance, ts, key, value, decode_headers(headers) if headers else ())


class Block:
    """A stored block. next: the offset after its last record as it was written."""

    __slots__ = ("data", "first", "id", "next", "ts")

    def __init__(self, first: int, next_: int, ts: int, id_: int, data: bytes) -> None:
        self.first, self.next, self.ts, self.id, self.data = first, next_, ts, id_, data


def block_before(connection: apsw.Connection, tp: int, offset: int) -> Block | None:
    """The last block that begins before an offset."""
    row = connection.execute(
        f"select first, next, ts, id, data {PLACED} where tp=? and first<? order by first desc limit 1",
        (tp, offset),
    ).fetchone()
    return Block(*row) if row else None


class Place(NamedTuple):
    """A block without its bytes."""

    first: int
    next: int
    ts: int


def place_at(connection: apsw.Connection, tp: int, offset: int) -> Place | None:
    """The block with an offset, or the first after it."""
    query = "select first, next, ts from place where tp=?"
    row = connection.execute(f"{query} and first<=? order by first desc limit 1", (tp, offset)).fetchone()
    if row is None or row[1] <= offset:
        row = connection.execute(f"{query} and first>? order by first limit 1", (tp, offset)).fetchone()
    return Place(*row) if row else None


def first_record(connection: apsw.Connection, tp: int, offset: int, default: int) -> int:
    """The offset of the first record that is kept at or after an offset."""
    while place := place_at(connection, tp, offset):
        block = block_before(connection, tp, place.first + 1)
        assert block
        for distance, _, _, _ in decode(block.data):
            if block.first + distance >= offset:
                return block.first + distance
        offset = place.next
    return default


def replace(connection: apsw.Connection, tp: int, block: Block, rows: Sequence[Row]) -> None:
    """Keep only these rows of a block; it keeps its place until it is empty."""
    if rows:
        connection.execute("update block set data=? where id=?", (encode(rows), block.id))
    else:
        connection.execute("delete from block where id=?", (block.id,))
        connection.execute("delete from place where tp=? and first=?", (tp, block.first))


def cut(connection: apsw.Connection, tp: int, before: int) -> None:
    """Delete a partition's records before an offset."""
    while (oldest := _oldest(connection, tp, before)) is not None:
        block = block_before(connection, tp, oldest + 1)
        assert block
        rows = [] if block.next <= before else [row for row in decode(block.data) if block.first + row[0] >= before]
        replace(connection, tp, block, rows)
        if rows:
            return


def _oldest(connection: apsw.Connection, tp: int, before: int) -> int | None:
    row = connection.execute("select first from place where tp=? order by first limit 1", (tp,)).fetchone()
    return row[0] if row and row[0] < before else None
