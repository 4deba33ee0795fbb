"""A record's key: the canonical text of one field in UTF-8, or of several as a compact JSON array.

Text stands as it is, an int as decimal digits, a UUID in lower case, a decimal with the scale of its type, dates and
times as ISO 8601 (instants in UTC, microseconds only where there are any), a bool as true or false, an enum as its
symbol. In an array ints and bools are JSON's own. Equal keys have equal bytes, so order per key holds for every
publisher; null, floats and bytes are refused, having no such text.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from enum import Enum as PythonEnum
from typing import Any, Final, TypeAlias

from pydantic import BaseModel

from busline.codec.scalar_writing import short
from busline.contract.annotations import attributes
from busline.contract.avro import schema_of
from busline.contract.nodes import Enum, Fixed, Node, Primitive, Record
from busline.contract.schema import Schema, parse
from busline.contract.types import LocalNanos, Nanos
from busline.errors import ContractMismatch, DecodeError, EncodeError

Source: TypeAlias = "type[BaseModel] | Schema | str | Mapping[str, Any]"
Text: TypeAlias = Callable[[Any], "str | int | bool"]


def key_encoder(fields: str | Sequence[str], source: Source) -> Callable[[Any], bytes]:
    """A function from an event (an instance, or a dict where source is a schema) to its key's bytes.

    It raises EncodeError naming the field; this one raises ContractMismatch for a field that cannot be a key.
    """
    names = (fields,) if isinstance(fields, str) else tuple(fields)
    parts = _parts(names, source)
    where = attributes(source) if isinstance(source, type) else {name: name for name in names}
    places = tuple((where[name], text) for name, text in parts)
    get: Callable[[Any, str], Any] = getattr if isinstance(source, type) else _item
    return _single(*places[0], get) if len(places) == 1 else _several(places, get)


def key_bytes(fields: str | Sequence[str], source: Source, values: Mapping[str, Any]) -> bytes:
    """The key of given field values, as for a deletion. Raises EncodeError."""
    names = (fields,) if isinstance(fields, str) else tuple(fields)
    parts = _parts(names, source)
    places = tuple(parts)
    return (_single(*places[0], _item) if len(places) == 1 else _several(places, _item))(values)


def decode_key(fields: str | Sequence[str], source: Source, key: bytes) -> dict[str, Any]:
    """The values of the key's fields, by the fields' names. Raises DecodeError."""
    names = (fields,) if isinstance(fields, str) else tuple(fields)
    nodes = _nodes(names, source)
    try:
        text = key.decode()
        given: list[Any] = [text] if len(names) == 1 else json.loads(text, parse_constant=_refuse)
        if not isinstance(given, list) or len(given) != len(names):
            raise ValueError(f"not a JSON array of {len(names)}")
        values = {n: _value(node, one) for (n, node), one in zip(nodes.items(), given, strict=True)}
        again = key_bytes(names, source, values)
    except (ValueError, ArithmeticError, RecursionError, EncodeError) as error:
        raise DecodeError(f"the key {key[:80]!r} is none of {', '.join(names)}", why=str(error)) from None
    if again != key:
        raise DecodeError(f"the key {key[:80]!r} is not in canonical form", where=", ".join(names))
    return values


def _item(values: Any, name: str) -> Any:
    return values[name]


def _single(name: str, text: Text, get: Callable[[Any, str], Any]) -> Callable[[Any], bytes]:
    exact = text.exact if isinstance(text, _Checked) else None

    def encode(event: Any) -> bytes:
        try:
            value = get(event, name)
            return (str(value) if type(value) is exact else _plain(text(value))).encode()
        except (ValueError, KeyError, AttributeError) as error:
            raise EncodeError("the key cannot be written", where=name, why=str(error)) from None

    return encode


def _several(places: Sequence[tuple[str, Text]], get: Callable[[Any, str], Any]) -> Callable[[Any], bytes]:
    dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

    def encode(event: Any) -> bytes:
        try:
            return dumps([text(get(event, name)) for name, text in places]).encode()
        except (ValueError, KeyError, AttributeError) as error:
            names = ", ".join(name for name, _ in places)
            raise EncodeError("the key cannot be written", where=names, why=str(error)) from None

    return encode


def _plain(value: str | int | bool) -> str:
    if isinstance(value, str):
        return value
    return str(value).lower()


def _nodes(names: tuple[str, ...], source: Source) -> dict[str, Node]:
    schema = schema_of(source) if isinstance(source, type) else parse(source)
    fields = {f.name: f.type for f in schema.root.fields} if isinstance(schema.root, Record) else {}
    for name in names:
        if name not in fields:
            raise ContractMismatch(f"the key field {name!r} is not in the schema", fix=f"Fields: {', '.join(fields)}.")
    return {name: fields[name] for name in names}


def _parts(names: tuple[str, ...], source: Source) -> list[tuple[str, Text]]:
    return [(name, _text(name, node)) for name, node in _nodes(names, source).items()]


def _text(name: str, node: Node) -> Text:
    """The function that makes a field's text. Raises ContractMismatch for a type that has none."""
    if isinstance(node, Enum):
        return _symbol(node)
    if isinstance(node, Primitive | Fixed):
        kind = node.logical.name if node.logical else node.type if isinstance(node, Primitive) else "fixed"
        if node.logical is not None and kind == "decimal":
            return _decimal(node.logical.scale)
        if kind in _TEXTS:
            expected, text = _TEXTS[kind]
            return _Checked(expected, text)
    fix = "A key is text, a number, a UUID, a decimal, a date, a time, a bool or an enum; not optional."
    raise ContractMismatch(f"the field {name!r} cannot be a key", fix=fix)


class _Checked:
    """The text of a value that is of the expected type. exact: the type whose own text it is, if one is."""

    def __init__(self, expected: type, text: Text) -> None:
        self.expected, self.text = expected, text
        self.exact = expected if text in (str, _whole) and expected is not bool else None

    def __call__(self, value: Any) -> str | int | bool:
        expected = self.expected
        right = isinstance(value, expected) and (expected is bool or not isinstance(value, bool))
        if not right or (expected is dt.date and isinstance(value, dt.datetime)):
            raise ValueError(f"expected {expected.__name__}, not {type(value).__name__} {short(value)}")
        return self.text(value)


def _symbol(node: Enum) -> Text:
    def text(value: Any) -> str:
        symbol = value.value if isinstance(value, PythonEnum) else value
        if symbol not in node.symbols:
            raise ValueError(f"expected one of {', '.join(node.symbols)}, not {short(value)}")
        return str(symbol)

    return text


def _decimal(scale: int) -> Text:
    def text(value: Any) -> str:
        if not isinstance(value, Decimal) or not value.is_finite():
            raise ValueError(f"expected a finite Decimal, not {type(value).__name__} {short(value)}")
        plain = f"{value:.{scale}f}"
        if Decimal(plain) != value:
            raise ValueError(f"{short(value)} has more than {scale} digits behind the point")
        return plain.removeprefix("-") if not value else plain

    return text


def _instant(value: dt.datetime) -> str:
    if value.utcoffset() is None:
        raise ValueError(f"expected a datetime with a time zone, not {short(value)}")
    return value.astimezone(dt.UTC).replace(tzinfo=None).isoformat() + "Z"


def _local(value: dt.datetime) -> str:
    if value.tzinfo is not None:
        raise ValueError(f"expected a datetime without a time zone, not {short(value)}")
    return value.isoformat()


def _whole(value: int) -> int:
    return int(value)


_TEXTS: Final[dict[str, tuple[type, Text]]] = {
    "string": (str, str),
    "int": (int, _whole),
    "long": (int, _whole),
    "boolean": (bool, bool),
    "uuid": (uuid.UUID, str),
    "date": (dt.date, lambda v: v.isoformat()),
    "time-millis": (dt.time, lambda v: v.isoformat()),
    "time-micros": (dt.time, lambda v: v.isoformat()),
    "timestamp-millis": (dt.datetime, _instant),
    "timestamp-micros": (dt.datetime, _instant),
    "timestamp-nanos": (int, _whole),
    "local-timestamp-millis": (dt.datetime, _local),
    "local-timestamp-micros": (dt.datetime, _local),
    "local-timestamp-nanos": (int, _whole),
}


def _value(node: Node, text: Any) -> Any:
    """The value of a canonical text (or of JSON's own number or bool). Raises ValueError."""
    if isinstance(node, Enum):
        return node.python(text) if isinstance(node.python, type) else text
    assert isinstance(node, Primitive | Fixed)
    kind = node.logical.name if node.logical else node.type if isinstance(node, Primitive) else "fixed"
    if kind == "boolean":
        return {"true": True, "false": False}[text] if isinstance(text, str) and text in ("true", "false") else text
    return _VALUES.get(kind, str)(str(text))


_VALUES: Final[dict[str, Callable[[str], Any]]] = {
    "int": int,
    "long": int,
    "uuid": uuid.UUID,
    "decimal": Decimal,
    "date": dt.date.fromisoformat,
    "time-millis": dt.time.fromisoformat,
    "time-micros": dt.time.fromisoformat,
    "timestamp-millis": dt.datetime.fromisoformat,
    "timestamp-micros": dt.datetime.fromisoformat,
    "timestamp-nanos": lambda text: Nanos(int(text)),
    "local-timestamp-millis": dt.datetime.fromisoformat,
    "local-timestamp-micros": dt.datetime.fromisoformat,
    "local-timestamp-nanos": lambda text: LocalNanos(int(text)),
}


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")
