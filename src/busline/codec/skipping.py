"""Passing over what a reader does not want, with the same bounds as reading it; and what a type costs at least."""

from __future__ import annotations

from typing import Final, TypeAlias

from busline.codec.scalar_reading import read_long
from busline.codec.wire import EMPTY_ITEM, Left, Misfit, Skip, block, charge, varint
from busline.contract.nodes import Array, Enum, Fixed, Map, Node, Primitive, Record, Union

Sizes: TypeAlias = dict[int, tuple[int, int]]

_BYTES: Final = {"null": 0, "boolean": 1, "float": 4, "double": 8}


def least(node: Node, known: Sizes) -> tuple[int, int]:
    """The fewest (bytes, records) that a value of the type is made of; of a record in itself, a lower bound."""
    match node:
        case Primitive():
            return _BYTES.get(node.type, 1), 0
        case Fixed():
            return node.size, 0
        case Record():
            if id(node) not in known:
                known[id(node)] = 0, 0
                sizes = [least(f.type, known) for f in node.fields]
                known[id(node)] = sum(s[0] for s in sizes), 1 + sum(s[1] for s in sizes)
            return known[id(node)]
    return 1, 0


def surplus(record: Record, known: Sizes) -> int:
    """What a record costs beside its bytes: its fields without bytes, and records where a byte makes several.

    Records of two such records each, of two such records each, would be millions that nobody sent.
    """
    crowded = least(record, known)[0] < least(record, known)[1]
    cost = 0
    for field in record.fields:
        if least(field.type, known)[0] == 0:
            cost += EMPTY_ITEM if isinstance(field.type, Record) else 1
        elif crowded and isinstance(field.type, Record):
            cost += 1
    return cost


def values(default: object) -> int:
    """How many values a default is, all within it counted."""
    if isinstance(default, list):
        return 1 + sum(values(item) for item in default)
    if isinstance(default, dict):
        return 1 + sum(values(item) for item in default.values())
    return 1


class Skipping:
    """Compiles types; a record that contains itself meets its own function."""

    def __init__(self) -> None:
        self.records: dict[int, Skip] = {}
        self.known: Sizes = {}
        self.open: set[int] = set()
        self.nested: set[int] = set()
        self.crowded = False

    def needs_walk(self) -> bool:
        """Whether a message of what was compiled may pass the bounds without being large."""
        return bool(self.nested) or self.crowded

    def skip(self, node: Node) -> Skip:
        match node:
            case Primitive():
                return _PRIMITIVES.get(node.type) or _bytes(_BYTES[node.type])
            case Fixed():
                return _bytes(node.size)
            case Enum():
                return _index(len(node.symbols), "symbol")
            case Array():
                fewest = least(node.items, self.known)[0]
                self.crowded |= fewest == 0
                return _blocks(self.skip(node.items), fewest)
            case Map():
                return _blocks(_pair(self.skip(node.values)), 1 + least(node.values, self.known)[0])
            case Union():
                return _branch([self.skip(b) for b in node.branches])
        return self.record(node)

    def record(self, node: Record) -> Skip:
        known = self.records.get(id(node))
        if known is not None:
            if id(node) in self.open:
                self.nested.add(id(node))
            return known
        fields: list[Skip] = []
        extra = surplus(node, self.known)
        self.crowded |= extra > 0

        def skip(data: bytes, p: int, left: Left) -> int:
            if extra:
                charge(left, extra)
            if nests:
                left[1] -= 1
                if left[1] < 0:
                    raise Misfit("records nested too deeply in themselves")
            for field in fields:
                p = field(data, p, left)
            if nests:
                left[1] += 1
            return p

        self.records[id(node)] = skip
        self.open.add(id(node))
        fields += [self.skip(f.type) for f in node.fields]
        self.open.discard(id(node))
        nests = id(node) in self.nested
        return skip


def _number(data: bytes, p: int, left: Left) -> int:
    return varint(data, p)[1]


def _blob(data: bytes, p: int, left: Left) -> int:
    n, p = varint(data, p)
    if n < 0 or p + n > len(data):
        raise Misfit(f"{n} bytes announced, {len(data) - p} left")
    return p + n


_PRIMITIVES: Final[dict[str, Skip]] = {"int": _number, "long": _number, "bytes": _blob, "string": _blob}


def _bytes(size: int) -> Skip:
    def skip(data: bytes, p: int, left: Left) -> int:
        if p + size > len(data):
            raise Misfit(f"{size} bytes announced, {len(data) - p} left")
        return p + size

    return skip


def _index(count: int, what: str) -> Skip:
    def skip(data: bytes, p: int, left: Left) -> int:
        n, p = read_long(data, p, left)
        if not 0 <= n < count:
            raise Misfit(f"the {what} {n} of {count}")
        return p

    return skip


def _pair(value: Skip) -> Skip:
    return lambda data, p, left: value(data, _blob(data, p, left), left)


def _branch(branches: list[Skip]) -> Skip:
    count = len(branches)

    def skip(data: bytes, p: int, left: Left) -> int:
        n, p = read_long(data, p, left)
        if not 0 <= n < count:
            raise Misfit(f"the branch {n} of a union of {count}")
        return branches[n](data, p, left)

    return skip


def _blocks(item: Skip, fewest: int) -> Skip:
    def skip(data: bytes, p: int, left: Left) -> int:
        while data[p]:
            n, p, end = block(data, p, left, fewest)
            for _ in range(n):
                p = item(data, p, left)
            if end not in (-1, p):
                raise Misfit("a block that does not end where it says")
        return p + 1

    return skip
