"""What a subscription may be told beyond its handler: how to retry, what to dead-letter, how much at once."""

from __future__ import annotations

from dataclasses import dataclass

from busline.errors import ConfigurationError


def _check(good: bool, what: str, fix: str) -> None:
    if not good:
        raise ConfigurationError(what, fix=fix)


@dataclass(frozen=True, kw_only=True)
class Retry:
    """A failed event is handled again in place: its key waits, other keys flow.

    attempts: handler calls in all, the first included. initial: seconds before the second call, doubled each time up to
    `maximum`; every pause is drawn from its upper half when `jitter` is on, so that many consumers do not come back
    together. permanent: exceptions that go to the dead letters at once, besides Reject and what no second call can mend
    (codec and contract errors). retry_on: when given, every other exception is permanent.
    """

    attempts: int = 5
    initial: float = 0.1
    maximum: float = 30.0
    jitter: bool = True
    permanent: tuple[type[Exception], ...] = ()
    retry_on: tuple[type[Exception], ...] | None = None

    def __post_init__(self) -> None:
        _check(self.attempts >= 1, f"Retry(attempts={self.attempts})", "Use 1 (never again) or more.")
        _check(0 <= self.initial <= self.maximum, "Retry(initial=…) is over maximum or negative", "Use seconds, 0 up.")


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """How dead letters are written.

    max_record: bytes of key, value and headers that the dead letter topic takes; a larger event goes as position and
    reason only. patience: seconds of failed writes until the subscription ends with DeadLetterFailed (a right that is
    missing is waited for without end); nothing that waits for its dead letter is ever committed. initial, maximum:
    seconds between two tries.
    """

    max_record: int = 1_048_576 + 65_536
    patience: float = 300.0
    initial: float = 0.2
    maximum: float = 10.0

    def __post_init__(self) -> None:
        _check(self.max_record >= 8192, f"DeadLetter(max_record={self.max_record})", "Use at least 8192 bytes.")
        _check(self.patience >= 0, f"DeadLetter(patience={self.patience})", "Use seconds, 0 up.")


@dataclass(frozen=True, kw_only=True)
class Concurrency:
    """How much of one group is in hand at once, in this process.

    keys: handlers at a time; events of one key are handled one after the other, in order. window: events that wait for
    a key in hand, until reading pauses (back-pressure). commit_every: seconds between two commits. stop_within: seconds
    for what is in hand when a partition goes to another member and the engine gives more time than that.
    """

    keys: int = 64
    window: int = 4096
    commit_every: float = 1.0
    stop_within: float = 20.0

    def __post_init__(self) -> None:
        _check(self.keys >= 1, f"Concurrency(keys={self.keys})", "Use 1 (one event at a time) or more.")
        _check(self.window >= 1, f"Concurrency(window={self.window})", "Use 1 or more.")
        _check(self.commit_every > 0, f"Concurrency(commit_every={self.commit_every})", "Use seconds over 0.")


@dataclass(frozen=True, kw_only=True)
class Batch:
    """For handlers of `list[Delivery[E]]`: at most `size` events of one partition, after waiting `linger` seconds."""

    size: int = 500
    linger: float = 0.0

    def __post_init__(self) -> None:
        _check(self.size >= 1, f"Batch(size={self.size})", "Use 1 or more.")
        _check(self.linger >= 0, f"Batch(linger={self.linger})", "Use seconds, 0 up.")
