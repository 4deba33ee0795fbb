"""One line of a plan."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

Mark: TypeAlias = Literal["+", "~", "-", "±"]


class Change(NamedTuple):
    """about: the contract, service or team; mark: + new, ~ changed, - gone, ± rights given and taken at once.

    old, new: the value that changes, where one value does. why: file:line of what asks for it.
    """

    about: str
    mark: Mark
    what: str
    old: str = ""
    new: str = ""
    why: str = ""

    @property
    def text(self) -> str:
        """`topic orders.order-placed: kept 7d -> kept 30d`"""
        value = " -> ".join(part for part in (self.old, self.new) if part)
        return f"{self.what}: {value}" if value else self.what
