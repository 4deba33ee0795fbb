"""A running service and a contract that goes: told at its start, refused from the sunset on."""

import datetime as dt
import logging
from pathlib import Path

import pytest

from busline import Bus, Event
from busline.errors import AccessDenied

DAY = dt.timedelta(days=1)


class Placed(Event, contract="orders.placed", key="order_id"):
    order_id: str
    total: float


SCHEMA = (
    '{"type": "record", "name": "Placed", "fields": [{"name": "order_id", "type": "string"},'
    ' {"name": "total", "type": "double"}, {"name": "amount", "type": "double", "default": 0}]}'
)


def today() -> dt.date:
    return dt.datetime.now(dt.UTC).date()


def workspace(folder: Path, said: str) -> Path:
    """One team, whose checkout publishes and reads orders.placed. said: more lines of the contract."""
    files = {
        "busline.yaml": "company: acme\n",
        "orders/team.yaml": 'contact: {chat: "#orders"}\n',
        "orders/placed/contract.yaml": f"description: Placed.\nkey: order_id\n{said}",
        "orders/placed/1.avsc": SCHEMA,
        "orders/next/contract.yaml": "description: Next.\n",
        "orders/next/1.avsc": SCHEMA,
        "orders/checkout.service.yaml": (
            "publishes: {orders.placed: 1}\nsubscribes:\n  orders.placed: {version: 1, fields: [order_id, total]}\n"
        ),
    }
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def deprecated(sunset: dt.date) -> str:
    return f"deprecation: {{since: {today() - 30 * DAY}, sunset: {sunset}, replacement: orders.next}}\n"


def bus_of(folder: Path, *, subscribed: bool) -> Bus:
    bus = Bus("memory://", service="orders/checkout", workspace=folder)
    if subscribed:

        @bus.subscribe(Placed)
        async def handle(placed: Placed) -> None: ...

    return bus


async def test_a_service_is_told_at_its_start_what_will_go(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger="busline.lifecycle")
    field = f"fields: {{total: {{deprecated: {{since: {today() - DAY}, use: amount}}}}}}\n"
    sunset = today() + 30 * DAY
    async with bus_of(workspace(tmp_path, deprecated(sunset) + field), subscribed=True) as bus:
        told = list(caplog.messages)
        await bus.publish(Placed(order_id="1", total=1.0))
        await bus.caught_up(10)
    assert len(told) == 2
    assert str(sunset) in told[0] and "Use orders.next" in told[0]
    assert "total" in told[1] and "Use amount" in told[1]
    assert caplog.messages == told  # publishing it too says nothing that was not said


async def test_from_the_sunset_on_a_subscription_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(AccessDenied, match=rf"its sunset was {today()}.*Use orders.next") as refused:
        await bus_of(workspace(tmp_path, deprecated(today())), subscribed=True).start()
    assert refused.value.what == "orders/checkout may not subscribe orders.placed"


async def test_from_the_sunset_on_nobody_publishes_and_everybody_may_read(tmp_path: Path) -> None:
    async with bus_of(workspace(tmp_path, deprecated(today())), subscribed=False) as bus:
        with pytest.raises(AccessDenied, match=r"Use orders\.next"):
            await bus.publish(Placed(order_id="1", total=1.0))
        assert [event async for event in bus.read(Placed)] == []


async def test_a_publisher_that_runs_over_the_sunset_is_refused_from_that_day_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sunset = today() + DAY
    async with bus_of(workspace(tmp_path, deprecated(sunset)), subscribed=False) as bus:
        await bus.publish(Placed(order_id="1", total=1.0))
        for module in ("busline.bus.session.today", "busline.bus.notices.today"):
            monkeypatch.setattr(module, lambda: sunset)
        assert bus._life is not None
        bus._life.session.notices.new_day()
        with pytest.raises(AccessDenied, match="its sunset was"):
            await bus.publish(Placed(order_id="2", total=1.0))
