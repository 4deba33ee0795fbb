"""Consumer groups by administrative calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from busline.errors import Fenced
from busline.record import Positions, TopicPartition
from busline.transport.base import Committed, Lease
from busline.transport.kafka.admin_client import NO_COORDINATOR_YET, AdminClient, KafkaPartition, OffsetAndMetadata
from busline.transport.kafka.failures import from_code

UNKNOWN_MEMBER = 25


class KafkaGroups(AdminClient):
    """Power Groups."""

    async def groups(self) -> list[str]:
        found = await self._run(lambda client: client.list_groups())
        return sorted(str(group["group_id"]) for group in found)

    async def committed(self, group: str) -> dict[tuple[str, int], Committed]:
        found = await self._run(lambda client: client.list_group_offsets(group))
        return positions_in(found[group])

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


def positions_in(offsets: Mapping[Any, Any]) -> dict[tuple[str, int], Committed]:
    """Of one group, as kafka-python answers."""
    return {
        (partition.topic, partition.partition): Committed(at.offset, at.metadata or "")
        for partition, at in offsets.items()
        if at.offset >= 0
    }
