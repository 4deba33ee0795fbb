"""An embedded engine has no platform team: the bus itself brings it up, from a workspace or from the models.

Several processes may do so at once on one file. Each writes what it lacks, then looks at what was written meanwhile:
of two records for one version the first stands, and who wrote over it puts it back and takes the next number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from busline.bus.contract_log import SPEC, ContractLog, Entry, write
from busline.bus.fitting import check_key, fills, why_unreadable
from busline.contract.avro import schema_of
from busline.contract.entries import entries
from busline.contract.event import Event
from busline.contract.infer import infer
from busline.contract.model import Contract, Kind, Version
from busline.contract.workspace import Workspace
from busline.errors import ConfigurationError, ContractMismatch, Unreachable
from busline.names import Service
from busline.record import Position
from busline.transport.base import Admin, TopicSpec, Transport

_ROUNDS = 20
_LETTER_MARGIN = 65_536
Fits = Callable[[type[Event], Contract], bool]


class Embedded:
    """Writes contracts to one engine's log, and creates their topics."""

    def __init__(self, transport: Transport, log: ContractLog) -> None:
        if not isinstance(transport, Admin):
            raise ConfigurationError(f"{type(transport).__name__} cannot create topics")
        self._transport, self._admin, self._log = transport, transport, log

    async def prepare(self) -> None:
        await self._admin.create_topics([SPEC])
        await self._log.read()

    async def apply(self, workspace: Workspace) -> None:
        """Bring the engine to the workspace. Raises ContractMismatch where a version here has another schema."""
        contracts = [contract for contract in workspace.contracts.values() if contract.versions]
        wanted = dict(entries(contracts, workspace.services.values(), workspace.teams.values()))
        for contract in contracts:
            self._check_versions(contract)
        changes: dict[bytes, bytes | None] = {k: v for k, v in wanted.items() if self._log.records.get(k) != v}
        changes |= {k: None for k in self._log.records if k.startswith(b"service/") and k not in wanted}
        await self._admin.create_topics([topic_spec(contract) for contract in contracts])
        if changes:
            await write(self._transport, changes)
            await self._log.read()

    def _check_versions(self, contract: Contract) -> None:
        held = self._log.catalog.contract(contract.name)
        for old, new in zip(held.versions if held else (), contract.versions, strict=False):
            if old.schema.canonical != new.schema.canonical:
                raise ContractMismatch(
                    f"version {new.number} of {contract.name} is another one on this engine",
                    where=str(new.source) if new.source else None,
                    why="records were written with it, and a published version does not change",
                    fix="Make it the next version; or delete the engine's file, if its records are worth nothing.",
                )

    async def introduce_readers(self, models: Iterable[type[Event]]) -> None:
        """Contracts for models that are subscribed to: as they are where the model can read them."""
        for model in models:
            await self._introduce(model, _reads)

    async def introduce_writer(self, model: type[Event]) -> None:
        """A contract with a version that the model fills."""
        await self._introduce(model, _writes)

    async def _introduce(self, model: type[Event], fits: Fits) -> None:
        for _ in range(_ROUNDS):
            held = self._log.catalog.contract(model.__busline__.name)
            if held is not None and fits(model, held):
                return await self._admin.create_topics([topic_spec(held)])
            await self._propose(_next(model, held))
        raise Unreachable(f"{model.__busline__.name} does not come to rest: other processes keep changing it")

    async def _propose(self, contract: Contract) -> None:
        await self._admin.create_topics([topic_spec(contract)])
        wanted = dict(entries([contract]))
        changes: dict[bytes, bytes | None] = {k: v for k, v in wanted.items() if self._log.records.get(k) != v}
        positions = await write(self._transport, changes)
        while overwritten := _overwritten(await self._log.read(), positions, changes):
            positions = await write(self._transport, changes := overwritten)

    async def dead_letters(self, service: Service, contracts: Sequence[Contract]) -> None:
        """The topic of a service's dead letters."""
        largest = max((contract.storage.max_record for contract in contracts), default=0)
        spec = TopicSpec(name=service.dead_letters, retention=None, max_record=largest + _LETTER_MARGIN)
        await self._admin.create_topics([spec])


def topic_spec(contract: Contract) -> TopicSpec:
    storage = contract.storage
    compacted = contract.kind is Kind.STATE
    return TopicSpec(
        name=contract.topic,
        partitions=storage.partitions,
        compacted=compacted,
        retention=None if compacted else storage.retention,
        max_record=storage.max_record,
        replicas=storage.replicas,
    )


def _reads(model: type[Event], contract: Contract) -> bool:
    return contract.current is not None and why_unreadable(model, contract.current) is None


def _writes(model: type[Event], contract: Contract) -> bool:
    check_key(model, contract)
    return any(fills(model, version) for version in contract.versions)


def _next(model: type[Event], held: Contract | None) -> Contract:
    if held is None:
        return next(iter(infer([model])))
    current = held.current
    schema = schema_of(model, current.schema if current else None)
    return replace(held, versions=(*held.versions, Version(number=len(held.versions) + 1, schema=schema)))


def _overwritten(
    new: Sequence[Entry], positions: Sequence[Position], ours: dict[bytes, bytes | None]
) -> dict[bytes, bytes | None]:
    """Versions that others had written before ours, under our keys, while we did not look."""
    begin = min(position.offset for position in positions)
    firsts: dict[bytes, bytes | None] = {}
    for offset, key, value in new:
        if offset < begin and key in ours and key.startswith(b"version/"):
            firsts.setdefault(key, value)
    return {key: value for key, value in firsts.items() if value != ours[key]}
