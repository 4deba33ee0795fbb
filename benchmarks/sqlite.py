"""sqlite:// against raw sqlite3 (the standard library's) that inserts the same batches, both durable: WAL and FULL.

What raw does is the least that a durable log can: a transaction a batch, the same keys and values, one append-only
table by row number, SQLite's own checkpoints, its busy handler between processes. It has less to do than busline: no
partitions and no index by them, no offsets given back, nobody to wake, no fairness, no other thread. So it is a bound.
"""

import asyncio
import multiprocessing
import sqlite3
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

from benchmarks.harness import Case, side_by_side
from busline.record import Record
from busline.transport.base import Admin, TopicSpec
from busline.transport.resolve import resolve

BATCHES = (1, 16, 64, 256)
SECONDS = 0.5
ROUNDS = 5
VALUE = b"v" * 200
Ready = Callable[[], object]
"""Called between the preparations and the measured time: it waits until all processes are there."""
Worker = Callable[[str, int, Ready], float]


def raw(file: str, batch: int, ready: Ready) -> float:
    """Records a second: one transaction a batch in an append-only table with a primary key."""
    connection = sqlite3.connect(file, isolation_level=None, timeout=60)
    connection.execute("pragma journal_mode=wal")
    connection.execute("pragma synchronous=full")
    connection.execute(
        "create table if not exists record(id integer primary key, topic, key blob, headers, value blob)"
    )
    rows = [("orders", b"key-%d" % i, b"", VALUE) for i in range(batch)]
    ready()
    count, began = 0, time.perf_counter()
    while (spent := time.perf_counter() - began) < SECONDS:
        connection.execute("begin immediate")
        connection.executemany("insert into record(topic, key, headers, value) values(?, ?, ?, ?)", rows)
        connection.execute("commit")
        count += batch
    connection.close()
    return count / spent


def ours(file: str, batch: int, ready: Ready) -> float:
    return asyncio.run(_ours(file, batch, ready))


async def _ours(file: str, batch: int, ready: Ready) -> float:
    engine = resolve(f"sqlite:///{file}")
    await engine.start()
    assert isinstance(engine, Admin)
    await engine.create_topics([TopicSpec(name="orders", partitions=4)])
    records = [Record("orders", b"key-%d" % i, VALUE) for i in range(batch)]
    ready()
    count, began = 0, time.perf_counter()
    while (spent := time.perf_counter() - began) < SECONDS:
        await engine.publish(records)
        count += batch
    await engine.aclose()
    return count / spent


def report(worker: Worker, file: str, batch: int, barrier: Barrier, figures: "Queue[float]") -> None:
    figures.put(worker(file, batch, barrier.wait))


def side(worker: Worker, file: str, batch: int, processes: int) -> float:
    """The sum over processes that begin at once: one that came earlier would have had the file for itself."""
    if processes == 1:
        return worker(file, batch, lambda: None)
    context = multiprocessing.get_context("spawn")
    barrier, figures = context.Barrier(processes), context.Queue()
    started = [context.Process(target=report, args=(worker, file, batch, barrier, figures)) for _ in range(processes)]
    for process in started:
        process.start()
    total = sum([float(figures.get(timeout=120)) for _ in started])
    for process in started:
        process.join()
    return total


async def together(worker: Worker, batch: int, processes: int) -> float:
    """Records a second into one fresh file."""
    with tempfile.TemporaryDirectory(prefix="busline-bench-") as folder:
        file = str(Path(folder) / f"{uuid.uuid4().hex}.db")
        return await asyncio.to_thread(side, worker, file, batch, processes)


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
                    rounds=ROUNDS,
                )
            )
    return out


if __name__ == "__main__":
    from benchmarks.harness import table

    sys.stdout.write(table(asyncio.run(cases())) + "\n")
