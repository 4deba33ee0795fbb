"""Running kafka-python's admin client: the one that can do all administrative work. Blocking, so in a thread.

It hides errors (a partial failure may come back as an ordinary answer), so who sends a request reads each item's own
code. Each call opens a client of its own: rare work, always with the secret of now.
"""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from busline.errors import BuslineError, NotAuthorized, TransportError
from busline.transport.kafka.connection import Connection
from busline.transport.kafka.failures import WHAT, from_code, translate
from busline.transport.security import Security

with warnings.catch_warnings():
    # kafka-python 3.0 reads its schemas by a call that Python 3.11 and 3.12 deprecate (and 3.13 takes back)
    warnings.filterwarnings("ignore", "(read_text|open_text|contents) is deprecated", DeprecationWarning)
    from kafka import errors
    from kafka.admin import KafkaAdminClient
    from kafka.errors import KafkaError
    from kafka.net.inet import KafkaNetSocket
    from kafka.net.sasl.oauth import AbstractTokenProvider
    from kafka.protocol import admin as _protocol
    from kafka.protocol.consumer.metadata import ConsumerProtocolAssignment
    from kafka.protocol.metadata import MetadataRequest
    from kafka.structs import OffsetAndMetadata
    from kafka.structs import TopicPartition as KafkaPartition

__all__ = [
    "AT_ONCE", "CLUSTER_REFUSED", "NO_COORDINATOR_YET", "AdminClient", "ConsumerProtocolAssignment",
    "KafkaError", "KafkaPartition", "MetadataRequest", "OffsetAndMetadata", "ask", "check", "check_all", "errors",
    "portions", "protocol",
]  # fmt: skip

AT_ONCE = 500
"""Items a request: more make a controller slow for everyone."""
NO_COORDINATOR_YET = (14, 15, 16)
"""Loading, not available, moved: what a group is answered while a broker starts, or makes its first group's topic."""
COORDINATOR_WITHIN = 15.0
COORDINATOR_PAUSE = 0.2
CLUSTER_REFUSED = 31
protocol: Any = _protocol
"""Requests by their Kafka names, made from Kafka's own schemas, which no type checker reads."""
ANSWER_WITHIN = 3.0
"""Seconds in which a broker has to answer to be the one that is asked."""
NO_ANSWER = (errors.KafkaConnectionError, errors.KafkaTimeoutError)
T = TypeVar("T")


class _Token(AbstractTokenProvider):  # type: ignore[misc]  # kafka-python is not typed
    def __init__(self, security: Security) -> None:
        super().__init__()
        self._security = security

    def token(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self._security.read_secret()


class _Closing(KafkaNetSocket):  # type: ignore[misc]  # kafka-python is not typed
    """Connects directly. kafka-python leaves the socket of each failed attempt open, and has no other door for ours."""

    SCHEMES = ("busline",)

    async def sock_connect(self, net: Any, sock: Any, sockaddr: Any, timeout_at: float | None = None) -> Any:
        try:
            return await super().sock_connect(net, sock, sockaddr, timeout_at=timeout_at)
        except BaseException:
            sock.close()
            raise


class AdminClient:
    """What the administrative powers of a transport have in common."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def _run(self, work: Callable[[Any], T]) -> T:
        """`work(client)` in a thread, again where the broker that was asked is gone and another answers: what we
        ask for is idempotent. Raises errors of busline's tree only."""
        end = time.monotonic() + COORDINATOR_WITHIN
        while True:
            server = await self._connection.answering()  # kafka-python would try the others for long, and not say why
            try:
                return await asyncio.to_thread(self._in_thread, work, server)
            except errors.KafkaError as error:
                passing = isinstance(error, NO_ANSWER) or getattr(error, "errno", None) in NO_COORDINATOR_YET
                if not passing or time.monotonic() > end:
                    raise self._translated(error) from error
            await asyncio.sleep(COORDINATOR_PAUSE)

    def _in_thread(self, work: Callable[[Any], T], server: str) -> T:
        security = self._connection.security
        options: dict[str, Any] = {
            "bootstrap_servers": server,
            "bootstrap_timeout_ms": 10_000,
            "reconnect_backoff_max_ms": 500,
            "proxy_url": "busline://direct",
            "security_protocol": self._connection.protocol,
            "ssl_context": security.ssl_context(),
            "sasl_mechanism": security.sasl_mechanism,
        }
        if security.token is not None:
            options["sasl_oauth_token_provider"] = _Token(security)
        elif security.user is not None:
            options |= {"sasl_plain_username": security.user, "sasl_plain_password": security.read_secret()}
        client = KafkaAdminClient(**options)
        try:
            _prefer_answering(client)
            return work(client)
        finally:
            client.close()

    def _translated(self, error: errors.KafkaError) -> BuslineError:
        if isinstance(error, errors.BrokerResponseError):
            return from_code(error.errno, str(error), where=self._connection.name)
        if getattr(error, "retriable", False) or isinstance(error, NO_ANSWER):
            return translate(TimeoutError(str(error) or type(error).__name__), where=self._connection.name)
        return TransportError("an administrative call failed", where=self._connection.name, why=str(error))


def _prefer_answering(client: Any) -> None:
    """kafka-python asks whom it is connected to, else any broker, and waits 30 s for one that hangs: so be connected to
    one that answers."""
    manager = client._manager

    async def first() -> None:
        for broker in manager.cluster.brokers():
            try:
                answer = manager.send(MetadataRequest(topics=[]), broker.node_id)
                await manager.wait_for(answer, int(ANSWER_WITHIN * 1000))
            except KafkaError:
                continue
            return

    manager.run(first)


def ask(client: Any, request: Any, broker: int | None = None) -> Any:
    """The answer to one request, of this broker or of any; who sends it reads its codes."""
    return client._manager.run(client._manager.send, request, broker)


def check(answer: Any, where: object, needs: str) -> None:
    """Raise what an answer's code says. needs: the right on the cluster without which Kafka refuses it."""
    if answer.error_code == CLUSTER_REFUSED:  # Kafka's own text of it is a dump of its request
        raise NotAuthorized(
            WHAT[NotAuthorized],
            where=str(where),
            why=f"it needs {needs} on the cluster",
            fix="Run it as a principal that may: `busline init --platform` writes the commands that make them.",
        )
    if answer.error_code:
        raise from_code(answer.error_code, answer.error_message, where=str(where))


def check_all(answers: Iterable[tuple[object, Any]], needs: str) -> None:
    """`check` of (what it is about, answer)."""
    for about, answer in answers:
        check(answer, about, needs)


def portions(items: Sequence[T]) -> Iterator[list[T]]:
    """Of at most AT_ONCE each."""
    rest = iter(items)
    while some := list(islice(rest, AT_ONCE)):
        yield some
