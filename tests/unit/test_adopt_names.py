"""What adopting makes of names that were never meant for busline, and whose it takes them to be."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busline.contract.checks import look
from busline.errors import ConfigurationError
from busline.governance.adopt.naming import Names
from busline.governance.adopt.owners import Owners, by_first_word, owners_of, patterns_for
from busline.governance.adopt.recognised import tool_of
from busline.names import ContractName, Service, Team

TOPICS = st.from_regex(re.compile(r"[A-Za-z0-9._-]{1,249}", re.ASCII), fullmatch=True)
USERS = st.text(min_size=1, max_size=255)
TEAM = Team("orders")


@pytest.mark.parametrize(
    ("topic", "stream"),
    [
        ("orders.placed", "placed"),
        ("orders_OrderPlaced_v2", "order-placed-v2"),
        ("ORD_ITEM", "ord-item"),
        ("HTTPRequests.perHour", "http-requests-per-hour"),
        ("2019_invoices", "n-2019-invoices"),
        ("orders", "topic"),
        ("___", "topic"),
    ],
)
def test_a_topic_becomes_a_stream_in_buslines_spelling(topic: str, stream: str) -> None:
    assert Names().contract(TEAM, topic) == f"orders.{stream}"


@given(st.lists(TOPICS, unique=True, max_size=40))
def test_every_topic_has_a_valid_name_that_looks_like_no_other(topics: list[str]) -> None:
    names = Names()
    made = [names.contract(TEAM, topic) for topic in topics]
    assert [ContractName(name) for name in made] == made
    assert len({look(name) for name in made}) == len(topics)


@given(st.lists(USERS, unique=True, max_size=20))
def test_every_user_has_a_valid_service_and_none_is_people(users: list[str]) -> None:
    names = Names()
    made = [names.service(TEAM, user) for user in users]
    assert [Service(name) for name in made] == made
    assert len({look(name) for name in made}) == len(users)
    assert not any(name.is_people for name in made)


def test_names_are_the_same_at_every_run_and_avoid_those_that_are_there() -> None:
    topics = ["a.B", "a_b", "ab", "x" * 249, "x" * 248]
    one, other = Names(), Names()
    assert [one.contract(TEAM, t) for t in topics] == [other.contract(TEAM, t) for t in topics]
    assert Names(["orders.placed"]).contract(TEAM, "placed") != "orders.placed"
    assert Names(["orders.p1aced"]).contract(TEAM, "placed") != "orders.placed"


def test_the_first_pattern_that_fits_says_whose_it_is() -> None:
    owners = owners_of(["ord_x*=stock", "ord_*=orders"], '"user:svc-*": billing\n"svc-*": orders\n')
    assert owners.of_topic("ord_x1") == "stock" and owners.of_topic("ord_y") == "orders"
    assert owners.of_topic("svc-logs") == "orders" and owners.of_user("svc-logs") == "billing"
    assert owners.of_user("ord_y") == "orders"
    assert owners.of_topic("other") is None


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["orders"], ""), (["=orders"], ""), (["user:=orders"], ""), (["a*=No Team"], ""), (["a*=busline"], ""),
        ([], "- a"), ([], "a: [b]"), ([], "a: {b: c}"), ([], "a: B"), ([], "a: b: c"),
    ],
)  # fmt: skip
def test_owners_that_say_nothing_are_wrong_usage(lines: list[str], text: str) -> None:
    with pytest.raises(ConfigurationError):
        owners_of(lines, text)


def test_no_owners_are_no_error() -> None:
    assert owners_of([], "") == Owners() == owners_of([], "# nobody yet\n")


def test_names_are_gathered_by_their_first_word_however_it_is_spelled() -> None:
    names = ["ORD_X", "ord.OrderPlaced", "order-paid", "__a-b", "orderPlaced"]
    assert by_first_word(names) == {
        "a": ["__a-b"], "ord": ["ORD_X", "ord.OrderPlaced"], "order": ["order-paid", "orderPlaced"],
    }  # fmt: skip


@given(st.lists(TOPICS, unique=True, min_size=1, max_size=12))
def test_patterns_fit_the_names_that_they_are_for_and_no_other(topics: list[str]) -> None:
    for names in by_first_word(topics).values():
        owners = Owners().and_also((glob, TEAM) for glob in patterns_for(names, set(topics) - set(names)))
        assert [topic for topic in topics if owners.of_topic(topic)] == [topic for topic in topics if topic in names]


def test_patterns_are_short_where_they_can_be() -> None:
    assert patterns_for(["ord.a", "ORD_b", "ord-c"], ["stock"]) == ["ord*", "ORD*"]
    assert patterns_for(["ord.a", "ord.b"], ["order"]) == ["ord[._-]*"]
    assert patterns_for(["ord.a"], []) == ["ord.a"]


@pytest.mark.parametrize(
    "topic",
    [
        "__consumer_offsets", "__transaction_state", "_schemas", "_confluent-ksql-default__command_topic",
        "connect-configs", "connect-offsets", "connect-status", "_connect-status", "prod-connect-offsets",
        "app-KSTREAM-AGGREGATE-STATE-STORE-0000000003-changelog", "app-store-changelog", "app-by-id-repartition",
        "heartbeats", "a.heartbeats", "a.checkpoints.internal", "mm2-offset-syncs.b.internal",
        "busline.contracts", "busline.dlq.orders.checkout", "__CruiseControlMetrics",
    ],
)  # fmt: skip
def test_topics_of_tools_are_recognised(topic: str) -> None:
    assert tool_of(topic)


@pytest.mark.parametrize(
    "topic", ["orders", "connected-cars", "changelog", "orders-changes", "heartbeat", "my_schemas", "buslines"]
)
def test_streams_that_only_look_like_them_are_not(topic: str) -> None:
    assert tool_of(topic) is None
