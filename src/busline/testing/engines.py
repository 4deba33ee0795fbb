"""An engine for the length of a test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from busline.transport.base import Transport
from busline.transport.resolve import resolve


@asynccontextmanager
async def started(url: str) -> AsyncIterator[Transport]:
    """The engine at `url`, closed at the end."""
    engine = resolve(url)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.aclose()
