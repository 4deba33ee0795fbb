"""The demo's proof: each promise, broken on purpose, is seen; and nothing else is."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from busline.cli.demo_proof import Evidence, prove


def order(number: int, user: str, currency: str = "EUR") -> dict[str, object]:
    return {"order_id": number, "user_id": user, "total": Decimal(number), "currency": currency}


def invoice(number: int, user: str, attempts: int = 1) -> dict[str, object]:
    return {"order_id": number, "user_id": user, "attempts": attempts}


def state(user: str, orders: int, total: int) -> dict[str, object]:
    return {"user_id": user, "orders": orders, "total": Decimal(total)}


KEPT = Evidence(
    confirmed=4,
    orders=[order(1, "ann"), order(2, "bob"), order(3, "ann"), order(4, "bob", "GBP")],
    invoices=[invoice(1, "ann", attempts=3), invoice(3, "ann"), invoice(2, "bob")],
    statistics=[state("ann", 1, 1), state("bob", 1, 2), state("ann", 2, 4), state("bob", 2, 6)],
    letters=[order(4, "bob", "GBP")],
    refusal="[BL0300] marketing/statistics may not publish orders.order-placed",
)


def broken(evidence: Evidence) -> set[str]:
    return {verdict.promise for verdict in prove(evidence) if not verdict.holds}


def test_kept_promises_hold() -> None:
    assert broken(KEPT) == set()


def test_a_redelivered_order_changes_nothing() -> None:
    again = [*KEPT.invoices[:2], invoice(1, "ann"), *KEPT.invoices[2:]]
    assert broken(replace(KEPT, invoices=again)) == set()


def test_states_that_compaction_took_are_not_missed() -> None:
    assert broken(replace(KEPT, statistics=KEPT.statistics[2:])) == set()


@pytest.mark.parametrize(
    ("promise", "change"),
    [
        ("published", lambda e: replace(e, confirmed=5)),
        ("handled, nothing lost", lambda e: replace(e, invoices=e.invoices[1:])),
        ("handled, nothing lost", lambda e: replace(e, invoices=[*e.invoices, invoice(4, "bob")])),
        ("retried", lambda e: replace(e, invoices=[{**i, "attempts": 1} for i in e.invoices])),
        ("dead-lettered", lambda e: replace(e, letters=[])),
        ("dead-lettered", lambda e: replace(e, letters=[*e.letters, order(3, "ann")])),
        ("order kept per key", lambda e: replace(e, invoices=[e.invoices[1], e.invoices[0], e.invoices[2]])),
        ("statistics add up", lambda e: replace(e, statistics=e.statistics[:3])),
        ("statistics add up", lambda e: replace(e, statistics=[*e.statistics, state("bob", 3, 9)])),
        ("statistics add up", lambda e: replace(e, statistics=[state("ann", 2, 4), *e.statistics])),
        ("undeclared publisher refused", lambda e: replace(e, refusal="")),
    ],
)
def test_a_broken_promise_is_seen(promise: str, change: Callable[[Evidence], Evidence]) -> None:
    assert promise in broken(change(KEPT))


def test_nothing_at_all_proves_nothing() -> None:
    empty = Evidence(confirmed=0, orders=[], invoices=[], statistics=[], letters=[], refusal="")
    assert len(broken(empty)) == len(prove(empty))
