"""sqlite:// against raw sqlite3 (the standard library's) that inserts the same batches, both durable: WAL and FULL."""

import asyncio
import multiprocessing
import sqlite3
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from benchmarks.harness import Case, side_by_side
from busline.record import Record
from busline.transport.base import Admin, TopicSpec
from busline.transport.resolve import resolve

BATCHES = (1, 16, 64, 256)
SECONDS = 1.0
VALUE = b"v" * 200
Worker = Callable[[str, int], float]


def raw(file: str, batch: int) -> float:
    """Records a second: one transaction a batch in an append-only table with a primary key."""
    connection = sqlite3.connect(file, isolation_level=None, timeout=60)
    connection.execute("pragma journal_mode=wal")
    connection.execute("pragma synchronous=full")
    connection.execute(
        "create table if not exists record(id integer primary key, topic, key blob, headers, value blob)"
    )
    rows = [("orders", b"key-%d" % i, b"", VALUE) for i in range(batch)]
    count, began = 0, time.perf_counter()
    while (spent := time.perf_counter() - began) < SECONDS:
        connection.execute("begin immediate")
        connection.executemany("insert into record(topic, key, headers, value) values(?, ?, ?, ?)", rows)
        connection.execute("commit")
        count += batch
    connection.close()
    return count / spent


def ours(file: str, batch: int) -> float:
    return asyncio.run(_ours(file, batch))


async def _ours(file: str, batch: int) -> float:
    engine = resolve(f"sqlite:///{file}")
    await engine.start()
    assert isinstance(engine, Admin)
    await engine.create_topics([TopicSpec(name="orders", partitions=4)])
    records = [Record("orders", b"key-%d" % i, VALUE) for i in range(batch)]
    count, began = 0, time.perf_counter()
    while (spent := time.perf_counter() - began) < SECONDS:
        await engine.publish(records)
        count += batch
    await engine.aclose()
    return count / spent


async def together(worker: Worker, batch: int, processes: int) -> float:
    """The sum over processes that write to one fresh file at once."""
    with tempfile.TemporaryDirectory(prefix="busline-bench-") as folder:
        file = str(Path(folder) / f"{uuid.uuid4().hex}.db")
        if processes == 1:
            return await asyncio.to_thread(worker, file, batch)
        context = multiprocessing.get_context("spawn")
        with context.Pool(processes) as pool:
            figures = await asyncio.to_thread(pool.starmap, worker, [(file, batch)] * processes)
        return sum(figures)


async def cases() -> list[Case]:
    out = []
    for processes in (1, 8):
        for batch in BATCHES:
            out.append(
                await side_by_side(
                    f"sqlite: batches of {batch}, {processes} process(es)",
                    "records/s",
                    {
                        "busline": lambda b=batch, p=processes: together(ours, b, p),  # type: ignore[misc]
                        "sqlite3": lambda b=batch, p=processes: together(raw, b, p),  # type: ignore[misc]
                    },
                    rounds=3,
                )
            )
    return out


if __name__ == "__main__":
    from benchmarks.harness import table

    sys.stdout.write(table(asyncio.run(cases())) + "\n")
