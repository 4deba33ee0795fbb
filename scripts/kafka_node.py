"""One node of Kafka 4.3 (KRaft; broker and controller in one): its settings, its storage, its process.

Listeners on 127.0.0.1: PLAINTEXT (everyone is a super user: for set-up and for tests of behaviour), SASL (SCRAM, PLAIN,
OAUTHBEARER without TLS), TLS (SCRAM over TLS), MTLS (a client certificate). The authorizer denies what no ACL allows.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.certificates import PASSWORD, Certificates
from scripts.processes import CACHE, ROOT, Process, ServerUnavailable, maven

VERSION = "4.3.0"
PLAIN_USER = ("plain", "plain-secret")
PORTS = ("plaintext", "sasl", "tls", "mtls", "controller")
LIBS = CACHE / "kafka" / VERSION / "libs"
POM = ROOT / "docker" / "kafka" / "pom.xml"
LOGGING = POM.with_name("log4j2.properties")
SAFE = 3
"""Nodes from which on topics have three replicas, two of them in sync: one node may die."""
SHARED = """\
node.id={number}
controller.quorum.voters={voters}
ssl.keystore.location={keystore}
ssl.keystore.type=PKCS12
ssl.keystore.password={password}
ssl.key.password={password}
ssl.truststore.location={truststore}
ssl.truststore.type=PKCS12
ssl.truststore.password={password}
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=4
offsets.topic.replication.factor={replicas}
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={insync}
default.replication.factor={replicas}
min.insync.replicas={insync}
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
log.segment.delete.delay.ms=1000
log.dirs={data}
"""
"""Of every node that tests use: TLS, quick groups, and copies as its cluster has nodes."""
SETTINGS = """\
process.roles=broker,controller
listeners=PLAINTEXT://{host}:{plaintext},SASL://{host}:{sasl},TLS://{host}:{tls},MTLS://{host}:{mtls},\
CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{plaintext},SASL://127.0.0.1:{sasl},TLS://127.0.0.1:{tls},\
MTLS://127.0.0.1:{mtls}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SASL_SSL,MTLS:SSL
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.name.sasl.sasl.enabled.mechanisms=SCRAM-SHA-512,SCRAM-SHA-256,PLAIN,OAUTHBEARER
listener.name.tls.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.tls.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
user_{plain[0]}="{plain[1]}";
listener.name.sasl.oauthbearer.sasl.jaas.config=\
org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;
listener.name.sasl.oauthbearer.sasl.server.callback.handler.class=\
org.apache.kafka.common.security.oauthbearer.internals.unsecured.OAuthBearerUnsecuredValidatorCallbackHandler
listener.name.sasl.scram-sha-256.connections.max.reauth.ms=2000
listener.name.mtls.ssl.client.auth=required
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:admin
allow.everyone.if.no.acl.found=false
auto.create.topics.enable=false
unclean.leader.election.enable=false
"""


@dataclass(frozen=True, kw_only=True)
class Node:
    """Number from 1; ports by the names in PORTS. Everything of it is in `folder`."""

    number: int
    folder: Path
    ports: Mapping[str, int]

    @property
    def settings(self) -> Path:
        return self.folder / "server.properties"

    @property
    def log(self) -> Path:
        return self.folder / "broker.log"

    def configure(self, nodes: Sequence[Node], certificates: Certificates, *, host: str = "127.0.0.1") -> None:
        """Write its settings. nodes: all of the cluster; host: the interface that it listens on."""
        self.folder.mkdir(exist_ok=True)
        self.settings.write_text(self._shared(nodes, certificates)
                                 + SETTINGS.format(host=host, plain=PLAIN_USER, **self.ports))  # fmt: skip

    def _shared(self, nodes: Sequence[Node], certificates: Certificates) -> str:
        replicas = SAFE if len(nodes) >= SAFE else 1
        voters = ",".join(f"{node.number}@127.0.0.1:{node.ports['controller']}" for node in nodes)
        return SHARED.format(
            number=self.number, voters=voters, replicas=replicas, insync=2 if replicas == SAFE else 1,
            data=self.folder / "data", keystore=certificates.keystore, truststore=certificates.truststore,
            password=PASSWORD,
        )  # fmt: skip

    def format(self, cluster: str) -> None:
        """Make its storage. cluster: the id that all nodes share."""
        tool = _java("128m", "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self.settings))
        done = subprocess.run(tool, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ServerUnavailable(f"Kafka's storage could not be formatted: {done.stdout}{done.stderr}")

    def launch(self, *, heap: str, tied: bool) -> Process:
        """Its process; again after it ended, with what it holds."""
        return Process(_java(heap, "kafka.Kafka", str(self.settings)), self.log, tied=tied)


def download() -> None:
    """Kafka's jars by Maven, once (43 MB). Raises ServerUnavailable."""
    if not (LIBS / ".complete").exists():
        maven(["-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={LIBS}", "-DincludeScope=runtime"],
              CACHE / "kafka" / "maven.log")  # fmt: skip
        (LIBS / ".complete").touch()


def flags(heap: str, logging: Path = LOGGING) -> list[str]:
    """The virtual machine's: little memory, one node among others."""
    return ["-Xms128m", f"-Xmx{heap}", "-XX:+UseSerialGC", f"-Dlog4j2.configurationFile={logging}"]


def _java(heap: str, main: str, *arguments: str) -> list[str]:
    return ["java", *flags(heap), "-cp", f"{LIBS}/*", main, *arguments]
