"""What a real cluster says of itself, for audits and for adopting what is there."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from busline.errors import NotAuthorized
from busline.transport.base import TopicSpec
from busline.transport.inspect import Inspectable
from busline.transport.kafka.engine import KafkaTransport
from busline.transport.security import Security

PATIENCE = 30.0


@pytest.fixture
async def transport(kafka: Any) -> AsyncIterator[KafkaTransport]:
    made = KafkaTransport([kafka.bootstrap], security=Security())
    yield made
    await made.aclose()


async def test_settings_of_brokers_are_those_that_hold(transport: KafkaTransport) -> None:
    assert isinstance(transport, Inspectable)
    settings = await transport.broker_settings()
    assert list(settings) == [1]
    assert settings[1]["auto.create.topics.enable"] == "false"
    assert settings[1]["listener.name.sasl.scram-sha-256.connections.max.reauth.ms"] == "2000"
    assert not [value for name, value in settings[1].items() if "password" in name], "secrets are not told"


async def test_settings_of_topics_are_told_with_their_defaults(transport: KafkaTransport, unique: str) -> None:
    await transport.create_topics([TopicSpec(name=unique, retention=5_000_000)])
    settings = await transport.topic_settings()
    assert settings[unique]["retention.ms"] == "5000000"
    assert settings[unique]["unclean.leader.election.enable"] == "false"
    assert not [name for name in settings if name.startswith("__")]


async def test_groups_are_told_with_their_members_and_what_they_read(transport: KafkaTransport, unique: str) -> None:
    topics = [f"{unique}.a", f"{unique}.b"]
    await transport.create_topics([TopicSpec(name=topic) for topic in topics])

    async def there() -> Any:
        return next((group for group in await transport.group_details() if group.name == f"inspect/{unique}"), None)

    assert await there() is None
    consumer = await transport.consume(topics, f"inspect/{unique}")
    async with asyncio.timeout(PATIENCE):
        while (group := await there()) is None or not group.members or not group.members[0].topics:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert group.state == "Stable"
    assert [(member.host, member.topics) for member in group.members] == [("127.0.0.1", tuple(topics))]
    await consumer.aclose()
    async with asyncio.timeout(PATIENCE):
        while (group := await there()) is not None and group.members:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_who_may_not_look_is_told_so(kafka: Any, unique: str) -> None:
    kafka.add_user(f"inspect/{unique}", "one")
    transport = KafkaTransport([kafka.secure_bootstrap], security=Security(user=f"inspect/{unique}", password="one"))
    with pytest.raises(NotAuthorized, match="DESCRIBE_CONFIGS"):
        await transport.broker_settings()
    assert await transport.topic_settings() == {}
    assert await transport.group_details() == []
    await transport.aclose()
