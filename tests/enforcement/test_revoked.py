"""A right that goes while it is used: said in words that a program understands, waited for, and taken up again.

And a quota, which binds the user whatever its client calls itself.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka.conn import AIOKafkaConnection

from busline import Bus, Event, Reject
from busline.errors import NotAuthorized, NotPublished
from scripts.raw_kafka import batch, codes

pytestmark = pytest.mark.kafka

SERVICE, TOPIC, GROUP_RESOURCE, TOPIC_RESOURCE, READ, WRITE = "growth/stats", "growth.visit", 3, 2, 3, 4
PATIENCE = 60.0
WATCHED = 4.0
"""Seconds in which requests are counted: a slow machine makes fewer."""
CALM = 25
"""Requests a second that a client at rest may make, heartbeats and fetches among them; a storm makes thousands."""


class Visit(Event, contract="growth.visit", key="id"):
    id: str


def acl(resource: int, name: str, operation: int, *, prefixed: bool = False) -> dict[str, Any]:
    return {"resource_type": resource, "resource_name": name, "resource_pattern_type": 4 if prefixed else 3,
            "principal": f"User:{SERVICE}", "host": "*", "operation": operation, "permission_type": 3}  # fmt: skip


READS = acl(TOPIC_RESOURCE, TOPIC, READ)
WRITES = acl(TOPIC_RESOURCE, TOPIC, WRITE)
LETTERS = "busline.dlq.growth.stats"
WRITES_LETTERS = acl(TOPIC_RESOURCE, LETTERS, WRITE)
JOINS = acl(GROUP_RESOURCE, SERVICE, READ)
NAMED = acl(GROUP_RESOURCE, f"{SERVICE}/", READ, prefixed=True)


def revoke(company: Any, *acls: dict[str, Any]) -> None:
    filters = [
        {"resource_type_filter": one["resource_type"], "resource_name_filter": one["resource_name"],
         "pattern_type_filter": one["resource_pattern_type"], "principal_filter": one["principal"],
         "host_filter": "*", "operation": one["operation"], "permission_type": 3}
        for one in acls
    ]  # fmt: skip
    answer = company.root.ask("DeleteAcls", filters=filters)
    assert codes(answer) == {0} and all(one["matching_acls"] for one in answer["filter_results"]), answer


def give(company: Any, *acls: dict[str, Any]) -> None:
    assert codes(company.root.ask("CreateAcls", creations=list(acls))) == {0}


@asynccontextmanager
async def without(company: Any, *acls: dict[str, Any]) -> AsyncIterator[None]:
    """These rights are gone within, and back afterwards, whatever comes."""
    revoke(company, *acls)
    try:
        yield
    finally:
        give(company, *acls)


async def until(condition: Callable[[], Any], show: Callable[[], Any] = lambda: None) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, show()
        await asyncio.sleep(0.02)


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the requests that aiokafka sends in this process."""
    sent: list[str] = []
    send = AIOKafkaConnection.send

    def counted(self: Any, request: Any, *args: Any, **more: Any) -> Any:
        sent.append(type(request).__name__)
        return send(self, request, *args, **more)

    monkeypatch.setattr(AIOKafkaConnection, "send", counted)
    return sent


def bus_of(company: Any) -> Bus:
    return Bus(f"kafka://{company.broker.secure_bootstrap}", service=SERVICE, security=company.security(SERVICE))


async def assert_at_rest(requests: list[str]) -> None:
    before = len(requests)
    await asyncio.sleep(WATCHED)
    sent = requests[before:]
    assert len(sent) < CALM * WATCHED, {name: sent.count(name) for name in set(sent)}


@pytest.mark.parametrize("gone", [(READS,), (JOINS, NAMED), (READS, JOINS, NAMED)], ids=["topic", "group", "both"])
async def test_a_subscription_waits_for_its_right_and_goes_on(
    company: Any, unique: str, requests: list[str], gone: tuple[dict[str, Any], ...]
) -> None:
    seen: dict[str, None] = {}  # an event whose commit was refused comes again
    bus = bus_of(company)

    @bus.subscribe(Visit, name=unique)
    async def count(visit: Visit) -> None:
        if visit.id.startswith(unique):
            seen[visit.id.removeprefix(unique)] = None

    async def publish(number: str) -> None:
        await bus.publish(Visit(id=unique + number))

    def state() -> Any:
        return list(seen), bus.health()

    async with bus:
        await until(lambda: bus.health().ready, state)
        await publish("1")
        await until(lambda: list(seen) == ["1"], state)
        failed = asyncio.create_task(bus.wait_failed())
        async with without(company, *gone):
            await until(lambda: not bus.health().ready, state)
            await publish("2")
            health = bus.health()
            assert health.alive and not failed.done(), health
            assert "BL0503" in (health.reason or ""), health
            await assert_at_rest(requests)
            assert not bus.health().ready and list(seen) == ["1"]
        await until(lambda: list(seen) == ["1", "2"], state)
        await publish("3")
        await until(lambda: list(seen) == ["1", "2", "3"] and bus.health().ready, state)
        failed.cancel()
        await asyncio.gather(failed, return_exceptions=True)


async def test_no_event_is_lost_while_dead_letters_are_refused(company: Any, unique: str, requests: list[str]) -> None:
    """What cannot be handled and cannot be set aside is kept, until it can be."""
    bus = bus_of(company)

    @bus.subscribe(Visit, name=unique)
    async def refuse(visit: Visit) -> None:
        if visit.id == unique:
            raise Reject("never")

    def letters() -> int:
        answer = company.root.ask("ListOffsets", replica_id=-1, isolation_level=0, topics=[
            {"name": LETTERS, "partitions": [{"partition_index": 0, "timestamp": -1}]}
        ])  # fmt: skip
        return int(answer["topics"][0]["partitions"][0]["offset"])

    async with bus:
        await bus.caught_up(PATIENCE)
        failed = asyncio.create_task(bus.wait_failed())
        async with without(company, WRITES_LETTERS):
            before = letters()
            await bus.publish(Visit(id=unique))
            await until(lambda: not bus.health().ready, bus.health)
            await assert_at_rest(requests)
            assert letters() == before and bus.health().alive and not failed.done()
        await until(lambda: letters() == before + 1, bus.health)
        await bus.caught_up(PATIENCE)
        failed.cancel()
        await asyncio.gather(failed, return_exceptions=True)


async def test_a_publisher_is_told_and_goes_on(company: Any, requests: list[str]) -> None:
    async with bus_of(company) as bus:
        await bus.publish(Visit(id="1"))
        async with without(company, WRITES):
            async with asyncio.timeout(PATIENCE):
                with pytest.raises(NotPublished) as caught:
                    while True:
                        await bus.publish(Visit(id="2"))
            assert isinstance(caught.value.cause, NotAuthorized)
            await assert_at_rest(requests)
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    await bus.publish(Visit(id="3"))
                except NotPublished as error:
                    assert isinstance(error.cause, NotAuthorized)
                else:
                    break


async def test_a_live_reader_is_told_and_leaves_no_storm(company: Any, requests: list[str]) -> None:
    async with bus_of(company) as bus:
        at = await bus.publish(Visit(id="live"))
        reading = aiter(bus.read(Visit, start={at.partition: at.offset}, end=None))
        assert (await anext(reading)).id == "live"
        async with without(company, READS):
            async with asyncio.timeout(PATIENCE):
                with pytest.raises(NotAuthorized):
                    await anext(reading)
            await assert_at_rest(requests)
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    assert await anext(aiter(bus.read(Visit, start={at.partition: at.offset}, end=None)))
                except NotAuthorized:
                    continue
                break


LEDGER, BALANCE = "billing/ledger", "billing.balance"
"""A publisher with a quota of 20 KiB a second."""


def test_a_client_with_another_name_has_the_same_quota(company: Any) -> None:
    """The broker says itself how long it holds back: nothing is measured here."""

    def held_back(client_id: str) -> int:
        with company.raw(LEDGER, client_id=client_id) as raw:
            answer = raw.ask("Produce", transactional_id=None, acks=-1, timeout_ms=10_000, topic_data=[
                {"name": BALANCE, "partition_data": [{"index": 0, "records": batch(b"x" * 400_000)}]}
            ])  # fmt: skip
            assert codes(answer) == {0}
            return int(answer["throttle_time_ms"])

    assert [one for one in company.state()["quotas"] if one["entity"][0]["entity_name"] == LEDGER]
    held_back("first")  # the burst that 10 s of quota allow
    for name in ("first", "second", "busline", "admin", "", "a" * 200):
        assert held_back(name) > 0, name


def test_who_has_no_quota_is_not_held_back_by_the_name_of_one_who_has(company: Any) -> None:
    with company.raw("orders/checkout", client_id=LEDGER) as raw:
        answer = raw.ask("Produce", transactional_id=None, acks=-1, timeout_ms=10_000, topic_data=[
            {"name": "orders.order-placed", "partition_data": [{"index": 1, "records": batch(b"x" * 400_000)}]}
        ])  # fmt: skip
    assert codes(answer) == {0} and answer["throttle_time_ms"] == 0
