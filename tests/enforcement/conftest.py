"""A company of several teams on an enforcing cluster, and its services' real credentials in hands that obey nothing.

- `company`: the workspace below, applied by busline; `.login(service)` are real credentials, `.raw(service)` a
  connection on which any request can be sent, `.root` one of the super user, `.state()` all that an attack changes.
"""

import asyncio
import os
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from busline.contract.workspace import Workspace
from busline.governance.apply.apply import apply
from busline.governance.plan.plan import Goal, plan_changes
from busline.governance.users.secrets import SecretPlaces, Secrets
from busline.transport.kafka.engine import KafkaTransport
from busline.transport.security import Security
from scripts.raw_kafka import Login, RawKafka, batch, codes

COMING_UP = {14, 15, 16}
"""A coordinator is loading, not there yet, elsewhere."""
SCHEMA = '{"type": "record", "name": "%s", "fields": [{"name": "id", "type": "string"}]}\n'
CONTRACT = "description: What happened.\nkey: id\n"
COMPANY = {
    "busline.yaml": "company: acme\nevents: {access-denied: {subscribe: [growth/stats]}}\n",
    "orders/team.yaml": "contact: {chat: '#orders'}\n",
    "orders/order-placed/contract.yaml": CONTRACT + "access: {subscribe: [billing/invoicing], read: [billing]}\n",
    "orders/order-placed-v2/contract.yaml": CONTRACT + "access: {subscribe: [billing/audit], read: [growth/people]}\n",
    "orders/order/contract.yaml": CONTRACT + "audience: team\n",
    "orders/checkout.service.yaml": (
        "publishes: {orders.order-placed: 1}\nsubscribes: {orders.order: {version: 1}}\ntransactional: true\n"
    ),
    "orders/checkout-2.service.yaml": (
        "publishes: {orders.order-placed-v2: 1}\nsubscribes: {orders.order-placed: {version: 1}}\ntransactional: true\n"
    ),
    "orders/check.service.yaml": "publishes: {orders.order: 1}\n",
    "orders-x/team.yaml": "contact: {chat: '#orders-x'}\n",
    "orders-x/order-placed/contract.yaml": CONTRACT,
    "orders-x/checkout.service.yaml": (
        "publishes: {orders-x.order-placed: 1}\ntransactional: true\n"
        "subscribes: {orders-x.order-placed: {version: 1}}\n"
    ),
    "billing/team.yaml": "contact: {chat: '#billing'}\n",
    "billing/invoice-sent/contract.yaml": CONTRACT + "access: {subscribe: [everyone]}\n",
    "billing/balance/contract.yaml": CONTRACT + "kind: state\nquota: {publish: 20KiB}\n",
    "billing/invoicing.service.yaml": (
        "publishes: {billing.invoice-sent: 1}\nsubscribes: {orders.order-placed: {version: 1}}\ntransactional: true\n"
    ),
    "billing/audit.service.yaml": "subscribes: {orders.order-placed-v2: {version: 1}}\n",
    "billing/reports.service.yaml": "reads: [orders.order-placed]\n",
    "billing/ledger.service.yaml": "publishes: {billing.balance: 1}\n",
    "growth/team.yaml": "contact: {chat: '#growth'}\n",
    "growth/visit/contract.yaml": CONTRACT,
    "growth/stats.service.yaml": (
        "publishes: {growth.visit: 1}\ntransactional: true\n"
        "subscribes: {growth.visit: {version: 1}, billing.invoice-sent: {version: 1},"
        " busline.access-denied: {version: 1}}\n"
    ),
}


def write_workspace(folder: Path, files: Mapping[str, str]) -> Workspace:
    """Every contract without a schema gets one with a field `id`."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    for contract in folder.glob("*/*/contract.yaml"):
        schema = contract.with_name("1.avsc")
        if not schema.exists():
            schema.write_text(SCHEMA % ("".join(word.title() for word in contract.parent.name.split("-"))))
    return Workspace.load(folder)


class Company:
    """A workspace as it is applied on a broker of its own."""

    def __init__(self, broker: Any, workspace: Workspace) -> None:
        self.broker, self.workspace = broker, workspace
        self.secrets = Secrets(SecretPlaces(folder=workspace.path / ".busline" / "secrets"))
        self._known: dict[str, Any] = {}
        self.root = RawKafka(broker.secure_bootstrap, Login(user=broker.admin[0], password=broker.admin[1]))

    def password(self, user: str) -> str:
        """As apply made it, and left it for the service."""
        return self.secrets.file(user, "SCRAM-SHA-512").read_text().strip()

    def login(self, service: str, *, mechanism: str = "SCRAM-SHA-512") -> Login:
        return Login(user=service, password=self.password(service), mechanism=mechanism)

    def security(self, service: str) -> Security:
        return Security(user=service, password=self.password(service))

    @contextmanager
    def raw(self, service: str, *, client_id: str = "raw", mechanism: str = "SCRAM-SHA-512") -> Iterator[RawKafka]:
        login = self.login(service, mechanism=mechanism)
        with RawKafka(self.broker.secure_bootstrap, login, client_id=client_id) as connection:
            yield connection

    @asynccontextmanager
    async def engine(self, service: str | None = None) -> AsyncIterator[KafkaTransport]:
        """busline's own transport, as this service, or as the administrator."""
        name, password = self.broker.admin
        security = self.security(service) if service else Security(user=name, password=password)
        transport = KafkaTransport([self.broker.secure_bootstrap], security=security)
        try:
            await transport.start()
            yield transport
        finally:
            await transport.aclose()

    async def enforce(self, workspace: Workspace | None = None) -> None:
        """Bring the broker to what the workspace says."""
        self.workspace = workspace or self.workspace
        there = self.workspace
        goal = Goal(contracts=there.contracts, services=there.services, teams=there.teams, enforce="deny",
                    own=there.own)  # fmt: skip
        async with self.engine() as engine:
            await apply(await plan_changes(goal, engine), engine, secrets=self.secrets)
            assert (await plan_changes(goal, engine)).is_empty

    def users(self) -> set[str]:
        """Who can log in."""
        return {one["user"] for one in self.root.ask("DescribeUserScramCredentials", users=None)["results"]}

    def assert_unchanged(self) -> None:
        """Since the last call, or since `enforce` and `fill`."""
        before, self._known = self._known, self.state()
        assert self._known == before

    def state(self) -> dict[str, Any]:
        """All that an attack could change, as the super user sees it."""
        ask = self.root.ask
        topics = ask("Metadata", topics=None, allow_auto_topic_creation=False)["topics"]
        there = [(t["name"], [p["partition_index"] for p in t["partitions"]]) for t in topics if not t["is_internal"]]
        groups = [one["group_id"] for one in ask("ListGroups")["groups"]]
        ends = ask("ListOffsets", replica_id=-1, isolation_level=0, topics=[
            {"name": name, "partitions": [{"partition_index": p, "timestamp": at} for p in partitions]}
            for name, partitions in there for at in (-1, -2)
        ])  # fmt: skip
        return {
            "topics": topics,
            "ends": [(t["name"], p) for t in ends["topics"] for p in t["partitions"]],
            "acls": ask("DescribeAcls", resource_type_filter=1, resource_name_filter=None, pattern_type_filter=1,
                        principal_filter=None, host_filter=None, operation=1, permission_type=1),
            "users": ask("DescribeUserScramCredentials", users=None)["results"],
            "quotas": ask("DescribeClientQuotas", components=[], strict=False)["entries"],
            "configs": ask("DescribeConfigs", include_synonyms=False, include_documentation=False, resources=[
                {"resource_type": kind, "resource_name": name, "configuration_keys": None}
                for kind, name in [(4, "1"), (4, ""), *((2, name) for name, _ in there)]])["results"],
            "groups": ask("DescribeGroups", groups=groups, include_authorized_operations=False)["groups"],
            "offsets": ask("OffsetFetch", require_stable=False,
                           groups=[{"group_id": g, "topics": None} for g in groups])["groups"] if groups else [],
        }  # fmt: skip

    def live(self) -> None:
        """Records, dead letters and positions of groups, so that there is something to steal."""
        for contract in self.workspace.known.values():
            self.fill(contract.topic, b"theirs")
        for service in self.workspace.services.values():
            for subscription in service.subscribes:
                topic = self.workspace.known[subscription.contract].topic
                self.ready("FindCoordinator", key_type=0, coordinator_keys=[service.name])
                self.ready("OffsetCommit", group_id=service.name, generation_id_or_member_epoch=-1, member_id="",
                           topics=[{"name": topic, "partitions": [
                               {"partition_index": 0, "committed_offset": 1, "committed_metadata": ""}]}])  # fmt: skip
                self.fill(service.name.dead_letters, b"letter")
        self.ready("InitProducerId", transactional_id="busline/none", transaction_timeout_ms=1000)
        self._known = self.state()

    def ready(self, api: str, **body: Any) -> dict[str, Any]:
        """As the super user, again while the coordinator comes up."""
        end = time.monotonic() + 30
        while codes(answer := self.root.ask(api, **body)) & COMING_UP:
            assert time.monotonic() < end, answer
            time.sleep(0.05)
        assert codes(answer) == {0}, answer
        return answer

    def fill(self, topic: str, *values: bytes, partition: int = 0) -> None:
        """Records by the super user."""
        self.ready("Produce", transactional_id=None, acks=-1, timeout_ms=10_000, topic_data=[
            {"name": topic, "partition_data": [{"index": partition, "records": batch(*values)}]}
        ])  # fmt: skip


@pytest.fixture(scope="package")
def broker() -> Iterator[Any]:
    """The enforcing cluster of docker/compose.yaml, for all of this folder."""
    from scripts import kafka_server
    from scripts.processes import ServerUnavailable

    try:
        server = kafka_server.start(tied=True, enforcing=True)
    except ServerUnavailable as error:
        if os.environ.get("BUSLINE_TEST_KAFKA") == "required":
            pytest.fail(f"BUSLINE_TEST_KAFKA=required: {error}", pytrace=False)
        pytest.skip(str(error))
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="package")
def company(broker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    workspace = write_workspace(tmp_path_factory.mktemp("schemas"), COMPANY)
    company = Company(broker, workspace)
    try:
        asyncio.run(company.enforce())
        company.live()
        yield company
    finally:
        company.root.close()


@pytest.fixture(scope="session")
def certificate() -> Any:
    """A TLS context for a server's authority, with the client's own certificate or without."""

    def context(server: Any, *, own: bool) -> ssl.SSLContext:
        made = ssl.create_default_context(cafile=str(server.ca))
        if own:
            made.load_cert_chain(server.client_cert, server.client_key)
        return made

    return context
