"""An environment that only observes has an end, which check knows of before apply refuses."""

import datetime as dt

import pytest

from busline.contract.model import Environment, Source
from busline.contract.rules.environments import check_environments

TODAY = dt.date(2026, 11, 24)


def found(url: str = "kafka://k1:9093", **said: object) -> list[tuple[str, str, str, int]]:
    env = Environment(name="prod", url=url, source=Source(file="busline.yaml", line=4), **said)  # type: ignore[arg-type]
    return [(f.rule, f.severity.value, f.key, f.line) for f in check_environments([env], TODAY)]


def test_to_observe_without_an_end_is_a_warning() -> None:
    assert found() == [("observe-without-end", "warning", "environments.prod", 4)]


def test_to_observe_beyond_the_last_day_is_an_error() -> None:
    assert found(observe_until=TODAY - dt.timedelta(days=1)) == [
        ("observe-over", "error", "environments.prod.observe_until", 4)
    ]


@pytest.mark.parametrize("day", [TODAY, TODAY + dt.timedelta(days=90)])
def test_the_last_day_itself_is_fine(day: dt.date) -> None:
    assert found(observe_until=day) == []


def test_nothing_is_said_where_contracts_are_enforced_or_cannot_be() -> None:
    assert found(enforce="deny") == []
    assert found("sqlite:///bus.db") == []
