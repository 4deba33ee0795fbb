"""A right that is lost on the way: a typed error, health red, no crash, no storm of requests; and on it goes when it is
granted again. On a real broker, by users who have exactly what their contracts give them."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection

from busline.bus.dead_letter import DeadLetters
from busline.bus.handlers import inspect_handler
from busline.bus.options import Concurrency, DeadLetter, Retry
from busline.bus.route import Route
from busline.bus.subscribing import GroupRunner, GroupSpec
from busline.errors import AuthenticationFailed, NotAuthorized, NotPublished, RecordTooLarge, Reject
from busline.record import Position, Record, StoredRecord, TopicPartition
from busline.transport.base import TopicSpec
from busline.transport.guard import Acl, Credential, Resource
from busline.transport.kafka import consuming, publishing
from busline.transport.kafka.engine import KafkaTransport
from busline.transport.security import Security

PATIENCE = 60.0
FEW = 40
"""Requests for metadata in a whole test; the storm was thousands a second."""


@pytest.fixture
async def admin(kafka: Any) -> AsyncIterator[KafkaTransport]:
    """With all rights."""
    transport = KafkaTransport([kafka.bootstrap], security=Security())
    yield transport
    await transport.aclose()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """One item for each request for metadata."""
    requests: list[None] = []
    original = AIOKafkaClient._metadata_update

    async def counted(self: Any, *args: Any) -> Any:
        requests.append(None)
        return await original(self, *args)

    monkeypatch.setattr(AIOKafkaClient, "_metadata_update", counted)
    return requests


class Service:
    """A user with a topic, its dead letters, and the rights of one who publishes and subscribes."""

    def __init__(self, admin: KafkaTransport, server: str, unique: str) -> None:
        self._admin, self._server = admin, server
        self.name, self.topic, self.letters = f"revoked/{unique}", f"revoked.{unique}", f"busline.dlq.revoked.{unique}"
        principal = f"User:{self.name}"
        self.read = Acl(principal, Resource.TOPIC, self.topic, "read")
        self.write = Acl(principal, Resource.TOPIC, self.topic, "write")
        self.group = Acl(principal, Resource.GROUP, self.name, "read")
        self.letter = Acl(principal, Resource.TOPIC, self.letters, "write")

    async def prepare(self, **topic: Any) -> None:
        await self._admin.create_topics([TopicSpec(name=self.topic, **topic), TopicSpec(name=self.letters)])
        await self._admin.set_secrets(
            [Credential(user=self.name, secret="one", mechanism=one) for one in ("SCRAM-SHA-256", "SCRAM-SHA-512")]
        )

    async def may(self, *acls: Acl) -> None:
        await self._admin.create_acls(acls)
        await self._admin.settled(present=acls)

    async def may_not(self, *acls: Acl) -> None:
        await self._admin.delete_acls(acls)
        await self._admin.settled(absent=acls)

    @asynccontextmanager
    async def connected(self, **options: Any) -> AsyncIterator[KafkaTransport]:
        security = Security(user=self.name, password="one", mechanism=options.pop("mechanism", "SCRAM-SHA-512"))
        transport = KafkaTransport([self._server], security=security, **options)
        try:
            await until(lambda: starts(transport))
            yield transport
        finally:
            await transport.aclose()


async def starts(transport: KafkaTransport) -> bool:
    """A new user is known to the broker a moment later."""
    try:
        await transport.start()
    except AuthenticationFailed:
        return False
    return True


async def until(condition: Callable[[], Awaitable[Any]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110 - another's state, which has no event
            await asyncio.sleep(0.02)


async def soon(condition: Callable[[], Any]) -> None:
    async def asked() -> Any:
        return condition()

    await until(asked)


@pytest.fixture
def service(admin: KafkaTransport, kafka: Any, unique: str) -> Service:
    return Service(admin, kafka.secure_bootstrap, unique)


async def forget(client: Any, topic: str) -> None:
    """The client's metadata is renewed, as it is now and then: the topic is gone from it."""
    async with asyncio.timeout(PATIENCE):
        while topic in client.cluster.topics():
            await client.force_metadata_update()


async def test_a_reader_is_told_once_and_asks_no_storm(
    admin: KafkaTransport, service: Service, asked: list[None]
) -> None:
    """The storm came where metadata were renewed before a fetch was refused."""
    await service.prepare()
    await service.may(service.read)
    await admin.publish([Record(service.topic, b"k", b"v")])
    async with service.connected() as transport:
        reader = await transport.read({TopicPartition(service.topic, 0): 0})
        await reader.receive()
        await service.may_not(service.read)
        await forget(reader._client._client, service.topic)
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(NotAuthorized):
                while True:
                    await reader.receive()
        before = len(asked)
        assert before < FEW
        for _ in range(3):
            with pytest.raises(NotAuthorized):
                await reader.receive()
        with pytest.raises(NotAuthorized):
            await transport.read({TopicPartition(service.topic, 0): 0})
        await reader.aclose()
        await service.may(service.read)
        fresh = await transport.read({TopicPartition(service.topic, 0): 0})
        assert await fresh.receive()
        assert len(asked) < FEW


async def test_what_waits_for_a_topic_that_became_forbidden_says_so_at_once(
    service: Service, asked: list[None]
) -> None:
    await service.prepare()
    await service.may(service.write)
    async with service.connected() as transport:

        async def publish() -> Any:
            return (await transport.publish([Record(service.topic, b"k", b"v")]))[0]

        assert isinstance(await publish(), Position)
        await service.may_not(service.write)
        await forget(transport._publisher._producer._producer.client, service.topic)  # type: ignore[union-attr]
        for _ in range(3):
            outcome = await publish()
            assert isinstance(outcome, NotPublished)
            assert isinstance(outcome.cause, NotAuthorized)
        assert len(asked) < FEW
        await service.may(service.write)

        async def published() -> bool:
            return isinstance(await publish(), Position)

        await until(published)


@pytest.mark.parametrize("still", ["sees the topic", "has no right at all"])
async def test_who_publishes_on_in_a_loop_makes_no_storm(
    service: Service, monkeypatch: pytest.MonkeyPatch, still: str
) -> None:
    sent: list[str] = []
    original = AIOKafkaConnection.send

    def counted(self: Any, request: Any, *args: Any, **more: Any) -> Any:
        sent.append(type(request).__name__)
        return original(self, request, *args, **more)

    monkeypatch.setattr(AIOKafkaConnection, "send", counted)
    monkeypatch.setattr(publishing, "REFUSED_FOR", PATIENCE)
    await service.prepare()
    await service.may(service.write, *([service.read] if still == "sees the topic" else []))
    async with service.connected() as transport:

        async def refused() -> bool:
            (outcome,) = await transport.publish([Record(service.topic, b"k", b"v")])
            return isinstance(outcome, NotPublished) and isinstance(outcome.cause, NotAuthorized)

        assert not await refused()
        await service.may_not(service.write)
        await until(refused)
        before = len(sent)
        assert all([await refused() for _ in range(1000)])
        assert len(sent) - before < FEW


def letters_of(transport: KafkaTransport, service: Service) -> DeadLetters:
    return DeadLetters(transport, service.letters, options=DeadLetter(patience=0.0, initial=0.05, maximum=0.2))


@asynccontextmanager
async def running(
    transport: KafkaTransport, service: Service, handle: Callable[..., Awaitable[None]], letters: DeadLetters
) -> AsyncIterator[GroupRunner]:
    def decode(record: StoredRecord) -> bytes:
        return record.value or b""

    route = Route(
        handler=inspect_handler(handle), decode=decode, retry=Retry(initial=0.01), contract=service.topic,
        topic=service.topic,
    )  # fmt: skip
    spec = GroupSpec(group=service.name, routes=(route,), concurrency=Concurrency(commit_every=0.1))
    runner = GroupRunner(transport, spec, letters)
    task = asyncio.create_task(runner.run())
    try:
        yield runner
        assert not task.done(), "it goes on by itself: nobody has to start it again"
    finally:
        await runner.stop(5)
        await task


@pytest.mark.parametrize("lost", ["read", "group"])
async def test_a_subscription_waits_for_its_right_and_goes_on(
    admin: KafkaTransport, service: Service, asked: list[None], monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    monkeypatch.setattr("busline.bus.subscribing.RETRY_AFTER", 0.2)
    monkeypatch.setattr("busline.bus.subscribing.CALM", 0.5)
    await service.prepare()
    await service.may(service.read, service.group, service.letter)
    right = service.read if lost == "read" else service.group
    handled: list[bytes] = []

    async def handle(value: bytes) -> None:
        handled.append(value)

    async with (
        service.connected() as transport,
        running(transport, service, handle, letters_of(transport, service)) as runner,
    ):
        await admin.publish([Record(service.topic, b"k", b"before")])
        await soon(lambda: handled == [b"before"])
        assert runner.health.ready
        await service.may_not(right)
        await soon(lambda: not runner.health.ready)
        health = runner.health
        assert health.alive, "only what a restart helps is dead: a merge helps here"
        assert health.reason is not None and "Kafka refuses" in health.reason
        await admin.publish([Record(service.topic, b"k", b"meanwhile")])
        await service.may(right)
        await soon(lambda: b"meanwhile" in handled)
        await soon(lambda: runner.health.ready)
        assert runner.health.reason is None
        assert len(asked) < FEW


async def test_a_subscription_to_an_idle_topic_is_well_again_too(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("busline.bus.subscribing.RETRY_AFTER", 0.2)
    monkeypatch.setattr("busline.bus.subscribing.CALM", 1.0)
    await service.prepare()
    await service.may(service.read, service.group)

    async def handle(value: bytes) -> None: ...

    async with (
        service.connected() as transport,
        running(transport, service, handle, letters_of(transport, service)) as runner,
    ):
        await soon(lambda: runner.health.ready)
        await service.may_not(service.group)
        await soon(lambda: not runner.health.ready)
        await service.may(service.group)
        await soon(lambda: runner.health.ready)


async def test_dead_letters_that_are_refused_are_waited_for(admin: KafkaTransport, service: Service) -> None:
    """Longer than any patience with an engine that is away, and alive all the time: an end would help nobody."""
    await service.prepare()
    await service.may(service.read, service.group)

    async def handle(value: bytes) -> None:
        raise Reject("never good")

    async with service.connected() as transport:
        letters = letters_of(transport, service)
        async with running(transport, service, handle, letters) as runner:
            await admin.publish([Record(service.topic, b"k", b"bad")])
            await soon(lambda: letters.refused)
            assert (runner.health.alive, runner.health.ready) == (True, False)
            assert "refuses" in str(runner.health.reason)
            assert await admin.committed(service.name) in ({}, {(service.topic, 0): (0, "")})
            await service.may(service.letter)
            await soon(lambda: letters.written == 1)
            await soon(lambda: runner.health.ready)


async def test_who_may_only_write_publishes_what_the_topic_takes(service: Service) -> None:
    """Its settings may not be read then, so the broker's limit is not known before: none is made up."""
    await service.prepare(max_record=3_000_000)
    await service.may(service.write)
    async with service.connected() as transport:
        sizes = [2_900_000, 10, 4_000_000, 1_500_000, 10]
        outcomes = [(await transport.publish([Record(service.topic, b"k", random_bytes(size))]))[0] for size in sizes]
        assert [isinstance(outcome, Position) for outcome in outcomes] == [True, True, False, True, True]
        assert isinstance(outcomes[2], NotPublished)
        assert isinstance(outcomes[2].cause, RecordTooLarge)


async def test_batches_fit_a_small_limit_that_may_not_be_read(service: Service) -> None:
    await service.prepare(max_record=5_000)
    await service.may(service.write)
    records = [Record(service.topic, b"k", random_bytes(500)) for _ in range(200)]
    async with service.connected() as transport:

        async def producer_after_all_are_published() -> Any:
            assert all(isinstance(outcome, Position) for outcome in await transport.publish(records))
            return transport._publisher._producer

        for _ in range(8):
            producer = await producer_after_all_are_published()
        for _ in range(3):
            assert await producer_after_all_are_published() is producer, "what fits is known: nothing is refused now"


def random_bytes(size: int) -> bytes:
    """They do not compress."""
    return random.Random(size).randbytes(size)


async def test_a_deleted_user_is_told_when_the_broker_asks_again(
    admin: KafkaTransport, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every 2 s on this listener. aiokafka falls silent then, so we ask in a connection of our own."""
    monkeypatch.setattr(consuming, "SILENCE", 2.0)
    await service.prepare()
    await service.may(service.read, service.group, service.write)
    async with service.connected(mechanism="SCRAM-SHA-256", publish_deadline=4.0) as transport:
        await transport.publish([Record(service.topic, b"k", b"v")])
        consumer = await transport.consume([service.topic], service.name)
        await consumer.receive()
        await admin.delete_secrets([(service.name, "SCRAM-SHA-256"), (service.name, "SCRAM-SHA-512")])
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(AuthenticationFailed):
                while True:
                    await consumer.receive()

        async def refused() -> bool:
            (outcome,) = await transport.publish([Record(service.topic, b"k", b"w")])
            return isinstance(outcome, NotPublished) and isinstance(outcome.cause, AuthenticationFailed)

        await until(refused)
