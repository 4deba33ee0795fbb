"""Team billing, service `billing/invoicing`: sends an invoice for every order. Its ledger is flaky, as ledgers are.

busline run examples.shop.invoicing:bus
"""

import datetime as dt
import uuid
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from busline import Bus, Delivery, Event, Reject, Retry
from busline.contract.types import Int32

Money = Annotated[Decimal, Field(max_digits=12, decimal_places=2)]


class Currency(StrEnum):
    EUR = "EUR"
    USD = "USD"
    GBP = "GBP"


class OrderPlaced(Event, contract="orders.order-placed", key="user_id"):
    """What invoicing reads of an order: less than what orders/checkout publishes."""

    order_id: uuid.UUID
    user_id: str
    total: Money
    currency: Currency


class InvoiceSent(Event, contract="billing.invoice-sent", key="user_id"):
    invoice_id: uuid.UUID
    order_id: uuid.UUID
    user_id: str
    amount: Money
    currency: Currency
    due: dt.date
    attempts: Int32


bus = Bus(service="billing/invoicing")


def enter_in_ledger(order: OrderPlaced, attempt: int) -> None:
    """One entry in sixteen meets a busy ledger, and one of those twice."""
    if order.order_id.int % 16 == 0 and attempt <= (2 if order.order_id.int % 256 == 0 else 1):
        raise ConnectionError("the ledger is busy")


@bus.subscribe(OrderPlaced, retry=Retry(attempts=5, initial=0.02, maximum=0.2))
async def send_invoice(delivery: Delivery[OrderPlaced]) -> None:
    order = delivery.event
    if order.currency is Currency.GBP:
        raise Reject("no bank account takes GBP")
    enter_in_ledger(order, delivery.attempt)
    await bus.publish(
        InvoiceSent(
            invoice_id=uuid.uuid5(order.order_id, "invoice"),  # the same again, should the order come again
            order_id=order.order_id,
            user_id=order.user_id,
            amount=order.total,
            currency=order.currency,
            due=dt.date.today() + dt.timedelta(days=14),
            attempts=delivery.attempt,
        )
    )


if __name__ == "__main__":
    bus.run()
