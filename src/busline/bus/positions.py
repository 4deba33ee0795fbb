"""Where a group begins: one start for all its topics, or one each, marked before anybody joins."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from busline.errors import ConfigurationError, Fenced
from busline.record import TopicPartition
from busline.transport.base import Groups, Seekable, Start, Transport

logger = logging.getLogger("busline.bus")


async def begin(transport: Transport, group: str, start: Start | Mapping[str, Start], note: str) -> Start:
    """The start to join with. Where the topics differ, positions that the group lacks are committed first.

    Raises ConfigurationError where the engine cannot do that.
    """
    if not isinstance(start, Mapping):
        return start
    values = set(start.values())
    if len(values) <= 1:
        return values.pop() if values else "earliest"
    if not (isinstance(transport, Groups) and isinstance(transport, Seekable)):
        raise ConfigurationError(
            f"group {group} has different starts, which this engine cannot hold", fix="Use name= and a group for each."
        )
    known = await transport.committed(group)
    missing = {
        tp: offset
        for topic, one in start.items()
        for tp, offset in (await _offsets(transport, topic, one)).items()
        if (tp.topic, tp.partition) not in known
    }
    if missing:
        try:
            await transport.mark(group, missing, note)
        except Fenced:
            logger.warning("group %s has members already: what it never read begins at earliest", group)
    return "earliest"


async def _offsets(transport: Seekable, topic: str, start: Start) -> dict[TopicPartition, int]:
    if isinstance(start, int):
        found = await transport.at_time(topic, start)
    else:
        bounds = await transport.bounds(topic)
        found = {p: bound.first if start == "earliest" else bound.next for p, bound in bounds.items()}
    return {TopicPartition(topic, partition): offset for partition, offset in found.items()}
