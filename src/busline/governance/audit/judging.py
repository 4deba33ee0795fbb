"""Is this record an event of its contract, and does its key lie where it belongs?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from busline.bus.decoding import refers
from busline.codec.codec import Codec
from busline.codec.framing import SchemaRef, reference_length, split
from busline.codec.keys import decode_key
from busline.contract.model import Contract, Kind, Version
from busline.errors import BuslineError, DecodeError, UnknownSchema
from busline.governance.audit.findings import reason
from busline.record import Position, StoredRecord
from busline.transport.partitioner import partition_for

SOURCE: Final = "ce_source"
_MANY_CLAIMS: Final = 20


@dataclass(kw_only=True)
class Faults:
    """Of one topic. looked_at: records. reasons: why they are no events, each once, with how many."""

    looked_at: int = 0
    undecodable: list[Position] = field(default_factory=list)
    reasons: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    misplaced: list[tuple[Position, bytes | None]] = field(default_factory=list)
    claims: set[str] = field(default_factory=set)

    def claim(self, record: StoredRecord) -> None:
        """Who the record says has written it: anybody can say so."""
        said = next((value for name, value in record.headers if name == SOURCE), None)
        if said is not None and len(self.claims) < _MANY_CLAIMS:
            self.claims.add(said[:100].decode(errors="replace"))


class Judge:
    """Of one topic. contracts: as merged and as applied: an event of a version of either is one."""

    def __init__(self, contracts: Iterable[Contract], partitions: int) -> None:
        self._contracts = list(contracts)
        self._partitions = partitions
        self._decoders: dict[bytes, Callable[[bytes], Any]] = {}
        self._keyed = all(contract.key for contract in self._contracts)
        self._native = all(contract.topic == contract.name for contract in self._contracts)
        self.faults = Faults()

    @property
    def topic(self) -> str:
        return self._contracts[0].topic

    def look(self, partition: int, record: StoredRecord) -> None:
        faults, at = self.faults, Position(self.topic, partition, record.offset)
        faults.looked_at += 1
        try:
            self._decode(record)
        except BuslineError as error:
            faults.undecodable.append(at)
            faults.reasons[reason(error)] += 1
            faults.claim(record)
        if self._is_misplaced(partition, record.key):
            faults.misplaced.append((at, record.key))
            faults.claim(record)

    def unreadable(self, partition: int, offset: int, why: str) -> None:
        """A batch that is damaged, or unpacks to more than the bound."""
        self.faults.looked_at += 1
        self.faults.undecodable.append(Position(self.topic, partition, offset))
        self.faults.reasons[why] += 1

    def grown_from(self) -> int | None:
        """A smaller number of partitions by which all that is misplaced would lie right; not 1, which all keys fit."""
        return next((fewer for fewer in range(2, self._partitions) if self._fits(fewer)), None)

    def _fits(self, fewer: int) -> bool:
        misplaced = self.faults.misplaced
        return all(key is not None and partition_for(key, fewer) == at.partition for at, key in misplaced)

    def _is_misplaced(self, partition: int, key: bytes | None) -> bool:
        """A record without a key lies anywhere; where the contract has one, nowhere."""
        if key is None:
            return self._keyed
        return partition_for(key, self._partitions) != partition

    def _decode(self, record: StoredRecord) -> None:
        if record.value is None:
            return self._deleted(record)
        length = reference_length(record.value)
        prefix = record.value[:length]
        decode = self._decoders.get(prefix)
        if decode is None:
            ref, _ = split(record.value)
            decode = self._decoders[prefix] = Codec(self._version(ref).schema).decode
        decode(record.value[length:])
        return None

    def _version(self, ref: SchemaRef) -> Version:
        for contract in self._contracts:
            for version in contract.versions:
                if refers(ref, version):
                    return version
        raise UnknownSchema(f"{ref} is none of the versions of {self._contracts[0].name}")

    def _deleted(self, record: StoredRecord) -> None:
        """A deletion's key is all that it says; a stream from before has keys of its own kind."""
        contract = self._contracts[0]
        if contract.kind is not Kind.STATE or record.key is None or contract.current is None:
            raise DecodeError(f"a record of {contract.name} has no value")
        if self._native:
            decode_key(contract.key, contract.current.schema, record.key)
