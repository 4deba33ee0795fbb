"""The contracts' subjects in the schema registry: what they lack, and the ids that the contract log takes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from busline.contract.evolution.levels import Level, level_breaks, level_of
from busline.contract.model import Contract, Version
from busline.errors import BuslineError, RegistryRefused
from busline.governance.some_at_once import some_at_once
from busline.governance.state.change import Change
from busline.names import ContractName

if TYPE_CHECKING:
    from busline.governance.registry.registry import Registry

Ids: TypeAlias = Mapping[tuple[ContractName, int], int]
"""The registry's id of a contract's version."""

_ASKED_AT_ONCE: Final = 16
_WRITTEN_AT_ONCE: Final = 8


class Subject(NamedTuple):
    """What a contract's subject lacks. level None: it is set already. was: the level that is there.

    forbidden: missing versions that the level refuses; their readers decide, so plan lets them through.
    """

    contract: Contract
    level: str | None
    missing: tuple[Version, ...]
    forbidden: frozenset[int]
    ids: Ids
    was: str | None = None


@dataclass(frozen=True, kw_only=True)
class SubjectPlan:
    """todo: subjects that lack something. ids: what is known before anything is registered."""

    todo: tuple[Subject, ...] = ()
    ids: Ids
    conflicts: tuple[str, ...] = ()

    @property
    def missing(self) -> list[tuple[ContractName, int]]:
        return [(subject.contract.name, version.number) for subject in self.todo for version in subject.missing]


async def compare_subjects(contracts: Iterable[Contract], registry: Registry | None, applied: Ids) -> SubjectPlan:
    """Without a registry the ids that were applied once stay, as records with them are still in the topics."""
    if registry is None:
        return SubjectPlan(ids=applied)
    asker = registry
    found = await some_at_once(contracts, lambda contract: _compare(contract, asker), _ASKED_AT_ONCE)
    ids = {key: value for subject in found for key, value in subject.ids.items()}
    return SubjectPlan(
        todo=tuple(subject for subject in found if subject.level or subject.missing),
        ids=ids,
        conflicts=tuple(_lost(applied, ids)),
    )


async def register(plan: SubjectPlan, registry: Registry | None) -> Ids:
    """Set the levels, then register what is missing: some subjects at once, each contract's versions in order. All
    ids, old and new. After a refusal no further subject is begun, and the refusal is raised.

    The level goes first: a registry's default may be NONE, and what is registered under it is never checked.
    """
    ids = dict(plan.ids)
    failures: list[BuslineError] = []
    limit = asyncio.Semaphore(_WRITTEN_AT_ONCE)

    async def bring(asker: Registry, subject: Subject) -> None:
        async with limit:
            if not failures:
                try:
                    ids.update(await _bring(asker, subject))
                except BuslineError as error:
                    failures.append(error)

    if registry is not None:
        await asyncio.gather(*(bring(registry, subject) for subject in plan.todo))
    if failures:
        raise failures[0]
    return ids


async def _bring(registry: Registry, subject: Subject) -> Ids:
    if subject.level:
        await registry.set_level(subject.contract.subject, subject.level)
    ids = {}
    for version in subject.missing:
        enter = _lowered if version.number in subject.forbidden else _register
        ids[subject.contract.name, version.number] = await enter(registry, subject.contract, version)
    return ids


def subject_lines(plan: SubjectPlan) -> Iterator[Change]:
    for subject in plan.todo:
        contract = subject.contract
        name, why = str(contract.name), str(contract.source or "")
        if subject.level:
            old = subject.was or "the registry's default"
            yield Change(name, "~", f"registry: {contract.subject} checks", old, subject.level, why)
        for version in subject.missing:
            lowered = f"{registry_level(contract)}, lowered to NONE for this one and restored"
            what = f"registry: {contract.subject}, schema of version {version.number}"
            new = lowered if version.number in subject.forbidden else ""
            yield Change(name, "+", what, new=new, why=str(version.source or why))


async def _lowered(registry: Registry, contract: Contract, version: Version) -> int:
    """For a version that the readers agree to and the level forbids. The next apply restores what a crash leaves."""
    await registry.set_level(contract.subject, Level.NONE.upper())
    try:
        return await _register(registry, contract, version)
    finally:
        await registry.set_level(contract.subject, registry_level(contract))


async def _register(registry: Registry, contract: Contract, version: Version) -> int:
    try:
        return await registry.register(contract.subject, version.schema)
    except RegistryRefused as error:
        error.where = f"{version.source or contract.name}, {error.where}"
        raise


async def _compare(contract: Contract, registry: Registry) -> Subject:
    level = registry_level(contract)
    ids: dict[tuple[ContractName, int], int] = {}
    missing: list[Version] = []
    for version in contract.versions:
        found = await registry.lookup(contract.subject, version.schema)
        if found is None:
            missing.append(version)
        else:
            ids[contract.name, version.number] = found.id
    was = await registry.level(contract.subject)
    forbidden = frozenset(found.version.number for found in level_breaks(contract, [v.number for v in missing]))
    return Subject(contract, None if was == level else level, tuple(missing), forbidden, ids, was)


def registry_level(contract: Contract) -> str:
    """The contract's compatibility in the registry's words."""
    return level_of(contract).upper()


def _lost(applied: Ids, found: Ids) -> list[str]:
    """An id that was applied stands in front of records: a registry that gives another one was emptied or exchanged."""
    return [
        f"{name} version {number}: the registry has {found.get((name, number), 'no id')}, applied is {known}."
        " Restore the registry's data: records with that id are in the topic."
        for (name, number), known in applied.items()
        if found.get((name, number)) != known
    ]
