"""What an app's handlers raised: dead letters hold its text only, and a test wants the exception."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from busline.bus.delivery import Delivery
from busline.bus.groups import Subscribed
from busline.bus.handlers import Shape
from busline.bus.letter import Letter
from busline.bus.middleware import Handler
from busline.errors import BuslineError, HandlerTimeout, SubscriptionError
from busline.record import Position


class Failures:
    """The exceptions that handlers raised last, by subscription and position. Letters have their text only."""

    def __init__(self) -> None:
        self._last: dict[tuple[str | None, Position], Exception] = {}

    def watch(self, subscription: Subscribed) -> Subscribed:
        """The subscription, with what its handler raises kept."""
        handler, name = subscription.handler, subscription.name
        if handler.shape is Shape.BATCH:
            return replace(subscription, handler=replace(handler, function=self._batch(handler.function, name)))
        extras = subscription.extras.copy()
        extras["middleware"] = (self._middleware(name), *extras.get("middleware", ()))
        return replace(subscription, extras=extras)

    def _middleware(self, name: str | None) -> Any:
        def around(handler: Handler) -> Handler:
            async def call(delivery: Delivery[Any]) -> None:
                await self._kept(handler, delivery, name, [delivery])

            return call

        return around

    def _batch(self, function: Any, name: str | None) -> Any:
        async def call(deliveries: list[Delivery[Any]]) -> None:
            await self._kept(function, deliveries, name, deliveries)

        return call

    async def _kept(self, function: Any, argument: object, name: str | None, of: list[Delivery[Any]]) -> None:
        keys = [(name, delivery.position) for delivery in of]
        for key in keys:
            self._last.pop(key, None)
        try:
            await function(argument)
        except Exception as error:
            self._last |= dict.fromkeys(keys, error)
            raise

    def of(self, letter: Letter) -> Exception:
        """What to raise for a letter; a note says whose it was."""
        _, _, name = (*letter.group.split("/", 2), None)[:3]
        error = self._last.get((name, letter.source)) or _from_text(letter)
        error.add_note(f"{letter.contract}, handled by {letter.group}, was dead-lettered after {letter.calls} call(s)")
        return error


def _from_text(letter: Letter) -> BuslineError:
    """For what no handler raised: its time ran out, or its model cannot read the event."""
    kind = HandlerTimeout if letter.code == HandlerTimeout.code else SubscriptionError
    return kind(f"an event of {letter.contract} could not be handled", why=letter.reason)
