"""The same servers in containers, through testcontainers, where a Docker engine answers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from scripts.processes import PATIENCE, ServerUnavailable

HOW = "Install Java 17 or newer and Maven (Debian: apt-get install default-jdk-headless maven), or start Docker."


def engine_answers() -> bool:
    try:
        import docker

        client = docker.from_env(timeout=3)
        try:
            return bool(client.ping())
        finally:
            client.close()
    except Exception:
        return False


def preferred(java: bool) -> bool:
    """True for containers. Plain processes come first, as they start faster; BUSLINE_TEST_SERVERS=docker turns it."""
    wanted = os.environ.get("BUSLINE_TEST_SERVERS", "")
    if java and wanted != "docker":
        return False
    if engine_answers():
        return True
    raise ServerUnavailable(f"neither Java with Maven nor a Docker engine is here. {HOW}")


class Container:
    """One container whose ports are bound to the same numbers of 127.0.0.1."""

    def __init__(self, container: Any) -> None:
        self._container = container

    def wait_until(self, ready: Callable[[], bool], name: str) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if ready():
                return
            time.sleep(0.2)
        said = b"\n".join(self._container.get_logs()).decode(errors="replace")[-2000:]
        self.stop()
        raise ServerUnavailable(f"{name} was not up after {PATIENCE:.0f} s; it said: {said}")

    def stop(self) -> None:
        self._container.stop()


def start(image: str, ports: Sequence[int], *, folder: Path | None = None, script: str | None = None,
          inside: int | None = None) -> Container:  # fmt: skip
    """Start `image`; `inside` is the port in the container where it differs, `script` replaces its command."""
    from testcontainers.core.container import DockerContainer

    container = DockerContainer(image)
    for port in ports:
        container = container.with_bind_ports(inside or port, ("127.0.0.1", port))
    if folder is not None:
        container = container.with_volume_mapping(str(folder), str(folder), "rw")
    if script is not None:
        container = container.with_kwargs(entrypoint=["sh", "-c", script])
    return Container(container.start())
