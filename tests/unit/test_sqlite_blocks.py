"""Blocks of records: what goes in comes out, and what is cut or compacted is exactly what should go."""

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from busline.transport.sqlite.blocks import Row, decode, encode, first_record
from busline.transport.sqlite.cleaning import compact, offset_at_time, partition_bounds, purge
from busline.transport.sqlite.database import create_schema

OLD = 1
"""An append time long before any tombstone's day has passed."""
OPTIONAL = st.none() | st.binary(max_size=20)
ROWS = st.lists(st.tuples(st.integers(0, 2**32 - 1), OPTIONAL, st.binary(max_size=20), OPTIONAL), min_size=1)


@pytest.fixture
def file() -> apsw.Connection:
    connection = apsw.Connection(":memory:")
    create_schema(connection, ":memory:")
    connection.execute(
        "insert into topic values('t', 1, 1, null, 1000); insert into partition(topic, part) values('t', 0)"
    )
    return connection


def write(file: apsw.Connection, first: int, ts: int, *rows: tuple[bytes, bytes | None]) -> None:
    data = encode([(i, key, b"", value) for i, (key, value) in enumerate(rows)])
    file.execute("insert into block(data) values(?)", (data,))
    file.execute("insert into place values(1, ?, ?, ?, ?)", (first, first + len(rows), ts, file.last_insert_rowid()))


def kept(file: apsw.Connection) -> list[tuple[int, bytes | None, bytes | None]]:
    found = file.execute("select first, data from place join block using(id) order by first")
    return [(first + row[0], row[1], row[3]) for first, data in found for row in decode(data)]


@given(ROWS)
def test_a_block_gives_back_its_rows(rows: list[Row]) -> None:
    assert decode(encode(rows)) == rows


def test_a_purge_may_end_inside_a_block(file: apsw.Connection) -> None:
    write(file, 0, 10, (b"a", b"0"), (b"b", b"1"))
    write(file, 2, 20, (b"c", b"2"), (b"d", b"3"))
    purge(file, 1, 3)
    assert kept(file) == [(3, b"d", b"3")]
    assert partition_bounds(file, 1) == (3, 4)
    assert offset_at_time(file, 1, 15) == 3 and first_record(file, 1, 0, 9) == 3


def test_an_emptied_partition_goes_on_where_it_was(file: apsw.Connection) -> None:
    write(file, 0, 10, (b"a", b"0"), (b"b", b"1"))
    purge(file, 1, 2)
    assert kept(file) == [] and partition_bounds(file, 1) == (2, 2)
    assert offset_at_time(file, 1, 0) == 2
    assert file.execute("select count(*) from block").fetchall() == [(0,)]


@pytest.mark.parametrize("timestamp, offset", [(0, 0), (10, 0), (11, 2), (20, 2), (30, 5), (31, 6)])
def test_a_time_is_the_first_record_at_or_after_it(file: apsw.Connection, timestamp: int, offset: int) -> None:
    write(file, 0, 10, (b"a", b"0"), (b"b", b"1"))
    write(file, 2, 20, (b"c", b"2"), (b"d", b"3"), (b"e", b"4"))
    write(file, 5, 30, (b"f", b"5"))
    assert offset_at_time(file, 1, timestamp) == offset


def test_compaction_keeps_the_latest_of_each_key_within_and_across_blocks(
    file: apsw.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("busline.transport.sqlite.cleaning.COMPACT_AT", 1)
    monkeypatch.setattr("busline.transport.sqlite.cleaning.PIECE", 1)
    write(file, 0, OLD, (b"a", b"0"), (b"b", b"1"), (b"gone", b"2"))
    write(file, 3, OLD, (b"a", b"3"), (b"a", b"4"), (b"gone", None))
    for _ in compact(file, 1):
        pass
    assert kept(file) == [(1, b"b", b"1"), (4, b"a", b"4")]
    assert file.execute("select cleaned, kept from partition").fetchall() == [(6, 2)]


def test_a_compaction_cut_short_never_brings_a_deleted_key_back(
    file: apsw.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever step was the last: the tombstone is there as long as anything that it deletes."""
    monkeypatch.setattr("busline.transport.sqlite.cleaning.COMPACT_AT", 1)
    monkeypatch.setattr("busline.transport.sqlite.cleaning.PIECE", 1)
    write(file, 0, OLD, (b"gone", b"0"))
    write(file, 1, OLD, (b"gone", b"1"), (b"a", b"2"))
    write(file, 3, OLD, (b"gone", None))
    steps = 0
    for _ in compact(file, 1):
        steps += 1
        last = {key: value for _, key, value in kept(file)}
        assert last.get(b"gone") is None
    assert steps > 3 and kept(file) == [(2, b"a", b"2")]
