"""What the newest records say of a stream: whether its schemas read them, and which field their keys are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from busline.codec.codec import Codec
from busline.codec.framing import RegistryId, split
from busline.codec.keys import key_encoder
from busline.contract.schema import Schema
from busline.errors import ContractMismatch, DecodeError, EncodeError, SchemaInvalid
from busline.record import StoredRecord

ENOUGH: Final = 5
"""Records that have to agree before a field counts as their key; and they have to have DISTINCT different ones."""
DISTINCT: Final = 3


class Reading:
    """A stream's newest records, decoded by the registry's ids. values: with their records; wrong: why not, of others.

    A record without a value (a deletion) says nothing.
    """

    def __init__(self, schemas: Mapping[int, Schema], records: Sequence[StoredRecord]) -> None:
        self._codecs: dict[int, Codec] = {}
        self._schemas = schemas
        self.values: list[tuple[StoredRecord, Any]] = []
        self.wrong: list[str] = []
        for record in records:
            if record.value is not None:
                self._take(record, record.value)

    def _take(self, record: StoredRecord, value: bytes) -> None:
        try:
            ref, payload = split(value)
            if not isinstance(ref, RegistryId) or int(ref) not in self._schemas:
                self.wrong.append(f"its schema is {ref}, which is none of the subject's")
            else:
                self.values.append((record, self._codec(int(ref)).decode(payload)))
        except DecodeError as error:
            self.wrong.append(f"{error.what}{f': {error.why}' if error.why else ''}")
        except (ContractMismatch, SchemaInvalid) as error:
            self.wrong.append(error.what)

    def _codec(self, number: int) -> Codec:
        if number not in self._codecs:
            self._codecs[number] = Codec(self._schemas[number])
        return self._codecs[number]

    def key(self, candidates: Sequence[str], schema: Schema) -> str | None:
        """The one field whose text is the key of all these records; None where that is not sure."""
        keyed = [(record.key, value) for record, value in self.values]
        if len(keyed) < ENOUGH or len({key for key, _ in keyed}) < DISTINCT:
            return None
        fits = [name for name in candidates if all(_is_key(name, schema, key, value) for key, value in keyed)]
        return fits[0] if len(fits) == 1 else None


def _is_key(name: str, schema: Schema, key: bytes | None, value: Any) -> bool:
    try:
        return key is not None and key_encoder(name, schema)(value) == key
    except (ContractMismatch, EncodeError):
        return False
