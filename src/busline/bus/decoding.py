"""From stored records to events: one decoder a contract and model, one compiled codec a schema that was met."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from busline.bus.contract_log import ContractLog
from busline.codec.codec import Codec
from busline.codec.framing import Fingerprint, RegistryId, SchemaRef, reference_length, split
from busline.codec.keys import decode_key
from busline.contract.event import Deleted, Event
from busline.contract.model import Contract, Kind, Version
from busline.contract.schema import Schema
from busline.errors import ContractUnknown, DecodeError, UnknownSchema
from busline.names import ContractName
from busline.record import StoredRecord

STRANGE_FOR: Final = 30.0
"""Seconds for which an unknown schema reference is not asked for again."""
MAX_STRANGE: Final = 1_000


class Decoder:
    """Calls make an event of a record. model None: dicts.

    Raises DecodeError; UnknownSchema for a reference that is none of the contract's versions as they are known here.
    """

    def __init__(self, log: ContractLog, contract: ContractName, model: type[Event] | Schema | None = None) -> None:
        self._log, self._contract, self._model = log, contract, model
        self._decoders: dict[bytes, tuple[Callable[[bytes], Any], int]] = {}
        self._unknown: set[SchemaRef] = set()
        self._strange: dict[SchemaRef, float] = {}

    def __call__(self, record: StoredRecord) -> Any:
        value = record.value
        if value is None:
            return self._deleted(record)
        known = self._decoders.get(value[: reference_length(value)])
        if known is None:
            known = self._learn(value)
        decode, begin = known
        return decode(value[begin:])

    def _learn(self, value: bytes) -> tuple[Callable[[bytes], Any], int]:
        ref, _ = split(value)
        length = reference_length(value)
        known = Codec(self._version(ref).schema, self._model).decode, length
        self._decoders[value[:length]] = known
        return known

    def _version(self, ref: SchemaRef) -> Version:
        contract = self._known()
        found = next((version for version in contract.versions if refers(ref, version)), None)
        if found is None:
            if ref not in self._strange:
                self._unknown.add(ref)
            raise UnknownSchema(
                f"{ref} is none of the {len(contract.versions)} versions of {contract.name}",
                fix="Its publisher writes a version that is not applied here, or past the contract.",
            )
        return found

    async def refresh(self) -> None:
        """After UnknownSchema: read the contract log on, then the record may be decoded again.

        A reference that the log still does not know is strange for a while: its next records cost no read.
        """
        now = time.monotonic()
        if len(self._strange) > MAX_STRANGE:
            self._strange.clear()
        self._strange = {ref: since for ref, since in self._strange.items() if now - since < STRANGE_FOR}
        if self._unknown:
            asked, self._unknown = self._unknown, set()
            await self._log.reread()
            self._strange |= dict.fromkeys(asked, time.monotonic())

    def _known(self) -> Contract:
        contract = self._log.catalog.contract(self._contract)
        if contract is None:
            raise ContractUnknown(f"{self._contract} is no contract on this engine any more")
        return contract

    def _deleted(self, record: StoredRecord) -> Deleted:
        contract = self._known()
        if contract.kind is not Kind.STATE or record.key is None or contract.current is None:
            raise DecodeError(f"a record of {contract.name} has no value", fix="Only a state can be deleted.")
        return Deleted(contract.name, **decode_key(contract.key, contract.current.schema, record.key))


def refers(ref: SchemaRef, version: Version) -> bool:
    """Whether a value's schema reference means this version."""
    if isinstance(ref, RegistryId):
        return version.registry_id is not None and ref == RegistryId(version.registry_id)
    return ref == Fingerprint(version.schema.fingerprint)
