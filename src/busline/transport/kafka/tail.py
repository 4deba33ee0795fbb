"""Where the records of a partition end for a reader: behind the last one that it can see.

Kafka's end offset counts the markers that end transactions, and what was aborted: a reader that waits until it has had
the record before the end would wait for ever. So the last batch is looked at, and the one before it if need be.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import aiokafka.errors as kafka
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition

from busline.transport.kafka.decoding import MAX_RECORDS, RUN_BYTES, Hole, Run

READ_COMMITTED = 1
MAX_BYTES = 1024 * 1024
_BASE_OFFSET = struct.Struct(">q")


async def visible_ends(
    client: Any, firsts: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """By partition, one more than the last visible record's offset, at least the first kept offset.

    Raises aiokafka's errors."""
    found = dict(ends)
    open_ = {at for at, end in ends.items() if end > firsts[at]}
    while open_:
        by_leader: defaultdict[int, list[TopicPartition]] = defaultdict(list)
        for at in open_:
            by_leader[client.cluster.leader_for_partition(at)].append(at)
        for leader, partitions in by_leader.items():
            for at, (end, is_visible) in (await _last(client, leader, {at: found[at] for at in partitions})).items():
                found[at] = max(end, firsts[at])
                if is_visible or end <= firsts[at]:
                    open_.discard(at)
    return found


async def _last(client: Any, leader: int, ends: Mapping[TopicPartition, int]) -> dict[TopicPartition, tuple[int, bool]]:
    """The batch before each end: where its last visible record ends, or where the batch begins."""
    topics: defaultdict[str, list[tuple[int, int, int]]] = defaultdict(list)
    for at, end in ends.items():
        topics[at.topic].append((at.partition, end - 1, MAX_BYTES))
    request = FetchRequest(0, 0, MAX_BYTES * len(ends), READ_COMMITTED, list(topics.items()), rack_id="")
    answer = await client.send(leader, request)
    out: dict[TopicPartition, tuple[int, bool]] = {}
    for topic, partitions in answer.topics:
        for partition, code, _, *rest in partitions:
            at = TopicPartition(topic, partition)
            if code != 0:
                raise kafka.for_code(code)(str(at))
            aborted = rest[2] if answer.API_VERSION >= 11 else rest[-2]
            out[at] = _end_of(at, rest[-1], aborted, ends[at])
    return out


def _end_of(at: TopicPartition, fetched: bytes, aborted: Any, end: int) -> tuple[int, bool]:
    records = MemoryRecords(fetched)
    if not fetched or not records.has_next():
        return end, True
    run = Run(at, records, aborted, 0, None, None, True, READ_COMMITTED)
    run.begin()
    last: int | None = None
    while not run.ended:
        items, _ = run.take(MAX_RECORDS, RUN_BYTES)
        if items:
            last = items[-1].next if isinstance(items[-1], Hole) else items[-1].offset + 1
    if last is not None:
        return min(last, end), True
    return int(_BASE_OFFSET.unpack_from(fetched)[0]), False
