"""Logging in to a real broker in every way, and what happens when the broker no longer lets us."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from busline.errors import AuthenticationFailed, NotAuthorized, NotPublished, Unreachable
from busline.record import Position, Record
from busline.transport.base import Received, TopicSpec
from busline.transport.kafka import consuming
from busline.transport.kafka.engine import KafkaTransport
from busline.transport.security import Security

PATIENCE = 30.0


@asynccontextmanager
async def opened(server: str, security: Security, **options: Any) -> AsyncIterator[KafkaTransport]:
    transport = KafkaTransport([server], security=security, **options)
    try:
        await transport.start()
        yield transport
    finally:
        await transport.aclose()


@pytest.fixture
async def topic(kafka: Any, unique: str) -> str:
    async with opened(kafka.bootstrap, Security()) as admin:
        await admin.create_topics([TopicSpec(name=f"security.{unique}")])
    return f"security.{unique}"


@pytest.fixture
def user(kafka: Any, unique: str, topic: str) -> str:
    """A SCRAM user who may do everything with the topic and with the group of its own name."""
    name = f"security/{unique}"
    kafka.add_user(name, "one")
    allow(kafka, name, topic)
    return name


def allow(kafka: Any, name: str, topic: str) -> None:
    kafka.grant(name, ["READ", "WRITE", "DESCRIBE"], name=topic)
    kafka.grant(name, ["READ"], kind="group", name=name)


def token_of(name: str) -> str:
    """An unsecured JWS (RFC 7515, alg none), as the broker's test validator takes it."""
    now = int(time.time())

    def part(claims: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none'})}.{part({'sub': name, 'iat': now, 'exp': now + 600})}."


async def until(condition: Callable[[], Any]) -> Any:
    """The first true answer of an async condition."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if answer := await condition():
                return answer
            await asyncio.sleep(0.05)


async def records_of(consumer: Any, count: int) -> list[bytes | None]:
    values: list[bytes | None] = []
    async with asyncio.timeout(PATIENCE):
        while len(values) < count:
            for item in await consumer.receive():
                if isinstance(item, Received):
                    values += [record.value for record in item.records]
    return values


async def assert_works(transport: KafkaTransport, topic: str, group: str) -> None:
    async def published() -> bool:  # a new ACL is known to the broker a moment later
        return isinstance((await transport.publish([Record(topic, b"k", b"v")]))[0], Position)

    await until(published)
    consumer = await transport.consume([topic], group)
    assert await records_of(consumer, 1) == [b"v"]
    await consumer.aclose()


async def assert_administers(transport: KafkaTransport, kafka: Any, user: str, topic: str) -> None:
    """By the other client library, which logs in by itself."""
    with pytest.raises(NotAuthorized, match="DESCRIBE_CONFIGS"):
        await transport.topics()
    kafka.grant(user, ["DESCRIBE_CONFIGS"], name=topic)

    async def told() -> bool:  # a new ACL is known to the broker a moment later
        try:
            return list(await transport.topics()) == [topic]
        except NotAuthorized:
            return False

    await until(told)


@pytest.mark.parametrize("mechanism", [None, "SCRAM-SHA-512", "SCRAM-SHA-256"])
async def test_scram(kafka: Any, topic: str, user: str, mechanism: Any) -> None:
    security = Security(user=user, password="one", mechanism=mechanism)
    async with opened(kafka.secure_bootstrap, security) as transport:
        await assert_works(transport, topic, user)


async def test_plain(kafka: Any, topic: str) -> None:
    name, password = kafka.plain_user
    allow(kafka, name, topic)
    async with opened(kafka.secure_bootstrap, Security(user=name, password=password, mechanism="PLAIN")) as transport:
        await assert_works(transport, topic, name)


async def test_oauthbearer(kafka: Any, topic: str, user: str) -> None:
    async with opened(kafka.secure_bootstrap, Security(token=lambda: token_of(user))) as transport:
        await assert_works(transport, topic, user)
        await assert_administers(transport, kafka, user, topic)


async def test_scram_over_tls(kafka: Any, topic: str, user: str) -> None:
    async with opened(kafka.tls_bootstrap, Security(user=user, password="one", ca_file=kafka.ca)) as transport:
        await assert_works(transport, topic, user)
        await assert_administers(transport, kafka, user, topic)


async def test_a_client_certificate(kafka: Any, topic: str) -> None:
    allow(kafka, kafka.certificate_user, topic)
    security = Security(ca_file=kafka.ca, cert_file=kafka.client_cert, key_file=kafka.client_key)
    async with opened(kafka.mtls_bootstrap, security) as transport:
        await assert_works(transport, topic, kafka.certificate_user)


async def test_a_server_that_no_authority_vouches_for_is_refused(kafka: Any) -> None:
    with pytest.raises(AuthenticationFailed, match="certificate"):
        async with opened(kafka.tls_bootstrap, Security(user="u", password="p", tls=True)):
            pass


async def test_a_wrong_password_is_said_at_once_and_not_shown(kafka: Any, user: str) -> None:
    for call in (KafkaTransport.start, KafkaTransport.topics):
        transport = KafkaTransport([kafka.secure_bootstrap], security=Security(user=user, password="wr0ng"))
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(AuthenticationFailed) as caught:
                await call(transport)
        assert "wr0ng" not in str(caught.value)
        assert user in str(caught.value)
        await transport.aclose()


async def test_who_does_not_log_in_where_a_login_is_asked_is_told_how(kafka_secure: Any) -> None:
    transport = KafkaTransport([kafka_secure.secure_bootstrap], security=Security())
    with pytest.raises(Unreachable, match="BUSLINE_USER"):
        await transport.start()
    await transport.aclose()


async def test_nobody_there_is_unreachable() -> None:
    transport = KafkaTransport(["127.0.0.1:1"], security=Security())
    with pytest.raises(Unreachable):
        await transport.start()
    (outcome,) = await transport.publish([Record("t", b"k", b"v")])
    assert isinstance(outcome, NotPublished)
    assert isinstance(outcome.cause, Unreachable)
    await transport.aclose()


async def test_publishing_goes_on_when_a_revoked_right_is_granted_again(kafka: Any, topic: str, user: str) -> None:
    """The refusal breaks aiokafka's producer for good: ours is replaced, and what is confirmed is there, in order."""
    async with opened(kafka.secure_bootstrap, Security(user=user, password="one")) as transport:
        number, confirmed = 0, []

        async def publish() -> Any:
            nonlocal number
            (outcome,) = await transport.publish([Record(topic, b"k", b"%d" % number)])
            if isinstance(outcome, Position):
                confirmed.append(b"%d" % number)
            number += 1
            return outcome

        async def confirmed_now() -> bool:
            return isinstance(await publish(), Position)

        async def refused_now() -> bool:
            outcome = await publish()
            return isinstance(outcome, NotPublished) and isinstance(outcome.cause, NotAuthorized)

        await until(confirmed_now)
        kafka.revoke(user, ["WRITE"], name=topic)
        await until(refused_now)
        kafka.grant(user, ["WRITE"], name=topic)
        await until(confirmed_now)
        for _ in range(5):
            assert isinstance(await publish(), Position)
        consumer = await transport.consume([topic], user)
        assert await records_of(consumer, len(confirmed)) == confirmed


async def test_a_consumer_whose_right_is_revoked_says_so_and_a_fresh_one_goes_on(
    kafka: Any, topic: str, user: str
) -> None:
    async with opened(kafka.secure_bootstrap, Security(user=user, password="one")) as transport:
        await assert_works(transport, topic, user)
        consumer = await transport.consume([topic], user)
        assert await records_of(consumer, 1) == [b"v"]
        kafka.revoke(user, ["READ"], name=topic)
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(NotAuthorized):
                while True:
                    await consumer.receive()
        kafka.grant(user, ["READ"], name=topic)

        async def receives() -> bool:
            fresh = await transport.consume([topic], user)
            try:
                return await records_of(fresh, 1) == [b"v"]
            except NotAuthorized:
                return False
            finally:
                await fresh.aclose()

        await until(receives)


async def test_a_changed_password_is_told_from_silence(
    kafka: Any, topic: str, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Re-authentication (every 2 s on this listener) fails, and aiokafka says nothing: the probe does."""
    monkeypatch.setattr(consuming, "SILENCE", 2.0)
    security = Security(user=user, password="one", mechanism="SCRAM-SHA-256")
    async with opened(kafka.secure_bootstrap, security, publish_deadline=4.0) as transport:
        await assert_works(transport, topic, user)
        consumer = await transport.consume([topic], user)
        assert await records_of(consumer, 1) == [b"v"]
        kafka.add_user(user, "two")
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(AuthenticationFailed):
                while True:
                    await consumer.receive()

        async def refused() -> Any:
            (outcome,) = await transport.publish([Record(topic, b"k", b"w")])
            return outcome if isinstance(outcome, NotPublished) else None

        assert isinstance((await until(refused)).cause, AuthenticationFailed)


async def test_a_rotated_password_file_loses_nothing(kafka: Any, topic: str, user: str, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("one")
    security = Security(user=user, password=file, mechanism="SCRAM-SHA-256")
    async with opened(kafka.secure_bootstrap, security) as transport:
        await assert_works(transport, topic, user)
        consumer = await transport.consume([topic], user)
        assert await records_of(consumer, 1) == [b"v"]
        kafka.add_user(user, "two")
        file.write_text("two")
        end, sent, got = time.monotonic() + 5, [], []
        while time.monotonic() < end:  # over two re-authentications
            value = b"%d" % len(sent)
            (outcome,) = await transport.publish([Record(topic, b"k", value)])
            assert isinstance(outcome, Position)
            sent.append(value)
            got += await records_of(consumer, 1)
        assert got == sent
