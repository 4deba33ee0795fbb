"""The tools know busline's own contracts as they know any other; who may have them is busline.yaml's to say."""

import json
from pathlib import Path
from typing import Any

import pytest

from busline import Bus
from busline.platform import AccessChanged

EVENTS = "events:\n  access-changed: {subscribe: [orders/checkout]}\n"


@pytest.fixture
def granted(shop: Path) -> Path:
    """checkout subscribes to one of them, and busline.yaml lets it."""
    with (shop / "schemas/busline.yaml").open("a") as file:
        file.write(EVENTS)
    service = shop / "schemas/orders/checkout.service.yaml"
    line = "subscribes:\n  busline.access-changed: {version: 1, fields: [service, change]}\n"
    service.write_text(service.read_text().replace("subscribes:\n", line))
    return shop


def test_they_are_found_and_shown(inside: Any) -> None:
    found = [json.loads(line)["contract"] for line in inside("find", "broker refused", "--json").stdout.splitlines()]
    assert found[0] == "busline.access-denied"
    shown = inside("show", "busline.access-denied")
    assert shown.returncode == 0, shown.stderr
    assert "principal" in shown.stdout


def test_models_of_them_are_generated_when_they_are_asked_for(inside: Any) -> None:
    named = inside("codegen", "busline.contract-changed")
    assert 'contract="busline.contract-changed"' in named.stdout
    assert 'contract="busline.' not in inside("codegen").stdout


def test_who_may_not_is_told_the_line_that_would_allow_it(inside: Any) -> None:
    asked = inside("can", "orders/checkout", "subscribe", "busline.access-denied")
    assert asked.returncode == 5
    assert "Add orders/checkout to events.access-denied.subscribe in busline.yaml." in asked.stdout
    request = inside("request", "busline.access-denied", "--for", "orders/checkout", "--why", "x")
    assert request.returncode == 5
    assert "events.access-denied.subscribe in busline.yaml" in request.stderr


def test_a_granted_subscription_passes_check_and_is_applied_where_nobody_is_refused(granted: Path, inside: Any) -> None:
    assert inside("check", "--only", "validity").returncode == 0
    done = inside("apply", "--env", "local")
    assert done.returncode == 0, done.stderr
    applied = inside("show", "busline.access-changed", "--env", "local")
    assert "orders/checkout" in applied.stdout
    assert inside("show", "busline.access-denied", "--env", "local").returncode != 0, "nobody uses it here"


async def test_a_bus_on_an_embedded_engine_takes_such_a_subscription(granted: Path, unique: str) -> None:
    bus = Bus(f"memory://{unique}", service="orders/checkout", workspace=str(granted / "schemas"))

    @bus.subscribe(AccessChanged)
    async def changed(event: AccessChanged) -> None: ...

    async with bus:
        await bus.caught_up()
