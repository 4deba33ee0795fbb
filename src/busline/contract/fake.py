"""Made-up values of any schema: to try a contract out, and for tests that need an event but not its details.

Valid and plausible, not meaningful. The same state of the random source gives the same value.
"""

from __future__ import annotations

import datetime as dt
import random
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, TypeVar, overload

from pydantic import BaseModel

from busline.contract.annotations import attributes
from busline.contract.avro import schema_of
from busline.contract.event import Event
from busline.contract.nodes import Array, Enum, Fixed, Logical, Map, Node, Primitive, Record, Union
from busline.contract.schema import Schema
from busline.contract.types import Duration, LocalNanos, Nanos

_Model = TypeVar("_Model", bound=Event)
_DEPTH: Final = 6
SINCE: Final = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
_WORDS: Final = (
    *("amber", "basil", "birch", "brook", "cedar", "clover", "coral", "delta", "ember", "fern", "flint", "grove"),
    *("hazel", "heron", "indigo", "iris", "jade", "juniper", "laurel", "linden", "maple", "meadow", "ocean", "olive"),
)
_TEXTS: Final[dict[str, Callable[[random.Random], str]]] = {
    "email": lambda r: f"{r.choice(_WORDS)}.{r.choice(_WORDS)}@example.com",
    "mail": lambda r: f"{r.choice(_WORDS)}@example.com",
    "currency": lambda r: r.choice(("EUR", "USD", "GBP", "JPY")),
    "country": lambda r: r.choice(("DE", "FR", "GB", "JP", "US", "BR")),
    "name": lambda r: f"{r.choice(_WORDS)} {r.choice(_WORDS)}".title(),
    "url": lambda r: f"https://example.com/{r.choice(_WORDS)}",
    "phone": lambda r: f"+1 555 {r.randrange(10_000):04}",
    "city": lambda r: r.choice(("Berlin", "Lyon", "Leeds", "Kyoto", "Austin", "Recife")),
}


class Fakes:
    """A source of values. seed: a number, or a random source of one's own. Times lie in the 30 days after `epoch`."""

    def __init__(self, seed: int | random.Random | None = None, *, epoch: dt.datetime = SINCE) -> None:
        self.random = seed if isinstance(seed, random.Random) else random.Random(seed)
        self.epoch = epoch
        self.models = False

    @overload
    def value(self, of: type[_Model]) -> _Model: ...
    @overload
    def value(self, of: Schema) -> Any: ...
    def value(self, of: type[Event] | Schema) -> Any:
        """A value of a schema as the codec takes it (records are dicts), or an instance of a model.

        A model's own constraints (a pattern, a bound) are not known here: pydantic's ValidationError says which failed.
        """
        self.models = not isinstance(of, Schema)
        return self.node((of if isinstance(of, Schema) else schema_of(of)).root, "", 0)

    def node(self, node: Node, name: str, depth: int) -> Any:
        match node:
            case Primitive() | Fixed():
                return self.logical(node, node.logical) if node.logical else self.plain(node, name)
            case Enum():
                return self.random.choice(node.symbols)
            case Array():
                return [self.node(node.items, name, depth + 1) for _ in range(self.length(depth))]
            case Map():
                return {
                    key: self.node(node.values, key, depth + 1)
                    for key in self.random.sample(_WORDS, self.length(depth))
                }
            case Union():
                return self.node(self.branch(node, depth), name, depth + 1)
            case Record():
                return self.record(node, depth)

    def record(self, node: Record, depth: int) -> Any:
        value = {f.name: self.node(f.type, f.name, depth + 1) for f in node.fields}
        if not self.models or not isinstance(node.python, type) or not issubclass(node.python, BaseModel):
            return value
        names = attributes(node.python)
        return node.python.model_validate({names[name]: item for name, item in value.items()}, by_name=True)

    def length(self, depth: int) -> int:
        return 0 if depth >= _DEPTH else self.random.randint(1, 3)

    def branch(self, node: Union, depth: int) -> Node:
        """Deep down one without fields, so that recursion ends; else mostly one that is not null."""
        if depth >= _DEPTH:
            return next((b for b in node.branches if not isinstance(b, Record)), node.branches[0])
        filled = [b for b in node.branches if not (isinstance(b, Primitive) and b.type == "null")]
        return self.random.choice(filled if filled and self.random.random() < 0.8 else node.branches)

    def plain(self, node: Primitive | Fixed, name: str) -> Any:
        r = self.random
        if isinstance(node, Fixed):
            return r.randbytes(node.size)
        of: dict[str, Callable[[], Any]] = {
            "null": lambda: None,
            "boolean": lambda: r.random() < 0.5,
            "int": lambda: r.randrange(1, 1000),
            "long": lambda: r.randrange(1, 1000),
            "float": lambda: r.randrange(1, 8000) / 8,  # exact in 32 bits: it reads back as it was written
            "double": lambda: round(r.uniform(0, 1000), 2),
            "bytes": lambda: r.randbytes(8),
            "string": lambda: self.text(name),
        }
        return of[node.type]()

    def text(self, name: str) -> str:
        r = self.random
        known = _TEXTS.get(name) or _TEXTS.get(name.rpartition("_")[2])
        if known is not None:
            return known(r)
        if name == "id" or name.endswith("_id"):
            return f"{name.removesuffix('_id')}-{r.randrange(100_000):05}"
        return f"{r.choice(_WORDS)}-{r.choice(_WORDS)}"

    def logical(self, node: Primitive | Fixed, logical: Logical) -> Any:
        r = self.random
        when = self.epoch + dt.timedelta(milliseconds=r.randrange(30 * 86_400_000))
        of: dict[str, Callable[[], Any]] = {
            "uuid": lambda: uuid.UUID(int=r.getrandbits(128), version=4),
            "decimal": lambda: self.decimal(logical),
            "date": when.date,
            "time-millis": when.time,
            "time-micros": when.time,
            "timestamp-millis": lambda: when,
            "timestamp-micros": lambda: when,
            "timestamp-nanos": lambda: Nanos.of(when),
            "local-timestamp-millis": lambda: when.replace(tzinfo=None),
            "local-timestamp-micros": lambda: when.replace(tzinfo=None),
            "local-timestamp-nanos": lambda: LocalNanos.of(when.replace(tzinfo=None)),
            "duration": lambda: Duration(*(r.randrange(1, 12) for _ in range(3))),
        }
        return of[logical.name]()

    def decimal(self, logical: Logical) -> Decimal:
        digits = min(logical.precision, logical.scale + 4)
        return Decimal(f"{self.random.randrange(1, 10**digits)}E-{logical.scale}")


@overload
def fake(of: type[_Model], source: random.Random) -> _Model: ...
@overload
def fake(of: Schema, source: random.Random) -> Any: ...
def fake(of: type[Event] | Schema, source: random.Random) -> Any:
    """One value from a random source: `Fakes(source).value(of)`."""
    return Fakes(source).value(of)
