"""From a plan to one function that writes it: values of the plan's written type, as bytes of its wanted type.

For a schema's own values the two are the same type. For a publisher whose model is newer than the version that it
writes, the plan is what a reader of that version would get from the model: each of its fields from the model, or its
default. Strict as reading is: nothing is coerced, so that what was written is what is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from busline.codec.fused_writing import FieldWriter, enum_indexes, fused_writer
from busline.codec.resolution import Arrays, Chosen, Enums, Maps, Plan, Records, Scalars, Taken, Unions, resolve
from busline.codec.scalar_writing import misfit, scalar_writer, write_string
from busline.codec.tracing import Path
from busline.codec.wire import Add, Misfit, Write, number, written
from busline.contract.annotations import attributes
from busline.contract.defaults import from_json
from busline.contract.nodes import Field, Fixed, Node, Primitive, Record, branch_name
from busline.contract.types import Duration
from busline.errors import ContractMismatch


class Encoding:
    """Compiles plans. plain: records are dicts and enums are symbols, whatever a model would make of them."""

    def __init__(self, *, plain: bool = False, path: Path | None = None) -> None:
        self.plain = plain
        self.path = path
        self.records: dict[int, Write] = {}

    def write(self, plan: Plan) -> Write:
        match plan:
            case Scalars():
                return scalar_writer(plan.written, plan.wanted)
            case Enums():
                return self.enum(plan)
            case Arrays():
                return self.array(self.write(plan.items))
            case Maps():
                return self.map(self.at("{}", self.write(plan.values)))
            case Unions():
                return self.union(plan)
            case Chosen():
                return _prefixed(number(plan.index), self.write(plan.plan))
        return self.record(plan)

    def at(self, segment: str, write: Write) -> Write:
        return write if self.path is None else self.path.writing(segment, write)

    def python(self, node: Node) -> Any:
        return None if self.plain else node.python

    # --- scalars and containers

    def enum(self, plan: Enums) -> Write:
        indexes = enum_indexes(plan)
        python = self.python(plan.written)
        expected = f"one of {', '.join(plan.written.symbols)}"

        def write(value: Any, add: Add) -> None:
            index = indexes.get(value) if isinstance(value, str) else None
            if index is None:
                raise misfit(expected, value)
            add(index)

        def write_member(value: Any, add: Add) -> None:
            if not isinstance(value, python):
                raise misfit(expected, value)
            add(indexes[value._value_])

        return write_member if isinstance(python, type) else write

    def array(self, item: Write) -> Write:
        path = self.path

        def write(value: Any, add: Add) -> None:
            if not isinstance(value, list | tuple):
                raise misfit("a list or tuple", value)
            if value:
                add(number(len(value)))
                for index, one in enumerate(value):
                    (item if path is None else path.writing(f"[{index}]", item))(one, add)
            add(b"\x00")

        return write

    def map(self, item: Write) -> Write:
        def write(value: Any, add: Add) -> None:
            if type(value) is not dict and not isinstance(value, Mapping):
                raise misfit("a dict", value)
            if value:
                add(number(len(value)))
                for key, one in value.items():
                    write_string(key, add)
                    item(one, add)
            add(b"\x00")

        return write

    # --- unions

    def union(self, plan: Unions) -> Write:
        pair = plan.nullable()
        if pair is None:
            branches = zip(plan.written.branches, plan.branches, strict=True)
            return self.choice([(node, self.write(b)) for node, b in branches if not isinstance(b, str)])
        nothing, other = written(self.write(pair[0])), self.write(pair[1])

        def write(value: Any, add: Add) -> None:
            if value is None:
                add(nothing)
            else:
                other(value, add)

        return write

    def choice(self, branches: list[tuple[Node, Write]]) -> Write:
        tests = [(self.accepts(node), write) for node, write in branches]
        names = {branch_name(node): write for node, write in branches}
        expected = f"a value of {', '.join(names)}"

        def write(value: Any, add: Add) -> None:
            if type(value) is tuple and len(value) == 2 and type(value[0]) is str and value[0] in names:
                names[value[0]](value[1], add)
                return
            fitting = [one for accepts, one in tests if accepts(value)]
            if len(fitting) == 1:
                fitting[0](value, add)
                return
            for one in fitting:
                try:
                    data = written(one, value)
                except Misfit:
                    continue
                add(data)
                return
            raise misfit(expected, value)

        return write

    def accepts(self, node: Node) -> Callable[[Any], bool]:
        """A quick test by type: false only where writing would fail for certain."""
        python = self.python(node)
        if isinstance(python, type) and not isinstance(node, Primitive | Fixed) and python is not tuple:
            return lambda value: isinstance(value, python)
        kinds = _KINDS[node.logical.name if isinstance(node, Primitive | Fixed) and node.logical else _kind(node)]
        return lambda value: isinstance(value, kinds)

    # --- records

    def record(self, plan: Records) -> Write:
        known = self.records.get(id(plan))
        if known is not None:
            return known
        later: list[Write] = []
        self.records[id(plan)] = lambda value, add: later[0](value, add)
        python = self.python(plan.written)
        model = python if isinstance(python, type) else None
        fields = self.fields(plan, attributes(model) if model else None)
        admit = _instance(model) if model else _mapping(plan.written)
        if self.path is None and not self.plain:
            later.append(fused_writer(model, admit, fields, self.write))
        else:
            later.append(_each(admit, model is not None, fields))
        self.records[id(plan)] = later[0]
        return later[0]

    def fields(self, plan: Records, names: Mapping[str, str] | None) -> list[FieldWriter]:
        taken = {s.wanted.name: s for s in plan.steps if isinstance(s, Taken)}
        out: list[FieldWriter] = []
        for field in plan.wanted.fields:
            step = taken.get(field.name)
            if step is None:
                out.append(("", None, _constant(default_bytes(field))))
            else:
                name = step.written.name
                out.append((names[name] if names else name, step.plan, self.at(name, self.write(step.plan))))
        return out


def default_bytes(field: Field) -> bytes:
    """The default of a field, written. Raises ContractMismatch where it is none of its type."""
    try:
        value = from_json(field.type, field.default)
        return written(Encoding(plain=True).write(resolve(field.type, field.type)), value)
    except ValueError as error:
        raise ContractMismatch("a default does not fit its type", where=field.name, why=str(error)) from None


def _kind(node: Node) -> str:
    return node.type if isinstance(node, Primitive) else type(node).__name__


def _prefixed(prefix: bytes, inner: Write) -> Write:
    def write(value: Any, add: Add) -> None:
        add(prefix)
        inner(value, add)

    return write


def _constant(data: bytes) -> Write:
    return lambda value, add: add(data)


def _each(admit: Write, instances: bool, fields: list[FieldWriter]) -> Write:
    """Field by field: for tracing, and for what is written once."""

    def write(value: Any, add: Add) -> None:
        admit(value, add)
        values = value.__dict__ if instances else value
        for name, _, field in fields:
            field(values[name] if name else None, add)

    return write


def _instance(model: type) -> Write:
    """Refuses what is no instance."""
    expected = f"an instance of {model.__name__}"

    def admit(value: Any, add: Add) -> None:
        if not isinstance(value, model):
            raise misfit(expected, value)

    return admit


def _mapping(record: Record) -> Write:
    """Refuses what is no dict of the record's fields."""
    names = frozenset(f.name for f in record.fields)

    def admit(value: Any, add: Add) -> None:
        if not isinstance(value, Mapping):
            raise misfit(f"a dict with the fields of {record.name}", value)
        if value.keys() != names:
            lacking = ", ".join(sorted(n for n in names if n not in value))
            extra = ", ".join(sorted(str(k)[:40] for k in value if k not in names)[:5])
            parts = [f"lacks {lacking}" if lacking else "", f"has {extra}, which the record does not" if extra else ""]
            raise Misfit(f"the dict for {record.name} {' and '.join(p for p in parts if p)}")

    return admit


def _kinds() -> dict[str, Any]:
    import datetime as dt
    import uuid
    from decimal import Decimal

    numbers: Any = (int, float)
    return {
        "null": type(None), "boolean": bool, "int": int, "long": int, "float": numbers, "double": numbers,
        "bytes": (bytes, bytearray, memoryview), "string": str, "Fixed": (bytes, bytearray, memoryview),
        "Enum": str, "Array": (list, tuple), "Map": Mapping, "Record": Mapping, "uuid": uuid.UUID,
        "decimal": Decimal, "date": dt.date, "time-millis": dt.time, "time-micros": dt.time,
        "timestamp-millis": dt.datetime, "timestamp-micros": dt.datetime, "timestamp-nanos": int,
        "local-timestamp-millis": dt.datetime, "local-timestamp-micros": dt.datetime, "local-timestamp-nanos": int,
        "duration": Duration,
    }  # fmt: skip


_KINDS = _kinds()
