"""From a plan of resolution to one function that reads it: closures, compiled once, strict by construction.

Every value costs a byte of the message or a unit of its budget, so that neither a few bytes nor a default can make
many; records that contain themselves are bounded in depth. Compiled with `traced`, the same functions note where they
failed: the codec does that only after a failure, so that the path costs nothing while all is well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from busline.codec.encoding import default_bytes
from busline.codec.fused_reading import FieldReader, Values, enum_members, fused_reader
from busline.codec.instances import maker
from busline.codec.resolution import (
    Arrays,
    Chosen,
    Enums,
    Maps,
    Plan,
    Records,
    Scalars,
    Taken,
    Unions,
    is_null,
    resolve,
)
from busline.codec.scalar_reading import read_long, read_string, scalar_reader
from busline.codec.skipping import Sizes, Skipping, least, surplus, values
from busline.codec.tracing import Path
from busline.codec.wire import MAX_DEFAULTS, Left, Misfit, Read, block, budget, charge
from busline.contract.annotations import attributes
from busline.contract.defaults import from_json
from busline.contract.nodes import Array, Enum, Field, Fixed, Map, Node, Primitive, Record
from busline.errors import ContractMismatch

_SCALAR: Final = (Primitive, Fixed, Enum)


class Decoding:
    """Compiles plans; a record that contains itself meets its own function through `open`."""

    def __init__(self, *, path: Path | None = None) -> None:
        self.path = path
        self.records: dict[int, Read] = {}
        self.skipping = Skipping()
        self.known: Sizes = {}
        self.made = 0

    def read(self, plan: Plan) -> Read:
        match plan:
            case Scalars():
                return scalar_reader(plan.written, plan.wanted)
            case Enums():
                return _enum(plan)
            case Arrays():
                return self.array(plan)
            case Maps():
                return self.map(plan)
            case Unions():
                return self.union(plan)
            case Chosen():
                return self.read(plan.plan)
        return self.record(plan)

    def at(self, segment: str, read: Read) -> Read:
        return read if self.path is None else self.path.reading(segment, read)

    # --- containers

    def array(self, plan: Arrays) -> Read:
        item, fewest = self.read(plan.items), least(written(plan.items), self.known)[0]
        as_tuple, path = plan.wanted.python is tuple, self.path

        def traced(data: bytes, p: int, left: Left) -> tuple[Any, int]:
            assert path is not None
            return _items(path.reading_each(item), fewest, as_tuple)(data, p, left)

        return _items(item, fewest, as_tuple) if path is None else traced

    def map(self, plan: Maps) -> Read:
        item, fewest = self.at("{}", self.read(plan.values)), 1 + least(written(plan.values), self.known)[0]

        def read(data: bytes, p: int, left: Left) -> tuple[dict[str, Any], int]:
            out: dict[str, Any] = {}
            count = 0
            while data[p]:
                n, p, end = block(data, p, left, fewest)
                count += n
                for _ in range(n):
                    key, p = read_string(data, p, left)
                    out[key], p = item(data, p, left)
                if end not in (-1, p):
                    raise Misfit("a block that does not end where it says")
            if len(out) != count:
                raise Misfit("a key that stands twice in a map")
            return out, p + 1

        return read

    def union(self, plan: Unions) -> Read:
        reads = [_refusing(b) if isinstance(b, str) else self.read(b) for b in plan.branches]
        null = next((i for i, b in enumerate(plan.written.branches) if is_null(b)), None)
        if len(reads) == 2 and null is not None and not isinstance(plan.branches[null], str):
            return _nullable(null, reads[1 - null])
        count = len(reads)

        def read(data: bytes, p: int, left: Left) -> tuple[Any, int]:
            n, p = read_long(data, p, left)
            if not 0 <= n < count:
                raise Misfit(f"the branch {n} of a union of {count}")
            return reads[n](data, p, left)

        return read

    # --- records

    def record(self, plan: Records) -> Read:
        known = self.records.get(id(plan))
        if known is not None:
            return known
        later: list[Read] = []
        self.records[id(plan)] = lambda data, p, left: later[0](data, p, left)
        read = self._record(plan)
        later.append(_levelled(read) if plan.recursive else read)
        self.records[id(plan)] = later[0]
        return later[0]

    def _record(self, plan: Records) -> Read:
        names = _names(plan.wanted)
        constants, fresh = self.defaults(plan, names)
        fields = tuple(self.field(step, names) for step in plan.steps)
        model = plan.wanted.python
        given = frozenset(names[s.wanted.name] for s in plan.steps if isinstance(s, Taken))
        make = maker(model, given) if isinstance(model, type) else None
        values = Values(tuple(names.values()), constants, fresh)
        extra = self.surplus(plan)
        if self.path is None:
            return fused_reader(fields, values, make, extra, self.reading)
        return _each(fields, values, make, extra)

    def reading(self, plan: Plan) -> tuple[Read, int]:
        return self.read(plan), least(written(plan), self.known)[0]

    def surplus(self, plan: Records) -> int:
        """What the record costs beside its bytes. Raises ContractMismatch for defaults without end."""
        defaults = sum(values(from_json(f.type, f.default)) for f in plan.defaulted)
        self.made += defaults
        if self.made > MAX_DEFAULTS:
            raise ContractMismatch(f"the defaults make more than {MAX_DEFAULTS} values", where=plan.wanted.name)
        return defaults + surplus(plan.written, self.known)

    def field(self, step: Taken | Field, names: dict[str, str]) -> FieldReader:
        if isinstance(step, Taken):
            return names[step.wanted.name], step.plan, self.at(step.wanted.name, self.read(step.plan))
        skip = self.skipping.skip(step.type)
        return None, None, skip if self.path is None else self.path.skipping(step.name, skip)

    def defaults(self, plan: Records, names: dict[str, str]) -> tuple[dict[str, Any], dict[str, Callable[[], Any]]]:
        """Immutable defaults as values, others as functions that make a new one each time."""
        constants, fresh = {}, {}
        for field in plan.defaulted:
            make = default(field)
            if isinstance(field.type, _SCALAR):
                constants[names[field.name]] = make()
            else:
                fresh[names[field.name]] = make
        return constants, fresh


def default(field: Field) -> Callable[[], Any]:
    """Makes the default of a field as a reader gets it: models, enums and logical types included."""
    data = default_bytes(field)
    read = Decoding().read(resolve(field.type, field.type))
    return lambda: read(data, 0, budget())[0]


def written(plan: Plan) -> Node:
    """The type whose bytes a plan reads."""
    match plan:
        case Scalars() | Enums() | Records() | Unions():
            return plan.written
        case Arrays():
            return Array(written(plan.items))
        case Maps():
            return Map(written(plan.values))
        case Chosen():
            return written(plan.plan)


def _items(item: Read, fewest: int, as_tuple: bool) -> Read:
    def read(data: bytes, p: int, left: Left) -> tuple[Any, int]:
        out: list[Any] = []
        add = out.append
        while data[p]:
            n, p, end = block(data, p, left, fewest)
            for _ in range(n):
                value, p = item(data, p, left)
                add(value)
            if end not in (-1, p):
                raise Misfit("a block that does not end where it says")
        return (tuple(out) if as_tuple else out), p + 1

    return read


def _names(record: Record) -> dict[str, str]:
    """Where the value of each field goes: the model's attribute, or the key of a dict. In the order of the model."""
    if isinstance(record.python, type):
        return attributes(record.python)
    return {f.name: f.name for f in record.fields}


def _enum(plan: Enums) -> Read:
    members = enum_members(plan)
    count = len(members)

    def read(data: bytes, p: int, left: Left) -> tuple[Any, int]:
        n, p = read_long(data, p, left)
        if not 0 <= n < count:
            raise Misfit(f"the symbol {n} of {count}")
        return members[n], p

    def careful(data: bytes, p: int, left: Left) -> tuple[Any, int]:
        value, q = read(data, p, left)
        if value is None:
            unknown = plan.written.symbols[read_long(data, p, left)[0]]
            raise Misfit(f"the reader does not know the symbol {unknown!r}, and has no default symbol")
        return value, q

    return careful if None in members else read


def _nullable(null: int, other: Read) -> Read:
    none, some = 2 * null, 2 - 2 * null

    def read(data: bytes, p: int, left: Left) -> tuple[Any, int]:
        x = data[p]
        if x == some:
            return other(data, p + 1, left)
        if x == none:
            return None, p + 1
        raise Misfit("a branch that a union of 2 does not have")

    return read


def _refusing(why: str) -> Read:
    def read(data: bytes, p: int, left: Left) -> tuple[Any, int]:
        raise Misfit(why)

    return read


def _levelled(inner: Read) -> Read:
    def read(data: bytes, p: int, left: Left) -> tuple[Any, int]:
        left[1] -= 1
        if left[1] < 0:
            raise Misfit("records nested too deeply in themselves")
        found = inner(data, p, left)
        left[1] += 1
        return found

    return read


def _each(
    fields: Sequence[FieldReader], values: Values, make: Callable[[dict[str, Any]], Any] | None, extra: int
) -> Read:
    """Field by field, for tracing."""

    def read(data: bytes, p: int, left: Left) -> tuple[Any, int]:
        charge(left, extra)
        out: dict[str, Any] = dict.fromkeys(values.order)
        out.update(values.constants)
        for name, _, field in fields:
            found: Any = field(data, p, left)
            if name is None:
                p = found
            else:
                out[name], p = found
        for name, fresh in values.fresh.items():
            out[name] = fresh()
        return out if make is None else make(out), p

    return read
