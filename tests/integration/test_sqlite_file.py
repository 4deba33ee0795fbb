"""sqlite://: what is in the file, what it refuses, and what a full disk or a damaged file does."""

import asyncio
import os
import resource
import sqlite3
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from busline.errors import NotPublished, RetentionGap, StorageFailed
from busline.record import Position, Record, StoredRecord, TopicPartition
from busline.transport.base import Bounds, Received, TopicSpec
from busline.transport.sqlite import cleaning, database, writer
from busline.transport.sqlite.engine import SqliteTransport
from busline.transport.sqlite.wake import wake_folder

TOPIC = "orders.order-placed"


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[SqliteTransport]:
    transport = SqliteTransport(str(path), ttl=1)
    await transport.start()
    try:
        yield transport
    finally:
        await transport.aclose()


async def kept(transport: SqliteTransport) -> list[StoredRecord]:
    """Every record of partition 0. (Counting with another connection in this process would drop SQLite's locks.)"""
    begin, end = (await transport.bounds(TOPIC))[0]
    reader = await transport.read({TopicPartition(TOPIC, 0): begin})
    out: list[StoredRecord] = []
    async with asyncio.timeout(10):
        while begin < end:
            for item in await reader.receive():
                assert isinstance(item, Received)
                out += item.records
                begin = out[-1].offset + 1
    await reader.aclose()
    return out


async def kept_at_most(transport: SqliteTransport, count: int) -> list[StoredRecord]:
    """Wait for the cleaner."""
    async with asyncio.timeout(10):
        while True:
            with suppress(RetentionGap):  # the cleaner was quicker
                if len(records := await kept(transport)) <= count:
                    return records
            await asyncio.sleep(0.01)


async def values(transport: SqliteTransport) -> list[bytes | None]:
    return [record.value for record in await kept(transport)]


async def test_the_file_is_its_users_alone_and_its_folder_is_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "log.db"
    async with opened(path) as transport:
        await transport.create_topics([TopicSpec(name=TOPIC)])
        await transport.publish([Record(TOPIC, b"k", b"v")])
        for name in ("log.db", "log.db-wal", "log.db-shm", "log.db.lock"):
            assert stat.S_IMODE(os.stat(path.parent / name).st_mode) == 0o600, name


async def test_closing_leaves_neither_wal_nor_socket(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    folder = wake_folder(str(path))
    async with opened(path) as transport:
        await transport.create_topics([TopicSpec(name=TOPIC)])
        await transport.consume([TOPIC], "g/g")
        assert len(os.listdir(folder)) == 1
    assert not folder.exists()
    assert sorted(os.listdir(tmp_path)) == ["log.db", "log.db.lock"]


@pytest.mark.parametrize("content", [b"", b"x" * 10_000, b"SQLite format 3\x00" + b"\xff" * 5000])
async def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    transport = SqliteTransport(str(path))
    if not content:  # an empty file is an empty database
        await transport.start()
        await transport.aclose()
        return
    with pytest.raises(StorageFailed, match=r"notes\.txt.*not a SQLite database|damaged|not busline"):
        await transport.start()
    await transport.aclose()
    assert path.read_bytes() == content


async def test_somebody_elses_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table customer(id)")
    connection.close()
    transport = SqliteTransport(str(path))
    with pytest.raises(StorageFailed, match="not a busline database"):
        await transport.start()
    await transport.aclose()


async def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    async with opened(path):
        pass
    with sqlite3.connect(path) as connection:
        connection.execute("pragma user_version=99")
    connection.close()
    with pytest.raises(StorageFailed, match=r"version 99.*newer busline"):
        async with opened(path):
            pass


async def test_a_path_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFailed, match="cannot be opened"):
        async with opened(tmp_path / "file" / "log.db"):
            pass


async def test_a_full_disk_loses_nothing_confirmed_and_says_what_was_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.db"
    async with opened(path) as transport:
        await transport.create_topics([TopicSpec(name=TOPIC)])
    with monkeypatch.context() as patch:
        patch.setattr(database, "_PRAGMAS", (*database._PRAGMAS, "max_page_count=40"))
        confirmed: list[bytes] = []
        async with opened(path) as transport:
            for i in range(100):
                batch = [Record(TOPIC, b"k", b"%d.%d " % (i, j) + b"x" * 1000) for j in range(5)]
                outcomes = await transport.publish(batch)
                if not isinstance(outcomes[0], Position):
                    break
                confirmed += [record.value or b"" for record in batch]
            assert 10 < len(confirmed) < 200
            for outcome in outcomes:
                assert isinstance(outcome, NotPublished)
                assert isinstance(outcome.cause, StorageFailed)
                assert "the disk is full" in str(outcome)
                assert "Free some space" in str(outcome)
            assert await values(transport) == confirmed
            assert (await transport.bounds(TOPIC))[0].next == len(confirmed)
    async with opened(path) as transport:  # there is room again
        (position,) = await transport.publish([Record(TOPIC, b"k", b"after")])
        assert position == Position(TOPIC, 0, len(confirmed))
        assert await values(transport) == [*confirmed, b"after"]


async def test_a_damaged_file_fails_clearly(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    async with opened(path) as transport:
        await transport.create_topics([TopicSpec(name=TOPIC)])
        for i in range(50):
            await transport.publish([Record(TOPIC, b"k", b"%d" % i + b"x" * 3000)])
    content = bytearray(path.read_bytes())
    content[8 * 4096 :] = b"\xa5" * (len(content) - 8 * 4096)
    path.write_bytes(content)
    async with opened(path) as transport:
        with pytest.raises(StorageFailed, match=r"damaged.*recover"):
            await kept(transport)


async def test_retention_bounds_the_file_and_never_gives_an_offset_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleaning, "INTERVAL", 0.0)
    monkeypatch.setattr(cleaning, "PIECE", 7)
    path = tmp_path / "log.db"
    async with opened(path) as transport:
        await transport.create_topics([TopicSpec(name=TOPIC, retention=1)])
        for _ in range(5):
            await transport.publish([Record(TOPIC, b"k", b"%d" % i) for i in range(20)])
            await asyncio.sleep(0.005)  # the log's clock must pass the retention
        await transport.publish([Record(TOPIC, b"k", b"last")])
        await kept_at_most(transport, 1)
        first, head = (await transport.bounds(TOPIC))[0]
        assert first >= 100
        assert head == 101
    async with opened(path) as transport:
        await transport.purge(TOPIC, {0: 101})
        assert await transport.bounds(TOPIC) == {0: Bounds(101, 101)}
        (position,) = await transport.publish([Record(TOPIC, b"k", b"again")])
        assert position == Position(TOPIC, 0, 101)


async def test_compaction_keeps_the_latest_of_each_key_and_young_tombstones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleaning, "INTERVAL", 0.0)
    path = tmp_path / "log.db"
    async with opened(path) as transport:
        await transport.create_topics([TopicSpec(name=TOPIC, compacted=True)])
        for i in range(30):
            await transport.publish([Record(TOPIC, b"k%d" % (j % 10), b"%d" % (100 * i + j)) for j in range(100)])
        await transport.publish([Record(TOPIC, b"k0", None)])
        await transport.publish([Record(TOPIC, b"k1", b"x") for _ in range(1500)])
        records = await kept_at_most(transport, 1000)
        assert (await transport.bounds(TOPIC))[0] == Bounds(0, 4501)
        state = {record.key: record.value for record in records}
        assert state == {b"k0": None, b"k1": b"x"} | {b"k%d" % i: b"%d" % (2990 + i) for i in range(2, 10)}


async def test_a_crash_loses_nothing_confirmed_from_a_wal_that_is_laid_out_in_advance(tmp_path: Path) -> None:
    path, image = tmp_path / "log.db", tmp_path / "image.db"
    async with opened(path) as transport:
        await transport.create_topics([TopicSpec(name=TOPIC)])
        for i in range(50):
            await transport.publish([Record(TOPIC, b"k", b"%d" % i)])
        assert os.stat(f"{path}-wal").st_size > writer.CHECKPOINT_PAGES * 4096
        # by another process: closing a descriptor of the file in this one would drop SQLite's locks
        for suffix in ("", "-wal"):
            copying = await asyncio.create_subprocess_exec("cp", f"{path}{suffix}", f"{image}{suffix}")
            assert await copying.wait() == 0
    async with opened(image) as transport:
        assert await values(transport) == [b"%d" % i for i in range(50)]
        (position,) = await transport.publish([Record(TOPIC, b"k", b"after")])
        assert position == Position(TOPIC, 0, 50)


def test_a_wal_that_there_is_no_room_for_is_left_as_it_was(tmp_path: Path) -> None:
    wal = tmp_path / "log.db-wal"
    wal.write_bytes(b"frames")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            database.extend_wal(str(tmp_path / "log.db"), 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert wal.read_bytes() == b"frames"
