"""One function for a whole record: what its fields usually are is written out in line, the rest is called.

The closures of `encoding` and `decoding` say what is right; a fused function only saves their calls. Every piece that
is written out tests for its common case and leaves all others, failures among them, to the closure that it stands for.
Text of the schema never becomes source: names are quoted, values are bound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, Final

from busline.contract.nodes import Primitive

DEEPEST: Final = 3
"""Arrays and maps in each other that are written out: Python allows 20 blocks in each other."""


class Source:
    """The text of a function that is being written, and the values that it refers to."""

    def __init__(self, head: str, **bound: Any) -> None:
        self._lines = [head]
        self._indent = 1
        self._bound = bound
        self._numbers = count()

    def write(self, text: str) -> None:
        self._lines += ["    " * self._indent + line for line in text.strip("\n").splitlines()]

    @contextmanager
    def under(self, head: str) -> Iterator[None]:
        self.write(head)
        self._indent += 1
        yield
        self._indent -= 1

    def bind(self, value: Any) -> str:
        """A name for a value of the compiler's."""
        name = f"c{next(self._numbers)}"
        self._bound[name] = value
        return name

    def local(self) -> str:
        """A variable of its own."""
        return f"v{next(self._numbers)}"

    def function(self, name: str) -> Callable[..., Any]:
        exec(compile("\n".join(self._lines), "<busline codec>", "exec"), self._bound)
        made: Callable[..., Any] = self._bound[name]
        return made


def same_type(one: Primitive, other: Primitive) -> bool:
    return one.type == other.type and one.logical == other.logical
