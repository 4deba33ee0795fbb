"""A service as its developer writes it: it must pass mypy --strict and pyright as it stands."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal, assert_type
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, NaiveDatetime

from busline import Bus, Deleted, Delivery, Event, Reject, Retry, State
from busline.contract.types import Aliases, Duration, Fallback, Fixed, Float32, Int32, Millis, Nanos

Money = Annotated[Decimal, Field(max_digits=12, decimal_places=2)]


class Status(StrEnum):
    NEW = "new"
    PAID = "paid"


class Line(BaseModel, frozen=True):
    """One article of an order."""

    sku: str
    quantity: Int32 = 1
    price: Money
    weight: Float32 | None = None


class OrderPlaced(Event, contract="orders.order-placed", key="order_id"):
    """An order was accepted and paid for."""

    order_id: UUID
    total: Money = Field(description="All taxes included.")
    at: Annotated[AwareDatetime, Millis]
    due: NaiveDatetime | None = None
    lines: list[Line] = Field(default=[])
    status: Annotated[Status, Fallback("new")] = Status.NEW
    channel: Literal["web", "shop"] = "web"
    digest: Annotated[bytes, Fixed(4)] = b"\0\0\0\0"
    tags: dict[str, str] = Field(default={})
    class_: Annotated[str | None, Aliases("klass")] = Field(default=None, serialization_alias="class")
    seen: Nanos = Nanos(0)
    window: Duration = Duration(days=14)


class UserStats(State, contract="marketing.user-stats", key=("user", "region")):
    user: str
    region: str
    orders: int = 0


bus = Bus("memory://", service="billing/invoicing")


@bus.subscribe(OrderPlaced, retry=Retry(attempts=3))
async def invoice(order: OrderPlaced) -> None:
    if order.status is not Status.NEW:
        raise Reject("paid already")
    assert_type(order.lines[0].price, Decimal)


@bus.subscribe(OrderPlaced, name="audit")
async def audit(delivery: Delivery[OrderPlaced]) -> None:
    assert_type(delivery.event, OrderPlaced)
    assert_type(delivery.attempt, int)


@bus.subscribe(UserStats)
async def statistics(stats: UserStats | Deleted) -> None:
    match stats:
        case Deleted():
            assert_type(stats.event_id, str)
            key: Mapping[str, object] = stats.key
            print(key)
        case UserStats():
            assert_type(stats.orders, int)


async def main() -> None:
    order = OrderPlaced(order_id=UUID(int=1), total=Decimal("9.50"), at=_now(), class_="a")
    assert_type(order.event_id, str)
    await bus.publish(order, order.model_copy(update={"total": Decimal(1)}))
    await bus.publish(UserStats(user="u1", region="eu"), Deleted(UserStats, user="u2", region="eu"))
    async for event in bus.read(OrderPlaced, start=timedelta(days=7)):
        assert_type(event, OrderPlaced)
    async for plain in bus.read("orders.order-placed"):
        print(plain["order_id"])
    await invoice(order)  # a decorator gives the function back as it is


def _now() -> AwareDatetime:
    from datetime import UTC, datetime

    return datetime.now(UTC)


if __name__ == "__main__":
    bus.run(main)
