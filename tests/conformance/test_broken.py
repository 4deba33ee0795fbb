"""The suite finds each broken transport, by the tests that are about its flaw, and passes the sound one."""

import uuid

import pytest

from busline.testing.broken import (
    BROKEN,
    BrokenTransport,
    CommitsEarly,
    Duplicates,
    Flawed,
    Loses,
    Reorders,
    SwallowsCancellation,
)
from busline.testing.conformance.suite import TransportConformance

CAUGHT_BY = [
    (Loses, "test_what_was_published_before_the_group_began_is_delivered"),
    (Loses, "test_16_keys_keep_their_order_over_many_members"),
    (Duplicates, "test_what_was_published_before_the_group_began_is_delivered"),
    (Duplicates, "test_reopening_loses_nothing_and_repeats_nothing"),
    (Reorders, "test_what_was_published_before_the_group_began_is_delivered"),
    (Reorders, "test_16_keys_keep_their_order_over_many_members"),
    (CommitsEarly, "test_without_a_commit_there_is_no_progress"),
    (CommitsEarly, "test_a_failed_delivery_comes_again_with_no_later_message"),
    (SwallowsCancellation, "test_a_cancelled_receive_ends_cancelled"),
    (SwallowsCancellation, "test_a_receive_that_is_cancelled_by_a_deadline_keeps_it"),
]


def suite(flaw: type[Flawed]) -> TransportConformance:
    class Suite(TransportConformance):
        patience = 1.0
        cancellations = 50

        def __init__(self) -> None:
            self.name = uuid.uuid4().hex

        def connect(self) -> BrokenTransport:
            return BrokenTransport(self.name, flaw)

    return Suite()


@pytest.mark.parametrize(("flaw", "test"), CAUGHT_BY, ids=lambda x: x if isinstance(x, str) else x.__name__)
async def test_the_suite_fails_a_transport_that(flaw: type[Flawed], test: str) -> None:
    with pytest.raises((AssertionError, ExceptionGroup)):
        await getattr(suite(flaw), test)()


@pytest.mark.parametrize("test", sorted({test for _, test in CAUGHT_BY}))
async def test_the_same_tests_pass_without_a_flaw(test: str) -> None:
    await getattr(suite(Flawed), test)()


def test_every_flaw_is_tried() -> None:
    assert {flaw for flaw, _ in CAUGHT_BY} == set(BROKEN)


def test_every_test_of_the_suite_names_what_it_needs() -> None:
    tests = [name for name in dir(TransportConformance) if name.startswith("test_")]
    assert len(tests) > 50
    assert [name for name in tests if not hasattr(getattr(TransportConformance, name), "needs")] == []
