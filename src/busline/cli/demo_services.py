"""The demo's processes: started, watched, ended by their own process ids."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from busline.errors import BuslineError

PROGRAMS = {
    "orders/checkout": "examples.shop.checkout",
    "billing/invoicing": "examples.shop.invoicing:bus",
    "marketing/statistics": "examples.shop.statistics:bus",
}
INTRUDER = "examples.shop.intruder"
GRACE = 3.0
"""Seconds that a service has to end in order after SIGTERM."""


class Services:
    """Processes that share one engine and one workspace; whatever still runs at the end is killed."""

    def __init__(self, root: Path, url: str, logs: Path, *, swaps: Mapping[str, str]) -> None:
        unknown = sorted(set(swaps) - set(PROGRAMS))
        if unknown:
            raise BuslineError(f"the demo has no service {unknown[0]}", fix=f"It has {', '.join(PROGRAMS)}.")
        self._root, self._logs = root, logs
        self._programs = {**PROGRAMS, **swaps}
        paths = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("BUSLINE_")},
            "BUSLINE_URL": url,
            "BUSLINE_WORKSPACE": str(root / "schemas"),
            "PYTHONPATH": os.pathsep.join(paths),
        }
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._files: list[IO[bytes]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for process in self._running.values():
            if process.returncode is None:
                process.kill()
                await process.wait()
        for file in self._files:
            file.close()

    async def start(self, service: str) -> None:
        """A service that runs until it is stopped; its stderr goes to a file."""
        log = self._log(service).open("wb")
        self._files.append(log)
        self._running[service] = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "busline", "run", self._programs[service]),
            cwd=self._root,
            env=self._environment,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=log,
        )

    def check(self) -> None:
        """Raises BuslineError with the end of its log for a service that ended by itself."""
        for service, process in self._running.items():
            if process.returncode is not None:
                tail = self._log(service).read_text(errors="replace").strip()[-2000:]
                raise BuslineError(f"{service} ended with exit code {process.returncode}", why=tail)

    async def checkout(self, orders: int) -> int:
        """Place the orders; returns how many the publisher was told are durable."""
        output, errors, code = await self._once(self._programs["orders/checkout"], SHOP_ORDERS=str(orders))
        if code:
            raise BuslineError(f"orders/checkout ended with exit code {code}", why=errors[-2000:])
        return int(json.loads(output.strip().splitlines()[-1])["published"])

    async def intruder(self) -> str:
        """What a publisher is told that no contract knows."""
        output, errors, _ = await self._once(INTRUDER)
        return output or errors

    async def stop(self) -> None:
        """SIGTERM to each and wait for its orderly end."""
        waiting = []
        for process in self._running.values():
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
                waiting.append(asyncio.create_task(process.wait()))
        if waiting:
            await asyncio.wait(waiting, timeout=GRACE)

    def _log(self, service: str) -> Path:
        return self._logs / f"{service.replace('/', '-')}.log"

    async def _once(self, module: str, **extra: str) -> tuple[str, str, int]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module),
            cwd=self._root,
            env={**self._environment, **extra},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        self._running[module] = process
        output, errors = await process.communicate()
        del self._running[module]
        return output.decode(errors="replace"), errors.decode(errors="replace"), process.returncode or 0
