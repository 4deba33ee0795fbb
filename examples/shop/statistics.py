"""Team marketing, service `marketing/statistics`: what each user has bought so far, as a state contract.

An order may come twice. All orders of a user are in order, in one partition, so the position of the last one counted,
kept in the state itself, tells a repeated order from a new one: also after a crash.

    busline run examples.shop.statistics:bus
"""

import asyncio
import uuid
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from busline import Bus, Delivery, Event, State

Money = Annotated[Decimal, Field(max_digits=12, decimal_places=2)]


class OrderPlaced(Event, contract="orders.order-placed", key="user_id"):
    order_id: uuid.UUID
    user_id: str
    total: Money


class UserStatistics(State, contract="marketing.user-statistics", key="user_id"):
    user_id: str
    orders: int
    total: Money
    as_of: int


bus = Bus(service="marketing/statistics")
known: dict[str, UserStatistics] = {}
loading = asyncio.Lock()
loaded = False


async def load() -> None:
    """What an earlier run of this service left."""
    global loaded
    async with loading:
        if not loaded:
            async for statistics in bus.read(UserStatistics):
                known[statistics.user_id] = statistics
            loaded = True


@bus.subscribe(OrderPlaced)
async def count(delivery: Delivery[OrderPlaced]) -> None:
    if not loaded:
        await load()
    order, position = delivery.event, delivery.position.offset
    before = known.get(order.user_id)
    if before is not None and position <= before.as_of:
        return
    after = UserStatistics(
        user_id=order.user_id,
        orders=(before.orders if before else 0) + 1,
        total=(before.total if before else Decimal(0)) + order.total,
        as_of=position,
    )
    await bus.publish(after)
    known[order.user_id] = after


if __name__ == "__main__":
    bus.run()
