"""Topics by administrative calls."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from busline.errors import NotAuthorized, Unreachable
from busline.transport.base import SAFE_COPIES, SAFE_REPLICAS, TopicSpec
from busline.transport.kafka.admin_client import (
    AdminClient,
    KafkaError,
    KafkaPartition,
    MetadataRequest,
    ask,
    portions,
    protocol,
)
from busline.transport.kafka.failures import FIXES, WHAT, from_code
from busline.transport.kafka.producer import BROKER_LIMIT, OVERHEAD, TOPIC

ALREADY_THERE: Final = 36
NO_SUCH_TOPIC: Final = 3
TOPIC_REFUSED: Final = 29
SET: Final = 0
LATEST: Final = -1
RETENTION, CLEANUP, MAX_BYTES = "retention.ms", "cleanup.policy", "max.message.bytes"
TIMESTAMP, MIN_INSYNC = "message.timestamp.type", "min.insync.replicas"
SETTINGS: Final = [RETENTION, CLEANUP, MAX_BYTES, TIMESTAMP, MIN_INSYNC]
SHOWN_WITHIN: Final = 60.0
"""Seconds in which the broker that is asked has to follow the controller."""
PAUSE: Final = 0.05
PAUSE_AT_MOST: Final = 0.5


class KafkaTopics(AdminClient):
    """Powers Admin and TopicRemoval."""

    async def topics(self) -> dict[str, TopicSpec]:
        """All topics that we may describe, without Kafka's own. Raises NotAuthorized where their settings may not be
        read: Kafka would give an empty answer, and the defaults in its place would be wrong."""

        def work(client: Any) -> dict[str, TopicSpec]:
            found = described(client)
            settings = settings_of(client, [topic.name for topic in found], SETTINGS)
            return {topic.name: _spec(topic, settings[topic.name]) for topic in found if topic.name in settings}

        return await self._run(work)

    async def create_topics(self, specs: Sequence[TopicSpec]) -> None:
        """Create what is missing. Raises the first refusal, after all have been tried."""

        def work(client: Any) -> list[dict[str, Any]]:
            answers: list[dict[str, Any]] = []
            for some in portions(specs):
                answer = client.create_topics({spec.name: _wanted(spec) for spec in some}, raise_errors=False)
                answers += answer["topics"]
            made = {one["name"]: 1 for one in answers if one["error_code"] == 0}
            _wait_shown(client, made)
            _wait_ready(client, [spec for spec in specs if spec.name in made])
            return answers

        for one in await self._run(work):
            if one["error_code"] not in (0, ALREADY_THERE):
                raise from_code(one["error_code"], one.get("error_message"), where=one["name"])

    async def alter_topics(self, specs: Sequence[TopicSpec]) -> None:
        """IncrementalAlterConfigs (KIP-339): settings that are not named stay. Raises the first refusal, after all
        have been tried."""

        def work(client: Any) -> list[Any]:
            answers: list[Any] = []
            for some in portions(specs):
                changes = [(TOPIC, spec.name, [(key, SET, value) for key, value in _alterable(spec).items()])
                           for spec in some]  # fmt: skip
                request = protocol.IncrementalAlterConfigsRequest(resources=changes, validate_only=False)
                answers += ask(client, request).responses
            return answers

        for one in await self._run(work):
            if one.error_code:
                raise from_code(one.error_code, one.error_message, where=one.resource_name)

    async def purge(self, topic: str, before: Mapping[int, int]) -> None:
        """DeleteRecords; raises when a partition refuses."""
        wanted = {KafkaPartition(topic, partition): offset for partition, offset in before.items()}
        answers = await self._run(lambda client: client.delete_records(wanted))
        for partition, answer in answers.items():
            if answer["error_code"]:
                raise from_code(answer["error_code"], where=f"{topic}[{partition.partition}]")

    async def delete_topics(self, names: Sequence[str]) -> None:
        """Raises the first refusal, after all have been tried."""

        def work(client: Any) -> list[dict[str, Any]]:
            answers: list[dict[str, Any]] = []
            for some in portions(names):
                answers += client.delete_topics(some, raise_errors=False)["topics"]
            _wait_shown(client, {one["name"]: 0 for one in answers if one["error_code"] == 0})
            return answers

        for one in await self._run(work):
            if one["error_code"] not in (0, NO_SUCH_TOPIC):
                raise from_code(one["error_code"], one.get("error_message"), where=one["name"])

    async def grow_topics(self, partitions: Mapping[str, int]) -> None:
        """Raises the first refusal, after all have been tried; a topic that has so many already is left."""

        def work(client: Any) -> list[Any]:
            there, answers = _partitions(client, partitions), []
            growing = [(name, count) for name, count in partitions.items() if there.get(name) != count]
            for some in portions(growing):
                answers += client.create_partitions(dict(some), raise_errors=False).results
            _wait_shown(client, {one.name: partitions[one.name] for one in answers if one.error_code == 0})
            return answers

        for one in await self._run(work):
            if one.error_code:
                raise from_code(one.error_code, one.error_message, where=one.name)


def described(client: Any) -> list[Any]:
    """Topics of a MetadataResponse that we may describe, without Kafka's own."""
    answer = ask(client, MetadataRequest(topics=None, allow_auto_topic_creation=False))
    return [topic for topic in answer.topics if not topic.is_internal and not topic.error_code]


def settings_of(client: Any, names: Sequence[str], keys: Sequence[str] | None) -> dict[str, dict[str, str]]:
    """By topic, these settings (None: all); a topic that has gone in the meantime is left out. Raises NotAuthorized."""
    found: dict[str, dict[str, str]] = {}
    for some in portions(names):
        request = protocol.DescribeConfigsRequest(
            resources=[(TOPIC, name, keys and list(keys)) for name in some], include_synonyms=False
        )
        for result in ask(client, request).results:
            if result.error_code == TOPIC_REFUSED:
                raise _settings_refused(result.resource_name)
            if result.error_code == NO_SUCH_TOPIC:
                continue
            if result.error_code:
                raise from_code(result.error_code, result.error_message, where=result.resource_name)
            found[result.resource_name] = {one.name: one.value for one in result.configs if one.value is not None}
    return found


def _settings_refused(topic: str) -> NotAuthorized:
    return NotAuthorized(
        WHAT[NotAuthorized], where=topic, why="it needs DESCRIBE_CONFIGS on the topic", fix=FIXES[NotAuthorized]
    )


def _wait_shown(client: Any, wanted: Mapping[str, int]) -> None:
    """Until the broker that is asked has followed the controller: topics with so many partitions at least, each with a
    leader; 0: none is left. Raises Unreachable: making many topics keeps a broker busy for seconds."""
    end, pause, left = time.monotonic() + SHOWN_WITHIN, PAUSE, dict(wanted)
    while True:
        shown = _partitions(client, left)
        left = {name: count for name, count in left.items() if not _as_wanted(shown.get(name, 0), count)}
        if not left:
            return
        if time.monotonic() > end:
            raise Unreachable(
                f"Kafka has confirmed the change of {len(wanted)} topics and does not show {len(left)} of them yet",
                where=min(left),
                fix="Look at the broker, then run it again.",
            )
        time.sleep(pause)
        pause = min(pause * 2, PAUSE_AT_MOST)


def _wait_ready(client: Any, specs: Sequence[TopicSpec]) -> None:
    """Until leaders have the logs of new topics: a broker shows them before, and takes no other change meanwhile. The
    topics are made in any case, so an answer that does not come is no failure."""
    for some in portions(specs):
        latest = {KafkaPartition(spec.name, partition): LATEST for spec in some for partition in range(spec.partitions)}
        with contextlib.suppress(KafkaError):
            client.list_partition_offsets(latest, timeout_ms=int(SHOWN_WITHIN * 1000))


def _as_wanted(there: int, wanted: int) -> bool:
    return there >= wanted if wanted else there == 0


def _partitions(client: Any, names: Iterable[str]) -> dict[str, int]:
    """Of these topics, those that are there, with their number of partitions that have a leader."""
    found: dict[str, int] = {}
    for some in portions(list(names)):
        wanted = [MetadataRequest.MetadataRequestTopic(name=name) for name in some]
        for topic in ask(client, MetadataRequest(topics=wanted, allow_auto_topic_creation=False)).topics:
            if not topic.error_code:
                found[topic.name] = sum(part.leader_id >= 0 for part in topic.partitions)
    return found


def _spec(topic: Any, settings: Mapping[str, str]) -> TopicSpec:
    retention = int(settings.get(RETENTION) or -1)
    insync = settings.get(MIN_INSYNC)
    return TopicSpec(
        name=topic.name,
        partitions=len(topic.partitions),
        compacted="compact" in settings.get(CLEANUP, ""),
        retention=None if retention < 0 else retention,
        max_record=int(settings.get(MAX_BYTES) or BROKER_LIMIT) - OVERHEAD,
        replicas=len(topic.partitions[0].replica_nodes) if topic.partitions else None,
        append_time=settings.get(TIMESTAMP) == "LogAppendTime",
        min_insync=None if insync is None else int(insync),
    )


def _alterable(spec: TopicSpec) -> dict[str, str]:
    settings = {
        RETENTION: str(-1 if spec.retention is None else spec.retention),
        MAX_BYTES: str(spec.max_record + OVERHEAD),
        TIMESTAMP: "LogAppendTime" if spec.append_time else "CreateTime",
    }
    return settings if spec.min_insync is None else {**settings, MIN_INSYNC: str(spec.min_insync)}


def _wanted(spec: TopicSpec) -> dict[str, Any]:
    """Two copies of a record where there are three, if nobody says otherwise: one may be lost."""
    configs = {CLEANUP: "compact" if spec.compacted else "delete"}
    if spec.replicas is not None and spec.replicas >= SAFE_REPLICAS:
        configs[MIN_INSYNC] = str(SAFE_COPIES)
    replicas = -1 if spec.replicas is None else spec.replicas
    return {
        "num_partitions": spec.partitions, "replication_factor": replicas, "configs": configs | _alterable(spec)
    }  # fmt: skip
