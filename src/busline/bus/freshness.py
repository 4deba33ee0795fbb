"""When a contract's last event came: asked of the engine, without a group and without decoding anything."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from typing import Final

from busline.bus.stretch import Span, read_stretch
from busline.contract.model import Contract
from busline.transport.base import Received, Seekable

_LOOK_BACK: Final = 5
"""Positions: what a transaction leaves behind takes one too."""
_PATIENCE: Final = 10.0


async def last_event(engine: Seekable, contract: Contract) -> dt.datetime | None:
    """The newest log time; None: no event is kept. Raises TimeoutError, UnknownTopic, NotAuthorized, Unreachable."""
    bounds = await engine.bounds(contract.topic)
    spans = {p: Span(max(b.first, b.next - _LOOK_BACK), b.next) for p, b in bounds.items() if b.next > b.first}
    newest = 0
    async with asyncio.timeout(_PATIENCE):
        async with contextlib.aclosing(read_stretch(engine, contract.topic, spans)) as stretch:
            async for run in stretch:
                if isinstance(run, Received):
                    newest = max(newest, max(record.timestamp for record in run.records))
    return dt.datetime.fromtimestamp(newest / 1000, dt.UTC) if newest else None
