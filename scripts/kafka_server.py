"""One Kafka 4.3 node (KRaft) for tests and development, with every way of logging in that busline supports.

Listeners on 127.0.0.1: PLAINTEXT (everyone is a super user: for set-up and for tests of behaviour), SASL (SCRAM, PLAIN,
OAUTHBEARER without TLS), TLS (SCRAM over TLS), MTLS (a client certificate). The authorizer denies what no ACL allows.
As plain Java processes where Java and Maven are here, in a container where a Docker engine answers.
"""

from __future__ import annotations

import asyncio
import base64
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from aiokafka.conn import create_conn
from aiokafka.errors import SaslAuthenticationFailed
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    KafkaAdminClient,
    ResourcePattern,
    ResourceType,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from scripts import certificates, containers
from scripts.processes import CACHE, ROOT, Process, ServerUnavailable, accepts, free_ports, have_java, maven

VERSION = "4.3.0"
ADMIN = ("admin", "admin-secret")
PLAIN_USER = ("plain", "plain-secret")
SCRAM = (ScramMechanism.SCRAM_SHA_512, ScramMechanism.SCRAM_SHA_256)
CERTIFICATE_USER = "CN=certified"
LIBS = CACHE / "kafka" / VERSION / "libs"
POM = ROOT / "docker" / "kafka" / "pom.xml"
LOGGING = POM.with_name("log4j2.properties")
SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
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
ssl.keystore.location={keystore}
ssl.keystore.type=PKCS12
ssl.keystore.password={password}
ssl.key.password={password}
ssl.truststore.location={truststore}
ssl.truststore.type=PKCS12
ssl.truststore.password={password}
listener.name.mtls.ssl.client.auth=required
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:admin
allow.everyone.if.no.acl.found=false
auto.create.topics.enable=false
unclean.leader.election.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.segment.delete.delay.ms=1000
log.dirs={data}
"""


class KafkaServer:
    """A running node: where it is, and the administrator's hand in users and ACLs."""

    def __init__(self, folder: Path, ports: dict[str, int], certs: certificates.Certificates, process: Process | None,
                 container: containers.Container | None = None) -> None:  # fmt: skip
        self.folder, self.ports, self._process, self._container = folder, ports, process, container
        self.admin = ADMIN
        self.plain_user = PLAIN_USER
        self.certificate_user = CERTIFICATE_USER
        self.ca, self.client_cert, self.client_key = certs.ca, certs.client_cert, certs.client_key
        self._admin: KafkaAdminClient | None = None

    @property
    def bootstrap(self) -> str:
        """host:port where everyone is a super user."""
        return f"127.0.0.1:{self.ports['plaintext']}"

    @property
    def secure_bootstrap(self) -> str:
        """host:port of the SASL listener, where ACLs count. SCRAM-SHA-256 re-authenticates every 2 s."""
        return f"127.0.0.1:{self.ports['sasl']}"

    @property
    def tls_bootstrap(self) -> str:
        return f"127.0.0.1:{self.ports['tls']}"

    @property
    def mtls_bootstrap(self) -> str:
        return f"127.0.0.1:{self.ports['mtls']}"

    @property
    def url(self) -> str:
        return f"kafka://{self.bootstrap}"

    @property
    def secure_url(self) -> str:
        return f"kafka://{self.secure_bootstrap}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def client(self) -> KafkaAdminClient:
        """kafka-python's admin client with all rights; blocking."""
        if self._admin is None:
            self._admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        return self._admin

    def add_user(self, name: str, password: str) -> None:
        """Make a SCRAM user (both mechanisms), or give it another password; returns when the broker knows it."""
        for one in SCRAM:
            self._alter(UserScramCredentialUpsertion(name, one, password=password, iterations=4096))
        with ThreadPoolExecutor(1) as thread:  # the caller may be in an event loop of its own
            thread.submit(asyncio.run, self._known(name, password)).result()

    async def _known(self, name: str, password: str) -> None:
        host, _, port = self.secure_bootstrap.rpartition(":")
        options = {"sasl_plain_username": name, "sasl_plain_password": password, "security_protocol": "SASL_PLAINTEXT"}
        for mechanism in ("SCRAM-SHA-512", "SCRAM-SHA-256"):
            async with asyncio.timeout(10):
                while True:
                    try:
                        login = await create_conn(host, int(port), sasl_mechanism=mechanism, **options)
                    except SaslAuthenticationFailed:
                        await asyncio.sleep(0.02)
                        continue
                    await login.close()
                    break

    def drop_user(self, name: str) -> None:
        for one in SCRAM:
            self._alter(UserScramCredentialDeletion(name, one))

    def _alter(self, change: UserScramCredentialUpsertion | UserScramCredentialDeletion) -> None:
        """One at a time: Kafka takes one change of a user in a request, and kafka-python does not raise."""
        for user, fault in self.client.alter_user_scram_credentials([change]).items():
            if fault:
                raise RuntimeError(f"{user}: {fault}")

    def grant(self, user: str, operations: Sequence[str], *, kind: str = "topic", name: str) -> None:
        """Allow READ, WRITE, DESCRIBE… on a topic, group or transactional_id."""
        result: Any = self.client.create_acls([self._acl(user, one, kind, name) for one in operations])
        if result["failed"]:
            raise RuntimeError(f"ACLs not made: {result['failed']}")

    def revoke(self, user: str, operations: Sequence[str], *, kind: str = "topic", name: str) -> None:
        self.client.delete_acls([self._acl(user, one, kind, name) for one in operations])

    @staticmethod
    def _acl(user: str, operation: str, kind: str, name: str) -> ACL:
        return ACL(
            principal=f"User:{user}",
            host="*",
            operation=ACLOperation[operation.upper()],
            permission_type=ACLPermissionType.ALLOW,
            resource_pattern=ResourcePattern(ResourceType[kind.upper()], name),
        )

    def stop(self) -> None:
        if self._admin is not None:
            self._admin.close()
        if self._process:
            self._process.stop()
        if self._container:
            self._container.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def start(*, tied: bool = False) -> KafkaServer:
    """A fresh node, up and ready (about 6 s), ended with this process if `tied`.

    Raises ServerUnavailable where neither Java with Maven nor Docker is here.
    """
    in_container = containers.preferred(have_java())
    folder = Path(tempfile.mkdtemp(prefix="busline-kafka-"))
    try:
        return _start(folder, in_container=in_container, tied=tied)
    except BaseException:
        if not list(folder.glob("broker.log")):
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _start(folder: Path, *, in_container: bool, tied: bool) -> KafkaServer:
    names = ("plaintext", "sasl", "tls", "mtls", "controller")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    certs = certificates.make(folder, CERTIFICATE_USER.removeprefix("CN="))
    settings = folder / "server.properties"
    settings.write_text(
        SETTINGS.format(host="0.0.0.0" if in_container else "127.0.0.1", data=folder / "data", plain=PLAIN_USER,
                        keystore=certs.keystore, truststore=certs.truststore, password=certificates.PASSWORD, **ports)
    )  # fmt: skip
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
    if in_container:
        server = _in_container(folder, ports, certs, cluster)
    else:
        _format(folder / "server.properties", cluster)
        server = _as_process(folder, ports, certs, tied=tied)
    try:
        server.add_user(*ADMIN)
    except BaseException:
        server.stop()
        raise
    return server


def _java(heap: str, main: str, *arguments: str) -> list[str]:
    flags = ["-Xms128m", f"-Xmx{heap}", "-XX:+UseSerialGC", f"-Dlog4j2.configurationFile={LOGGING}"]
    return ["java", *flags, "-cp", f"{LIBS}/*", main, *arguments]


def _format(settings: Path, cluster: str) -> None:
    if not (LIBS / ".complete").exists():
        maven(["-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={LIBS}", "-DincludeScope=runtime"],
              CACHE / "kafka" / "maven.log")  # fmt: skip
        (LIBS / ".complete").touch()
    tool = _java("128m", "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(settings))
    done = subprocess.run(tool, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerUnavailable(f"Kafka's storage could not be formatted: {done.stdout}{done.stderr}")


def _as_process(folder: Path, ports: dict[str, int], certs: certificates.Certificates, *, tied: bool) -> KafkaServer:
    broker = _java("512m", "kafka.Kafka", str(folder / "server.properties"))
    process = Process(broker, folder / "broker.log", tied=tied)
    process.wait_until(lambda: _ready(ports["plaintext"]), "Kafka")
    return KafkaServer(folder, ports, certs, process)


def _in_container(folder: Path, ports: dict[str, int], certs: certificates.Certificates, cluster: str) -> KafkaServer:
    folder.chmod(0o777)
    for file in folder.iterdir():
        file.chmod(0o644)
    script = (
        f"cd /opt/kafka && bin/kafka-storage.sh format -t {cluster} -c {folder}/server.properties"
        f" && exec bin/kafka-server-start.sh {folder}/server.properties"
    )
    exposed = [port for name, port in ports.items() if name != "controller"]
    container = containers.start(f"apache/kafka:{VERSION}", exposed, folder=folder, script=script)
    container.wait_until(lambda: _ready(ports["plaintext"]), "Kafka")
    return KafkaServer(folder, ports, certs, None, container)


def _ready(port: int) -> bool:
    """Whether the broker answers requests: it listens before it does."""
    if not accepts(port):
        return False
    try:
        client = KafkaAdminClient(bootstrap_servers=f"127.0.0.1:{port}", request_timeout_ms=2000)
    except Exception:
        return False
    try:
        return bool(client.describe_cluster()["brokers"])
    except Exception:
        return False
    finally:
        client.close()
