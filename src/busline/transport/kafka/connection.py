"""How the clients of one transport connect: options from Security, secrets read anew, and a probe for silence."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any

from aiokafka.abc import AbstractTokenProvider
from aiokafka.conn import create_conn

from busline.errors import AuthenticationFailed, BuslineError, NotAuthorized, UnknownTopic, Unreachable
from busline.transport.kafka.failures import FIXES, FOREIGN, translate
from busline.transport.security import Security

log = logging.getLogger("busline.transport.kafka")
PROBE_TIMEOUT = 5.0
LOOKS = 5
METADATA_PAUSE = 0.1
"""Seconds between two looks for what was not there at the last one: aiokafka would ask thousands of times a second, for
as long as a topic is gone or forbidden to us, or has no leader."""
for _name in ("aiokafka.conn", "kafka.admin.client", "kafka.net"):
    # at debug level they log whole requests and configurations, and so passwords
    logging.getLogger(_name).setLevel(logging.INFO)
for _name in ("aiokafka", "kafka"):
    # without a handler Python prints their errors to stderr; we raise them, typed
    logging.getLogger(_name).addHandler(logging.NullHandler())


class _Token(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka is not typed
    def __init__(self, security: Security) -> None:
        super().__init__()
        self._security = security

    async def token(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        return await asyncio.to_thread(self._security.read_secret)


class Connection:
    """The servers of one cluster and how to log in there. Makes options for clients, and holds no connection itself."""

    def __init__(self, servers: Sequence[str], security: Security) -> None:
        self.servers = list(servers)
        self.security = security

    @property
    def name(self) -> str:
        """For error messages."""
        return f"kafka://{self.bootstrap}"

    @property
    def bootstrap(self) -> str:
        """For aiokafka's clients."""
        return ",".join(self.servers)

    @property
    def protocol(self) -> str:
        """Kafka's own name of the pair (login, encryption)."""
        tls = self.security.uses_tls
        if self.security.sasl_mechanism is None:
            return "SSL" if tls else "PLAINTEXT"
        return "SASL_SSL" if tls else "SASL_PLAINTEXT"

    async def secret(self) -> str:
        """The password as it is now. Raises ConfigurationError."""
        if isinstance(self.security.password, str) or self.security.password is None:
            return self.security.password or ""
        return await asyncio.to_thread(self.security.read_secret)

    async def options(self) -> dict[str, Any]:
        """Keyword arguments of aiokafka's clients and of create_conn."""
        options: dict[str, Any] = {
            "security_protocol": self.protocol,
            "ssl_context": await asyncio.to_thread(self.security.ssl_context) if self.security.uses_tls else None,
        }
        mechanism = self.security.sasl_mechanism
        if mechanism == "OAUTHBEARER":
            options |= {"sasl_mechanism": mechanism, "sasl_oauth_token_provider": _Token(self.security)}
        elif mechanism is not None:
            options |= {
                "sasl_mechanism": mechanism,
                "sasl_plain_username": self.security.user,
                "sasl_plain_password": await self.secret(),
            }
        return options

    def _refresh(self, client: Any) -> None:
        """Make an aiokafka client read the password anew before each connection that it opens."""
        if self.security.user is None or isinstance(self.security.password, str):
            return
        original: Callable[..., Awaitable[Any]] = client._get_conn

        async def get_conn(node: Any, **how: Any) -> Any:
            known = [conn for (one, _), conn in client._conns.items() if one == node]
            if not known or not all(conn.connected() for conn in known):
                client._sasl_plain_password = await self.secret()
            return await original(node, **how)

        client._get_conn = get_conn

    async def start(self, client: Any, start: Callable[[], Awaitable[object]]) -> None:
        """Start an aiokafka client. Raises AuthenticationFailed, Unreachable, NotAuthorized, ConfigurationError.

        aiokafka swallows why no server took it, so a probe asks again.
        """
        self._refresh(client)
        _calm(client)
        try:
            await start()
        except FOREIGN as error:
            failure = translate(error, where=self.name)
            if isinstance(failure, Unreachable):
                failure = await self.probe() or self._hung_up(failure)
            raise failure from error

    async def probe(self) -> BuslineError | None:
        """One fresh connection to the first server that answers; None when it takes us, else why not."""
        try:
            await self.answering()
        except BuslineError as error:
            return error
        return None

    async def answering(self) -> str:
        """The first server, host:port, that takes a fresh connection of ours. Raises why none does."""
        last: BuslineError | None = None
        options = await self.options()
        for server in self.servers:
            host, _, port = server.rpartition(":")
            try:
                async with asyncio.timeout(PROBE_TIMEOUT):
                    conn = await create_conn(host.strip("[]"), int(port), **options)
            except FOREIGN as error:
                last = self._refusal(server, error)
                if isinstance(last, AuthenticationFailed):
                    break
            else:
                closed: Any = conn.close()
                await closed
                return server
        raise last or Unreachable("no server is named", where=self.name)

    def _refusal(self, server: str, error: BaseException) -> BuslineError:
        failure = translate(error, where=server)
        if isinstance(failure, AuthenticationFailed):
            return self.security.refusal(server, failure.why or "")
        return failure

    def _hung_up(self, failure: BuslineError) -> BuslineError:
        """It takes a connection, and no request: a listener that asks for a login, or for TLS, hangs up on who begins
        otherwise, without a word."""
        if self.security.sasl_mechanism is None:
            failure.fix = f"{failure.fix} If it asks for a login, set BUSLINE_USER and BUSLINE_PASSWORD_FILE."
        elif not self.security.uses_tls:
            failure.fix = f"{failure.fix} If it asks for TLS, set BUSLINE_TLS or BUSLINE_TLS_CA."
        return failure


def _calm(client: Any) -> None:
    """Make an aiokafka client pause between its looks for metadata while it lacks some."""
    original: Callable[..., Awaitable[bool]] = client._metadata_update
    asked, lacks = 0.0, False

    async def update(cluster: Any, topics: Collection[str]) -> bool:
        nonlocal asked, lacks
        loop = asyncio.get_running_loop()
        if lacks:
            await asyncio.sleep(asked + METADATA_PAUSE - loop.time())
        asked = loop.time()
        done = await original(cluster, topics)
        if cluster is client.cluster:
            lacks = not done or any(
                not (there := cluster.partitions_for_topic(topic))
                or len(cluster.available_partitions_for_topic(topic)) < len(there)
                for topic in topics
            )
        return done

    client._metadata_update = update


async def partitions_of(client: Any, topic: str) -> set[int]:
    """Asked at the cluster through an aiokafka client. Raises UnknownTopic, NotAuthorized, and aiokafka's errors."""
    for look in range(LOOKS):
        await asyncio.sleep(0.05 * look)  # a topic that was made just now shows a moment later
        client.add_topic(topic)
        await client.force_metadata_update()
        if partitions := client.cluster.partitions_for_topic(topic):
            return set(partitions)
        if topic in client.cluster.unauthorized_topics:
            client._topics.discard(topic)
            raise NotAuthorized(
                f"Kafka refuses access to {topic}", where=topic, why="no grant allows it", fix=FIXES[NotAuthorized]
            )
    client._topics.discard(topic)
    raise UnknownTopic(f"there is no topic {topic}", where=topic, fix=FIXES[UnknownTopic])
