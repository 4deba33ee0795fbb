"""Made-up values: valid for any schema, the same for the same seed, plausible by name."""

import random
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import AwareDatetime, BaseModel, Field

from busline.contract.defaults import to_json
from busline.contract.event import Event
from busline.contract.fake import Fakes, fake
from busline.contract.schema import Schema, parse
from busline.testing.strategies import avro_schemas


class Kind(StrEnum):
    NEW = "new"
    OLD = "old"


class Part(BaseModel):
    kind: Kind
    parts: "tuple[Part, ...]" = ()


class Order(Event, contract="orders.order", key="class"):
    class_: str = Field(serialization_alias="class")
    order_id: UUID
    total: Annotated[Decimal, Field(max_digits=3, decimal_places=2)]
    at: AwareDatetime
    part: Part | Kind | None
    parts: dict[str, list[Part]]


@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(avro_schemas(), st.integers(0, 2**32))
def test_a_made_up_value_is_valid_and_the_same_by_its_seed(schema: Schema, seed: int) -> None:
    value = fake(schema, random.Random(seed))
    to_json(schema.root, value)  # raises where the value is none of the schema
    assert fake(schema, random.Random(seed)) == value == Fakes(seed).value(schema)


def test_a_model_gives_an_instance_of_it() -> None:
    order = fake(Order, random.Random(3))
    assert isinstance(order, Order)
    assert order == fake(Order, random.Random(3))
    assert all(isinstance(part, Part) for parts in order.parts.values() for part in parts)
    assert Order.model_validate(order.model_dump()) == order


def test_recursive_types_end() -> None:
    tree: Any = {
        "type": "record",
        "name": "T",
        "fields": [{"name": "a", "type": {"type": "array", "items": "T"}}, {"name": "b", "type": ["T", "null"]}],
    }
    for seed in range(20):
        assert Fakes(seed).value(parse(tree))


def test_texts_fit_their_names() -> None:
    names = ["email", "contact_email", "currency", "order_id"]
    fields = [{"name": name, "type": "string"} for name in names]
    value = Fakes(1).value(parse({"type": "record", "name": "R", "fields": fields}))
    assert value["email"].endswith("@example.com")
    assert value["contact_email"].endswith("@example.com")
    assert len(value["currency"]) == 3
    assert value["order_id"].startswith("order-")
