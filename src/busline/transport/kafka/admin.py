"""Administrative work through kafka-python's admin client: the one that can do all of it. Blocking, so run in a thread.

It hides errors (a partial failure may come back as an ordinary answer), so each item's own code is read here. Each call
opens a client of its own: rare work, always with the secret of now.
"""

from __future__ import annotations

import asyncio
import re
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from busline.errors import BuslineError, Fenced, TransportError
from busline.record import Positions, TopicPartition
from busline.transport.base import Committed, Lease, TopicSpec
from busline.transport.kafka.connection import Connection
from busline.transport.kafka.failures import from_code, translate
from busline.transport.kafka.producer import BROKER_LIMIT, OVERHEAD
from busline.transport.security import Security

with warnings.catch_warnings():
    # kafka-python 3.0 reads its schemas by a call that Python 3.11 and 3.12 deprecate (and 3.13 takes back)
    warnings.filterwarnings("ignore", "(read_text|open_text|contents) is deprecated", DeprecationWarning)
    import kafka.errors
    from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
    from kafka.net.sasl.oauth import AbstractTokenProvider
    from kafka.structs import OffsetAndMetadata
    from kafka.structs import TopicPartition as KafkaPartition

AT_ONCE = 500
"""Items a request: more make a controller slow for everyone."""
SAFE_REPLICAS = 3
ALREADY_THERE = 36
UNKNOWN_MEMBER = 25
NO_COORDINATOR_YET = (14, 15, 16)
"""Loading, not available, moved: what a group is answered while a broker starts, or makes its first group's topic."""
COORDINATOR_WITHIN = 15.0
COORDINATOR_PAUSE = 0.2
T = TypeVar("T")


class _Token(AbstractTokenProvider):  # type: ignore[misc]  # kafka-python is not typed
    def __init__(self, security: Security) -> None:
        super().__init__()
        self._security = security

    def token(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self._security.read_secret()


class KafkaAdmin:
    """Topics and groups of one cluster: the powers Admin and Groups of the transport that is made of it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def _run(self, work: Callable[[Any], T]) -> T:
        """`work(client)` in a thread. Raises errors of busline's tree only."""
        if (failure := await self._connection.probe()) is not None:
            raise failure  # kafka-python would try for long, and not say why
        end = time.monotonic() + COORDINATOR_WITHIN
        while True:
            try:
                return await asyncio.to_thread(self._in_thread, work)
            except kafka.errors.KafkaError as error:
                if getattr(error, "errno", None) not in NO_COORDINATOR_YET or time.monotonic() > end:
                    raise self._translated(error) from error
            await asyncio.sleep(COORDINATOR_PAUSE)

    def _in_thread(self, work: Callable[[Any], T]) -> T:
        security = self._connection.security
        options: dict[str, Any] = {
            "bootstrap_servers": self._connection.servers,
            "bootstrap_timeout_ms": 10_000,
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
            return work(client)
        finally:
            client.close()

    def _translated(self, error: kafka.errors.KafkaError) -> BuslineError:
        if isinstance(error, kafka.errors.BrokerResponseError):
            return from_code(error.errno, str(error), where=self._connection.name)
        if getattr(error, "retriable", False) or isinstance(error, _NO_ANSWER):
            return translate(TimeoutError(str(error) or type(error).__name__), where=self._connection.name)
        return TransportError("an administrative call failed", where=self._connection.name, why=str(error))

    async def topics(self) -> dict[str, TopicSpec]:
        """All topics that we may describe, without Kafka's own."""

        def work(client: Any) -> dict[str, TopicSpec]:
            found = [
                topic for topic in client.describe_topics() if not topic["is_internal"] and not topic["error_code"]
            ]
            specs: dict[str, TopicSpec] = {}
            for some in _portions(found):
                wanted = [ConfigResource(ConfigResourceType.TOPIC, topic["name"]) for topic in some]
                configs = client.describe_configs(wanted, config_filter="all").get("topic", {})
                specs |= {topic["name"]: _spec(topic, configs.get(topic["name"], {})) for topic in some}
            return specs

        return await self._run(work)

    async def create_topics(self, specs: Sequence[TopicSpec]) -> None:
        """Create what is missing. Raises the first refusal, after all have been tried."""

        def work(client: Any) -> list[dict[str, Any]]:
            answers: list[dict[str, Any]] = []
            for some in _portions(specs):
                answer = client.create_topics({spec.name: _wanted(spec) for spec in some}, raise_errors=False)
                answers += answer["topics"]
            made = [one["name"] for one in answers if one["error_code"] == 0]
            if made:
                client.wait_for_topics(made)
            return answers

        for one in await self._run(work):
            if one["error_code"] not in (0, ALREADY_THERE):
                raise from_code(one["error_code"], one.get("error_message"), where=one["name"])

    async def alter_topics(self, specs: Sequence[TopicSpec]) -> None:
        """IncrementalAlterConfigs (KIP-339): settings that are not named stay. Raises the first refusal, after all
        have been tried."""

        def work(client: Any) -> dict[str, str]:
            answers: dict[str, str] = {}
            for some in _portions(specs):
                wanted = [ConfigResource(ConfigResourceType.TOPIC, spec.name, _alterable(spec)) for spec in some]
                answers |= client.alter_configs(wanted, raise_on_unknown=False, incremental=True)["topic"]
            return answers

        answers = await self._run(work)
        for spec in specs:
            if failure := _refusal(answers.get(spec.name, "no answer"), spec.name):
                raise failure

    async def purge(self, topic: str, before: Mapping[int, int]) -> None:
        """DeleteRecords; raises when a partition refuses."""
        wanted = {KafkaPartition(topic, partition): offset for partition, offset in before.items()}
        answers = await self._run(lambda client: client.delete_records(wanted))
        for partition, answer in answers.items():
            if answer["error_code"]:
                raise from_code(answer["error_code"], where=f"{topic}[{partition.partition}]")

    async def groups(self) -> list[str]:
        found = await self._run(lambda client: client.list_groups())
        return sorted(str(group["group_id"]) for group in found)

    async def committed(self, group: str) -> dict[tuple[str, int], Committed]:
        found = await self._run(lambda client: client.list_group_offsets(group))
        return {
            (partition.topic, partition.partition): Committed(at.offset, at.metadata or "")
            for partition, at in found[group].items()
            if at.offset >= 0
        }

    async def mark(self, group: str, positions: Positions, note: str) -> None:
        """A commit as by nobody: Kafka refuses it while the group has members."""
        wanted = {KafkaPartition(*at): OffsetAndMetadata(offset, note, -1) for at, offset in positions.items()}

        def work(client: Any) -> dict[Any, Any]:
            answers: dict[Any, Any] = client.alter_group_offsets(group, wanted)
            for kind in answers.values():
                if kind.errno in NO_COORDINATOR_YET:
                    raise kind()
            return answers

        answers = await self._run(work)
        refused = {TopicPartition(at.topic, at.partition): kind.errno for at, kind in answers.items() if kind.errno}
        for at, code in refused.items():
            if code != UNKNOWN_MEMBER:
                raise from_code(code, where=f"{group}, {at.topic}[{at.partition}]")
        if refused:
            raise Fenced([Lease(*at, -1) for at in refused])


_NO_ANSWER = (kafka.errors.KafkaConnectionError, kafka.errors.KafkaTimeoutError)


def _portions(items: Sequence[T]) -> Iterator[list[T]]:
    rest = iter(items)
    while some := list(islice(rest, AT_ONCE)):
        yield some


def _spec(topic: Mapping[str, Any], configs: Mapping[str, Mapping[str, Any]]) -> TopicSpec:
    settings = {name: entry["value"] for name, entry in configs.items()}
    retention = int(settings.get("retention.ms") or -1)
    partitions = topic["partitions"]
    return TopicSpec(
        name=topic["name"],
        partitions=len(partitions),
        compacted="compact" in (settings.get("cleanup.policy") or ""),
        retention=None if retention < 0 else retention,
        max_record=int(settings.get("max.message.bytes") or BROKER_LIMIT) - OVERHEAD,
        replicas=len(partitions[0]["replica_nodes"]) if partitions else None,
    )


def _alterable(spec: TopicSpec) -> dict[str, str]:
    return {
        "retention.ms": str(-1 if spec.retention is None else spec.retention),
        "max.message.bytes": str(spec.max_record + OVERHEAD),
    }


def _refusal(answer: str, topic: str) -> BuslineError | None:
    """kafka-python has an answer's code only in the text of the error that it makes of it."""
    if answer == "OK":
        return None
    if found := re.match(r"\[Error (-?\d+)\] \w+: (.*)", answer, re.DOTALL):
        return from_code(int(found[1]), found[2], where=topic)
    return TransportError("a topic's settings are not altered", where=topic, why=answer)


def _wanted(spec: TopicSpec) -> dict[str, Any]:
    """LogAppendTime: a publisher's own timestamp can be anything, and would decide retention."""
    configs = {
        "message.timestamp.type": "LogAppendTime",
        "cleanup.policy": "compact" if spec.compacted else "delete",
        **_alterable(spec),
    }
    if spec.replicas is not None and spec.replicas >= SAFE_REPLICAS:
        configs["min.insync.replicas"] = "2"
    replicas = -1 if spec.replicas is None else spec.replicas
    return {"num_partitions": spec.partitions, "replication_factor": replicas, "configs": configs}
