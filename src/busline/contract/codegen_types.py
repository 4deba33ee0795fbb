"""Annotations and default values in source text, for every Avro type."""

from __future__ import annotations

import datetime as dt
import enum
import re
import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from busline.contract.defaults import from_json, json_branch
from busline.contract.nodes import Array, Enum, Fixed, Logical, Map, Node, Primitive, Record, Union
from busline.contract.scalars import decimal_digits, python_type
from busline.contract.source import Expression, Parts, call, either, flat, named, quote, subscript
from busline.contract.types import Duration, LocalNanos, Nanos
from busline.errors import ContractError

IMPORTS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("UTC", "date", "datetime", "time"), "datetime"),
    "Decimal": "decimal",
    "StrEnum": "enum",
    "Annotated": "typing",
    "UUID": "uuid",
    **dict.fromkeys(("Event", "State"), "busline"),
    **dict.fromkeys(
        ("Aliases", "Duration", "Fallback", "Fixed", "Float32", "Int32", "LocalNanos", "Millis", "Nanos"),
        "busline.contract.types",
    ),
    **dict.fromkeys(("AwareDatetime", "BaseModel", "Field", "NaiveDatetime"), "pydantic"),
}
_PLAIN: Final = {
    "null": "None",
    "boolean": "bool",
    "int": "Int32",
    "long": "int",
    "float": "Float32",
    "double": "float",
    "bytes": "bytes",
    "string": "str",
}
_LOGICAL: Final = {
    "uuid": "UUID",
    "date": "date",
    "time-millis": "time",
    "time-micros": "time",
    "timestamp-millis": "AwareDatetime",
    "timestamp-micros": "AwareDatetime",
    "timestamp-nanos": "Nanos",
    "local-timestamp-millis": "NaiveDatetime",
    "local-timestamp-micros": "NaiveDatetime",
    "local-timestamp-nanos": "LocalNanos",
    "duration": "Duration",
}
_MEMBERS: Final = frozenset(dir(enum.StrEnum))


class Types:
    """What one contract's types are called: classes and attributes by Avro name. used: the names to be imported."""

    def __init__(
        self, contract: str, names: Mapping[str, str], attributes: Mapping[str, Mapping[str, str]], used: set[str]
    ) -> None:
        self.contract = contract
        self.names = names
        self.used = used
        self.attributes = attributes

    def refuse(self, place: str, why: str) -> ContractError:
        return ContractError(
            "no model can be made", where=f"{self.contract}: {place}", why=why, fix="Read it without a model, as dicts."
        )

    def use(self, name: str) -> str:
        if name in IMPORTS:
            self.used.add(name)
        return name

    def annotated(self, annotation: Expression, marker: Expression, *names: str) -> Expression:
        for name in ("Annotated", *names):
            self.use(name)
        if isinstance(annotation, Parts) and annotation.head == "Annotated[":
            return subscript("Annotated", *annotation.parts, marker)
        return subscript("Annotated", annotation, marker)

    def annotation(self, node: Node, place: str) -> Expression:
        match node:
            case Primitive():
                return self.logical(node, node.logical) if node.logical else self.use(_PLAIN[node.type])
            case Fixed():
                return self.fixed(node, place)
            case Enum():
                name = self.names[node.name]
                marker = call("Fallback", quote(node.default)) if node.default is not None else None
                return self.annotated(name, marker, "Fallback") if marker else name
            case Array():
                return subscript("list", self.annotation(node.items, place))
            case Map():
                return subscript("dict", "str", self.annotation(node.values, place))
            case Union():
                return self.union(node, place)
            case Record():
                return self.names[node.name]

    def union(self, node: Union, place: str) -> Expression:
        """None comes last, as one writes it; the order of the branches is the published version's."""
        kinds = [self.names[b.name] if isinstance(b, Record | Enum) else python_type(b) for b in node.branches]
        twice = next((kind for kind in kinds if kinds.count(kind) > 1), None)
        if twice is not None:
            raise self.refuse(place, f"two branches of the union are Python's {getattr(twice, '__name__', twice)}")
        members = [self.annotation(branch, place) for branch in node.branches]
        return either(*sorted(members, key=lambda member: member == "None"))

    def logical(self, node: Primitive, logical: Logical) -> Expression:
        if logical.name == "decimal":
            return self.decimal(logical)
        name = self.use(_LOGICAL[logical.name])
        return self.annotated(name, self.use("Millis"), "Millis") if logical.name.endswith("millis") else name

    def decimal(self, logical: Logical) -> Expression:
        digits = call("Field", f"max_digits={logical.precision}", f"decimal_places={logical.scale}")
        return self.annotated(self.use("Decimal"), digits, "Field")

    def fixed(self, node: Fixed, place: str) -> Expression:
        size = call("Fixed", str(node.size))
        match node.logical:
            case None:
                return self.annotated("bytes", size, "Fixed")
            case Logical(name="duration"):
                return self.use("Duration")
            case Logical(name="uuid"):
                return self.annotated(self.use("UUID"), size, "Fixed")
        if node.logical.precision > decimal_digits(node.size):
            raise self.refuse(place, f"{node.logical.precision} digits do not fit on {node.size} bytes")
        return self.annotated(self.decimal(node.logical), size, "Fixed")

    def members(self, node: Enum) -> dict[str, str]:
        """A member's name for each symbol: upper case, and none that an enum has of its own."""
        out: dict[str, str] = {}
        for symbol in node.symbols:
            made = re.sub("^[_0-9]+", "", symbol).upper().rstrip("_") or "X"
            while made in out.values() or made in _MEMBERS:
                made += "_2" if made in out.values() else "_"
            out[symbol] = made
        return out

    def default(self, node: Node, value: object, place: str) -> Expression:
        try:
            from_json(node, value)
            return self.literal(node, value)
        except (ValueError, RecursionError) as error:
            why = "it contains itself without end" if isinstance(error, RecursionError) else str(error)
            raise self.refuse(place, f"the default: {why}") from None

    def literal(self, node: Node, value: Any) -> Expression:
        """The source of a default that the type takes."""
        match node:
            case Enum():
                return f"{self.names[node.name]}.{self.members(node)[value]}"
            case Array():
                return Parts("[", tuple(self.literal(node.items, v) for v in value), "]")
            case Map():
                items = (_pair(key, self.literal(node.values, v)) for key, v in value.items())
                return Parts("{", tuple(items), "}")
            case Union():
                return self.literal(*json_branch(node, value))
            case Record():
                given = {f.name: value.get(f.name, f.default) for f in node.fields}
                attributes = self.attributes[node.name]
                parts = [named(attributes[f.name], self.literal(f.type, given[f.name])) for f in node.fields]
                return call(self.names[node.name], *parts)
        return self.scalar(from_json(node, value))

    def scalar(self, value: Any) -> str:
        match value:
            case dt.datetime():
                zone = f", tzinfo={self.use('UTC')}" if value.tzinfo else ""
                return f"{self.use('datetime')}({_numbers(*value.timetuple()[:6], value.microsecond)}{zone})"
            case dt.date():
                return f"{self.use('date')}({value.year}, {value.month}, {value.day})"
            case dt.time():
                return f"{self.use('time')}({_numbers(value.hour, value.minute, value.second, value.microsecond)})"
            case Decimal() | uuid.UUID():
                return f"{self.use(type(value).__name__)}({quote(str(value))})"
            case Nanos() | LocalNanos():
                self.use(type(value).__name__)
                return repr(value)
            case Duration():
                return f"{self.use('Duration')}({_numbers(*value)})"
            case str() | bytes():
                return quote(value)
        return repr(value)


def _pair(key: str, value: Expression) -> Expression:
    if isinstance(value, Parts):
        return Parts(f"{quote(key)}: {value.head}", value.parts, value.close)
    return f"{quote(key)}: {flat(value)}"


def _numbers(*values: int) -> str:
    return ", ".join(map(str, values))
