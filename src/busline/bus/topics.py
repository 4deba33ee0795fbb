"""The topics that contracts and services need: the same whether apply makes them or an embedded engine's own bus."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from busline.contract.model import Contract, Kind, Storage
from busline.names import Service
from busline.transport.base import TopicSpec

LETTER_ROOM: Final = 65_536
"""Bytes that a dead letter may be larger than its event, for why and where from."""


def contract_topic(contract: Contract, replicas: int | None = None) -> TopicSpec:
    """A state is compacted and kept for ever: its latest values are the state."""
    compacted = contract.kind is Kind.STATE
    return TopicSpec(
        name=contract.topic,
        partitions=contract.storage.partitions,
        compacted=compacted,
        retention=None if compacted else contract.storage.retention,
        max_record=contract.storage.max_record,
        replicas=contract.storage.replicas or replicas,
        append_time=contract.append_time,
    )


def alteration(wanted: TopicSpec, there: TopicSpec) -> TopicSpec | None:
    """What a topic that is there has to be altered to; None: its retention and max_record are right.

    A compacted topic's retention says nothing, so it stays.
    """
    retention = there.retention if there.compacted else wanted.retention
    altered = replace(there, retention=retention, max_record=wanted.max_record)
    return None if altered == there else altered


def letters_topic(service: Service, contracts: Iterable[Contract], replicas: int | None = None) -> TopicSpec:
    """For the dead letters of these contracts' events.

    One partition: dead letters are few, and are looked at in the order in which they came.
    """
    largest = max((contract.storage.max_record for contract in contracts), default=Storage().max_record)
    return TopicSpec(name=service.dead_letters, retention=None, max_record=largest + LETTER_ROOM, replicas=replicas)
