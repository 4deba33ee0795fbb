"""A service of marketing that tries to publish another team's event. It is refused, with the reason."""

import asyncio
import sys
import uuid

from busline import Bus, Event
from busline.errors import AccessDenied


class OrderPlaced(Event, contract="orders.order-placed", key="user_id"):
    order_id: uuid.UUID
    user_id: str


async def main() -> int:
    bus = Bus(service="marketing/statistics")
    try:
        async with bus:
            await bus.publish(OrderPlaced(order_id=uuid.uuid4(), user_id="user-0"))
    except AccessDenied as refused:
        print(refused)
        return 5
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
