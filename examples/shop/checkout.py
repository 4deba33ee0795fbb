"""Team orders, service `orders/checkout`: publishes an order for every basket that is paid.

BUSLINE_URL=sqlite:///shop.db BUSLINE_WORKSPACE=schemas python -m examples.shop.checkout
"""

import asyncio
import datetime as dt
import json
import os
import random
import uuid
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, Field

from busline import Bus, Event
from busline.contract.types import Int32

ORDERS = int(os.environ.get("SHOP_ORDERS", "1000"))
USERS = 40
BURST = 40

Money = Annotated[Decimal, Field(max_digits=12, decimal_places=2)]


class Status(StrEnum):
    PAID = "PAID"
    ON_ACCOUNT = "ON_ACCOUNT"


class Currency(StrEnum):
    EUR = "EUR"
    USD = "USD"
    GBP = "GBP"


class Line(BaseModel):
    sku: str
    quantity: Int32
    price: Money


class OrderPlaced(Event, contract="orders.order-placed", key="user_id"):
    order_id: uuid.UUID
    user_id: str
    placed_at: AwareDatetime
    status: Status
    currency: Currency
    total: Money
    lines: list[Line]
    coupon: str | None = None
    attributes: dict[str, str] = Field(default_factory=dict)


bus = Bus(service="orders/checkout")


def order(chance: random.Random, number: int) -> OrderPlaced:
    """A basket that was paid. One in fifty pays in pounds, which billing has no account for."""
    prices = [Decimal(chance.randrange(100, 20_000)) / 100 for _ in range(chance.randint(1, 4))]
    lines = [Line(sku=f"sku-{chance.randrange(500)}", quantity=chance.randint(1, 3), price=price) for price in prices]
    return OrderPlaced(
        order_id=uuid.UUID(int=chance.getrandbits(128), version=4),
        user_id=f"user-{chance.randrange(USERS)}",
        placed_at=dt.datetime.now(dt.UTC),
        status=chance.choice(list(Status)),
        currency=Currency.GBP if number % 50 == 7 else chance.choice([Currency.EUR, Currency.USD]),
        total=sum((line.price * line.quantity for line in lines), Decimal(0)),
        lines=lines,
        coupon=chance.choice([None, "WELCOME"]),
        attributes={"channel": chance.choice(["shop", "telephone"])},
    )


async def main() -> None:
    chance = random.Random(2026)
    for first in range(0, ORDERS, BURST):
        await bus.publish(*(order(chance, number) for number in range(first, first + BURST)))
        await asyncio.sleep(0.05)  # customers come in waves, so that there is something to watch
    print(json.dumps({"published": ORDERS // BURST * BURST}))


if __name__ == "__main__":
    bus.run(main)
