"""Events as a file: .ndjson, .csv or .avro, whole or not at all."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

from busline.codec.codec import Codec
from busline.codec.container import ContainerWriter
from busline.codec.json_form import to_json
from busline.contract.nodes import MISSING, Field, Primitive, Record
from busline.contract.render import render
from busline.contract.schema import Schema, parse
from busline.errors import ConfigurationError

Row = Mapping[str, Any]


class Sink(Protocol):
    """Takes events one by one: first each is encoded, then written."""

    def encoded(self, row: Row) -> bytes: ...
    def write(self, line: bytes) -> None: ...
    def close(self) -> None: ...


@contextlib.contextmanager
def written(path: Path, schema: Schema, masked: frozenset[str], *, force: bool) -> Iterator[Sink]:
    """A sink whose file is there only when the block ends well. Raises ConfigurationError before anything is read."""
    make = _sink_of(path)
    _refuse_overwriting(path, force)
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise ConfigurationError(
            "the file cannot be written",
            where=str(path),
            why=error.strerror or str(error),
            fix="Name a folder that is there and may be written to.",
        ) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            sink = make(file, schema, masked)
            yield sink
            sink.close()
        _refuse_overwriting(path, force)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        os.replace(name, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


class JsonLines:
    """One object a line: ints exact, decimals as text, instants ISO 8601 in UTC."""

    def __init__(self, file: BinaryIO, schema: Schema, masked: frozenset[str]) -> None:
        self._file = file

    def encoded(self, row: Row) -> bytes:
        return json.dumps(to_json(row), ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"

    def write(self, line: bytes) -> None:
        self._file.write(line)

    def close(self) -> None:
        self._file.flush()


class Csv(JsonLines):
    """A column a field; a record's fields are columns of their own (`address.city`), lists, maps and unions of records
    are JSON in their cell. What is absent is an empty cell."""

    def __init__(self, file: BinaryIO, schema: Schema, masked: frozenset[str]) -> None:
        super().__init__(file, schema, masked)
        self._columns = list(_columns(schema.root, masked))
        file.write(_csv([".".join(path) for path in self._columns]))

    def encoded(self, row: Row) -> bytes:
        plain = to_json(row)
        return _csv([_cell(plain, path) for path in self._columns])


class AvroFile:
    """An object container file by the contract's current version; a masked field is a string in it."""

    def __init__(self, file: BinaryIO, schema: Schema, masked: frozenset[str]) -> None:
        shown = _without(schema, masked) if masked else schema
        self._writer = ContainerWriter(file, shown)
        self._encode: Callable[[Any], bytes] = Codec(shown).encode

    def encoded(self, row: Row) -> bytes:
        return self._encode(row)

    def write(self, line: bytes) -> None:
        self._writer.write([line])

    def close(self) -> None:
        self._writer.close()


SINKS: Final[Mapping[str, Callable[[BinaryIO, Schema, frozenset[str]], Sink]]] = {
    ".ndjson": JsonLines,
    ".csv": Csv,
    ".avro": AvroFile,
}


def _sink_of(path: Path) -> Callable[[BinaryIO, Schema, frozenset[str]], Sink]:
    found = SINKS.get(path.suffix)
    if found is None:
        raise ConfigurationError(
            f"{path.name} is no kind of file that is written", fix=f"End it in {', '.join(SINKS)}."
        )
    return found


def _refuse_overwriting(path: Path, force: bool) -> None:
    if path.exists() and not force:
        raise ConfigurationError(f"{path} is there already", fix="Name another file, or say --force.")


def _columns(root: object, masked: frozenset[str], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for field in root.fields if isinstance(root, Record) else ():
        path = (*above, field.name)
        if isinstance(field.type, Record) and field.type.fields and path[0] not in masked:
            yield from _columns(field.type, masked, path)
        else:
            yield path


def _cell(value: Any, path: tuple[str, ...]) -> str:
    for name in path:
        value = value[name]
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _csv(cells: list[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue().encode("utf-8", "surrogatepass")


def _without(schema: Schema, masked: frozenset[str]) -> Schema:
    """Rendered from its tree: a type that stood in full in a masked field stands in full where it is met next."""
    root = schema.root
    if not isinstance(root, Record):
        return schema
    fields = tuple(_masked(field) if field.name in masked else field for field in root.fields)
    return parse(json.dumps(render(replace(root, fields=fields))))


def _masked(field: Field) -> Field:
    return replace(field, type=Primitive("string"), default=MISSING, doc="Masked: it tells of a person.")
