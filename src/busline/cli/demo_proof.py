"""What the demo proves, from what is really in the log. Pure: evidence in, verdicts out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

Event = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Decoded values of each stream, in order of the log within a partition; letters hold the orders given up on.

    confirmed: events that the publisher was told are durable. refusal: what the undeclared publisher was told.
    """

    confirmed: int
    orders: Sequence[Event]
    invoices: Sequence[Event]
    statistics: Sequence[Event]
    letters: Sequence[Event]
    refusal: str


class Verdict(NamedTuple):
    """One line of the summary. `figure` is what was counted, `holds` whether the promise does."""

    promise: str
    figure: str
    holds: bool


def prove(evidence: Evidence) -> list[Verdict]:
    """Every promise that the demo makes, in the order of its summary."""
    return [
        _published(evidence),
        _handled(evidence),
        _retried(evidence),
        _dead_lettered(evidence),
        _order_of_invoices(evidence),
        _statistics(evidence),
        _refused(evidence),
    ]


def _published(evidence: Evidence) -> Verdict:
    found = len(evidence.orders)
    return Verdict("published", f"{found:,} orders in the log", found == evidence.confirmed > 0)


def _handled(evidence: Evidence) -> Verdict:
    """Each order has an invoice or a letter: none is lost, none has both."""
    invoiced, given_up = _ids(evidence.invoices), _ids(evidence.letters)
    lost = _ids(evidence.orders) - invoiced - given_up
    both = invoiced & given_up
    figure = f"{len(invoiced):,} invoices, {len(lost)} lost"
    return Verdict("handled, nothing lost", figure, not lost and not both and bool(invoiced))


def _retried(evidence: Evidence) -> Verdict:
    again = [invoice["attempts"] for invoice in evidence.invoices if invoice["attempts"] > 1]
    most = max(again, default=1)
    return Verdict("retried", f"{len(again)} invoices needed up to {most} attempts", bool(again))


def _dead_lettered(evidence: Evidence) -> Verdict:
    """The letters are exactly the orders that no retry could help: those in pounds."""
    expected = {order["order_id"] for order in evidence.orders if order["currency"] == "GBP"}
    found = _ids(evidence.letters)
    return Verdict("dead-lettered", f"{len(found)} orders, kept with reason and position", found == expected != set())


def _order_of_invoices(evidence: Evidence) -> Verdict:
    """Per user, first invoices stand in the log as the orders do, retried ones too."""
    given_up = _ids(evidence.letters)
    orders, invoices = _by_user(evidence.orders), _by_user(evidence.invoices)
    wrong = sum([i for i in ids if i not in given_up] != invoices.get(user, []) for user, ids in orders.items())
    return Verdict("order kept per key", f"{len(orders)} users, {wrong} out of order", wrong == 0 and bool(orders))


def _statistics(evidence: Evidence) -> Verdict:
    """The last state of each user is what the orders add up to, and its count never skipped or fell."""
    orders: dict[str, list[Decimal]] = defaultdict(list)
    for order in evidence.orders:
        orders[order["user_id"]].append(order["total"])
    history: dict[str, list[Event]] = defaultdict(list)
    for state in evidence.statistics:
        history[state["user_id"]].append(state)
    right = sum(_adds_up(history.get(user, []), totals) for user, totals in orders.items())
    return Verdict("statistics add up", f"{right} of {len(orders)} users", 0 < right == len(orders) == len(history))


def _adds_up(states: Sequence[Event], totals: Sequence[Decimal]) -> bool:
    """A compacted log may have lost early states, never the last one, and what is left still ascends."""
    counts = [state["orders"] for state in states]
    return bool(states) and counts == sorted(counts) and (counts[-1], states[-1]["total"]) == (len(totals), sum(totals))


def _refused(evidence: Evidence) -> Verdict:
    reason = evidence.refusal.strip().splitlines()
    return Verdict("undeclared publisher refused", reason[0] if reason else "it was not", "BL0300" in evidence.refusal)


def _ids(events: Sequence[Event]) -> set[Any]:
    return {event["order_id"] for event in events}


def _by_user(events: Sequence[Event]) -> dict[str, list[Any]]:
    """Order ids of each user, first occurrences only: a redelivery does not change the order."""
    out: dict[str, dict[Any, None]] = defaultdict(dict)
    for event in events:
        out[event["user_id"]].setdefault(event["order_id"])
    return {user: list(ids) for user, ids in out.items()}
