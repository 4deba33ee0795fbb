"""Dead letters: what could not be handled, kept as it came, with why and where from."""

from __future__ import annotations

from busline.bus.options import DeadLetter
from busline.transport.base import Transport


class DeadLetters:
    """Writes one service's dead letters."""

    def __init__(
        self, transport: Transport, topic: str, *, release: str = "", options: DeadLetter | None = None
    ) -> None:
        self._transport, self.topic, self._release = transport, topic, release
        self._options = options or DeadLetter()
