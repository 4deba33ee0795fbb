"""Again or never: which failures a second call may mend, and how long to wait before it."""

from __future__ import annotations

import random
import select

from busline.bus.options import Retry
from busline.errors import BuslineError, CodecError, ContractError, NotAuthorized, NotPublished, Reject

HOPELESS = (Reject, CodecError, ContractError)
"""The same event against the same code gives these again."""


class Undecodable(Exception):
    """The record is not an event of its contract; `__cause__` says why."""


def is_permanent(error: Exception, retry: Retry) -> bool:
    """Whether a second call cannot help."""
    if isinstance(error, (*HOPELESS, Undecodable, *retry.permanent)):
        return True
    return retry.retry_on is not None and not isinstance(error, retry.retry_on)


def is_refused(error: BaseException) -> bool:
    """Whether the engine lacks a right of ours. A merge takes rights away and gives them back, so one waits for it: who
    ends is started again by whatever watches the process, and again, and nothing is gained."""
    return isinstance(error.cause if isinstance(error, NotPublished) else error, NotAuthorized)


def may_pass(error: BuslineError) -> bool:
    """Whether the same call to the engine may succeed later, without any change on our side."""
    return error.retryable or is_refused(error)


def nobody_reads(error: Exception, stdout: int = 1) -> bool:
    """Whether the handler failed because it prints, and the reader of our stdout has gone (`| head`).

    That is not the event's fault, and every event after it would fail likewise. The descriptor itself is asked, as a
    broken pipe may be any connection of the handler's own.
    """
    if isinstance(error, ExceptionGroup):
        return any(nobody_reads(one, stdout) for one in error.exceptions)
    if not isinstance(error, BrokenPipeError) or not hasattr(select, "poll"):
        return False
    poll = select.poll()
    poll.register(stdout, 0)
    return any(state & (select.POLLERR | select.POLLHUP) for _, state in poll.poll(0))


def pause_after(attempt: int, retry: Retry, draw: random.Random | None = None) -> float:
    """Seconds to wait after the failed call number `attempt` (from 1): exponential, bounded, jittered by half.

    Half of the pause is kept, so that a retry is never at once; see "Exponential Backoff And Jitter" (AWS, 2015), where
    this is "equal jitter".
    """
    pause: float = min(retry.maximum, retry.initial * 2.0 ** min(attempt - 1, 60))
    if not retry.jitter:
        return pause
    return pause / 2 * (1 + (draw or random).random())
