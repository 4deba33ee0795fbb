"""The enforcing cluster as docker/compose.yaml has it: nobody is anybody without credentials, on any of its ports."""

import asyncio
import subprocess
from pathlib import Path
from typing import Any

import pytest
from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError, SaslAuthenticationFailed
from aiokafka.protocol.metadata import MetadataRequest

from busline.errors import NotAuthorized, NotPublished
from busline.record import Position, Record
from busline.transport.base import TopicSpec
from busline.transport.kafka.engine import KafkaTransport
from busline.transport.security import Security

SASL = ("sasl", "internal", "controller")


async def asks(port: int, **options: Any) -> None:
    """Log in so, and ask the first thing that every client asks."""
    connection = await create_conn("127.0.0.1", port, request_timeout_ms=3000, **options)
    try:
        await asyncio.wait_for(connection.send(MetadataRequest([])), 3)
    finally:
        await connection.close()


async def test_the_right_credentials_are_answered(kafka_enforcing: Any) -> None:
    await asks(kafka_enforcing.ports["sasl"], **kafka_enforcing.login)
    broker = (kafka_enforcing.folder / "secrets" / "broker").read_text()
    await asks(
        kafka_enforcing.ports["internal"], security_protocol="SASL_PLAINTEXT", sasl_mechanism="PLAIN",
        sasl_plain_username="broker", sasl_plain_password=broker,
    )  # fmt: skip


@pytest.mark.parametrize("listener", SASL)
async def test_no_port_answers_who_has_no_credentials(kafka_enforcing: Any, listener: str) -> None:
    with pytest.raises((KafkaError, OSError, asyncio.TimeoutError)):
        await asks(kafka_enforcing.ports[listener])


@pytest.mark.parametrize("listener", ["internal", "controller"])
async def test_the_brokers_ports_are_the_brokers_alone(kafka_enforcing: Any, listener: str) -> None:
    name, password = kafka_enforcing.admin
    for mechanism in ("PLAIN", "SCRAM-SHA-512"):
        with pytest.raises((KafkaError, OSError, asyncio.TimeoutError)):
            await asks(
                kafka_enforcing.ports[listener], security_protocol="SASL_PLAINTEXT",
                sasl_mechanism=mechanism, sasl_plain_username=name, sasl_plain_password=password,
            )  # fmt: skip


async def test_the_brokers_own_user_is_nobody_where_clients_log_in(kafka_enforcing: Any) -> None:
    password = (kafka_enforcing.folder / "secrets" / "broker").read_text()
    for mechanism in ("PLAIN", "SCRAM-SHA-512"):
        with pytest.raises((SaslAuthenticationFailed, KafkaError)):
            await asks(
                kafka_enforcing.ports["sasl"], security_protocol="SASL_PLAINTEXT",
                sasl_mechanism=mechanism, sasl_plain_username="broker", sasl_plain_password=password,
            )  # fmt: skip


async def test_a_user_without_a_grant_does_nothing_and_the_log_says_who(kafka_enforcing: Any, unique: str) -> None:
    name, password = kafka_enforcing.admin
    topic, user = f"orders.{unique}", f"orders/{unique}"
    kafka_enforcing.add_user(user, "theirs")
    address = [kafka_enforcing.secure_bootstrap]
    admin = KafkaTransport(address, security=Security(user=name, password=password))
    service = KafkaTransport(address, security=Security(user=user, password="theirs"))
    try:
        await admin.create_topics([TopicSpec(name=topic)])
        (outcome,) = await service.publish([Record(topic, b"k", b"v")])
        assert isinstance(outcome, NotPublished)
        with pytest.raises(NotAuthorized):
            await service.create_topics([TopicSpec(name=f"other.{unique}")])
        assert isinstance((await admin.publish([Record(topic, b"k", b"v")]))[0], Position)
    finally:
        await service.aclose()
        await admin.aclose()
    said = kafka_enforcing.authorizer_log.read_text()
    assert f"Principal = User:{user} is Denied operation = " in said
    assert f"Topic:LITERAL:{topic}" in said


def test_secrets_are_in_files_of_the_owner_and_in_no_command_line_or_log(kafka_enforcing: Any) -> None:
    secrets = [(kafka_enforcing.folder / "secrets" / name) for name in ("admin", "broker")]
    assert [file.stat().st_mode & 0o777 for file in secrets] == [0o600, 0o600]
    told = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    for kept in ("node*/broker.log", "node*/*.properties", "node*/bin/*"):
        told += "".join(file.read_text() for file in Path(kafka_enforcing.folder).glob(kept))
    assert not [file.name for file in secrets if file.read_text() in told]
    assert "storedKey" not in told
    assert not list(Path(kafka_enforcing.folder).rglob("format.arguments"))
