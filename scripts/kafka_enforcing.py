"""One node of Kafka that refuses what no ACL allows: the very settings of docker/compose.yaml, as a process.

Client listeners on 127.0.0.1: CLIENTS (SCRAM; SCRAM-SHA-256 re-authenticates every 2 s, so that a test need not wait
an hour), TLS (SCRAM over TLS), MTLS (a client certificate). No listener lets anybody in without credentials, and the
brokers log in to each other too. Super users: the administrator and the brokers, by secrets in 0600 files.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scripts.certificates import Certificates
from scripts.kafka_node import LIBS, Node, flags
from scripts.processes import ROOT, Process

PORTS = ("sasl", "tls", "mtls", "internal", "controller")
SETTINGS = ROOT / "docker" / "kafka"
NODE = """\
listeners=CLIENTS://127.0.0.1:{sasl},TLS://127.0.0.1:{tls},MTLS://127.0.0.1:{mtls},INTERNAL://127.0.0.1:{internal},\
CONTROLLER://127.0.0.1:{controller}
advertised.listeners=CLIENTS://127.0.0.1:{sasl},TLS://127.0.0.1:{tls},MTLS://127.0.0.1:{mtls},\
INTERNAL://127.0.0.1:{internal}
listener.name.clients.scram-sha-256.connections.max.reauth.ms=2000
"""


def make_secrets(folder: Path) -> Path:
    """A folder with the administrator's secret and the brokers', each made at random, readable by us alone."""
    folder.mkdir(mode=0o700, exist_ok=True)
    for name in ("admin", "broker"):
        with os.fdopen(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(16))
    return folder


@dataclass(frozen=True, kw_only=True)
class EnforcingNode(Node):
    """secrets: the folder of make_secrets. settings: more lines, for a test of what a wrong one would do."""

    secrets: Path
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def authorizer_log(self) -> Path:
        return self.folder / "authorizer.log"

    def configure(self, nodes: Sequence[Node], certificates: Certificates, *, host: str = "127.0.0.1") -> None:
        """Write what differs from node to node, and the two programs that start.sh runs Kafka by."""
        self.folder.mkdir(exist_ok=True)
        lines = self._shared(nodes, certificates) + NODE.format(**self.ports)
        more = "".join(f"{name}={value}\n" for name, value in self.extra.items())
        (self.folder / "node.properties").write_text(lines + more)

    def format(self, cluster: str) -> None:
        """start.sh formats; here it is told the cluster and where Kafka is."""
        programs = self.folder / "bin"
        programs.mkdir(exist_ok=True)
        (self.folder / "cluster").write_text(cluster)

    def launch(self, *, heap: str, tied: bool) -> Process:
        for name, main, memory in (
            ("kafka-storage.sh", "kafka.tools.StorageTool", "128m"),
            ("kafka-server-start.sh", "kafka.Kafka", heap),
        ):
            logging = f"-Dauthorizer.log={self.authorizer_log} -Dauthorizer.level=DEBUG"
            command = f"{' '.join(flags(memory, SETTINGS / 'enforcing-log4j2.properties'))} {logging} -cp '{LIBS}/*'"
            program = self.folder / "bin" / name
            program.write_text(f'#!/bin/sh\nexec java {command} {main} "$@"\n')
            program.chmod(0o700)
        environment = {
            "BUSLINE_SECRETS": str(self.secrets),
            "BUSLINE_NODE": str(self.folder / "node.properties"),
            "BUSLINE_WORK": str(self.folder),
            "KAFKA_HOME": str(self.folder),
            "CLUSTER_ID": (self.folder / "cluster").read_text(),
        }
        return Process(["sh", str(SETTINGS / "start.sh")], self.log, tied=tied, environment=environment)
