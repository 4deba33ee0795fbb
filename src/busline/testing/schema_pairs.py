"""Pairs of schemas for checks of compatibility: one made up, the other evolved from it, about half of them compatible.

Seeded, and as JSON text: what is compared may use what the tree has no place for (names before their definition, names
that differ in their namespace only, aliases that answer to several fields). Not every pair is valid for every parser.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, Final

from busline.contract.nodes import PRIMITIVES

_PRIMITIVES: Final = tuple(sorted(PRIMITIVES))
_NUMBERS: Final = ("int", "long", "float", "double", "string", "bytes")
_NAMES: Final = ("A", "B", "C", "Node", "Money")
_SPACES: Final = (None, None, "n", "n.m", "")
_FIELDS: Final = ("a", "b", "c", "d", "e")
_SYMBOLS: Final = ("RED", "GREEN", "BLUE", "PINK")
_DEPTH: Final = 4


def schema_pairs(seed: int, count: int) -> Iterator[tuple[str, str]]:
    """`count` pairs (reader, writer), the same for the same seed."""
    random = Random(seed)
    while count > 0:
        old = _Maker(random).root()
        new = copy.deepcopy(old)
        for _ in range(random.choice((0, 1, 1, 1, 2, 2, 3, 5))):
            new = _evolve(random, new)
        older, newer = json.dumps(old), json.dumps(new)
        yield from ((newer, older), (older, newer))[: min(count, 2)]
        count -= 2


class _Maker:
    """One schema: `defined` are the full names so far, with their kind; `open` the records that are being made."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.defined: list[str] = []
        self.open: list[str] = []

    def root(self) -> Any:
        return self.record(None, 0) if self.random.random() < 0.85 else self.type(None, 1)

    def type(self, space: str | None, depth: int) -> Any:
        pick = self.random.random()
        if depth >= _DEPTH or pick < 0.35:
            return self.primitive()
        makers: list[Callable[[str | None, int], Any]] = [
            self.array, self.map, self.union, self.union, self.record, self.enum, self.fixed, self.again, self.again
        ]  # fmt: skip
        return self.random.choice(makers)(space, depth)

    def primitive(self) -> Any:
        name = self.random.choice(_PRIMITIVES)
        if self.random.random() < 0.2:
            return {"type": name, "logicalType": self.random.choice(("date", "timestamp-millis", "uuid", "odd"))}
        return name

    def array(self, space: str | None, depth: int) -> Any:
        return {"type": "array", "items": self.type(space, depth + 1)}

    def map(self, space: str | None, depth: int) -> Any:
        return {"type": "map", "values": self.type(space, depth + 1)}

    def union(self, space: str | None, depth: int) -> Any:
        made = [self.type(space, depth + 1) for _ in range(self.random.randint(0, 3))]
        return unique_branches(["null", *made] if self.random.random() < 0.6 else made)

    def again(self, space: str | None, depth: int) -> Any:
        known = self.defined + self.open
        if not known:
            return self.enum(space, depth)
        full = self.random.choice(known)
        if self.random.random() < 0.03:
            full = self.random.choice(_NAMES)  # perhaps defined later, perhaps never
        own, _, simple = full.rpartition(".")
        short = simple if own == (space or "") or self.random.random() < 0.05 else full
        return self.random.choice((short, ["null", short], {"type": "array", "items": short}))

    def named(self, kind: str, space: str | None) -> tuple[dict[str, Any], str | None]:
        name, given = self.random.choice(_NAMES), self.random.choice(_SPACES)
        own = space if given is None else given or None
        full = f"{own}.{name}" if own else name
        while full in self.defined or full in self.open:
            name += "x"
            full = f"{own}.{name}" if own else name
        made: dict[str, Any] = {"type": kind, "name": name}
        if given is not None:
            made["namespace"] = given
        if own and self.random.random() < 0.2:
            made = {"type": kind, "name": full}
        if self.random.random() < 0.15:
            made["aliases"] = [self.random.choice(("Old", "n.Old", ".Old", *_NAMES, "n.A", "n.m.B"))]
        return made, full

    def record(self, space: str | None, depth: int) -> Any:
        made, full = self.named(self.random.choice(("record",) * 9 + ("error",)), space)
        self.open.append(str(full))
        own = str(full).rpartition(".")[0] or None
        names = self.random.sample(_FIELDS, self.random.randint(0 if depth else 1, 4))
        made["fields"] = [self.field(name, own, depth + 1) for name in names]
        self.defined.append(self.open.pop())
        return made

    def field(self, name: str, space: str | None, depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {"name": name, "type": self.type(space, depth)}
        if self.random.random() < 0.4:
            set_default(self.random, made)
        if self.random.random() < 0.04:
            made["aliases"] = self.random.sample((*_FIELDS, "old"), self.random.randint(1, 2))
        return made

    def enum(self, space: str | None, depth: int) -> Any:
        made, full = self.named("enum", space)
        made["symbols"] = self.random.sample(_SYMBOLS, self.random.randint(1, 4))
        if self.random.random() < 0.4:
            made["default"] = self.random.choice(made["symbols"])
        self.defined.append(str(full))
        return made

    def fixed(self, space: str | None, depth: int) -> Any:
        made, full = self.named("fixed", space)
        self.defined.append(str(full))
        return {**made, "size": self.random.choice((4, 8, 16))}


def unique_branches(branches: list[Any]) -> list[Any]:
    """Without what no union holds: unions, and a type twice (named types by how they are written here)."""
    out: dict[str, Any] = {}
    for one in branches:
        kind = one.get("type") if isinstance(one, dict) else one
        if not isinstance(one, list):
            named = isinstance(one, dict) and "name" in one
            out.setdefault(str(one["name"] if named else kind), one)
    return list(out.values())


def set_default(random: Random, field: dict[str, Any]) -> None:
    """A default that fits the field's type, where that is easy."""
    kind = field["type"]
    while isinstance(kind, list) and kind:
        kind = random.choice(kind)
    kind = (kind["symbols"] if "symbols" in kind else kind.get("type")) if isinstance(kind, dict) else kind
    of: dict[str, Any] = {"null": None, "boolean": True, "int": 1, "long": 2, "float": 1.5, "double": 2,
                          "string": "x", "bytes": "ÿ", "array": [], "map": {}}  # fmt: skip
    if isinstance(kind, list) and kind:
        field["default"] = kind[0]
    elif isinstance(kind, str) and kind in of:
        field["default"] = of[kind]


def _evolve(random: Random, schema: Any) -> Any:
    """One change somewhere in the schema."""
    places = list(_places(schema))
    records = [one for one in places if isinstance(one, dict) and "fields" in one]
    fields = [field for record in records for field in record["fields"]]
    named = [one for one in places if isinstance(one, dict) and "name" in one]
    change = random.choice(_CHANGES)
    if change is _retype and (not fields or random.random() < 0.1):
        return _retyped(random, schema)
    change(random, {"records": records, "fields": fields, "named": named}, schema)
    return schema


def _places(value: Any) -> Iterator[Any]:
    """Every type in the schema, as it is written."""
    yield value
    if isinstance(value, list):
        for branch in value:
            yield from _places(branch)
    elif isinstance(value, dict):
        for key in ("items", "values"):
            if key in value:
                yield from _places(value[key])
        for field in value.get("fields", ()):
            yield from _places(field["type"])


_Parts = dict[str, list[dict[str, Any]]]


def _add(random: Random, parts: _Parts, schema: Any) -> None:
    if parts["records"]:
        record = random.choice(parts["records"])
        free = [name for name in _FIELDS if name not in {f["name"] for f in record["fields"]}]
        if free:
            field = {"name": random.choice(free), "type": random.choice(_NUMBERS)}
            if random.random() < 0.8:
                set_default(random, field)
            record["fields"].insert(random.randint(0, len(record["fields"])), field)


def _drop(random: Random, parts: _Parts, schema: Any) -> None:
    full = [record for record in parts["records"] if record["fields"]]
    if full:
        fields = random.choice(full)["fields"]
        field = random.choice(fields)
        if not any("name" in one for one in _places(field["type"]) if isinstance(one, dict)):
            fields.remove(field)


def _shuffle(random: Random, parts: _Parts, schema: Any) -> None:
    plain = [record for record in parts["records"] if not any(_defines(f) for f in record["fields"])]
    if plain:
        random.shuffle(random.choice(plain)["fields"])


def _defines(field: dict[str, Any]) -> bool:
    return any(isinstance(one, dict) and "name" in one for one in _places(field["type"]))


def _rename_field(random: Random, parts: _Parts, schema: Any) -> None:
    if parts["fields"]:
        field = random.choice(parts["fields"])
        if random.random() < 0.7:
            field["aliases"] = [*field.get("aliases", ()), field["name"]]
        if random.random() < 0.9:
            field["name"] += "2"


def _default(random: Random, parts: _Parts, schema: Any) -> None:
    if parts["fields"]:
        field = random.choice(parts["fields"])
        if "default" in field and random.random() < 0.5:
            del field["default"]
        else:
            set_default(random, field)


def _retype(random: Random, parts: _Parts, schema: Any) -> None:
    field = random.choice(parts["fields"])
    field["type"] = _retyped(random, field["type"])
    if random.random() < 0.8:
        field.pop("default", None)


def _retyped(random: Random, kind: Any) -> Any:
    if isinstance(kind, list):
        change = random.choice(("add", "shuffle", "drop", "unwrap"))
        if change == "unwrap" and kind:
            return random.choice(kind)
        if change == "drop" and kind and not isinstance(kind[-1], dict):
            return kind[:-1]
        if change == "shuffle":
            return random.sample(kind, len(kind))
        return unique_branches([*kind, random.choice(_PRIMITIVES)])
    if random.random() < 0.5:
        return unique_branches(random.choice((["null", kind], [kind, "null"], [kind], [kind, random.choice(_NUMBERS)])))
    if isinstance(kind, dict) and kind.get("type") in ("array", "map"):
        key = "items" if "items" in kind else "values"
        return {**kind, key: _retyped(random, kind[key])}
    return random.choice(_NUMBERS) if isinstance(kind, str) and kind in PRIMITIVES else kind


def _name_of_type(random: Random, parts: _Parts, schema: Any) -> None:
    """Another simple name, another namespace, with or without an alias; references follow as far as they are plain."""
    if not parts["named"]:
        return
    one = random.choice(parts["named"])
    old = one["name"]
    given, _, simple = old.rpartition(".")
    full = f"{one['namespace']}.{simple}" if one.get("namespace") and not given else old
    if random.random() < 0.6:
        one["aliases"] = [*one.get("aliases", ()), random.choice((old, full, f".{simple}"))]
    if random.random() < 0.5:
        one["namespace"] = random.choice(("n", "n.m", "other", ""))
    else:
        one["name"] = f"{given}.{simple}New" if given else f"{simple}New"
        _refer(schema, old, one["name"])


def _refer(value: Any, old: str, new: str) -> None:
    for one in _places(value):
        if isinstance(one, list):
            one[:] = [new if branch == old else branch for branch in one]
        elif isinstance(one, dict):
            for holder in (one, *one.get("fields", ())):
                for key in ("items", "values", "type"):
                    if holder.get(key) == old:
                        holder[key] = new


def _within(random: Random, parts: _Parts, schema: Any) -> None:
    """A symbol more or less, an enum's default, a fixed's size."""
    enums = [one for one in parts["named"] if "symbols" in one or "size" in one]
    if not enums:
        return
    one = random.choice(enums)
    if "size" in one:
        one["size"] = random.choice((4, 8, 16))
    elif random.random() < 0.3:
        one.pop("default", None) if random.random() < 0.5 else one.update(default=one["symbols"][0])
    elif random.random() < 0.5:
        one["symbols"] = list(dict.fromkeys([*one["symbols"], random.choice(_SYMBOLS)]))
    elif len(one["symbols"]) > 1 and one["symbols"][-1] != one.get("default"):
        one["symbols"].pop()


def _alias(random: Random, parts: _Parts, schema: Any) -> None:
    """An alias that may name a field which is there, or was."""
    if parts["fields"]:
        field = random.choice(parts["fields"])
        field["aliases"] = [*field.get("aliases", ()), random.choice(_FIELDS)]


_CHANGES: Final = (_add, _add, _drop, _drop, _shuffle, _rename_field, _default, _retype, _retype, _name_of_type,
                   _within, _within, _alias)  # fmt: skip
