"""How a group is doing, as data: liveness from progress, readiness from assignment."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Literal

State = Literal["starting", "running", "stopping", "stopped", "failed"]

STALLED = 120.0
"""Seconds without any progress, while there is work, after which a group is not alive any more."""


@dataclass(frozen=True, kw_only=True)
class GroupHealth:
    """One group in this process. in_hand: handlers under way; waiting: events received and not begun; stalled: seconds
    since the last progress while there is work; reason: why it is not alive or not ready."""

    group: str
    state: State
    alive: bool
    ready: bool
    reason: str | None = None
    partitions: tuple[str, ...] = ()
    in_hand: int = 0
    waiting: int = 0
    retried: int = 0
    dead_lettered: int = 0
    stalled: float = 0.0

    def to_json(self) -> dict[str, object]:
        """Ready for json.dumps."""
        return {**asdict(self), "partitions": list(self.partitions)}


class Progress:
    """Notices progress by comparing what is in hand and finished, from one look to the next."""

    def __init__(self) -> None:
        self._seen: object = None
        self._since = time.monotonic()

    def look(self, now_in_hand: object, *, busy: bool) -> None:
        if not busy or now_in_hand != self._seen:
            self._seen, self._since = now_in_hand, time.monotonic()

    @property
    def stalled(self) -> float:
        """Seconds."""
        return time.monotonic() - self._since
