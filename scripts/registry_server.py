"""An Apicurio registry (Confluent-compatible API, in memory) for tests and development."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from scripts import containers
from scripts.processes import CACHE, Process, free_ports, have_java, maven

VERSION = "2.6.13.Final"
ARTIFACT = "apicurio-registry-app"
HOME = CACHE / "apicurio" / VERSION
JAR = HOME / f"{ARTIFACT}-{VERSION}-runner.jar"


class RegistryServer:
    """A running registry; `url` is the Confluent API, version 7."""

    def __init__(self, port: int, folder: Path, server: Process | containers.Container) -> None:
        self._folder, self._server = folder, server
        self.url = f"http://127.0.0.1:{port}/apis/ccompat/v7"

    @property
    def pid(self) -> int | None:
        return self._server.pid if isinstance(self._server, Process) else None

    def stop(self) -> None:
        self._server.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


def start(*, tied: bool = False) -> RegistryServer:
    """A fresh, empty registry (about 5 s), ended with this process if `tied`.

    Raises ServerUnavailable where neither Java with Maven nor Docker is here.
    """
    in_container = containers.preferred(have_java())
    (port,) = free_ports(1)
    folder = Path(tempfile.mkdtemp(prefix="busline-registry-"))
    server: Process | containers.Container
    if in_container:
        server = containers.start(f"apicurio/apicurio-registry:{VERSION}", [port], inside=8080)
    else:
        _resolve()
        server = Process(
            ["java", "-Xmx400m", "-XX:+UseSerialGC", f"-Dquarkus.http.port={port}", "-Dquarkus.http.host=127.0.0.1",
             "-Dquarkus.http.access-log.enabled=false", "-jar", str(JAR)],
            folder / "registry.log",
            tied=tied,
        )  # fmt: skip
    server.wait_until(lambda: _ready(port), "the registry")
    return RegistryServer(port, folder, server)


def _resolve() -> None:
    if (HOME / ".complete").exists():
        return
    coordinate = f"io.apicurio:{ARTIFACT}:{VERSION}:tar.gz:all"
    HOME.mkdir(parents=True, exist_ok=True)
    maven(
        ["dependency:copy", f"-Dartifact={coordinate}", f"-DoutputDirectory={HOME}"], CACHE / "apicurio" / "maven.log"
    )
    archive = HOME / f"{ARTIFACT}-{VERSION}-all.tar.gz"
    with tarfile.open(archive) as tar:
        tar.extractall(HOME, filter="data")
    archive.unlink()
    (HOME / ".complete").touch()


def _ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/apis/ccompat/v7/subjects", timeout=1) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
