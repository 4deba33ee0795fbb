"""CloudEvents 1.0 in Kafka's binary content mode, and W3C Trace Context."""

import datetime as dt
import sys
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busline.bus import cloudevents
from busline.bus.cloudevents import Stamp, checked_headers, checked_id, checked_time, trace_headers
from busline.errors import ConfigurationError
from busline.names import ContractName, Service

WHEN = dt.datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=dt.UTC)
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def stamp() -> Stamp:
    return Stamp(Service("orders/checkout"), ContractName("orders.order-placed"))


def test_an_event_carries_the_required_attributes(stamp: Stamp) -> None:
    assert dict(stamp.headers_at(b"e-1", WHEN)) == {
        "ce_id": b"e-1",
        "ce_specversion": b"1.0",
        "ce_type": b"orders.order-placed",
        "ce_source": b"/orders/checkout",
        "ce_time": b"2026-03-01T12:00:00.250Z",
        "content-type": b"application/avro",
    }


def test_now_is_the_time_of_an_event_that_says_none(stamp: Stamp) -> None:
    before = dt.datetime.now(dt.UTC) - dt.timedelta(milliseconds=1)
    made = dt.datetime.fromisoformat(dict(stamp.headers(b"e-1"))["ce_time"].decode())
    assert before <= made <= dt.datetime.now(dt.UTC)


@given(st.datetimes(min_value=dt.datetime(1970, 1, 2), timezones=st.timezones()))
def test_any_time_comes_back_as_the_same_instant(when: dt.datetime) -> None:
    stamp = Stamp(Service("a/b"), ContractName("a.b"))
    text = dict(stamp.headers_at(b"x", when))["ce_time"].decode()
    assert text.endswith("Z") and dt.datetime.fromisoformat(text) == when.astimezone(dt.UTC)


def test_a_users_headers_follow_in_order_repeated_and_empty(stamp: Stamp) -> None:
    own = checked_headers([("a", "1"), ("a", b"\xff"), ("b", "")])
    assert stamp.headers(b"x", own)[-3:] == (("a", b"1"), ("a", b"\xff"), ("b", b""))


@pytest.mark.parametrize("name", ["ce_id", "CE_TIME", "content-type", "Content-Type", "ce_anything", ""])
def test_a_header_of_cloudevents_cannot_be_overridden(name: str) -> None:
    with pytest.raises(ConfigurationError):
        checked_headers({name: "x"})


def test_a_header_is_text_or_bytes() -> None:
    with pytest.raises(ConfigurationError):
        checked_headers({"n": 1})  # type: ignore[dict-item]


def test_a_traceparent_may_be_passed_and_is_checked() -> None:
    assert checked_headers({"traceparent": PARENT}) == (("traceparent", PARENT.encode()),)
    with pytest.raises(ConfigurationError):
        checked_headers({"traceparent": "nonsense"})


def test_the_current_span_is_carried_where_opentelemetry_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "opentelemetry.trace", raising=False)
    assert trace_headers() == ()
    context = types.SimpleNamespace(is_valid=True, trace_id=1, span_id=2, trace_flags=1)
    span = types.SimpleNamespace(get_span_context=lambda: context)
    module = types.SimpleNamespace(get_current_span=lambda: span)
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", module)  # type: ignore[arg-type]
    assert trace_headers() == (("traceparent", b"00-" + b"0" * 31 + b"1-" + b"0" * 15 + b"2-01"),)
    context.is_valid = False
    assert trace_headers() == ()


def test_a_naive_time_and_an_empty_id_are_refused() -> None:
    with pytest.raises(ConfigurationError):
        checked_time(dt.datetime(2026, 1, 1))
    for bad in ("", "x" * 1025):
        with pytest.raises(ConfigurationError):
            checked_id(bad)
    assert checked_id("order-7") == b"order-7"


def test_the_time_is_formatted_once_a_millisecond(stamp: Stamp, monkeypatch: pytest.MonkeyPatch) -> None:
    formatted: list[dt.datetime] = []
    real = cloudevents._format
    monkeypatch.setattr(cloudevents, "_format", lambda when: formatted.append(when) or real(when))
    monkeypatch.setattr(cloudevents.time, "time_ns", lambda: 1_700_000_000_000_000_000)
    for _ in range(100):
        stamp.headers(b"x")
    assert len(formatted) == 1
