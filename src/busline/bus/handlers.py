"""A handler, looked at once when it is decorated: what it takes, and that it can be awaited."""

from __future__ import annotations

import functools
import inspect
import sys
import types
import typing
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from busline.bus.delivery import Delivery
from busline.errors import HandlerInvalid

HandlerFunction = Callable[[Any], Awaitable[Any]]


class Shape(Enum):
    """What a handler takes: an event, one delivery, or a list of deliveries of one partition."""

    EVENT = "event"
    DELIVERY = "delivery"
    BATCH = "batch"


@dataclass(frozen=True, kw_only=True)
class Handler:
    """A handler as the lanes call it. models: the classes in its annotation, `Deleted` among them where it takes it."""

    function: HandlerFunction
    name: str
    shape: Shape
    models: tuple[type, ...]


def inspect_handler(function: HandlerFunction) -> Handler:
    """What the handler takes. Raises HandlerInvalid, naming the function and its line."""
    name, where = _name(function), _where(function)
    if not _is_async(function):
        raise HandlerInvalid(
            f"{name} is not an async function",
            where=where,
            fix="Write `async def`; for blocking work in it, `await asyncio.to_thread(...)`.",
        )
    shape, annotation = _shape(_annotation(function, name, where))
    models = _models(annotation)
    if not all(isinstance(model, type) for model in models):
        raise HandlerInvalid(f"{name} takes {annotation!r}, which is no event class", where=where, fix=_FORMS)
    return Handler(function=function, name=name, shape=shape, models=models)


_FORMS = "Take `E`, `E | Deleted` for a state, `Delivery[E]` or `list[Delivery[E]]`, where E is an Event class."


def _core(function: Any) -> Any:
    """The function that runs: under partials, decorators that declare it, methods and callable objects."""
    while isinstance(function, functools.partial):
        function = function.func
    function = inspect.unwrap(function)
    if not (inspect.isfunction(function) or inspect.ismethod(function)) and hasattr(function, "__call__"):  # noqa: B004
        function = type(function).__call__
    return function


def _is_async(function: Any) -> bool:
    outer = function
    while isinstance(outer, functools.partial):
        outer = outer.func
    return inspect.iscoroutinefunction(outer) or inspect.iscoroutinefunction(getattr(outer, "__call__", None))  # noqa: B004


def _name(function: Any) -> str:
    core = _core(function)
    return f"{getattr(core, '__module__', '?')}.{getattr(core, '__qualname__', repr(function))}"


def _where(function: Any) -> str | None:
    code = getattr(_core(function), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else None


def _annotation(function: Any, name: str, where: str | None) -> Any:
    """The annotation of the one parameter that is not filled yet."""
    given = [
        p
        for p in inspect.signature(function).parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    needed = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty and p not in given[:1]]
    extra = [p.name for p in needed if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if not given or extra:
        why = f"these have no default: {', '.join(extra)}" if extra else "it takes none"
        raise HandlerInvalid(f"{name} does not take exactly one argument", where=where, why=why, fix=_FORMS)
    if given[0].annotation is inspect.Parameter.empty:
        raise HandlerInvalid(f"{name}: its parameter {given[0].name} has no annotation", where=where, fix=_FORMS)
    return _resolved(function, given[0], name, where)


def _resolved(function: Any, parameter: inspect.Parameter, name: str, where: str | None) -> Any:
    """String annotations are evaluated where they were written; local classes are found in the decorating frames."""
    if not isinstance(parameter.annotation, str):
        return parameter.annotation
    core = _core(function)
    scope = dict(vars(sys.modules[core.__module__])) if core.__module__ in sys.modules else {}
    scope.update(getattr(core, "__globals__", {}))
    closure = inspect.getclosurevars(core).nonlocals if inspect.isfunction(core) else {}
    frame = inspect.currentframe()
    missing: NameError | None = None
    try:
        while frame is not None:
            try:
                return eval(parameter.annotation, scope, {**frame.f_locals, **closure})
            except NameError as error:
                missing, frame = error, frame.f_back
    finally:
        del frame
    raise HandlerInvalid(
        f"{name}: the annotation {parameter.annotation!r} cannot be resolved",
        where=where,
        why=str(missing),
        fix="Import the class at module level, outside `if TYPE_CHECKING:`.",
    )


def _shape(annotation: Any) -> tuple[Shape, Any]:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Delivery:
        return Shape.DELIVERY, arguments[0]
    if origin is list and typing.get_origin(arguments[0]) is Delivery:
        return Shape.BATCH, typing.get_args(arguments[0])[0]
    return Shape.EVENT, annotation


def _models(annotation: Any) -> tuple[Any, ...]:
    """The members of a union; of a generic alias its class."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return tuple(model for part in typing.get_args(annotation) for model in _models(part))
    return (typing.get_origin(annotation) or annotation,)
