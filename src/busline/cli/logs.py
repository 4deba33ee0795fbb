"""A service's log on stderr, for commands that run its handlers."""

from __future__ import annotations

import logging
from typing import Final

from busline.cli.output import clean

_CLIENTS: Final = frozenset({"aiokafka", "kafka"})


class CleanFormatter(logging.Formatter):
    """What handlers raise often quotes events: no control character of theirs reaches the terminal."""

    def format(self, record: logging.LogRecord) -> str:
        return clean(super().format(record))


def set_up_logging(level: str) -> None:
    """Where nothing has set logging up. The clients' own narration (a dozen lines a connection) is shown only when
    everything is."""
    handler = logging.StreamHandler()
    handler.setFormatter(CleanFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler])
    if level != "DEBUG":
        for found in logging.getLogger().handlers:
            found.addFilter(_is_worth_showing)


def _is_worth_showing(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING or record.name.partition(".")[0] not in _CLIENTS
