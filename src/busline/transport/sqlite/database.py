"""Opening the file, its schema, and the one mapping of SQLite's errors to busline's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from busline.errors import StorageFailed

APPLICATION_ID = 0x42534C4E
SCHEMA_VERSION = 2
BUSY_MS = 10_000
_FRAME = 24 + 4096  # a page in the WAL, with its header
# head, ts: next offset and last append time of a partition that holds no block (else its last block tells).
# place: where a partition's blocks are; block: their bytes, in the order of writing, so that a transaction appends at
# one place of the tree, whatever the number of partitions.
# cleaned, kept: the next offset at the last compaction, and how many records that one kept.
# slot: members, leases, committed positions.
_SCHEMA = """
create table topic(
  name text primary key, partitions int not null, compacted int not null, retention int, max_record int not null
) without rowid;
create table partition(
  tp integer primary key, topic text not null, part int not null, first int not null default 0,
  head int not null default 0, ts int not null default 0, cleaned int not null default 0, kept int not null default 0,
  unique(topic, part)
);
create table place(
  tp int, first int, next int not null, ts int not null, id int not null, primary key(tp, first)
) without rowid;
create table block(id integer primary key, data blob not null);
create table slot(name text primary key, value blob not null, rev int not null) without rowid;
"""
_PRAGMAS = (
    "journal_mode=wal",
    "synchronous=full",
    "wal_autocheckpoint=0",  # checkpoints are the writer's: it holds the lock that makes them end
    "journal_size_limit=67108864",
    "temp_store=memory",
    "cache_size=-8000",
    "trusted_schema=off",
)

_FIXES: tuple[tuple[type[BaseException], str, str], ...] = (
    (apsw.FullError, "the disk is full", "Free some space; what was confirmed is safe, and writing goes on then."),
    (apsw.ReadOnlyError, "the file is read-only", "Give this user write access to the file and its folder."),
    (apsw.NotADBError, "the file is not a SQLite database", "Name another file in the URL."),
    (apsw.CorruptError, "the file is damaged", "Stop all its processes; restore a copy, or `sqlite3 FILE .recover`."),
    (apsw.CantOpenError, "the file cannot be opened", "Check the path and the rights on its folder."),
    (apsw.BusyError, "another program holds the file's lock", "End it: only busline may write this file."),
    (apsw.IOError, "reading or writing failed", "Look at the kernel's log: the disk or file system has failed."),
    (apsw.SQLError, "the file has not busline's tables", "Name another file in the URL."),
    (PermissionError, "no right to it", "Give this user read and write access to the file and its folder."),
    (OSError, "the file cannot be opened", "Check the path."),
)
STORAGE_ERRORS = (apsw.Error, OSError)


def storage_failed(path: str, error: BaseException) -> StorageFailed:
    for kind, why, fix in _FIXES:
        if isinstance(error, kind):
            return StorageFailed(f"the log in {path} failed", why=f"{why} ({error})", fix=fix)
    return StorageFailed(f"the log in {path} failed", why=f"{type(error).__name__}: {error}")


@contextmanager
def storage_errors(path: str) -> Iterator[None]:
    try:
        yield
    except STORAGE_ERRORS as error:
        raise storage_failed(path, error) from error


def create_file(path: str) -> None:
    """With mode 0600, which -wal and -shm inherit. Only when it is new, and never opened by us again: closing any
    other descriptor of a database drops the POSIX locks that this process holds on it."""
    Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        pass


def connect(path: str, *, readonly: bool = False) -> apsw.Connection:
    connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE)
    try:
        connection.set_busy_timeout(BUSY_MS)
        for pragma in _PRAGMAS:
            connection.execute(f"pragma {pragma}").fetchall()
        if readonly:
            connection.execute("pragma query_only=1")
    except BaseException:
        connection.close()
        raise
    return connection


def extend_wal(path: str, pages: int) -> None:
    """Holding the writers' lock: fill the WAL with zeros up to `pages`. Raises OSError, and leaves it as it was then.

    A sync of a file that does not grow writes no metadata, which halves the time of a commit (so real zeros, and no
    fallocate). SQLite ignores them: a frame counts only with the WAL's own salt and checksum. It has no locks on this
    file, so opening it here drops none.
    """
    wal = os.open(f"{path}-wal", os.O_RDWR | os.O_CLOEXEC)
    size = os.fstat(wal).st_size
    try:
        with open(wal, "r+b", buffering=0, closefd=False) as file:
            file.seek(size)
            missing = 32 + pages * _FRAME - size
            while missing > 0:
                missing -= file.write(bytes(min(missing, 1 << 20)))
    except OSError:
        os.ftruncate(wal, size)
        raise
    finally:
        os.close(wal)


def one_row(connection: apsw.Connection, sql: str, *values: str | int) -> Any:
    """The one row that a query has."""
    (row,) = connection.execute(sql, values).fetchall()
    return row


def create_schema(connection: apsw.Connection, path: str) -> None:
    """Inside a write transaction. Raises StorageFailed for a file that is somebody else's."""
    owner = connection.pragma("application_id")
    version = connection.pragma("user_version")
    if owner == APPLICATION_ID and version == SCHEMA_VERSION:
        return
    if owner == APPLICATION_ID:
        fix = f"Use {'a newer' if version > SCHEMA_VERSION else 'the older'} busline, or another file."
        raise StorageFailed(f"{path} has version {version} of the format, not {SCHEMA_VERSION}", fix=fix)
    if owner or connection.execute("select 1 from sqlite_schema").fetchone():
        raise StorageFailed(f"{path} is not a busline database", fix="Name another file in the URL.")
    connection.execute(_SCHEMA)
    connection.execute(f"pragma application_id={APPLICATION_ID}; pragma user_version={SCHEMA_VERSION}")
