"""Retry: how long, how often, and what is not worth a second call."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busline.bus.options import Batch, Concurrency, DeadLetter, Retry
from busline.bus.retry import Undecodable, is_permanent, nobody_reads, pause_after
from busline.errors import ConfigurationError, DecodeError, EncodeError, HandlerTimeout, Reject, Unreachable


@given(st.integers(1, 10_000), st.floats(0, 10), st.floats(10, 100), st.integers())
def test_a_pause_is_bounded_and_keeps_at_least_half(attempt: int, initial: float, maximum: float, seed: int) -> None:
    retry = Retry(initial=initial, maximum=maximum)
    plain = pause_after(attempt, Retry(initial=initial, maximum=maximum, jitter=False))
    pause = pause_after(attempt, retry, random.Random(seed))
    assert plain / 2 <= pause <= plain <= maximum


def test_pauses_double_up_to_the_maximum() -> None:
    retry = Retry(initial=0.5, maximum=3, jitter=False)
    assert [pause_after(n, retry) for n in range(1, 6)] == [0.5, 1, 2, 3, 3]


def test_two_consumers_do_not_come_back_together() -> None:
    assert pause_after(3, Retry(), random.Random(1)) != pause_after(3, Retry(), random.Random(2))


@pytest.mark.parametrize("error", [Reject("no"), DecodeError("x"), EncodeError("x"), Undecodable()])
def test_what_a_second_call_cannot_mend_is_permanent(error: Exception) -> None:
    assert is_permanent(error, Retry())


@pytest.mark.parametrize("error", [ValueError(), OSError(), Unreachable("x"), HandlerTimeout("x")])
def test_any_other_exception_is_retried(error: Exception) -> None:
    assert not is_permanent(error, Retry())


def test_a_user_says_what_is_permanent_or_what_alone_is_not() -> None:
    assert is_permanent(KeyError(), Retry(permanent=(LookupError,)))
    assert not is_permanent(OSError(), Retry(permanent=(LookupError,)))
    assert is_permanent(KeyError(), Retry(retry_on=(OSError,)))
    assert not is_permanent(ConnectionError(), Retry(retry_on=(OSError,)))
    assert is_permanent(Reject("no"), Retry(retry_on=(Exception,)))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Retry(attempts=0),
        lambda: Retry(initial=-1),
        lambda: Retry(initial=2, maximum=1),
        lambda: DeadLetter(max_record=10),
        lambda: DeadLetter(patience=-1),
        lambda: Concurrency(keys=0),
        lambda: Concurrency(window=0),
        lambda: Concurrency(commit_every=0),
        lambda: Batch(size=0),
        lambda: Batch(linger=-1),
    ],
)
def test_an_option_out_of_range_is_refused_with_a_fix(make: object) -> None:
    assert callable(make)
    with pytest.raises(ConfigurationError, match="Use "):
        make()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe's ends to read and to write; the test closes the first."""
    ends = os.pipe()
    yield ends
    os.close(ends[1])


@pytest.mark.parametrize("error", [BrokenPipeError(), ExceptionGroup("", [ValueError(), BrokenPipeError()])])
def test_a_broken_pipe_is_stdouts_when_its_reader_has_gone(error: Exception, pipe: tuple[int, int]) -> None:
    read, write = pipe
    assert not nobody_reads(error, write), "the pipe that broke is one of the handler's own"
    os.close(read)
    assert nobody_reads(error, write)
    assert not nobody_reads(ConnectionResetError(), write)
    assert not nobody_reads(ValueError(), write)


def test_a_broken_pipe_of_the_handlers_own_is_retried(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as file:
        assert not nobody_reads(BrokenPipeError(), file.fileno())
    assert not is_permanent(BrokenPipeError(), Retry())
