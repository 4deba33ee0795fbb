"""The same servers in containers, through testcontainers, where a Docker engine answers."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from scripts.processes import PATIENCE, ServerUnavailable

HOW = "Install Java 17 or newer and Maven (Debian: apt-get install default-jdk-headless maven), or start Docker."


def engine_answers() -> bool:
    """Whether something listens where Docker's clients look for an engine."""
    place = urlsplit(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"))
    unix = place.scheme == "unix"
    with socket.socket(socket.AF_UNIX if unix else socket.AF_INET) as one:
        one.settimeout(3)
        try:
            one.connect(place.path if unix else (place.hostname, place.port or 2375))
        except OSError:
            return False
    return True


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
