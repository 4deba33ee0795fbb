"""What is granted works by the rights that apply wrote alone: by raw requests, by other clients, by busline."""

import asyncio
from typing import Any

import confluent_kafka
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from busline import Bus, Event, Reject
from busline.bus.dead_letter import DeadLetters
from busline.bus.groups import GroupMaker
from busline.bus.replay import Replay
from busline.contract.model import ServiceSpec
from busline.errors import AccessDenied
from scripts.raw_kafka import RawKafka, batch, codes, records

pytestmark = pytest.mark.kafka

COMING_UP = {14, 15, 16, 51}
"""A coordinator is not ready; a transaction is not quite over."""
PATIENCE = 30.0


def bus_of(company: Any, service: str) -> Bus:
    return Bus(f"kafka://{company.broker.secure_bootstrap}", service=service, security=company.security(service))


def fine(raw: RawKafka, api: str, **body: Any) -> dict[str, Any]:
    for _ in range(1000):
        answer = raw.ask(api, **body)
        if not codes(answer) & COMING_UP:
            break
    assert codes(answer) <= {0}, answer
    return answer


def fetch(raw: RawKafka, topic: str) -> dict[str, Any]:
    answer = fine(raw, "Fetch", max_wait_ms=0, min_bytes=0, max_bytes=1 << 20, isolation_level=1, topics=[
        {"topic": topic, "partitions": [{"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1 << 20}]}
    ])  # fmt: skip
    found: dict[str, Any] = answer["responses"][0]["partitions"][0]
    return found


def fetched(raw: RawKafka, topic: str) -> list[bytes | None]:
    return list(records(fetch(raw, topic)["records"]))


def publish(raw: RawKafka, topic: str, value: bytes, **how: Any) -> None:
    fine(raw, "Produce", transactional_id=how.pop("transaction", None), acks=-1, timeout_ms=10_000, topic_data=[
        {"name": topic, "partition_data": [{"index": 0, "records": batch(value, **how)}]}
    ])  # fmt: skip


def be_a_member(raw: RawKafka, group: str, topic: str) -> None:
    """The life of a member of a group, as a client's request after request."""
    fine(raw, "FindCoordinator", key_type=0, coordinator_keys=[group])
    joining = {"group_id": group, "session_timeout_ms": 10_000, "rebalance_timeout_ms": 10_000, "member_id": "",
               "protocol_type": "consumer", "protocols": [{"name": "range", "metadata": b""}]}  # fmt: skip
    joining["member_id"] = raw.ask("JoinGroup", **joining)["member_id"]
    joined = fine(raw, "JoinGroup", **joining)
    me, generation = joining["member_id"], joined["generation_id"]
    fine(raw, "SyncGroup", group_id=group, generation_id=generation, member_id=me, protocol_type="consumer",
         protocol_name="range", assignments=[{"member_id": me, "assignment": b""}])  # fmt: skip
    fine(raw, "Heartbeat", group_id=group, generation_id=generation, member_id=me)
    fine(raw, "OffsetCommit", group_id=group, generation_id_or_member_epoch=generation, member_id=me, topics=[
        {"name": topic, "partitions": [{"partition_index": 0, "committed_offset": 1, "committed_metadata": "{}"}]}
    ])  # fmt: skip
    found = fine(raw, "OffsetFetch", groups=[{"group_id": group, "topics": None}], require_stable=True)
    assert topic in {one["name"] for one in found["groups"][0]["topics"]}
    fine(raw, "DescribeGroups", groups=[group], include_authorized_operations=False)
    fine(raw, "LeaveGroup", group_id=group, members=[{"member_id": me}])


def services_that(company: Any, use: str) -> list[ServiceSpec]:
    return [service for service in company.workspace.services.values() if getattr(service, use)]


def test_publishers_publish(company: Any) -> None:
    for service in services_that(company, "publishes"):
        for publication in service.publishes:
            topic = company.workspace.known[publication.contract].topic
            with company.raw(service.name) as raw:
                publish(raw, topic, b"plain")
                made = fine(raw, "InitProducerId", transactional_id=None, transaction_timeout_ms=60_000)
                publish(raw, topic, b"once", producer=(made["producer_id"], made["producer_epoch"]), sequence=0)
                fine(raw, "Metadata", topics=[{"name": topic}], allow_auto_topic_creation=False)
            assert fetched(company.root, topic)[-2:] == [b"plain", b"once"]


def test_subscribers_join_fetch_commit_and_leave(company: Any) -> None:
    for service in services_that(company, "subscribes"):
        for subscription in service.subscribes:
            topic = company.workspace.known[subscription.contract].topic
            with company.raw(service.name) as raw:
                for group in (service.name, f"{service.name}/second", f"{service.name}/~dlq"):
                    be_a_member(raw, group, topic)
                assert b"theirs" in fetched(raw, topic)
                publish(raw, service.name.dead_letters, b"a letter")
                assert fetched(raw, service.name.dead_letters)[-1] == b"a letter"


def test_readers_read_and_say_so(company: Any) -> None:
    with company.raw("billing/reports") as raw:
        assert b"theirs" in fetched(raw, "orders.order-placed")
        for at in (-2, -1, 0):
            one = {"partition_index": 0, "timestamp": at}
            fine(raw, "ListOffsets", replica_id=-1, isolation_level=1,
                 topics=[{"name": "orders.order-placed", "partitions": [one]}])  # fmt: skip
        fine(raw, "OffsetCommit", group_id="billing/reports/~read", generation_id_or_member_epoch=-1, member_id="",
             topics=[{"name": "orders.order-placed", "partitions": [
                 {"partition_index": 0, "committed_offset": 0, "committed_metadata": '{"b":1}'}]}])  # fmt: skip


def test_people_read_what_they_are_granted(company: Any) -> None:
    with company.raw("growth/people") as raw:
        assert b"theirs" in fetched(raw, "orders.order-placed-v2")
        assert b"theirs" in fetched(raw, "growth.visit")


def test_everybody_learns_the_contracts(company: Any) -> None:
    for service in company.workspace.services:
        with company.raw(service) as raw:
            assert fetched(raw, "busline.contracts")


@pytest.mark.parametrize("end", [True, False])
def test_transactions_work_where_they_are_declared(company: Any, end: bool) -> None:
    """Publish and commit in one: all requests of KIP-98, ended both ways."""
    service, topic, source = "billing/invoicing", "billing.invoice-sent", "orders.order-placed"
    identity = f"{service}/{end}".lower()
    with company.raw(service) as raw:
        fine(raw, "FindCoordinator", key_type=1, coordinator_keys=[identity])
        made = fine(raw, "InitProducerId", transactional_id=identity, transaction_timeout_ms=60_000)
        held = {
            "transactional_id": identity,
            "producer_id": made["producer_id"],
            "producer_epoch": made["producer_epoch"],
        }
        fine(raw, "AddPartitionsToTxn", **{f"v3_and_below_{name}": value for name, value in held.items()},
             v3_and_below_topics=[{"name": topic, "partitions": [0]}])  # fmt: skip
        value = f"within {identity}".encode()
        publish(raw, topic, value, transaction=identity, sequence=0, transactional=True,
                producer=(made["producer_id"], made["producer_epoch"]))  # fmt: skip
        fine(raw, "AddOffsetsToTxn", **held, group_id=service)
        fine(raw, "TxnOffsetCommit", **held, group_id=service, topics=[
            {"name": source, "partitions": [{"partition_index": 0, "committed_offset": 1, "committed_metadata": ""}]}
        ])  # fmt: skip
        fine(raw, "EndTxn", **held, committed=end)
        described = fine(raw, "DescribeTransactions", transactional_ids=[identity])
        assert described["transaction_states"][0]["transactional_id"] == identity
        assert identity in {one["transactional_id"] for one in fine(raw, "ListTransactions")["transaction_states"]}
        fine(raw, "InitProducerId", transactional_id=identity, transaction_timeout_ms=60_000)  # then it is over
    with company.raw("growth/stats") as raw:
        partition = fetch(raw, topic)
        assert value in records(partition["records"])
        aborted = {one["producer_id"] for one in partition["aborted_transactions"]}
        assert (made["producer_id"] in aborted) is not end


def confluent(company: Any, service: str, **more: Any) -> dict[str, Any]:
    return {"bootstrap.servers": company.broker.secure_bootstrap, "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "SCRAM-SHA-512", "sasl.username": service,
            "sasl.password": company.password(service), **more}  # fmt: skip


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_librdkafka_subscribes_by_either_group_protocol(company: Any, protocol: str) -> None:
    service = "billing/audit"
    consumer = confluent_kafka.Consumer(confluent(company, service, **{
        "group.id": f"{service}/{protocol}", "group.protocol": protocol, "auto.offset.reset": "earliest"
    }))  # fmt: skip
    try:
        consumer.subscribe(["orders.order-placed-v2"])
        message = consumer.poll(PATIENCE)
        assert message is not None and message.error() is None, message and message.error()
        assert consumer.commit(message, asynchronous=False)[0].error is None
    finally:
        consumer.close()


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_librdkafka_is_refused_by_either_group_protocol(company: Any, protocol: str) -> None:
    """The same client and credentials: another's topic, and another's group."""
    for group, topic, code in (
        ("billing/audit", "orders.order-placed", confluent_kafka.KafkaError.TOPIC_AUTHORIZATION_FAILED),
        ("billing/invoicing", "orders.order-placed-v2", confluent_kafka.KafkaError.GROUP_AUTHORIZATION_FAILED),
    ):
        consumer = confluent_kafka.Consumer(confluent(company, "billing/audit", **{
            "group.id": group, "group.protocol": protocol, "auto.offset.reset": "earliest"
        }))  # fmt: skip
        try:
            consumer.subscribe([topic])
            message = consumer.poll(PATIENCE)
            assert message is not None and message.error().code() == code
        finally:
            consumer.close()


async def test_aiokafka_publishes_and_subscribes(company: Any) -> None:
    def options(service: str) -> dict[str, Any]:
        return {"bootstrap_servers": company.broker.secure_bootstrap, "security_protocol": "SASL_PLAINTEXT",
                "sasl_mechanism": "SCRAM-SHA-512", "sasl_plain_username": service,
                "sasl_plain_password": company.password(service)}  # fmt: skip

    async with (
        AIOKafkaProducer(**options("orders/checkout"), enable_idempotence=True) as producer,
        AIOKafkaConsumer("orders.order-placed", group_id="billing/invoicing/aio", auto_offset_reset="earliest",
                         **options("billing/invoicing")) as consumer,
        asyncio.timeout(PATIENCE),
    ):  # fmt: skip
        await producer.send_and_wait("orders.order-placed", b"by aiokafka", key=b"k")
        while (await consumer.getone()).value != b"by aiokafka":
            pass
        await consumer.commit()


class Visit(Event, contract="growth.visit", key="id"):
    id: str


async def test_busline_publishes_subscribes_dead_letters_and_replays(company: Any, unique: str) -> None:
    """With the least rights: nothing of busline itself needs more."""
    seen: list[str] = []
    broken = True
    bus = bus_of(company, "growth/stats")

    @bus.subscribe(Visit, name=unique)
    async def count(visit: Visit) -> None:
        if visit.id == unique:
            if broken:
                raise Reject("not today")
            seen.append(visit.id)

    async with bus:
        await bus.publish(Visit(id=unique))
        await bus.caught_up(PATIENCE)
    broken = False
    session = await bus.begin(bus.settings, ())
    try:
        specs = [made.runner.spec for made in await GroupMaker(session, bus.subscriptions).groups()]
        letters = DeadLetters(session.transport, session.service.dead_letters, release=session.release)
        replay = Replay(session.transport, session.service, specs, letters)
        await replay.run(await replay.plan())
    finally:
        await bus.aclose()
    assert seen == [unique]


class Order(Event, contract="orders.order-placed", key="id"):
    id: str


async def test_busline_publishes_in_one_team_and_reads_in_another(company: Any, unique: str) -> None:
    async with (
        bus_of(company, "orders/checkout") as checkout,
        bus_of(company, "billing/reports") as reports,
        bus_of(company, "growth/stats") as stats,
        asyncio.timeout(PATIENCE),
    ):
        at = await checkout.publish(Order(id=unique))
        assert unique in [event.id async for event in reports.read(Order, start={at.partition: at.offset})]
        with pytest.raises(AccessDenied):
            await stats.publish(Order(id=unique))
        with pytest.raises(AccessDenied):
            _ = [event async for event in stats.read(Order)]
