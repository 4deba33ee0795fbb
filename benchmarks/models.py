"""The event that every benchmark carries: the types that real events are made of."""

import datetime as dt
import enum
import uuid
from decimal import Decimal
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field

from busline.contract.event import Event

Money = Annotated[Decimal, Field(max_digits=12, decimal_places=2)]


class Status(enum.Enum):
    OPEN = "OPEN"
    PAID = "PAID"


class Line(BaseModel):
    sku: str
    quantity: int
    price: Money


class OrderPlaced(Event, contract="orders.order-placed", key="order_id"):
    order_id: uuid.UUID
    placed_at: AwareDatetime
    total: Money
    status: Status
    coupon: str | None = None
    lines: list[Line]
    tags: dict[str, str]


def order(number: int = 0) -> OrderPlaced:
    """The same event for the same number."""
    lines = [Line(sku=f"sku-{number}-{i}", quantity=i + 1, price=Decimal("9.90") + i) for i in range(3)]
    return OrderPlaced(
        order_id=uuid.uuid5(uuid.NAMESPACE_OID, str(number)),
        placed_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=number),
        total=sum((line.price * line.quantity for line in lines), Decimal()),
        status=Status.PAID,
        coupon=f"WELCOME{number}" if number % 2 else None,
        lines=lines,
        tags={"channel": "web", "country": "DE"},
    )
