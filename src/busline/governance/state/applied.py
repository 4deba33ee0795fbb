"""What an engine holds now: its topics, and the contract log as it was last applied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from busline.bus.contract_log import ContractLog
from busline.contract.entries import Catalog
from busline.errors import ApplyError
from busline.names import CONTRACT_LOG, ContractName
from busline.transport.base import Admin, TopicSpec, Transport


@dataclass(frozen=True, kw_only=True)
class Applied:
    """topics by name. entries: the contract log's live records; catalog: what they say. next: the log's end."""

    topics: Mapping[str, TopicSpec] = field(default_factory=dict)
    entries: Mapping[bytes, bytes] = field(default_factory=dict)
    catalog: Catalog = field(default_factory=Catalog)
    next: int = 0

    @cached_property
    def names(self) -> tuple[ContractName, ...]:
        """Of all contracts, sorted."""
        return tuple(self.catalog.names())


async def read_applied(engine: Transport) -> Applied:
    """Ask the engine. Raises ApplyError for an engine whose topics cannot be looked at, and the engine's own errors."""
    if not isinstance(engine, Admin):
        raise ApplyError(
            f"{type(engine).__name__} cannot be applied to", fix="An engine that is applied to needs the power Admin."
        )
    topics = await engine.topics()
    if CONTRACT_LOG not in topics:
        return Applied(topics=topics)
    log = ContractLog(engine)
    await log.read()
    return Applied(topics=topics, entries=log.records, catalog=log.catalog, next=log.next)
