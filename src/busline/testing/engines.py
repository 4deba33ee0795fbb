"""An engine for the length of a test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from busline.transport.base import Transport
from busline.transport.resolve import resolve

T = TypeVar("T", bound=Transport)


@asynccontextmanager
async def opened(engine: T) -> AsyncIterator[T]:
    """Started, and closed in the end."""
    await engine.start()
    try:
        yield engine
    finally:
        await engine.aclose()


@asynccontextmanager
async def started(url: str) -> AsyncIterator[Transport]:
    """The engine at `url`, closed at the end."""
    async with opened(resolve(url)) as engine:
        yield engine
