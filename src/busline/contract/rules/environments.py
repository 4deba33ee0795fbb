"""Environments that only observe: an end is set, and it is kept."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Final

from busline.contract.finding import Finding
from busline.contract.model import Environment
from busline.contract.rules.rule import Page, Rule, error, warning

_CAN_ENFORCE: Final = "kafka:"

WITHOUT_END: Final = warning(
    "observe-without-end",
    "An environment that only observes says until when.",
    Page(
        why="While an environment observes, rights that no contract gives stay. Without a day on which that ends, the"
        " exception becomes the rule, and contracts are a description of access and not its source.",
        bad='prod: {url: "kafka://k1:9093", enforce: observe}',
        good='prod: {url: "kafka://k1:9093", enforce: observe, observe_until: 2027-03-31}',
        mend="Write `enforce: deny`, or the last day of observing. `busline plan` lists what would go.",
    ),
)
OVER: Final = error(
    "observe-over",
    "Observing has not gone on beyond its last day.",
    Page(
        why="The day was agreed on. From then on apply refuses the environment, so that nothing is applied there until"
        " somebody decides.",
        bad="enforce: observe, observe_until: 2026-01-31     # and it is February",
        good="enforce: deny",
        mend="Look at what `busline plan` lists under what observe holds back; grant what is right, then write"
        " `enforce: deny`. A later day is a decision too, and is merged like one.",
    ),
    always=True,
)
ENVIRONMENTS: Final = (WITHOUT_END, OVER)


def check_environments(environments: Iterable[Environment], today: dt.date) -> Iterator[Finding]:
    """Of engines that can refuse somebody."""
    for env in environments:
        if env.enforce == "observe" and env.url.startswith(_CAN_ENFORCE):
            if env.observe_until is None:
                what = f"{env.name} observes, and does not say until when"
                yield _finding(WITHOUT_END, env, what, "Write `enforce: deny`, or `observe_until:` with the last day.")
            elif env.observe_until < today:
                what = f"{env.name} was to observe until {env.observe_until}"
                fix = "Write `enforce: deny`, or a later day; until then apply refuses it."
                yield _finding(OVER, env, what, fix, "observe_until")


def _finding(rule: Rule, env: Environment, what: str, fix: str, key: str = "") -> Finding:
    line = env.source.line if env.source else 1
    place = ".".join(("environments", env.name, *((key,) if key else ())))
    return Finding(file="busline.yaml", line=line, key=place, what=what, fix=fix, rule=rule.id, severity=rule.severity)
