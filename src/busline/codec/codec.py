"""Two verbs: a value to bytes, bytes to a value, compiled once for a written schema and a reader.

    Codec(OrderPlaced)                     its own schema, instances both ways
    Codec(schema)                          JSON text, a dict or a Schema: records are dicts
    Codec(published, OrderPlaced)          decodes what the published version wrote; encodes as that version

Bounds of one message: MAX_ELEMENTS items, MAX_LEVELS of a record in itself, and never more bytes than are there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn, TypeAlias

from pydantic import BaseModel, ValidationError

from busline.codec.decoding import Decoding
from busline.codec.encoding import Encoding
from busline.codec.resolution import Plan, resolve
from busline.codec.skipping import Skipping
from busline.codec.tracing import Path
from busline.codec.wire import MAX_ELEMENTS, MAX_LEVELS, Misfit, Read, Write
from busline.contract.avro import schema_of
from busline.contract.nodes import Record
from busline.contract.schema import Schema, parse
from busline.errors import BuslineError, ContractMismatch, DecodeError, EncodeError

Side: TypeAlias = "type[BaseModel] | Schema | str | bytes | Mapping[str, Any] | list[Any]"


class Codec:
    """encode(value) -> bytes and decode(bytes) -> value, both strict and free of state.

    writer: what the bytes are. reader: what the values are; without it, the writer too. Raises SchemaInvalid for what
    is no schema, ContractMismatch where the two do not resolve. `encode` compiles at first use: a reader that cannot
    fill the writer's fields is told so then, by ContractMismatch.
    """

    def __init__(self, writer: Side, reader: Side | None = None) -> None:
        self.writer = _schema(writer)
        self.reader = self.writer if reader is None else _schema(reader, self.writer)
        self.contract = _contract(reader) or _contract(writer) or _root_name(self.reader)
        self._plan = resolve(self.writer.root, self.reader.root)
        try:
            self._read = Decoding().read(self._plan)
        except RecursionError:
            raise ContractMismatch("the schema is nested too deeply to be compiled", where=self.contract) from None
        self._write: Write | None = None
        self._walk = False

    def decode(self, data: bytes) -> Any:
        """The one value that the bytes are. Raises DecodeError, and nothing else, for any bytes."""
        try:
            value, end = self._read(data, 0, [MAX_ELEMENTS, MAX_LEVELS])
        except Exception as error:
            self._decode_failed(data, error)
        if end != len(data):
            raise DecodeError("bytes are left over", where=self.contract, why=f"{len(data) - end} behind the value")
        return value

    def encode(self, value: Any) -> bytes:
        """The bytes of a value. Raises EncodeError with the field's path, what is expected and what is there."""
        write = self._write or self._compile_write()
        pieces: list[bytes] = []
        try:
            write(value, pieces.append)
            data = b"".join(pieces)
            if self._walk or len(data) > MAX_ELEMENTS:
                self._check(data)
        except Exception as error:
            self._encode_failed(value, error)
        return data

    def check_encode(self) -> None:
        """Compile `encode` now. Raises ContractMismatch where the reader cannot fill the writer's fields."""
        if self._write is None:
            self._compile_write()

    # --- internals

    def _encode_plan(self) -> Plan:
        return resolve(self.reader.root, self.writer.root, total=True)

    def _compile_write(self) -> Write:
        skipping = Skipping()
        self._skip = skipping.skip(self.writer.root)
        self._walk = skipping.needs_walk()
        self._write = Encoding().write(self._encode_plan())
        return self._write

    def _check(self, data: bytes) -> None:
        """What is written must be readable within the bounds."""
        self._skip(data, 0, [MAX_ELEMENTS, MAX_LEVELS])

    def _decode_failed(self, data: bytes, error: Exception) -> NoReturn:
        path = Path()
        try:
            traced: Read = Decoding(path=path).read(self._plan)
            traced(data, 0, [MAX_ELEMENTS, MAX_LEVELS])
        except Exception as again:
            error = again
        where = f"{self.contract}: {path}" if path.segments else self.contract
        what = f"{len(data)} bytes are not a value of {_root_name(self.writer)}"
        raise DecodeError(what, where=where, why=_why(error)) from error

    def _encode_failed(self, value: Any, error: Exception) -> NoReturn:
        path = Path()
        try:
            Encoding(path=path).write(self._encode_plan())(value, _nowhere)
        except Exception as again:
            error = again
        where = f"{self.contract}: {path}" if path.segments else self.contract
        raise EncodeError("the value does not fit its schema", where=where, why=_why(error)) from error


def _nowhere(data: bytes) -> None:
    return None


def _schema(side: Side, published: Schema | None = None) -> Schema:
    if isinstance(side, type):
        return schema_of(side, published)
    return parse(side)


def _contract(side: Side | None) -> str | None:
    contract = getattr(side, "__busline__", None) if isinstance(side, type) else None
    return str(contract.name) if contract is not None else None


def _root_name(schema: Schema) -> str:
    return schema.root.name if isinstance(schema.root, Record) else type(schema.root).__name__.lower()


def _why(error: Exception) -> str:
    match error:
        case Misfit():
            return error.why
        case IndexError():
            return "the bytes end too early"
        case UnicodeDecodeError():
            return f"text that is not UTF-8: {error.reason}"
        case UnicodeEncodeError():
            return f"text that UTF-8 cannot hold: {error.reason}"
        case RecursionError():
            return "nested too deeply"
        case ValidationError():
            lines = (f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False)[:3])
            return "the model refuses it: " + "; ".join(lines)
        case BuslineError():
            return str(error)
    if type(error).__module__ == "struct":
        return "the bytes end too early"
    return f"{type(error).__name__}: {error}"[:200]
