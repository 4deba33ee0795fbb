"""Where reading begins: one syntax for subscriptions, reads and the command line."""

import datetime as dt

import pytest

from busline.bus.starts import parse_end, parse_start
from busline.errors import ConfigurationError

NOW = dt.datetime(2026, 3, 8, tzinfo=dt.UTC)


def ms(when: dt.datetime) -> int:
    return int(when.timestamp() * 1000)


@pytest.mark.parametrize("text", ["earliest", "latest"])
def test_the_ends_of_the_log_have_names(text: str) -> None:
    assert parse_start(text) == text


@pytest.mark.parametrize(
    ("text", "back"),
    [
        ("7d", dt.timedelta(days=7)),
        ("12h", dt.timedelta(hours=12)),
        ("30m", dt.timedelta(minutes=30)),
        ("90s", dt.timedelta(seconds=90)),
        ("2w", dt.timedelta(weeks=2)),
        (dt.timedelta(hours=1), dt.timedelta(hours=1)),
    ],
)
def test_a_duration_counts_back_from_now(text: str | dt.timedelta, back: dt.timedelta) -> None:
    assert parse_start(text, now=NOW) == ms(NOW - back) == parse_end(text, now=NOW)


@pytest.mark.parametrize("text", ["2026-03-01T00:00:00Z", "2026-03-01T01:00:00+01:00"])
def test_a_time_is_an_instant(text: str) -> None:
    assert parse_start(text) == ms(dt.datetime(2026, 3, 1, tzinfo=dt.UTC))


def test_the_end_may_be_now() -> None:
    assert parse_end("now") is None


def test_before_the_epoch_is_the_epoch() -> None:
    assert parse_start("999999999w", now=NOW) == 0


@pytest.mark.parametrize("text", ["", "yesterday", "7", "d", "-7d", "7 d", "2026-03-01T00:00:00", "now"])
def test_anything_else_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_start(text)
    assert "2026-03-01T00:00:00Z" in str(caught.value)
