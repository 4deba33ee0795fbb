"""Values of every type, both ways, against fastavro; instances of models; and what is wrong in a value."""

import copy
import datetime as dt
import enum
import io
import math
import pickle
import uuid
from decimal import Decimal
from typing import Annotated, Any

import fastavro
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import AwareDatetime, BaseModel, Field, PrivateAttr, field_validator

from busline.codec.codec import Codec
from busline.codec.instances import needs_validation
from busline.contract.event import Event
from busline.contract.nodes import walk
from busline.contract.schema import Schema
from busline.contract.types import Duration
from busline.errors import ContractMismatch, DecodeError, EncodeError
from busline.testing.strategies import avro_schemas, values_of

RELAXED = settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def plain(schema: Any) -> Any:
    """The schema without logical types: what stands on the wire, for fastavro and us alike."""
    if isinstance(schema, dict):
        return {k: plain(v) for k, v in schema.items() if k not in ("logicalType", "precision", "scale", "default")}
    return [plain(one) for one in schema] if isinstance(schema, list) else schema


def same(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (math.isnan(a) and math.isnan(b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return type(a) is type(b) and a == b


@given(st.data())
@RELAXED
def test_every_value_of_every_schema_comes_back(data: st.DataObject) -> None:
    schema: Schema = data.draw(avro_schemas())
    value = data.draw(values_of(schema.root))
    codec = Codec(schema)
    encoded = codec.encode(value)
    again = codec.decode(encoded)
    assert codec.encode(again) == encoded


@given(st.data())
@RELAXED
def test_fastavro_reads_and_writes_the_same_bytes(data: st.DataObject) -> None:
    schema: Schema = data.draw(avro_schemas())
    value = data.draw(values_of(schema.root))
    bare = plain(schema.json)
    encoded = Codec(schema).encode(value)
    try:
        parsed = fastavro.parse_schema(bare)
    except fastavro.schema.UnknownType:  # a name without namespace, used within one: fastavro cannot find it
        assume(False)
    theirs = fastavro.schemaless_reader(io.BytesIO(encoded), parsed, None, return_record_name=True)
    ours = Codec(bare).decode(encoded)
    untagged = fastavro.schemaless_reader(io.BytesIO(encoded), parsed, None)
    assert same(ours, untagged)
    out = io.BytesIO()
    fastavro.schemaless_writer(out, parsed, theirs)
    if not any(type(n).__name__ == "Union" for n in walk(schema.root)):  # fastavro may pick another branch
        assert out.getvalue() == encoded


class Status(enum.Enum):
    PAID = "PAID"
    OPEN = "OPEN"


class Line(BaseModel):
    sku: str
    quantity: int


class Order(Event, contract="codec.order", key="order_id"):
    order_id: uuid.UUID
    at: AwareDatetime
    total: Annotated[Decimal, Field(max_digits=9, decimal_places=2)]
    status: Status = Status.OPEN
    coupon: str | None = None
    lines: tuple[Line, ...] = ()
    tags: dict[str, int] = Field(default={})


def order(**more: Any) -> Order:
    at = dt.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=dt.UTC)
    return Order(**{"order_id": uuid.UUID(int=7), "at": at, "total": Decimal("1.50"), **more})


def test_an_instance_comes_back_as_pydantic_would_make_it() -> None:
    given = order(lines=(Line(sku="a", quantity=1),), tags={"x": 1}, coupon="c", status=Status.PAID)
    again = Codec(Order).decode(Codec(Order).encode(given))
    assert again == given
    assert repr(again) == repr(given)
    assert again.model_dump_json() == given.model_dump_json()
    assert again.model_copy(update={"coupon": None}).coupon is None
    assert again.event_id != given.event_id
    assert not needs_validation(Order)


@given(given=st.uuids())
@RELAXED
def test_a_uuid_is_in_nothing_unlike_one_that_python_made(given: uuid.UUID) -> None:
    for schema in ({"type": "string"}, {"type": "fixed", "name": "U", "size": 16}):
        codec = Codec({**schema, "logicalType": "uuid"})
        again = codec.decode(codec.encode(given))
        assert (again, repr(again), hash(again), again.is_safe) == (given, repr(given), hash(given), given.is_safe)
        assert pickle.loads(pickle.dumps(again)) == copy.deepcopy(again) == given


def test_private_attributes_are_set_up_without_validation() -> None:
    class Cached(Event, contract="codec.cached"):
        n: int
        _seen: list[int] = PrivateAttr(default_factory=list)

    class Started(Cached, contract="codec.started"):
        def model_post_init(self, context: Any) -> None:
            super().model_post_init(context)
            self._seen.append(self.n)

    assert not needs_validation(Cached)
    first, second = (Codec(Cached).decode(b"\x02") for _ in range(2))
    assert first._seen == [] and first._seen is not second._seen
    assert needs_validation(Started)
    assert Codec(Started).decode(b"\x02")._seen == [1]


def test_a_reader_may_want_fewer_fields_and_fill_new_ones() -> None:
    class Narrow(Event, contract="codec.order", key="order_id"):
        order_id: uuid.UUID
        channel: str = "web"
        notes: list[str] = Field(default=[])

    data = Codec(Order).encode(order())
    codec = Codec(Order.__busline__.schema, Narrow)
    first, second = codec.decode(data), codec.decode(data)
    assert first == Narrow(order_id=uuid.UUID(int=7))
    assert first.model_fields_set == {"order_id"}
    assert first.notes is not second.notes


def test_a_publisher_writes_the_version_it_is_pinned_to() -> None:
    class Newer(Event, contract="codec.order", key="order_id"):
        order_id: uuid.UUID
        extra: str

    published = {"type": "record", "name": "x.Old", "fields": [
        {"name": "order_id", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "note", "type": "string", "default": "none"},
    ]}  # fmt: skip
    with pytest.raises(ContractMismatch, match=r"extra|not written"):
        Codec(published, Newer)

    class Newest(Event, contract="codec.order", key="order_id"):
        order_id: uuid.UUID
        extra: str = ""

    written = Codec(published, Newest).encode(Newest(order_id=uuid.UUID(int=7), extra="e"))
    assert Codec(published).decode(written) == {"order_id": uuid.UUID(int=7), "note": "none"}


def test_a_model_that_cannot_fill_the_version_is_told_so() -> None:
    class Reader(Event, contract="codec.order", key="order_id"):
        order_id: uuid.UUID

    codec = Codec(Order.__busline__.schema, Reader)
    with pytest.raises(ContractMismatch, match=r"at|total"):
        codec.check_encode()


def test_a_models_own_demands_are_validated() -> None:
    class Strict(Event, contract="codec.strict"):
        code: Annotated[str, Field(pattern="^[A-Z]+$")]
        n: int

        @field_validator("n")
        @classmethod
        def even(cls, value: int) -> int:
            if value % 2:
                raise ValueError("odd")
            return value

    assert needs_validation(Strict)
    codec = Codec(Strict)
    assert codec.decode(codec.encode(Strict(code="AB", n=2))) == Strict(code="AB", n=2)
    loose = Codec(Strict.__busline__.schema.text)
    for bad in ({"code": "a", "n": 2}, {"code": "A", "n": 1}):
        with pytest.raises(DecodeError, match="the model refuses it"):
            codec.decode(loose.encode(bad))


def test_a_validator_that_raises_anything_is_a_decode_error() -> None:
    class Wild(Event, contract="codec.wild"):
        n: int

        @field_validator("n")
        @classmethod
        def boom(cls, value: int) -> int:
            if value == 3:
                raise KeyError("boom")
            return value

    with pytest.raises(DecodeError, match="boom"):
        Codec(Wild).decode(b"\x06")


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("int", 2**31, "32 bits"),
        ("long", -(2**63) - 1, "64 bits"),
        ("long", True, "an int"),
        ("long", 1.0, "an int"),
        ("string", b"x", "a str"),
        ("string", "\ud800", "UTF-8"),
        ("bytes", "x", "bytes"),
        ("boolean", 1, "a bool"),
        ("double", "1", "a float"),
        ("double", 2**63 + 1, "exact"),
        ("float", 1e300, "32 bits"),
        ({"type": "fixed", "name": "F", "size": 2}, b"x", "2 bytes"),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, "B", "one of A"),
        ({"type": "array", "items": "int"}, {"a": 1}, "list"),
        ({"type": "map", "values": "int"}, [1], "dict"),
        ({"type": "map", "values": "int"}, {1: 1}, "a str"),
        (["null", "string"], 1, "a str"),
        (["null", "string", "int"], 1.5, "a value of"),
        ({"type": "long", "logicalType": "timestamp-micros"}, dt.datetime(2026, 1, 1), "with a time zone"),
        ({"type": "long", "logicalType": "local-timestamp-micros"}, dt.datetime.now(dt.UTC), "without a time zone"),
        ({"type": "long", "logicalType": "timestamp-millis"}, dt.datetime(2026, 1, 1, 0, 0, 0, 1, dt.UTC), "millis"),
        ({"type": "int", "logicalType": "time-millis"}, dt.time(0, 0, 0, 1), "milliseconds"),
        ({"type": "int", "logicalType": "date"}, dt.datetime(2026, 1, 1), "a date"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}, Decimal("1.234"), "decimal(4, 2)"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}, Decimal(100), "decimal(4, 2)"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}, Decimal("1E999999"), "decimal(4, 2)"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}, Decimal("NaN"), "decimal(4, 2)"),
        ({"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}, 1.5, "a Decimal"),
        ({"type": "string", "logicalType": "uuid"}, "x", "a UUID"),
        ({"type": "fixed", "name": "D", "size": 12, "logicalType": "duration"}, Duration(-1, 0, 0), "unsigned"),
    ],
)  # fmt: skip
def test_a_wrong_value_names_path_expected_type_and_value(kind: Any, value: object, expected: str) -> None:
    schema = {"type": "record", "name": "R", "fields": [{"name": "l", "type": {"type": "array", "items": kind}}]}
    with pytest.raises(EncodeError) as caught:
        Codec(schema).encode({"l": [value]})
    assert caught.value.where == "R: l[0]" or str(caught.value.where).startswith("R: l[0]{")
    assert expected in str(caught.value)


def test_missing_and_extra_keys_are_named() -> None:
    schema = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "int", "default": 1}]}
    with pytest.raises(EncodeError, match="lacks a and has b"):
        Codec(schema).encode({"b": 1})


def test_a_value_that_contains_itself_is_refused() -> None:
    schema = {"type": "record", "name": "N", "fields": [{"name": "n", "type": {"type": "array", "items": "N"}}]}
    value: dict[str, Any] = {"n": []}
    value["n"].append(value)
    with pytest.raises(EncodeError, match="deeply"):
        Codec(schema).encode(value)


def test_a_long_wrong_value_is_shortened() -> None:
    with pytest.raises(EncodeError) as caught:
        Codec("int").encode("x" * 10_000)
    assert len(str(caught.value)) < 300


def test_a_subclass_of_the_model_is_written_as_the_model() -> None:
    class Special(Line):
        hidden: str = "h"

    codec = Codec(Order)
    given = order(lines=(Special(sku="a", quantity=1),))
    assert codec.decode(codec.encode(given)).lines == (Line(sku="a", quantity=1),)
