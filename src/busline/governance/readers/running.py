"""Who reads in an environment: what is applied there, and what runs there, as running readers say of themselves.

A running reader is known by the note on its group's commits, where the broker lets nobody else write. A stopped one
counts until its offsets expire: on Kafka after 7 days, on the embedded engines with the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from busline.bus.contract_log import ContractLog
from busline.bus.notes import Note, read_note
from busline.contract.entries import Catalog
from busline.contract.evolution.readers import READ_GROUP, Origin, Reader, readers_by_contract
from busline.contract.model import FieldUse, ServiceSpec
from busline.errors import ContractError, UnknownTopic
from busline.names import RESERVED_TEAM, ContractName, Group, Service
from busline.transport.base import Committed, Groups, Transport


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """catalog: the contract log. running: each release of each group, once; several while it is being deployed."""

    catalog: Catalog = field(default_factory=Catalog)
    running: tuple[Reader, ...] = ()

    @cached_property
    def services(self) -> Mapping[Service, ServiceSpec]:
        """Those that are applied."""
        return self.catalog.all_services()

    @cached_property
    def _applied(self) -> Mapping[ContractName, list[Reader]]:
        return readers_by_contract(self.services.values(), Origin.APPLIED)

    def readers(self, contract: ContractName) -> list[Reader]:
        """Applied ones, then running ones."""
        return [*self._applied.get(contract, ()), *(r for r in self.running if r.contract == contract)]


async def look(engine: Transport) -> Deployed:
    """Ask the engine; nothing was applied yet: nothing is there. Raises NotAuthorized, Unreachable, StorageFailed."""
    log = ContractLog(engine)
    try:
        await log.read()
    except UnknownTopic:
        return Deployed()
    return Deployed(catalog=log.catalog, running=tuple(await running_readers(engine, log.catalog)))


async def running_readers(engine: Transport, catalog: Catalog) -> list[Reader]:
    """By group and contract, from the notes. Empty for an engine that cannot tell about groups.

    Groups that are named after no service are left out: who they are, nobody here knows.
    """
    if not isinstance(engine, Groups):
        return []
    names = [name for name in await engine.groups() if parse_group(name) is not None]
    return readers_of({name: await engine.committed(name) for name in names}, catalog)


def readers_of(groups: Mapping[str, Mapping[tuple[str, int], Committed]], catalog: Catalog) -> list[Reader]:
    """By group and contract, from each group's positions."""
    contracts = _Topics(catalog)
    found: dict[Reader, None] = {}
    for name, positions in groups.items():
        if (known := parse_group(name)) is not None:
            for (topic, _), at in sorted(positions.items()):
                if (contract := contracts.of(topic)) is not None:
                    found[_reader(*known, contract, read_note(at.note, contract))] = None
    return list(found)


def parse_group(name: str) -> tuple[Service, Group] | None:
    """A service and the group that it is in; None for what is named otherwise."""
    team, _, rest = name.partition("/")
    service, slash, own = rest.partition("/")
    try:
        found = Service(f"{team}/{service}")
        return found, Group.of(found, own if slash else None)
    except ContractError:
        return None


def _reader(service: Service, group: Group, contract: ContractName, note: Note | None) -> Reader:
    """Without a version it is told only; so is who reads dicts without a group, as they are whatever is written."""
    reads_dicts = note is not None and note.fields is None and group.endswith(f"/{READ_GROUP}")
    return Reader(
        service=service,
        group=group,
        contract=contract,
        version=None if note is None or reads_dicts else note.version,
        fields=tuple(_uses(note)) if note else (),
        origin=Origin.RUNNING,
        release=note.release if note else "",
    )


def _uses(note: Note) -> Iterator[FieldUse]:
    for name in note.fields or ():
        yield FieldUse(name=name.removesuffix("?"), optional=name.endswith("?"))


class _Topics:
    """The contract of a topic: most are named alike; the others are looked for once."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._others: dict[str, ContractName] | None = None

    def of(self, topic: str) -> ContractName | None:
        if topic.startswith(f"{RESERVED_TEAM}."):
            return None
        try:
            name = ContractName(topic)
        except ContractError:
            return self._renamed().get(topic)
        contract = self._catalog.contract(name)
        return name if contract is not None and contract.topic == topic else self._renamed().get(topic)

    def _renamed(self) -> dict[str, ContractName]:
        if self._others is None:
            found = ((self._catalog.contract(name), name) for name in self._catalog.names())
            self._others = {contract.topic: name for contract, name in found if contract and contract.topic != name}
        return self._others
