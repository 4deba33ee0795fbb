"""A fused function does what the closures do that it stands for: the same values, the same bytes, the same refusals."""

import datetime as dt
import enum
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import AwareDatetime, BaseModel, Field

from busline.codec.codec import Codec
from busline.codec.decoding import Decoding
from busline.codec.encoding import Encoding
from busline.codec.resolution import resolve
from busline.codec.tracing import Path
from busline.codec.wire import budget, written
from busline.contract.avro import schema_of
from busline.testing.strategies import avro_schemas, values_of

UNHURRIED = settings(
    deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def attempt(call: Callable[[], Any]) -> Any:
    try:
        return repr(call())  # a NaN is equal to itself here
    except Exception:
        return "refused"


@given(st.data())
@UNHURRIED
def test_reading_is_what_the_closures_read_also_of_broken_bytes(data: st.DataObject) -> None:
    schema = data.draw(avro_schemas())
    encoded = bytearray(Codec(schema).encode(data.draw(values_of(schema.root))))
    for place, byte in data.draw(st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), max_size=3)):
        if encoded:
            encoded[place % len(encoded)] = byte
    plan = resolve(schema.root, schema.root)
    fused, closures = Decoding().read(plan), Decoding(path=Path()).read(plan)
    message = bytes(encoded)
    assert attempt(lambda: fused(message, 0, budget())) == attempt(lambda: closures(message, 0, budget()))


@given(st.data())
@UNHURRIED
def test_writing_is_what_the_closures_write_also_of_values_of_another_schema(data: st.DataObject) -> None:
    schema = data.draw(avro_schemas())
    value = data.draw(values_of(data.draw(st.sampled_from([schema, data.draw(avro_schemas())])).root))
    plan = resolve(schema.root, schema.root)
    fused, closures = Encoding().write(plan), Encoding(path=Path()).write(plan)
    assert attempt(lambda: written(fused, value)) == attempt(lambda: written(closures, value))


class Colour(enum.Enum):
    RED = "RED"
    BLUE = "BLUE"


class Part(BaseModel):
    name: str
    weight: float


class Whole(BaseModel, frozen=True):
    id: uuid.UUID
    at: AwareDatetime
    price: Annotated[Decimal, Field(max_digits=9, decimal_places=3)]
    colour: Colour
    count: int
    fits: bool
    note: str | None
    parts: list[Part]
    pairs: dict[str, list[int]]
    rows: tuple[tuple[int, ...], ...]


whole = st.builds(
    Whole,
    id=st.uuids(),
    at=st.datetimes(timezones=st.just(dt.UTC)),
    price=st.decimals(-999_999, 999_999, places=3),
    colour=st.sampled_from(Colour),
    count=st.integers(-(2**63), 2**63 - 1),
    note=st.none() | st.text(max_size=80),
    parts=st.lists(st.builds(Part, name=st.text(), weight=st.floats(allow_nan=False)), max_size=3),
    pairs=st.dictionaries(st.text(max_size=3), st.lists(st.integers(-9000, 9000)), max_size=3),
    rows=st.lists(st.lists(st.integers(-100, 100)).map(tuple)).map(tuple),
)


@given(value=whole)
@UNHURRIED
def test_instances_come_back_equal(value: Whole) -> None:
    codec = Codec(Whole)
    root = schema_of(Whole).root
    data = codec.encode(value)
    assert data == written(Encoding(path=Path()).write(resolve(root, root)), value)
    assert codec.decode(data) == value


@given(st.datetimes(min_value=dt.datetime(1, 1, 2), timezones=st.just(dt.UTC)))
@UNHURRIED
def test_instants_of_every_length_come_back_equal(when: dt.datetime) -> None:
    codec = Codec({"type": "record", "name": "R", "fields": [{"name": "at", "type": TIMESTAMP}]})
    for behind in (b"", b"\x80" * 9):
        data = codec.encode({"at": when})
        value, end = codec._read(data + behind, 0, budget())
        assert (value, end) == ({"at": when}, len(data))


TIMESTAMP = {"type": "long", "logicalType": "timestamp-micros"}


def test_an_instance_that_can_be_changed_has_its_own_set_of_given_fields() -> None:
    codec = Codec(Part)
    one, two = (codec.decode(codec.encode(Part(name="a", weight=1.0))) for _ in range(2))
    one.model_fields_set.discard("name")
    assert two.model_fields_set == {"name", "weight"}


def test_names_of_fields_never_become_source() -> None:
    names = ["class", "p", "data", "size", "left", "c1", "__import__"]
    codec = Codec({"type": "record", "name": "R", "fields": [{"name": n, "type": "long"} for n in names]})
    value = {name: number for number, name in enumerate(names)}
    assert codec.decode(codec.encode(value)) == value
