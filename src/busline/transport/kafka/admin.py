"""Topics and groups by administrative calls."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from busline.errors import BuslineError, Fenced, TransportError
from busline.record import Positions, TopicPartition
from busline.transport.base import Committed, Lease, TopicSpec
from busline.transport.kafka.admin_client import (
    NO_COORDINATOR_YET,
    AdminClient,
    ConfigResource,
    ConfigResourceType,
    KafkaPartition,
    OffsetAndMetadata,
    portions,
)
from busline.transport.kafka.failures import from_code
from busline.transport.kafka.producer import BROKER_LIMIT, OVERHEAD

SAFE_REPLICAS = 3
ALREADY_THERE = 36
UNKNOWN_MEMBER = 25


class KafkaAdmin(AdminClient):
    """Topics and groups of one cluster: the powers Admin and Groups of the transport that is made of it."""

    async def topics(self) -> dict[str, TopicSpec]:
        """All topics that we may describe, without Kafka's own."""

        def work(client: Any) -> dict[str, TopicSpec]:
            found = [
                topic for topic in client.describe_topics() if not topic["is_internal"] and not topic["error_code"]
            ]
            specs: dict[str, TopicSpec] = {}
            for some in portions(found):
                wanted = [ConfigResource(ConfigResourceType.TOPIC, topic["name"]) for topic in some]
                configs = client.describe_configs(wanted, config_filter="all").get("topic", {})
                specs |= {topic["name"]: _spec(topic, configs.get(topic["name"], {})) for topic in some}
            return specs

        return await self._run(work)

    async def create_topics(self, specs: Sequence[TopicSpec]) -> None:
        """Create what is missing. Raises the first refusal, after all have been tried."""

        def work(client: Any) -> list[dict[str, Any]]:
            answers: list[dict[str, Any]] = []
            for some in portions(specs):
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
            for some in portions(specs):
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
