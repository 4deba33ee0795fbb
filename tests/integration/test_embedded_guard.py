"""An engine that guards nothing: the running service does, with the same decision as everywhere, whoever applies."""

import asyncio
import logging
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from busline import Bus, Event
from busline.bus import session as session_module
from busline.errors import AccessDenied

GRANTED = "access: {subscribe: [billing/invoicing]}\n"
PUBLISHES = "publishes: {orders.order-placed: 1}\n"
SUBSCRIBES = "subscribes:\n  orders.order-placed: {version: 1, fields: [id]}\n"
SCHEMA = '{"type": "record", "name": "orders.OrderPlaced", "fields": [{"name": "id", "type": "string"}]}\n'
PATIENCE = 20.0


class OrderPlaced(Event, contract="orders.order-placed", key="id"):
    id: str


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "WATCH", 0.02)


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """Orders publishes, and invoicing subscribes."""
    return workspace(tmp_path / "given")


@pytest.fixture
def taken(tmp_path: Path) -> Path:
    """The same, later: neither may."""
    return workspace(tmp_path / "taken", granted="", publishes="publishes: {}\n", subscribes="subscribes: {}\n")


def workspace(folder: Path, granted: str = GRANTED, publishes: str = PUBLISHES, subscribes: str = SUBSCRIBES) -> Path:
    texts = {
        "busline.yaml": "company: acme\n",
        "orders/team.yaml": 'contact: {chat: "#orders"}\n',
        "orders/checkout.service.yaml": publishes,
        "orders/order-placed/contract.yaml": f"description: An order was placed.\nkey: id\n{granted}",
        "orders/order-placed/1.avsc": SCHEMA,
        "billing/team.yaml": 'contact: {chat: "#billing"}\n',
        "billing/invoicing.service.yaml": subscribes,
        "billing/nothing.service.yaml": "description: It only starts.\n",
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


async def apply(url: str, folder: Path) -> None:
    """As another service's start does it."""
    async with Bus(url, service="billing/nothing", workspace=folder):
        pass


async def refused(call: Callable[[], Awaitable[object]]) -> AccessDenied:
    """Called until it is refused."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await call()
            except AccessDenied as error:
                return error
            await asyncio.sleep(0.01)


async def allowed(call: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await call()
                return
            except AccessDenied:
                await asyncio.sleep(0.01)


async def test_a_right_to_publish_that_was_taken_away_is_refused_and_comes_back(
    url: str, given: Path, taken: Path
) -> None:
    async with Bus(url, service="orders/checkout", workspace=given) as bus:
        await bus.publish(OrderPlaced(id="1"))
        await apply(url, taken)
        error = await refused(lambda: bus.publish(OrderPlaced(id="2")))
        assert "orders/checkout may not publish orders.order-placed" in str(error)
        await apply(url, given)
        await allowed(lambda: bus.publish(OrderPlaced(id="3")))


async def test_a_stream_that_is_open_is_refused_and_goes_on_when_the_right_comes_back(
    url: str, given: Path, taken: Path
) -> None:
    async with Bus(url, service="orders/checkout", workspace=given) as bus, bus.publisher(OrderPlaced) as stream:
        await stream.send(OrderPlaced(id="1"))
        await apply(url, taken)
        await refused(lambda: stream.send(OrderPlaced(id="2")))
        await stream.flush()
        await apply(url, given)
        await allowed(lambda: stream.send(OrderPlaced(id="3")))


async def test_a_live_read_ends_with_the_first_record_after_the_right_is_gone(
    url: str, given: Path, taken: Path, tmp_path: Path
) -> None:
    only_publishing = workspace(tmp_path / "only", granted="", subscribes="subscribes: {}\n")
    async with (
        Bus(url, service="orders/checkout", workspace=given) as orders,
        Bus(url, service="billing/invoicing", workspace=given) as billing,
    ):
        await orders.publish(OrderPlaced(id="1"))
        reading = aiter(billing.read(OrderPlaced, end=None))
        assert (await anext(reading)).id == "1"
        await apply(url, only_publishing)
        await until(lambda: not may_read(billing))
        await allowed(lambda: orders.publish(OrderPlaced(id="2")))
        with pytest.raises(AccessDenied, match="billing/invoicing may not read"):
            async with asyncio.timeout(PATIENCE):
                await anext(reading)


async def test_a_subscription_waits_while_the_right_is_gone_and_misses_nothing(
    url: str, given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("busline.bus.subscribing.RETRY_AFTER", 0.02)
    only_publishing = workspace(tmp_path / "only", granted="", subscribes="subscribes: {}\n")
    handled: list[str] = []
    billing = Bus(url, service="billing/invoicing", workspace=given)

    @billing.subscribe(OrderPlaced)
    async def handle(event: OrderPlaced) -> None:
        handled.append(event.id)

    async with Bus(url, service="orders/checkout", workspace=given) as orders, billing:
        await orders.publish(OrderPlaced(id="1"))
        await until(lambda: handled == ["1"])
        await apply(url, only_publishing)
        await until(lambda: not may_read(billing))
        await allowed(lambda: orders.publish(OrderPlaced(id="2")))
        await until(lambda: not billing.health().ready)
        assert billing.health().alive and "may not subscribe" in (billing.health().reason or "")
        assert handled == ["1"]
        await apply(url, given)
        await until(lambda: handled == ["1", "2"])
        await until(lambda: billing.health().ready)


async def test_who_starts_without_a_workspace_is_bound_by_what_was_applied(
    url: str, given: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Bus(url, service="billing/nothing", workspace=given):
        stranger = Bus(url, service="orders/stranger")
        async with stranger:
            with pytest.raises(AccessDenied, match="orders/stranger may not publish"):
                await stranger.publish(OrderPlaced(id="1"))
        assert "everything is allowed" not in capsys.readouterr().err
        reader = Bus(url, service="billing/stranger")

        @reader.subscribe(OrderPlaced)
        async def handle(event: OrderPlaced) -> None: ...

        with pytest.raises(AccessDenied, match="billing/stranger may not subscribe"):
            await reader.start()


async def test_who_runs_freely_is_bound_once_a_workspace_is_applied(url: str, given: Path) -> None:
    async with Bus(url, service="orders/stranger") as bus:
        await bus.publish(OrderPlaced(id="1"))
        await apply(url, given)
        await refused(lambda: bus.publish(OrderPlaced(id="2")))


async def test_another_process_takes_a_right_away(tmp_path: Path, given: Path, taken: Path) -> None:
    url = f"sqlite:///{tmp_path}/bus.db"
    program = (
        "import asyncio, sys; from busline import Bus\n"
        "async def main():\n    async with Bus(sys.argv[1], service='billing/nothing', workspace=sys.argv[2]): pass\n"
        "asyncio.run(main())\n"
    )
    async with Bus(url, service="orders/checkout", workspace=given) as bus:
        await bus.publish(OrderPlaced(id="1"))
        run = [sys.executable, "-c", program, url, str(taken)]
        done = await asyncio.to_thread(subprocess.run, run, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        await refused(lambda: bus.publish(OrderPlaced(id="2")))


async def test_a_file_says_at_start_that_its_owner_can_go_around_it(
    url: str, given: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "busline.bus"):
        await apply(url, given)
    said = [record.getMessage() for record in caplog.records if "can go around" in record.getMessage()]
    assert len(said) == (1 if url.startswith("sqlite:") else 0)


async def test_between_two_changes_of_the_log_nothing_is_decided_again(
    url: str, given: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Bus(url, service="orders/checkout", workspace=given) as bus:
        await bus.publish(OrderPlaced(id="1"))
        monkeypatch.setattr(session_module, "decide", lambda **_: pytest.fail("decided again"))
        for number in range(50):
            await bus.publish(OrderPlaced(id=f"{number}"))


def may_read(bus: Bus) -> bool:
    """As the bus itself knows it by now."""
    spec = bus._running().session.log.catalog.contract(OrderPlaced.__busline__.name)
    return spec is not None and bool(spec.grants)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - what other tasks come to, which has no event
            await asyncio.sleep(0.01)
