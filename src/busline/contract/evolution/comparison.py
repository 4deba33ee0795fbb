"""Two versions of a contract compared in every respect: fields, both directions, traps, and each reader."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from busline.contract.compatibility import Break
from busline.contract.evolution.changes import Change, changes
from busline.contract.evolution.levels import Direction, Level, breaks_between, level_of
from busline.contract.evolution.readers import Reader, Verdict, verdict
from busline.contract.evolution.traps import find_traps
from busline.contract.finding import Finding
from busline.contract.model import Contract, Version


@dataclass(frozen=True, kw_only=True)
class ForReader:
    """What the newer version's events are for one reader."""

    reader: Reader
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """traps: what the newer version brings, where it is the newer one indeed."""

    contract: Contract
    old: Version
    new: Version
    level: Level
    changes: tuple[Change, ...]
    new_reads_old: tuple[Break, ...]
    old_reads_new: tuple[Break, ...]
    traps: tuple[Finding, ...]
    readers: tuple[ForReader, ...]


def compare_versions(contract: Contract, old: Version, new: Version, readers: Iterable[Reader]) -> Comparison:
    """Pure. readers: those of the contract, by `readers_of`."""
    return Comparison(
        contract=contract,
        old=old,
        new=new,
        level=level_of(contract),
        changes=tuple(changes(old.schema, new.schema)),
        new_reads_old=tuple(breaks_between(old, new, Direction.BACKWARD)),
        old_reads_new=tuple(breaks_between(old, new, Direction.FORWARD)),
        traps=tuple(find_traps(contract, {new.number})) if new.number > old.number else (),
        readers=tuple(ForReader(reader=reader, verdict=verdict(reader, contract, new)) for reader in readers),
    )
