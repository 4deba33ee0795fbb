"""A real Kafka for tests and development: one node, or a cluster of several, with every way of logging in that busline
supports (see kafka_node).

As plain Java processes where Java and Maven are here, in a container where a Docker engine answers (one node only).
"""

from __future__ import annotations

import asyncio
import base64
import shutil
import tempfile
import uuid
from collections.abc import Mapping, Sequence
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
from scripts.kafka_enforcing import PORTS as ENFORCING_PORTS
from scripts.kafka_enforcing import EnforcingNode, make_secrets
from scripts.kafka_node import PLAIN_USER, PORTS, VERSION, Node, download
from scripts.processes import Process, ServerUnavailable, accepts, free_ports, have_java

ADMIN = ("admin", "admin-secret")
SCRAM = (ScramMechanism.SCRAM_SHA_512, ScramMechanism.SCRAM_SHA_256)
CERTIFICATE_USER = "CN=certified"
HEAP = "384m"
"""Of each node of several; one alone has 512m."""


class KafkaServer:
    """A running cluster, mostly of one node: where it is, and the administrator's hand in users, ACLs and nodes.

    The addresses are the first node's; `servers` are all.
    """

    def __init__(self, folder: Path, nodes: Sequence[Node], certs: certificates.Certificates,
                 processes: Sequence[Process] = (), container: containers.Container | None = None) -> None:  # fmt: skip
        self.folder, self.nodes, self.ports, self._container = folder, list(nodes), nodes[0].ports, container
        self._processes = list(processes)
        self._open = "plaintext" in self.ports
        self.admin = ADMIN if self._open else (ADMIN[0], (folder / "secrets" / ADMIN[0]).read_text())
        self.plain_user = PLAIN_USER
        self.certificate_user = CERTIFICATE_USER
        self.ca, self.client_cert, self.client_key = certs.ca, certs.client_cert, certs.client_key
        self._admin: KafkaAdminClient | None = None

    @property
    def bootstrap(self) -> str:
        """host:port where everyone is a super user; of an enforcing cluster, where `admin` is the one."""
        return self.servers[0]

    @property
    def servers(self) -> list[str]:
        """`bootstrap` of every node."""
        return [f"127.0.0.1:{node.ports['plaintext' if self._open else 'sasl']}" for node in self.nodes]

    @property
    def authorizer_log(self) -> Path:
        """Of the first node of an enforcing cluster: who was refused what (and, at DEBUG, allowed)."""
        return self.authorizer_logs[0]

    @property
    def authorizer_logs(self) -> list[Path]:
        return [node.authorizer_log for node in self.nodes if isinstance(node, EnforcingNode)]

    @property
    def admin_secret(self) -> Path:
        """The file that holds an enforcing cluster's administrator's password."""
        return self.folder / "secrets" / ADMIN[0]

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
        return f"kafka://{','.join(self.servers)}"

    @property
    def secure_url(self) -> str:
        return f"kafka://{self.secure_bootstrap}"

    @property
    def pids(self) -> list[int]:
        """Of the nodes' processes; none in a container."""
        return [process.pid for process in self._processes]

    @property
    def login(self) -> dict[str, Any]:
        """What kafka-python and aiokafka need to be the administrator on `servers`; nothing where everyone is."""
        if self._open:
            return {}
        name, password = self.admin
        return {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "SCRAM-SHA-512", "sasl_plain_username": name,
                "sasl_plain_password": password}  # fmt: skip

    @property
    def client(self) -> KafkaAdminClient:
        """kafka-python's admin client with all rights; blocking."""
        if self._admin is None:
            self._admin = KafkaAdminClient(bootstrap_servers=self.servers, **self.login)
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

    def kill(self, number: int) -> None:
        """End node `number` at once, as a power cut does."""
        self._hang_up()  # it would try to connect again, and leaves a socket open each time
        self._processes[number - 1].kill()

    def revive(self, number: int, *, tied: bool = True) -> None:
        """Start node `number` again with what it holds; returns when every partition has all its replicas in sync.

        From a thread that stays: the kernel ends a tied process with the thread that started it.
        """
        process = self._processes[number - 1] = self.nodes[number - 1].launch(heap=HEAP, tied=tied)
        process.wait_until(self._whole, "Kafka")

    def _whole(self) -> bool:
        if not _ready(self.servers, len(self.nodes), self.login):
            return False
        partitions = [one for topic in self.client.describe_topics() for one in topic["partitions"]]
        return all(len(one["isr_nodes"]) == len(one["replica_nodes"]) for one in partitions)

    def _hang_up(self) -> None:
        if self._admin is not None:
            self._admin.close()
            self._admin = None

    def stop(self, *, keep: bool = False) -> None:
        """keep: its folder stays, for a look at its log."""
        self._hang_up()
        for process in self._processes:
            if len(self._processes) > 1:
                process.kill()  # in order, each would wait for the others to take over
            else:
                process.stop()
        if self._container:
            self._container.stop()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)


def start(nodes: int = 1, *, tied: bool = False, enforcing: bool = False,
          settings: Mapping[str, str] | None = None) -> KafkaServer:  # fmt: skip
    """A fresh cluster, up and ready (one node about 6 s, three 15 s), ended with this process if `tied`.

    With three nodes and more topics have three replicas, and a write needs two of them. Raises ServerUnavailable where
    neither Java with Maven nor Docker is here; several nodes need Java. enforcing: the cluster of docker/compose.yaml,
    where nobody is anybody without credentials (kafka_enforcing); settings: more of its server.properties.
    """
    in_container = containers.preferred(have_java())
    if in_container and (nodes > 1 or enforcing):
        raise ServerUnavailable("such a cluster is started as processes only: install Java and Maven")
    folder = Path(tempfile.mkdtemp(prefix="busline-kafka-"))
    try:
        if enforcing:
            return _enforcing(folder, nodes, settings or {}, tied=tied)
        return _start(folder, nodes, in_container=in_container, tied=tied)
    except BaseException:
        if not list(folder.rglob("broker.log")):
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _ports(count: int, names: Sequence[str]) -> list[dict[str, int]]:
    """Free ports of 127.0.0.1 for so many nodes."""
    ports = free_ports(count * len(names))
    return [dict(zip(names, ports[n * len(names) :], strict=False)) for n in range(count)]


def _cluster_id() -> str:
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")


def _enforcing(folder: Path, count: int, settings: Mapping[str, str], *, tied: bool) -> KafkaServer:
    held = make_secrets(folder / "secrets")
    nodes = [
        EnforcingNode(number=n + 1, folder=folder / f"node{n + 1}", ports=ports, secrets=held, extra=settings)
        for n, ports in enumerate(_ports(count, ENFORCING_PORTS))
    ]
    certs = certificates.make(folder, CERTIFICATE_USER.removeprefix("CN="))
    for node in nodes:
        node.configure(nodes, certs)
    return _as_processes(folder, nodes, certs, _cluster_id(), tied=tied)


def _start(folder: Path, count: int, *, in_container: bool, tied: bool) -> KafkaServer:
    nodes = [
        Node(number=n + 1, folder=folder / f"node{n + 1}", ports=ports) for n, ports in enumerate(_ports(count, PORTS))
    ]
    certs = certificates.make(folder, CERTIFICATE_USER.removeprefix("CN="))
    for node in nodes:
        node.configure(nodes, certs, host="0.0.0.0" if in_container else "127.0.0.1")
    cluster = _cluster_id()
    if in_container:
        server = _in_container(folder, nodes[0], certs, cluster)
    else:
        server = _as_processes(folder, nodes, certs, cluster, tied=tied)
    try:
        server.add_user(*ADMIN)
    except BaseException:
        server.stop()
        raise
    return server


def _as_processes(folder: Path, nodes: Sequence[Node], certs: certificates.Certificates, cluster: str,
                  *, tied: bool) -> KafkaServer:  # fmt: skip
    download()
    for node in nodes:
        node.format(cluster)
    heap = "512m" if len(nodes) == 1 else HEAP
    server = KafkaServer(folder, nodes, certs, [node.launch(heap=heap, tied=tied) for node in nodes])
    try:
        for process in server._processes:
            process.wait_until(lambda: _ready(server.servers, len(nodes), server.login), "Kafka")
    except BaseException:
        server.stop(keep=True)
        raise
    return server


def _in_container(folder: Path, node: Node, certs: certificates.Certificates, cluster: str) -> KafkaServer:
    for path in (folder, node.folder):
        path.chmod(0o777)
    for file in (path for path in folder.rglob("*") if path.is_file()):
        file.chmod(0o644)
    script = (
        f"cd /opt/kafka && bin/kafka-storage.sh format -t {cluster} -c {node.settings}"
        f" && exec bin/kafka-server-start.sh {node.settings}"
    )
    exposed = [port for name, port in node.ports.items() if name != "controller"]
    container = containers.start(f"apache/kafka:{VERSION}", exposed, folder=folder, script=script)
    container.wait_until(lambda: _ready([f"127.0.0.1:{node.ports['plaintext']}"], 1), "Kafka")
    return KafkaServer(folder, [node], certs, container=container)


def _ready(servers: Sequence[str], nodes: int, login: Mapping[str, Any] | None = None) -> bool:
    """Whether so many brokers answer requests: each listens before it does."""
    if not all(accepts(int(server.rpartition(":")[2])) for server in servers):
        return False
    try:
        client = KafkaAdminClient(bootstrap_servers=servers, request_timeout_ms=2000, **(login or {}))
    except Exception:
        return False
    try:
        return len(client.describe_cluster()["brokers"]) == nodes
    except Exception:
        return False
    finally:
        client.close()
