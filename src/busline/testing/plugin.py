"""The pytest plugin: the fixture `testbus`. Nothing but pytest is imported until a test asks for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from busline.testing.testbus import TestBus

# The bus has to live in the loop of the test, so that whoever runs async tests has to run this fixture. pytest-asyncio
# in strict mode takes its own fixtures only; anyio's plugin takes any.
try:
    from pytest_asyncio import fixture as _async_fixture
except ImportError:
    _async_fixture: Any = pytest.fixture  # type: ignore[no-redef]


@_async_fixture
async def testbus(pytestconfig: pytest.Config) -> AsyncIterator[TestBus]:
    """The app of [tool.busline] on a memory:// of its own."""
    from busline.errors import BuslineError
    from busline.testing.testbus import TestBus, find_app

    try:
        app = TestBus(find_app(pytestconfig.rootpath))
        await app.start()
    except BuslineError as error:
        pytest.fail(str(error), pytrace=False)
    try:
        yield app
    finally:
        await app.aclose()
