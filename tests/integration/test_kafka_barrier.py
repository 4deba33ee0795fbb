"""The barrier after a change of ACLs, on three brokers: each is asked itself, and who is gone is not waited for."""

import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from busline.errors import NotInForce
from busline.transport.guard import Acl, Resource
from busline.transport.kafka.engine import KafkaTransport
from busline.transport.security import Security

pytestmark = pytest.mark.slow
PATIENCE = 60.0


@pytest.fixture
async def admin(kafka_cluster: Any) -> AsyncIterator[KafkaTransport]:
    transport = KafkaTransport(kafka_cluster.servers, security=Security())
    yield transport
    await transport.aclose()


@contextlib.contextmanager
def hanging(cluster: Any, number: int) -> Iterator[None]:
    """A broker that hangs, as by a long pause of its machine."""
    pid = cluster.pids[number - 1]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
        cluster._processes[number - 1].wait_until(cluster._whole, "Kafka")


def rights(unique: str, count: int) -> list[Acl]:
    return [Acl(f"User:barrier/{unique}", Resource.TOPIC, f"{unique}.{number}", "read") for number in range(count)]


async def asked_themselves(servers: list[str]) -> list[frozenset[Acl]]:
    """What each broker says."""
    answers = []
    for server in servers:
        transport = KafkaTransport([server], security=Security())
        answers.append(await transport.acls())
        await transport.aclose()
    return answers


async def test_every_broker_goes_by_it(admin: KafkaTransport, kafka_cluster: Any, unique: str) -> None:
    old, new = rights(unique, 600), rights(f"{unique}-new", 600)
    await admin.create_acls(old)
    await admin.settled(present=old)
    for there in await asked_themselves(kafka_cluster.servers):
        assert set(old) <= there
    await admin.delete_acls(old)
    await admin.create_acls(new)
    await admin.settled(present=new, absent=old)
    for there in await asked_themselves(kafka_cluster.servers):
        assert set(new) <= there
        assert not set(old) & there


async def test_a_broker_that_hangs_is_named_while_it_counts_as_alive(
    admin: KafkaTransport, kafka_cluster: Any, unique: str
) -> None:
    """Until its session ends (3 s here): it may still hold the old rights, and might answer with them."""
    wanted, number = rights(unique, 3), 3
    await admin.create_acls(wanted)
    with hanging(kafka_cluster, number):
        try:
            await admin.settled(present=wanted, within=0.1)
        except NotInForce as error:
            (conflict,) = error.conflicts
            assert f"broker {number}" in conflict
        else:  # on a slow machine its session ended first
            assert number not in await admin.broker_settings()
        await admin.settled(present=wanted, within=PATIENCE)  # fenced in the meantime


async def test_a_broker_that_is_gone_is_not_waited_for(admin: KafkaTransport, kafka_cluster: Any, unique: str) -> None:
    wanted = rights(unique, 3)
    kafka_cluster.kill(2)
    try:
        await admin.create_acls(wanted)
        await admin.settled(present=wanted, within=PATIENCE)
    finally:
        kafka_cluster.revive(2)
    await admin.settled(present=wanted, within=PATIENCE)
    for there in await asked_themselves(kafka_cluster.servers):
        assert set(wanted) <= there
