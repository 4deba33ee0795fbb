"""An event of a narrower model becomes a whole one of the contract's version, at every level."""

import random
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from busline import Event
from busline.codec.codec import Codec
from busline.contract.fake import Fakes
from busline.contract.model import Contract, Version
from busline.contract.schema import parse
from busline.contract.types import Aliases
from busline.names import ContractName
from busline.testing.completing import Completing

NAME = ContractName("orders.order-placed")


def contract(fields: list[dict[str, Any]], example: dict[str, Any] | None = None) -> Contract:
    schema = parse({"type": "record", "name": "OrderPlaced", "fields": fields})
    return Contract(name=NAME, key=("order_id",), versions=(Version(number=1, schema=schema),), example=example)


def completed(event: Event, whole: Contract) -> Any:
    version = whole.versions[0]
    value = Completing(type(event), whole, version).value(event)
    return Codec(version.schema).decode(Codec(version.schema).encode(value))


ID = {"name": "order_id", "type": "string"}


def test_a_renamed_field_goes_where_the_version_has_it() -> None:
    class Order(Event, contract=NAME, key="order_id"):
        order_id: str
        total: Annotated[int, Aliases("sum")]

    whole = contract([ID, {"name": "sum", "type": "long"}])
    assert completed(Order(order_id="o", total=3), whole) == {"order_id": "o", "sum": 3}


def test_a_value_of_the_model_wins_over_the_example() -> None:
    class Order(Event, contract=NAME, key="order_id"):
        order_id: str
        coupon: str | None = None

    whole = contract(
        [ID, {"name": "coupon", "type": ["null", "string"], "default": None}, {"name": "n", "type": "int"}],
        {"order_id": "example", "coupon": "example", "n": 7},
    )
    assert completed(Order(order_id="o"), whole) == {"order_id": "o", "coupon": None, "n": 7}


@pytest.mark.parametrize(
    ("written", "annotation", "value", "expected"),
    [
        ("long", float, 3.0, 3),
        ("int", float, 3.0, 3),
        ("string", bytes, b"ab", "ab"),
        ("bytes", str, "ab", b"ab"),
        ("float", float, 0.5, 0.5),
    ],
)
def test_what_the_model_reads_wider_is_written_as_the_version_has_it(
    written: str, annotation: type, value: object, expected: object
) -> None:
    namespace = {"__annotations__": {"order_id": str, "value": annotation}, "__module__": __name__}
    model: Any = type(Event)("Order", (Event,), namespace, contract=NAME, key="order_id")
    whole = contract([ID, {"name": "value", "type": written}])
    assert completed(model(order_id="o", value=value), whole)["value"] == expected


def test_what_the_version_cannot_hold_is_refused_and_not_bent() -> None:
    from busline.errors import EncodeError

    class Order(Event, contract=NAME, key="order_id"):
        order_id: str
        total: float

    whole = contract([ID, {"name": "total", "type": "long"}])
    with pytest.raises(EncodeError, match="total"):
        completed(Order(order_id="o", total=2.5), whole)


class Order(Event, contract=NAME, key="order_id"):
    order_id: str


TYPES: list[Any] = [
    "boolean",
    "double",
    {"type": "array", "items": "string"},
    {"type": "map", "values": "long"},
    ["null", {"type": "record", "name": "Inner", "fields": [{"name": "x", "type": "int"}]}],
    {"type": "long", "logicalType": "timestamp-micros"},
    {"type": "string", "logicalType": "uuid"},
    {"type": "fixed", "name": "Four", "size": 4},
]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from(range(len(TYPES))), unique=True), st.integers(0, 1000))
def test_any_field_that_is_missing_is_made_up_validly(chosen: list[int], seed: int) -> None:
    whole = contract([ID, *({"name": f"f{i}", "type": TYPES[i]} for i in chosen)])
    value = completed(Order(order_id=f"o-{seed}"), whole)
    assert value.keys() == {"order_id", *(f"f{i}" for i in chosen)} and value["order_id"] == f"o-{seed}"


def test_the_same_event_is_completed_in_the_same_way() -> None:
    whole = contract([ID, *({"name": f"f{i}", "type": kind} for i, kind in enumerate(TYPES))])
    event = Order(order_id="o")
    assert completed(event, whole) == completed(event, whole)
    assert completed(event, whole) != Fakes(random.Random(5)).value(whole.versions[0].schema)
