"""Dead letters on the command line: what is there is shown as it was, and only what was asked for is thrown away."""

import asyncio
import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from busline.bus.contract_log import SPEC, write
from busline.bus.dead_letter import DeadLetters, Why
from busline.codec.codec import Codec
from busline.codec.framing import single_object_prefix
from busline.contract.entries import entries
from busline.contract.model import Contract, Version
from busline.contract.schema import parse
from busline.names import ContractName
from busline.record import Position, Record, StoredRecord
from busline.transport.base import TopicSpec
from busline.transport.resolve import resolve

TOPIC = "busline.dlq.shop.billing"
SCHEMA = parse({"type": "record", "name": "Order", "fields": [{"name": "id", "type": "string"}]})
Busline = Callable[..., subprocess.CompletedProcess[str]]


async def fill(url: str) -> None:
    """Two orders and one record that is none, with what a service says of them."""
    engine = resolve(url)
    await engine.start()
    await engine.create_topics([SPEC, TopicSpec(name=TOPIC)])  # type: ignore[attr-defined]
    order = Contract(name=ContractName("shop.order"), key=("id",), versions=(Version(number=1, schema=SCHEMA),))
    await write(engine, dict(entries([order])))
    prefix, encode = single_object_prefix(SCHEMA.fingerprint), Codec(SCHEMA).encode
    letters = DeadLetters(engine, TOPIC)
    why = Why(contract="shop.order", group="shop/billing", error="ValueError", reason="no", calls=5)
    for n in range(2):
        value, headers = prefix + encode({"id": f"o{n}"}), (("ce_type", b"shop.order"), ("ce_id", b"e-1"))
        source, record = Position("shop.order", 3, n), StoredRecord(n, 0, b"o1", value, headers)
        await letters.write(source, record, why, asyncio.sleep)
    await engine.publish([Record(TOPIC, b"\xff", b"junk", (("busline_dlq_reason", b"bad \x1b[2J"),))])
    await engine.aclose()


@pytest.fixture
def busline(tmp_path: Path, in_process: Busline, monkeypatch: pytest.MonkeyPatch) -> Busline:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BUSLINE_URL", "sqlite:///bus.db")
    asyncio.run(fill("sqlite:///bus.db"))
    return functools.partial(in_process, "dlq")


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_the_list_says_where_what_and_why(busline: Busline) -> None:
    done = busline("list", "shop/billing")
    head, first, *_ = done.stdout.splitlines()
    assert head.split() == ["PLACE", "TIME", "CONTRACT", "SOURCE", "ATTEMPT", "REPLAYED", "WHY"]
    assert first.split()[0] == "0:0"
    assert "shop.order 3:0" in first
    assert first.endswith("ValueError: no")
    assert "\x1b[2J" not in done.stdout
    found = objects(busline("list", "shop/billing", "--json").stdout)
    assert [(row["place"], row["contract"], row["about"]["reason"]) for row in found[:2]] == [
        ("0:0", "shop.order", "no"),
        ("0:1", "shop.order", "no"),
    ]


def test_a_limit_gives_the_newest(busline: Busline) -> None:
    assert [row["place"] for row in objects(busline("list", "shop/billing", "--limit", "1", "--json").stdout)] == [
        "0:2"
    ]


def test_a_letter_is_shown_with_its_event_as_it_was(busline: Busline) -> None:
    shown = objects(busline("show", "shop/billing", "0:1", "--json").stdout)[0]
    assert shown["event"] == {"id": "o1"}
    assert shown["headers"]["ce_id"] == "e-1"


def test_a_letter_is_shown_to_people_one_entry_a_line(busline: Busline) -> None:
    lines = busline("show", "shop/billing", "0:1").stdout.splitlines()
    assert "place: 0:1" in lines
    assert "  ce_id: e-1" in lines
    assert 'event: {"id": "o1"}' in lines


def test_a_letter_that_cannot_be_decoded_is_shown_in_bytes_with_the_reason(busline: Busline) -> None:
    shown = objects(busline("show", "shop/billing", "0:2", "--json").stdout)[0]
    assert shown["event"] is None
    assert bytes.fromhex(shown["bytes"]) == b"junk"
    assert shown["undecodable"]


@pytest.mark.parametrize(
    ("place", "says"), [("0:9", "no dead letter 0:9"), ("9:0", "no dead letter"), ("x", "not a place")]
)
def test_a_place_that_is_none_is_a_usage_error(busline: Busline, place: str, says: str) -> None:
    done = busline("show", "shop/billing", place)
    assert done.returncode == 2
    assert says in done.stderr


def test_a_purge_asks_and_where_nobody_answers_purges_nothing(busline: Busline) -> None:
    done = busline("purge", "shop/billing")
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert len(objects(busline("list", "shop/billing", "--json").stdout)) == 3


def test_a_dry_purge_counts_and_exits_3(busline: Busline) -> None:
    done = busline("purge", "shop/billing", "--dry-run", "--json")
    assert (done.returncode, objects(done.stdout)) == (3, [{"service": "shop/billing", "found": 3, "purged": 0}])
    assert len(objects(busline("list", "shop/billing", "--json").stdout)) == 3


def test_a_purge_goes_up_to_the_place_and_no_further(busline: Busline) -> None:
    assert busline("purge", "shop/billing", "--to", "0:1", "--yes").returncode == 0
    assert [row["place"] for row in objects(busline("list", "shop/billing", "--json").stdout)] == ["0:2"]
    assert busline("purge", "shop/billing", "--yes").returncode == 0
    assert busline("list", "shop/billing", "--json").stdout == ""
    assert busline("purge", "shop/billing", "--dry-run").returncode == 0


def test_a_service_without_dead_letters_is_named(busline: Busline) -> None:
    done = busline("list", "shop/nobody")
    assert done.returncode == 2
    assert "shop/nobody has no dead letters here" in done.stderr


APP = """
import os
from busline import Bus, Event, Reject


class Order(Event, contract="shop.order", key="id"):
    id: str


bus = Bus(service="shop/billing")


@bus.subscribe(Order)
async def bill(order: Order) -> None:
    if os.environ.get("BROKEN"):
        raise Reject("still broken")
    print("billed", order.id)


async def main() -> None:
    await bus.publish(Order(id="a"), Order(id="b"))
    await bus.caught_up()


if __name__ == "__main__":
    bus.run(main)
"""


def test_a_service_handles_its_letters_again_once_and_only_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    environment = os.environ | {"BUSLINE_URL": "sqlite:///bus.db"}

    def process(*args: str, broken: bool = False) -> subprocess.CompletedProcess[str]:
        more = {"BROKEN": "1"} if broken else {}
        command = [sys.executable, *args]
        return subprocess.run(command, cwd=tmp_path, env=environment | more, capture_output=True, text=True, timeout=60)

    def dlq(*args: str, broken: bool = False) -> subprocess.CompletedProcess[str]:
        return process("-m", "busline.cli.main", "dlq", *args, "--json", broken=broken)

    assert process("app.py", broken=True).returncode == 0
    planned = dlq("replay", "app:bus", "--dry-run")
    assert (planned.returncode, objects(planned.stdout)[0]["planned"]) == (3, 2)
    again = dlq("replay", "app:bus", broken=True)
    assert (again.returncode, objects(again.stdout)[0]["failed"]) == (1, 2)
    done = dlq("replay", "app:bus")
    assert done.returncode == 0
    assert sorted(done.stdout.splitlines()[:2]) == ["billed a", "billed b"]
    assert objects(done.stdout.splitlines()[2])[0] == {
        "group": "shop/billing/~dlq",
        "planned": 2,
        "handled": 2,
        "failed": 0,
    }
    assert objects(dlq("replay", "app:bus").stdout)[0]["planned"] == 0
    letters = objects(dlq("list", "shop/billing").stdout)
    assert [(letter["about"]["attempt"], letter["replayed"]) for letter in letters] == [
        ("1", True),
        ("1", True),
        ("2", True),
        ("2", True),
    ]
