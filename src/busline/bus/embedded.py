"""An embedded engine has no platform team: the bus itself brings it up, from a workspace or from the models.

Several processes may do so at once on one file, so that one at a time writes: the one that is given the contract log's
only partition in a group that exists for this. It never commits, so the first record there comes to each of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

from busline.bus.contract_log import SPEC, ContractLog, write
from busline.bus.fitting import check_key, fills, why_unreadable
from busline.bus.topics import alteration, contract_topic, letters_topic
from busline.contract.avro import schema_of
from busline.contract.entries import entries
from busline.contract.entry_changes import changed_entries, log_changes
from busline.contract.event import Event
from busline.contract.infer import infer
from busline.contract.model import Contract, Version
from busline.contract.workspace import Workspace
from busline.errors import ConfigurationError, ContractMismatch
from busline.names import Service
from busline.transport.base import Admin, Received, TopicSpec, Transport

LOCK_GROUP: Final = "busline/~contracts"
CREATED: Final = b"created"
"""The key of the log's first record on an embedded engine. It says nothing; no contract has such a key."""
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
        if not self._log.next:
            await write(self._transport, {CREATED: b"{}"})
            await self._log.read()

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """One at a time over all processes, with the log as it is then. Who crashes in it is waited out."""
        consumer = await self._transport.consume([SPEC.name], LOCK_GROUP)
        try:
            while not any(isinstance(item, Received) for item in await consumer.receive()):
                pass
            await self._log.read()
            yield
        finally:
            await consumer.aclose()

    async def _write(self, changes: Mapping[bytes, bytes | None]) -> None:
        if changes:
            await write(self._transport, changes)
            await self._log.read()

    async def apply(self, workspace: Workspace) -> None:
        """Bring the engine to the workspace, as `busline apply` would.

        Raises ContractMismatch where a version here has another schema.
        """
        every = {**workspace.contracts, **workspace.used_own}
        contracts = [contract for contract in every.values() if contract.versions]
        await self._bring_topics([contract_topic(contract) for contract in contracts])
        if not self._changes(workspace, contracts):
            return
        async with self._alone():
            for contract in contracts:
                self._check_versions(contract)
            await self._write(self._changes(workspace, contracts))

    async def _bring_topics(self, specs: Sequence[TopicSpec]) -> None:
        await self._admin.create_topics(specs)
        there = await self._admin.topics()
        altered = [found for spec in specs if (found := alteration(spec, there[spec.name]))]
        if altered:
            await self._admin.alter_topics(altered)

    def _changes(self, workspace: Workspace, contracts: Sequence[Contract]) -> dict[bytes, bytes | None]:
        registered = [self._with_ids(contract) for contract in contracts]
        services, teams = workspace.services.values(), workspace.teams.values()
        wanted = dict(entries(registered, services, teams, commit=workspace.commit))
        return log_changes(wanted, self._log.records, teams=frozenset(workspace.teams))

    def _with_ids(self, contract: Contract) -> Contract:
        """As the engine holds it: a registry's ids that were applied once stand in front of records."""
        held = self._log.catalog.contract(contract.name)
        if held is None:
            return contract
        return contract.with_ids({version.number: version.registry_id for version in held.versions}.get)

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

    async def introduce_readers(self, models: Sequence[type[Event]]) -> None:
        """Contracts for models that are subscribed to: as they are where the model can read them."""
        await self._introduce(models, _reads)

    async def introduce_writer(self, model: type[Event]) -> None:
        """A contract with a version that the model fills. Raises ContractMismatch for another key."""
        await self._introduce([model], _writes)

    async def _introduce(self, models: Sequence[type[Event]], fits: Fits) -> None:
        held = [self._log.catalog.contract(model.__busline__.name) for model in models]
        fitting = [c for model, c in zip(models, held, strict=True) if c is not None and fits(model, c)]
        await self._admin.create_topics([contract_topic(contract) for contract in fitting])
        if len(fitting) < len(models):
            async with self._alone():
                for model in models:
                    await self._bring(model, fits)

    async def _bring(self, model: type[Event], fits: Fits) -> None:
        contract = self._log.catalog.contract(model.__busline__.name)
        if contract is None or not fits(model, contract):
            contract = _next(model, contract)
        await self._admin.create_topics([contract_topic(contract)])
        await self._write({**changed_entries(dict(entries([contract])), self._log.records)})

    async def dead_letters(self, service: Service, contracts: Sequence[Contract]) -> None:
        """The topic of a service's dead letters."""
        await self._bring_topics([letters_topic(service, contracts)])


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
