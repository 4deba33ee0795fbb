"""`busline demo`: exit 0 only if the proof holds; a broken promise shows as exit 1."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FORGETFUL = """
from examples.shop.invoicing import InvoiceSent, OrderPlaced, send_invoice
from busline import Bus, Delivery
import examples.shop.invoicing as shop

bus = shop.bus = Bus(service="billing/invoicing")

@bus.subscribe(OrderPlaced)
async def forget_some(delivery: Delivery[OrderPlaced]) -> None:
    if delivery.event.order_id.int % 10:
        await send_invoice(delivery)
"""


def demo(folder: Path, *options: str) -> tuple[int, dict[str, dict[str, object]], str]:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "busline",
            "demo",
            "--json",
            "--orders",
            "320",
            "--keep",
            str(folder / "demo.db"),
            *options,
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


def test_the_demo_proves_its_promises_from_the_log(tmp_path: Path) -> None:
    code, verdicts, errors = demo(tmp_path)
    assert {promise for promise, verdict in verdicts.items() if not verdict["holds"]} == set(), errors
    assert len(verdicts) == 7
    assert code == 0


def test_a_service_that_forgets_events_breaks_the_demo(tmp_path: Path) -> None:
    (tmp_path / "forgetful.py").write_text(FORGETFUL)
    code, verdicts, errors = demo(tmp_path, "--swap", "billing/invoicing=forgetful:bus")
    assert code == 1, errors
    assert verdicts["handled, nothing lost"]["holds"] is False
    assert verdicts["published"]["holds"] is True


def test_a_service_that_does_not_start_ends_the_demo_with_its_reason(tmp_path: Path) -> None:
    code, verdicts, errors = demo(tmp_path, "--swap", "billing/invoicing=nowhere:bus")
    assert (code, verdicts) == (1, {})
    assert "nowhere" in errors
