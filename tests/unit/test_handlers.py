"""Handlers are looked at once, when they are decorated."""

from __future__ import annotations

import functools
from typing import Any, Optional, Union

import pytest

from busline.bus.delivery import Delivery
from busline.bus.handlers import Shape, inspect_handler
from busline.errors import HandlerInvalid


class Placed: ...


class Gone: ...


async def takes_event(event: Placed) -> None: ...
async def takes_delivery(delivery: Delivery[Placed]) -> None: ...
async def takes_batch(batch: list[Delivery[Placed]]) -> None: ...
async def takes_state(state: Placed | Gone) -> None: ...
async def takes_old_union(state: Union[Placed, Gone]) -> None: ...  # noqa: UP007
async def takes_state_delivery(state: Delivery[Placed | Gone]) -> None: ...
async def with_default(event: Placed, limit: int = 3) -> None: ...
async def with_context(context: str, event: Placed) -> None: ...
def sync(event: Placed) -> None: ...
async def bare(event) -> None: ...  # type: ignore[no-untyped-def]
async def nothing() -> None: ...
async def two(a: Placed, b: Placed) -> None: ...
async def keyword(a: Placed, *, b: int) -> None: ...
async def unknown(event: Missing) -> None: ...  # type: ignore[name-defined]  # noqa: F821
async def no_class(event: 3) -> None: ...  # type: ignore[valid-type]
async def optional(event: Optional[Placed]) -> None: ...  # noqa: UP045


class Service:
    async def method(self, event: Placed) -> None: ...
    @staticmethod
    async def static(event: Placed) -> None: ...
    @classmethod
    async def of_class(cls, event: Placed) -> None: ...
    async def __call__(self, event: Placed) -> None: ...


def decorated(function: Any) -> Any:
    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> None:
        await function(*args, **kwargs)

    return wrapper


@pytest.mark.parametrize(
    ("function", "shape", "models"),
    [
        (takes_event, Shape.EVENT, (Placed,)),
        (takes_delivery, Shape.DELIVERY, (Placed,)),
        (takes_batch, Shape.BATCH, (Placed,)),
        (takes_state, Shape.EVENT, (Placed, Gone)),
        (takes_old_union, Shape.EVENT, (Placed, Gone)),
        (takes_state_delivery, Shape.DELIVERY, (Placed, Gone)),
        (with_default, Shape.EVENT, (Placed,)),
        (functools.partial(with_context, "x"), Shape.EVENT, (Placed,)),
        (Service().method, Shape.EVENT, (Placed,)),
        (Service.static, Shape.EVENT, (Placed,)),
        (Service.of_class, Shape.EVENT, (Placed,)),
        (Service(), Shape.EVENT, (Placed,)),
        (decorated(takes_delivery), Shape.DELIVERY, (Placed,)),
        (functools.partial(Service().method), Shape.EVENT, (Placed,)),
    ],
)
def test_what_a_handler_takes_is_read_from_its_annotation(function: Any, shape: Shape, models: tuple[type]) -> None:
    handler = inspect_handler(function)
    assert (handler.shape, handler.models) == (shape, models)
    assert handler.function is function


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (sync, "not an async function.*asyncio.to_thread"),
        (functools.partial(sync), "not an async function"),
        (bare, "parameter event has no annotation.*Take `E`"),
        (nothing, "exactly one argument"),
        (two, "exactly one argument.*b"),
        (keyword, "exactly one argument.*b"),
        (unknown, "cannot be resolved.*TYPE_CHECKING"),
        (no_class, "no event class"),
        (3, "not an async function"),
    ],
)
def test_a_handler_that_cannot_work_is_refused_with_its_place_and_a_fix(function: Any, message: str) -> None:
    with pytest.raises(HandlerInvalid, match=f"(?s){message}") as caught:
        inspect_handler(function)
    assert callable(function) is (caught.value.where is not None and "test_handlers.py" in caught.value.where)
    assert caught.value.fix


def test_a_string_annotation_finds_a_class_of_the_function_that_decorates() -> None:
    class Local: ...

    async def handler(event: Local) -> None: ...

    assert inspect_handler(handler).models == (Local,)


def test_an_optional_event_shows_its_none_so_that_the_subscription_can_refuse_it() -> None:
    assert inspect_handler(optional).models == (Placed, type(None))


def test_the_name_is_what_logs_say() -> None:
    assert inspect_handler(functools.partial(with_context, "x")).name.endswith("test_handlers.with_context")
    assert inspect_handler(Service()).name.endswith("Service.__call__")
