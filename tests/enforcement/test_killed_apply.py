"""An apply on three nodes that is killed at every one of its steps: the next one converges, and access is never wider.

While applies run and die, each broker is asked, over and over, what two services may do there: the answer comes from
that broker's own authorizer. At no time does one give what is neither in the old state nor in the new one; and once one
has given what is new, none gives any more what was only in the old one.
"""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from busline.contract.workspace import Workspace
from busline.governance.apply.apply import apply
from busline.governance.plan.plan import Goal, plan_changes
from busline.governance.state.rights import wanted_access
from busline.governance.users.secrets import SecretPlaces, Secrets
from busline.transport.guard import Resource
from busline.transport.kafka.engine import KafkaTransport
from busline.transport.security import Security
from scripts.raw_kafka import Login, RawKafka

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(900)]

OPERATIONS = {3: "read", 4: "write"}
SERVICES = ("billing/invoicing", "growth/stats")
DIED = 9
STEPS_AT_MOST = 25
Right = tuple[str, str, str]
"""Who, topic, operation."""

CONTRACT = "description: What happened.\nkey: id\nstorage: {partitions: 1}\n"
SCHEMA = '{"type": "record", "name": "Thing", "fields": [{"name": "id", "type": "string"}]}\n'
BOTH = {
    "busline.yaml": "company: acme\n",
    "orders/team.yaml": "contact: {chat: '#orders'}\n",
    "billing/team.yaml": "contact: {chat: '#billing'}\n",
    "growth/team.yaml": "contact: {chat: '#growth'}\n",
    "orders/order-placed/1.avsc": SCHEMA,
    "orders/returned/1.avsc": SCHEMA,
    "billing/invoice-sent/1.avsc": SCHEMA,
}
OLD = {
    "orders/order-placed/contract.yaml": CONTRACT + "access: {subscribe: [billing/invoicing]}\n",
    "orders/returned/contract.yaml": CONTRACT + "access: {subscribe: [growth/stats]}\n",
    "billing/invoice-sent/contract.yaml": CONTRACT + "quota: {publish: 1MiB}\n",
    "billing/invoicing.service.yaml": (
        "publishes: {billing.invoice-sent: 1}\nsubscribes: {orders.order-placed: {version: 1}}\n"
    ),
    "growth/stats.service.yaml": "subscribes: {orders.returned: {version: 1}}\n",
}
"""What one may, the other may not; in the new state it is the other way round, and both have something else."""
NEW = {
    "orders/order-placed/contract.yaml": CONTRACT + "access: {subscribe: [growth/stats]}\n",
    "orders/returned/contract.yaml": CONTRACT + "access: {read: [billing]}\n",
    "billing/invoice-sent/contract.yaml": CONTRACT + "quota: {publish: 2MiB}\naccess: {subscribe: [growth]}\n",
    "billing/invoicing.service.yaml": "reads: [orders.returned]\ntransactional: true\n",
    "growth/stats.service.yaml": (
        "subscribes: {orders.order-placed: {version: 1}, billing.invoice-sent: {version: 1}}\n"
    ),
}


class Cluster:
    """Three nodes, two workspaces, and what each gives."""

    def __init__(self, server: Any, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.secrets = Secrets(SecretPlaces(folder=folder / "secrets"))
        self.workspaces = {name: written(folder / name, {**BOTH, **files}) for name, files in
                           (("old", OLD), ("new", NEW))}  # fmt: skip

    def goal(self, name: str) -> Goal:
        there = self.workspaces[name]
        return Goal(contracts=there.contracts, services=there.services, teams=there.teams, own=there.own,
                    enforce="deny")  # fmt: skip

    def rights(self, name: str) -> set[Right]:
        goal = self.goal(name)
        wanted = wanted_access(goal.published, goal.services, goal.teams, goal.today)
        return {(acl.user or "", acl.name, acl.operation) for acl in wanted.acls
                if acl.resource is Resource.TOPIC and acl.user in SERVICES}  # fmt: skip

    @property
    def topics(self) -> list[str]:
        return sorted({topic for name in self.workspaces for _, topic, _ in self.rights(name)})

    async def bring(self, name: str) -> None:
        """By an apply that nobody kills; a second one has nothing to do."""
        user, password = self.server.admin
        engine = KafkaTransport(self.server.servers, security=Security(user=user, password=password))
        try:
            await engine.start()
            await apply(await plan_changes(self.goal(name), engine), engine, secrets=self.secrets)
            again = await plan_changes(self.goal(name), engine)
            assert again.is_empty, again.changes
        finally:
            await engine.aclose()

    def die(self, name: str, number: int, how: str) -> int:
        """An apply's process that dies at its n-th change: its exit code."""
        user, password = self.server.admin
        program = str(Path(__file__).with_name("dying_apply.py"))
        workspace, secrets = str(self.folder / name), str(self.folder / "secrets")
        done = subprocess.run(
            [sys.executable, program, ",".join(self.server.servers), workspace, secrets, str(number), how],
            env={**os.environ, "ADMIN": user, "ADMIN_PASSWORD": password}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode in (0, DIED), done.stderr
        return done.returncode

    @contextmanager
    def asked(self) -> Iterator[list[RawKafka]]:
        """Every service's connection to every broker."""
        logins = [Login(user=one, password=self.secrets.file(one, "SCRAM-SHA-512").read_text().strip())
                  for one in SERVICES]  # fmt: skip
        connections = [RawKafka(server, login, client_id=str(login.user)) for server in self.server.servers
                       for login in logins]  # fmt: skip
        try:
            yield connections
        finally:
            for connection in connections:
                connection.close()

    def seen(self, connection: RawKafka) -> set[Right]:
        """What this broker says that this service may do there."""
        answer = connection.ask("Metadata", topics=[{"name": topic} for topic in self.topics],
                                allow_auto_topic_creation=False, include_topic_authorized_operations=True)  # fmt: skip
        return {(connection.client_id, one["name"], OPERATIONS[operation]) for one in answer["topics"]
                for operation in one["authorized_operations"] or () if operation in OPERATIONS}  # fmt: skip

    @contextmanager
    def never_wider(self, old: set[Right], new: set[Right]) -> Iterator[None]:
        """From old to new: no broker gives more than either, nor the old once one has given the new."""
        over, faults, turned = threading.Event(), [], False

        def look() -> None:
            nonlocal turned
            while not over.is_set():
                for connection in connections:
                    rights = self.seen(connection)
                    turned = turned or bool(rights & (new - old))
                    allowed = new if turned else old | new
                    if rights - allowed:
                        faults.append(f"{sorted(rights - allowed)} of {'the old' if turned else 'nobody'}")

        with self.asked() as connections:
            thread = threading.Thread(target=look)
            thread.start()
            try:
                yield
            finally:
                over.set()
                thread.join()
        assert not faults, faults[:3]

    def assert_everywhere(self, rights: set[Right]) -> None:
        with self.asked() as connections:
            for number in range(0, len(connections), len(SERVICES)):
                assert set().union(*map(self.seen, connections[number : number + len(SERVICES)])) == rights


def written(folder: Path, files: dict[str, str]) -> Workspace:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return Workspace.load(folder)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    from scripts import kafka_server
    from scripts.processes import ServerUnavailable

    try:
        server = kafka_server.start(3, tied=True, enforcing=True)
    except ServerUnavailable as error:
        if os.environ.get("BUSLINE_TEST_KAFKA") == "required":
            pytest.fail(f"BUSLINE_TEST_KAFKA=required: {error}", pytrace=False)
        pytest.skip(str(error))
    try:
        made = Cluster(server, tmp_path_factory.mktemp("killed"))
        asyncio.run(made.bring("old"))
        yield made
    finally:
        server.stop()


def test_the_states_differ_in_both_ways(cluster: Cluster) -> None:
    old, new = cluster.rights("old"), cluster.rights("new")
    assert old - new and new - old and old & new
    cluster.assert_everywhere(old)


@pytest.mark.parametrize("how", ["after", "within"])
def test_an_apply_that_dies_at_any_step_leaves_no_more_access_and_the_next_one_converges(
    cluster: Cluster, how: str
) -> None:
    """Killed on the way from one state to the other; then the next apply goes on, or back, in turns."""
    here, there = "old", "new"
    asyncio.run(cluster.bring(here))
    for number in range(1, STEPS_AT_MOST):
        with cluster.never_wider(cluster.rights(here), cluster.rights(there)):
            code = cluster.die(there, number, how)
        to, before = (there, here) if number % 2 else (here, there)
        with cluster.never_wider(cluster.rights(before), cluster.rights(to)):
            asyncio.run(cluster.bring(to))
        cluster.assert_everywhere(cluster.rights(to))
        here, there = to, before
        if code != DIED:
            break
    else:
        pytest.fail("an apply has more steps than are tried here")
    assert number > 8, "intent, rights that go, barrier, settings, quotas, rights that come, barrier, state"
