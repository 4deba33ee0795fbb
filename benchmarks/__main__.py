"""`make bench`: every case side by side with its peers, as a table and in results.json.

python -m benchmarks [codec] [sqlite] [kafka] [size] [enforce]
"""

import argparse
import asyncio
import importlib
import inspect
import sys
from typing import Any

from benchmarks.harness import Case, table, write

SUITES = ("codec", "sqlite", "kafka", "size", "enforce")


async def measured(name: str) -> list[Case]:
    found: Any = importlib.import_module(f"benchmarks.{name}").cases()
    rows = await found if inspect.isawaitable(found) else found
    return [row if isinstance(row, Case) else Case(**{k: row[k] for k in Case.__dataclass_fields__}) for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Ratios within one run.")
    parser.add_argument("suites", nargs="*", choices=[*SUITES, []], help="default: all")
    for name in parser.parse_args().suites or SUITES:
        cases = asyncio.run(measured(name))
        write(cases)
        sys.stdout.write(table(cases) + "\n\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
