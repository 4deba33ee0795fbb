"""testbus: a service is tested in five lines, by its own bus, on memory, under its contracts (docs/testing.md)."""

import asyncio
import enum
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from busline import Bus, Concurrency, Deleted, Delivery, Event, Reject, Retry, State
from busline.errors import (
    AccessDenied,
    ConfigurationError,
    ContractMismatch,
    ContractUnknown,
    HandlerTimeout,
    SubscriptionError,
)
from busline.testing.testbus import TestBus, find_app

Money = Annotated[Decimal, Field(max_digits=12, decimal_places=2)]
SLOW = Retry(attempts=3, initial=1000, maximum=1000)


class Currency(enum.Enum):
    EUR = "EUR"
    USD = "USD"


class Line(BaseModel):
    sku: str


class Card(BaseModel):
    number: str


class OrderPlaced(Event, contract="orders.order-placed", key="order_id"):
    """Narrower than the contract at every level; `price` reads the contract's long as a double."""

    order_id: str
    price: float
    currency: Currency
    lines: list[Line]
    payment: Card | None
    extras: dict[str, Line]


class InvoiceSent(Event, contract="billing.invoice-sent", key="order_id"):
    order_id: str


class Balance(State, contract="billing.balance", key="user_id"):
    user_id: str
    amount: int


LINE = {
    "type": "record",
    "name": "Line",
    "fields": [{"name": "sku", "type": "string"}, {"name": "quantity", "type": "int"}],
}
CARD = {
    "type": "record",
    "name": "Card",
    "fields": [{"name": "number", "type": "string"}, {"name": "holder", "type": "string"}],
}
TRANSFER = {"type": "record", "name": "Transfer", "fields": [{"name": "iban", "type": "string"}]}
ORDER = [
    {"name": "order_id", "type": "string"},
    {"name": "user_id", "type": "string"},
    {"name": "price", "type": "long"},
    {"name": "currency", "type": {"type": "enum", "name": "Currency", "symbols": ["EUR", "USD"]}},
    {"name": "lines", "type": {"type": "array", "items": LINE}},
    {"name": "payment", "type": ["null", TRANSFER, CARD]},
    {"name": "extras", "type": {"type": "map", "values": "Line"}},
]
EXAMPLE = {
    "order_id": "example",
    "user_id": "user of the example",
    "price": 1,
    "currency": "USD",
    "lines": [{"sku": "s", "quantity": 77}],
    "payment": {"iban": "DE1"},
    "extras": {},
}


def schema(name: str, fields: list[dict[str, Any]]) -> str:
    return json.dumps({"type": "record", "name": name, "fields": fields})


def text(name: str) -> dict[str, Any]:
    return {"name": name, "type": "string"}


FILES = {
    "busline.yaml": "company: acme\nenvironments: {local: {url: 'memory://'}}\n",
    **{
        f"{team}/team.yaml": "description: d\ncontact: {mail: a@example.com}\n"
        for team in ("orders", "billing", "audit")
    },
    "orders/checkout.service.yaml": "publishes: {orders.order-placed: 2}\nsubscribes: {}\naccepts: []\n",
    "orders/order-placed/contract.yaml": "description: d\nkey: order_id\naccess: {subscribe: [billing/invoicing]}\n",
    "orders/order-placed/1.avsc": schema("OrderPlaced", ORDER[:1]),
    "orders/order-placed/2.avsc": schema("OrderPlaced", ORDER),
    "orders/order-placed/example.json": json.dumps(EXAMPLE),
    "billing/invoicing.service.yaml": (
        "publishes: {billing.invoice-sent: 1, billing.balance: 1}\n"
        "subscribes: {orders.order-placed: {version: 2, fields: [order_id, price], start: earliest}}\naccepts: []\n"
    ),
    "billing/invoice-sent/contract.yaml": "description: d\nkey: order_id\naccess: {subscribe: []}\n",
    "billing/invoice-sent/1.avsc": schema("InvoiceSent", [text("order_id")]),
    "billing/balance/contract.yaml": "description: d\nkind: state\nkey: user_id\naccess: {subscribe: []}\n",
    "billing/balance/1.avsc": schema("Balance", [text("user_id"), {"name": "amount", "type": "long"}]),
    "audit/seen/contract.yaml": "description: d\nkey: order_id\naccess: {subscribe: []}\n",
    "audit/seen/1.avsc": schema("Seen", [text("order_id")]),
}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        file = tmp_path / "schemas" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return tmp_path / "schemas"


@pytest.fixture
def bus(workspace: Path) -> Bus:
    """Its real URL is a Kafka that is not there."""
    return Bus("kafka://127.0.0.1:1", service="billing/invoicing", workspace=workspace)


@pytest.fixture
def free() -> Bus:
    return Bus("sqlite:////nowhere/at/all.db", service="billing/invoicing")


def order(order_id: str = "o-1", price: float = 9.0) -> OrderPlaced:
    return OrderPlaced(
        order_id=order_id,
        price=price,
        currency=Currency.EUR,
        lines=[Line(sku="a"), Line(sku="b")],
        payment=Card(number="4242"),
        extras={"gift": Line(sku="c")},
    )


class WideLine(BaseModel):
    sku: str
    quantity: int


class WideCard(BaseModel):
    number: str
    holder: str


class Wide(Event, contract="orders.order-placed", key="order_id"):
    order_id: str
    user_id: str
    price: int
    lines: list[WideLine]
    payment: WideCard | None
    extras: dict[str, WideLine]


async def test_an_event_is_handled_when_given_returns_and_what_the_app_published_is_listed(bus: Bus) -> None:
    @bus.subscribe(OrderPlaced)
    async def invoice(event: OrderPlaced) -> None:
        await asyncio.sleep(0)
        await bus.publish(InvoiceSent(order_id=event.order_id))

    async with TestBus(bus) as testbus:
        assert testbus.published(InvoiceSent) == []
        await testbus.given(order("o-1"), order("o-2"))
        assert {sent.order_id for sent in testbus.published(InvoiceSent)} == {"o-1", "o-2"}
        assert testbus.published(OrderPlaced) == []
        assert testbus.dead_lettered(OrderPlaced) == []


async def test_the_handler_sees_the_event_that_was_given(bus: Bus) -> None:
    seen: list[Delivery[OrderPlaced]] = []

    @bus.subscribe(OrderPlaced)
    async def handle(delivery: Delivery[OrderPlaced]) -> None:
        seen.append(delivery)

    async with TestBus(bus) as testbus:
        given = order()
        await testbus.given(given)
    assert seen[0].event == given
    assert seen[0].event_id == given.event_id
    assert seen[0].header("ce_source") == b"/orders/checkout"


async def test_what_the_model_lacks_comes_from_the_example_else_it_is_made_up(bus: Bus) -> None:
    seen: list[Wide] = []

    @bus.subscribe(Wide)
    async def handle(event: Wide) -> None:
        seen.append(event)

    async with TestBus(bus) as testbus:
        await testbus.given(order(price=9.0))
    [whole] = seen
    assert (whole.order_id, whole.user_id, whole.price) == ("o-1", "user of the example", 9)
    assert whole.lines == [WideLine(sku="a", quantity=77), WideLine(sku="b", quantity=77)]
    assert whole.payment is not None and whole.payment.number == "4242" and whole.payment.holder
    assert whole.extras["gift"].sku == "c" and isinstance(whole.extras["gift"].quantity, int)


async def test_without_an_example_all_that_is_missing_is_made_up(workspace: Path, bus: Bus) -> None:
    (workspace / "orders/order-placed/example.json").unlink()
    seen: list[Wide] = []

    @bus.subscribe(Wide)
    async def handle(event: Wide) -> None:
        seen.append(event)

    async with TestBus(bus) as testbus:
        await testbus.given(order())
    assert seen[0].order_id == "o-1" and seen[0].user_id


async def test_what_a_handler_raised_at_last_is_raised_and_retries_do_not_wait(bus: Bus) -> None:
    attempts: list[int] = []

    @bus.subscribe(OrderPlaced, retry=SLOW)
    async def handle(delivery: Delivery[OrderPlaced]) -> None:
        attempts.append(delivery.attempt)
        raise ValueError(f"attempt {delivery.attempt}")

    async with TestBus(bus) as testbus:
        with pytest.raises(ValueError, match="attempt 3") as raised:
            await testbus.given(order())
        assert attempts == [1, 2, 3]
        assert "orders.order-placed" in raised.value.__notes__[0]
        assert testbus.dead_lettered(OrderPlaced) == [order()]
        await testbus.given()


async def test_an_error_that_a_retry_mends_is_not_raised(bus: Bus) -> None:
    @bus.subscribe(OrderPlaced, retry=SLOW)
    async def handle(delivery: Delivery[OrderPlaced]) -> None:
        if delivery.attempt == 1:
            raise ConnectionError("busy")
        await bus.publish(InvoiceSent(order_id=delivery.event.order_id))

    async with TestBus(bus) as testbus:
        await testbus.given(order())
        assert testbus.published(InvoiceSent) == [InvoiceSent(order_id="o-1")]


async def test_a_reject_is_a_result_and_not_raised(bus: Bus) -> None:
    class TooLate(Reject):
        """A reason of the app's own."""

    @bus.subscribe(OrderPlaced)
    async def handle(event: OrderPlaced) -> None:
        raise TooLate("no")

    async with TestBus(bus) as testbus:
        await testbus.given(order())
        assert testbus.dead_lettered(OrderPlaced) == [order()]
        assert testbus.dead_lettered(InvoiceSent) == []


async def test_several_failures_are_raised_together(bus: Bus) -> None:
    @bus.subscribe(OrderPlaced, retry=Retry(attempts=1))
    async def handle(event: OrderPlaced) -> None:
        raise ValueError(event.order_id)

    async with TestBus(bus) as testbus:
        with pytest.raises(ExceptionGroup) as raised:
            await testbus.given(order("o-1"), order("o-2"))
        assert {str(error) for error in raised.value.exceptions} == {"o-1", "o-2"}


async def test_each_of_two_groups_is_heard(bus: Bus) -> None:
    @bus.subscribe(OrderPlaced)
    async def first(event: OrderPlaced) -> None:
        await bus.publish(InvoiceSent(order_id=event.order_id))

    @bus.subscribe(OrderPlaced, name="second", retry=Retry(attempts=1))
    async def second(event: OrderPlaced) -> None:
        raise LookupError("in the second")

    async with TestBus(bus) as testbus:
        with pytest.raises(LookupError, match="in the second"):
            await testbus.given(order())
        assert len(testbus.published(InvoiceSent)) == 1


async def test_a_group_that_starts_at_the_latest_misses_nothing_that_is_given(bus: Bus) -> None:
    @bus.subscribe(OrderPlaced, start="latest")
    async def handle(event: OrderPlaced) -> None:
        await bus.publish(InvoiceSent(order_id=event.order_id))

    async with TestBus(bus) as testbus:
        await testbus.given(order())
        assert len(testbus.published(InvoiceSent)) == 1


async def test_a_batch_handler_is_given_and_its_error_raised(bus: Bus) -> None:
    @bus.subscribe(OrderPlaced, retry=Retry(attempts=1), concurrency=Concurrency(keys=1))
    async def handle(batch: list[Delivery[OrderPlaced]]) -> None:
        for delivery in batch:
            if delivery.event.order_id == "bad":
                raise ValueError("bad")

    async with TestBus(bus) as testbus:
        await testbus.given(order("good"), order("better"))
        with pytest.raises(ValueError, match="bad"):
            await testbus.given(order("bad"))


async def test_a_handler_that_takes_too_long_is_told_as_such(bus: Bus) -> None:
    @bus.subscribe(OrderPlaced, timeout=0.05, retry=Retry(attempts=1))
    async def handle(event: OrderPlaced) -> None:
        await asyncio.Event().wait()

    async with TestBus(bus) as testbus:
        with pytest.raises(HandlerTimeout):
            await testbus.given(order())


async def test_an_event_that_the_handlers_model_refuses_is_told_as_such(bus: Bus) -> None:
    class Dear(Event, contract="orders.order-placed", key="order_id"):
        order_id: str
        price: Annotated[int, Field(ge=100)]

    @bus.subscribe(Dear)
    async def handle(event: Dear) -> None: ...

    async with TestBus(bus) as testbus:
        with pytest.raises(SubscriptionError, match="greater than or equal to 100"):
            await testbus.given(order(price=9.0))


async def test_a_contract_that_does_not_exist_cannot_be_given(bus: Bus) -> None:
    class Ordered(Event, contract="orders.ordered", key="order_id"):
        order_id: str

    async with TestBus(bus) as testbus:
        with pytest.raises(ContractUnknown, match=r"orders\.ordered"):
            await testbus.given(Ordered(order_id="o-1"))
        with pytest.raises(ContractUnknown, match=r"orders\.ordered"):
            testbus.published(Ordered)


async def test_publishing_without_access_is_refused_as_in_production(bus: Bus) -> None:
    class Seen(Event, contract="audit.seen", key="order_id"):
        order_id: str

    @bus.subscribe(OrderPlaced, retry=Retry(attempts=1))
    async def handle(event: OrderPlaced) -> None:
        await bus.publish(Seen(order_id=event.order_id))

    async with TestBus(bus) as testbus:
        with pytest.raises(AccessDenied, match=r"billing/invoicing may not publish audit\.seen"):
            await testbus.given(order())
        assert testbus.published(Seen) == []


async def test_a_model_that_does_not_fit_its_contract_does_not_start(bus: Bus) -> None:
    class Wrong(Event, contract="orders.order-placed", key="order_id"):
        order_id: str
        coupon: str

    @bus.subscribe(Wrong)
    async def handle(event: Wrong) -> None: ...

    with pytest.raises(ContractMismatch, match="coupon"):
        async with TestBus(bus):
            pass


async def test_what_handlers_publish_to_each_other_is_followed_to_its_end(free: Bus) -> None:
    class Step(Event, contract="billing.step", key="user"):
        user: str
        left: int

    @free.subscribe(Step)
    async def step(event: Step) -> None:
        if event.left:
            await free.publish(Step(user=event.user, left=event.left - 1))

    async with TestBus(free) as testbus:
        await testbus.given(Step(user="u", left=5))
        assert [event.left for event in testbus.published(Step)] == [4, 3, 2, 1, 0]


async def test_states_and_their_deletions_are_given_and_listed(free: Bus) -> None:
    class Account(State, contract="orders.account", key="user_id"):
        user_id: str
        amount: int

    @free.subscribe(Account)
    async def mirror(event: Account | Deleted) -> None:
        if isinstance(event, Deleted):
            await free.publish(Deleted(Balance, user_id=event.key["user_id"]))
        else:
            await free.publish(Balance(user_id=event.user_id, amount=event.amount))

    async with TestBus(free) as testbus:
        await testbus.given(Account(user_id="u", amount=3), Deleted(Account, user_id="u"))
        assert testbus.published(Balance) == [Balance(user_id="u", amount=3)]
        assert testbus.deleted(Balance) == [Deleted(Balance, user_id="u")]


async def test_each_testbus_begins_with_an_empty_log_and_leaves_the_bus_as_it_was(free: Bus) -> None:
    @free.subscribe(InvoiceSent)
    async def handle(event: InvoiceSent) -> None:
        await free.publish(Balance(user_id=event.order_id, amount=1))

    subscriptions = free.subscriptions
    for name in ("a", "b"):
        async with TestBus(free) as testbus:
            await testbus.given(InvoiceSent(order_id=name))
            assert testbus.published(Balance) == [Balance(user_id=name, amount=1)]
    assert free.subscriptions == subscriptions
    assert free.settings.get("url") == "sqlite:////nowhere/at/all.db"


async def test_a_testbus_that_is_not_started_says_so(free: Bus) -> None:
    with pytest.raises(ConfigurationError, match="not started"):
        TestBus(free).published(InvoiceSent)
    with pytest.raises(ConfigurationError, match="not started"):
        await TestBus(free).given(InvoiceSent(order_id="o-1"))


async def test_the_shops_invoicing_is_tested_by_its_workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    from examples.shop import invoicing

    settings = invoicing.bus.settings.with_argument("workspace", str(Path(__file__).parents[2] / "schemas"))
    monkeypatch.setattr(invoicing.bus, "settings", settings)

    def ordered(currency: invoicing.Currency) -> invoicing.OrderPlaced:
        return invoicing.OrderPlaced(order_id=uuid.UUID(int=1), user_id="u", total=Decimal("9.50"), currency=currency)

    async with TestBus(invoicing.bus) as testbus:
        await testbus.given(ordered(invoicing.Currency.EUR), ordered(invoicing.Currency.GBP))
        [invoice] = testbus.published(invoicing.InvoiceSent)
        assert (invoice.amount, invoice.attempts) == (Decimal("9.50"), 1)
        assert testbus.dead_lettered(invoicing.OrderPlaced) == [ordered(invoicing.Currency.GBP)]


APP = """
from busline import Bus, Event, Reject

class Asked(Event, contract="demo.asked", key="name"):
    name: str

class Answered(Event, contract="demo.answered", key="name"):
    name: str

bus = Bus("kafka://127.0.0.1:1", service="demo/answers", workspace=None)

@bus.subscribe(Asked)
async def answer(asked: Asked) -> None:
    if asked.name == "nobody":
        raise Reject("nobody is there")
    if asked.name == "broken":
        raise ValueError("broken")
    await bus.publish(Answered(name=asked.name))
"""
TESTS = """
{header}
import pytest
from service.main import Answered, Asked

{mark}
async def test_an_answer(testbus):
    await testbus.given(Asked(name="you"))
    assert testbus.published(Answered) == [Answered(name="you")]

{mark}
async def test_nothing_is_left_of_another_test(testbus):
    await testbus.given(Asked(name="nobody"))
    assert testbus.published(Answered) == []
    assert testbus.dead_lettered(Asked) == [Asked(name="nobody")]

{mark}
async def test_it_fails(testbus):
    with pytest.raises(ValueError, match="broken"):
        await testbus.given(Asked(name="broken"))
"""
LIGHT = """
import sys

HEAVY = {'pydantic', 'apsw', 'aiokafka', 'click', 'busline.bus.bus', 'busline.testing.testbus'} & set(sys.modules)

def test_pytest_has_imported_nothing_that_testbus_needs_until_now():
    assert 'busline.testing.plugin' in sys.modules and not HEAVY
"""
PROJECT = """
[tool.busline]
app = "service.main:bus"
[tool.pytest.ini_options]
asyncio_mode = "{mode}"
asyncio_default_fixture_loop_scope = "function"
filterwarnings = ["error"]
"""


def pytest_in(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("BUSLINE_", "PYTEST_"))}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=60)


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    def make(mode: str = "auto", header: str = "", mark: str = "") -> Path:
        (tmp_path / "service").mkdir()
        (tmp_path / "service" / "main.py").write_text(APP)
        (tmp_path / "tests").mkdir()
        (tmp_path / "tests" / "test_before.py").write_text(LIGHT)
        (tmp_path / "tests" / "test_service.py").write_text(TESTS.format(header=header, mark=mark))
        (tmp_path / "pyproject.toml").write_text(PROJECT.format(mode=mode))
        return tmp_path

    return make


@pytest.mark.parametrize(
    ("mode", "mark", "arguments"),
    [
        ("auto", "", ()),
        ("strict", "@pytest.mark.asyncio", ()),
        ("strict", "@pytest.mark.anyio", ("-p", "no:asyncio")),
    ],
    ids=["auto", "strict", "anyio"],
)
def test_the_fixture_runs_under_the_ways_to_test_async_code(
    project: Callable[..., Path], mode: str, mark: str, arguments: tuple[str, ...]
) -> None:
    header = "import pytest\n@pytest.fixture\ndef anyio_backend(): return 'asyncio'\n" if "anyio" in mark else ""
    folder = project(mode, header, mark)
    if "-p" in arguments:
        (folder / "pyproject.toml").write_text('[tool.busline]\napp = "service.main:bus"\n')
    done = pytest_in(folder, *arguments)
    assert "4 passed" in done.stdout, done.stdout + done.stderr


def test_a_project_without_an_app_is_told_how_to_name_it(project: Callable[..., Path]) -> None:
    folder = project()
    (folder / "pyproject.toml").write_text('[tool.pytest.ini_options]\nasyncio_mode = "auto"\n')
    done = pytest_in(folder, "-k", "an_answer")
    assert "no app is named for testbus" in done.stdout and "[tool.busline]" in done.stdout
    assert "Traceback" not in done.stdout and "1 error" in done.stdout


def test_the_app_is_found_from_the_root_folder(project: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = project()
    monkeypatch.delenv("BUSLINE_APP", raising=False)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.setattr(sys, "modules", sys.modules.copy())
    assert isinstance(find_app(folder), Bus)
