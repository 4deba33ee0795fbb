"""Memory stays flat: what the kernel counts for a process that publishes and handles."""

import asyncio
import sys
from pathlib import Path

import pytest

EVENTS = 100_000
GROWTH = 8 * 1024
"""KiB between the third and the last part; 70,000 events that were kept would take 30 MB and more."""
PROGRAM = f"""
import asyncio
from busline import Bus, Event

class Tick(Event, contract="demo.tick", key="name"):
    name: str
    n: int

bus, count = Bus("sqlite:///bus.db"), 0

@bus.subscribe(Tick)
async def handle(tick: Tick) -> None:
    global count
    count += 1

def resident() -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))

async def main() -> None:
    for _ in range(10):
        async with bus.publisher(Tick) as stream:
            for n in range({EVENTS // 10}):
                await stream.send(Tick(name=f"u{{n % 100}}", n=n))
        await bus.caught_up(100)
        print(count, resident())

bus.run(main)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="resident memory is read from Linux's /proc")
async def test_resident_memory_is_flat_while_events_are_published_and_handled(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), 110)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    assert process.returncode == 0, err
    parts = [tuple(map(int, line.split())) for line in out.splitlines()]
    assert [count for count, _ in parts] == list(range(EVENTS // 10, EVENTS + 1, EVENTS // 10))
    resident = [kib for _, kib in parts]
    assert max(resident[3:]) - resident[2] < GROWTH, resident
