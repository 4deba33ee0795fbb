"""A subscriber's event as the contract's publisher would write it: by the current version, with all of its fields."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from busline.codec.json_form import from_json
from busline.contract.annotations import attributes
from busline.contract.avro import schema_of
from busline.contract.event import Event
from busline.contract.fake import Fakes
from busline.contract.model import Contract, Version
from busline.contract.nodes import Array, Map, Node, Primitive, Record, Union


class Completing:
    """One model's events in one version. What the model lacks comes from the contract's example, else it is made up."""

    def __init__(self, model: type[Event], contract: Contract, version: Version) -> None:
        self._writer, self._reader = version.schema.root, schema_of(model, version.schema).root
        self._example = from_json(version.schema, contract.example) if contract.example is not None else None
        self._fakes = Fakes(0)

    def value(self, event: Event) -> Any:
        """A value for a codec of the version: records are dicts."""
        return self._node(self._writer, self._reader, event, self._example)

    def _node(self, writer: Node, reader: Node, value: Any, base: Any) -> Any:
        """base: what stands in the example here, None where there is none."""
        reader = _read_as(reader, value)
        chosen = _written_as(writer, reader)
        if isinstance(chosen, Record) and isinstance(reader, Record) and isinstance(value, BaseModel):
            record = self._record(chosen, reader, value, base)
            return (chosen.name, record) if isinstance(writer, Union) else record
        if isinstance(chosen, Array) and isinstance(reader, Array):
            first = base[0] if isinstance(base, list) and base else None
            return [self._node(chosen.items, reader.items, one, first) for one in value]
        if isinstance(chosen, Map) and isinstance(reader, Map):
            bases = base if isinstance(base, Mapping) else {}
            return {key: self._node(chosen.values, reader.values, one, bases.get(key)) for key, one in value.items()}
        return _demoted(chosen, value)

    def _record(self, writer: Record, reader: Record, value: BaseModel, base: Any) -> dict[str, Any]:
        names = attributes(type(value))
        read = {alias: field for field in reader.fields for alias in field.aliases}
        read |= {field.name: field for field in reader.fields}
        out: dict[str, Any] = {}
        for field in writer.fields:
            known = base.get(field.name) if isinstance(base, Mapping) else None
            if (ours := read.get(field.name)) is not None:
                out[field.name] = self._node(field.type, ours.type, getattr(value, names[ours.name]), known)
            elif isinstance(base, Mapping) and field.name in base:
                out[field.name] = known
            else:
                out[field.name] = self._fakes.node(field.type, field.name, 1)
        return out


def _read_as(reader: Node, value: Any) -> Node:
    """The branch of the model's union that the value is."""
    if not isinstance(reader, Union):
        return reader
    fits = {BaseModel: Record, list: Array, tuple: Array, set: Array, frozenset: Array, Mapping: Map}
    kind = next((node for python, node in fits.items() if isinstance(value, python)), None)
    same = [b for b in reader.branches if kind is not None and isinstance(b, kind)]
    return next((b for b in same if b.python is type(value)), same[0] if same else reader)


def _written_as(writer: Node, reader: Node) -> Node:
    """The branch of the version's union that takes it: a record by its name, else the only one of its kind."""
    if not isinstance(writer, Union) or not isinstance(reader, Record | Array | Map):
        return writer
    same = [b for b in writer.branches if type(b) is type(reader)]
    named = (b for b in same if isinstance(b, Record) and isinstance(reader, Record) and b.name == reader.name)
    return next(named, same[0] if same else writer)


def _demoted(writer: Node, value: Any) -> Any:
    """Against Avro's promotions, which let a model read a wider type than the version has."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(writer, Primitive) and writer.logical is None:
        if writer.type in ("int", "long") and isinstance(value, float) and value.is_integer():
            return int(value)
        if writer.type == "bytes" and isinstance(value, str):
            return value.encode()
        if writer.type == "string" and isinstance(value, bytes):
            return value.decode()
    return value
