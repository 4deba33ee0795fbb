"""Recursion without Python's stack: a step is a generator that yields the steps it waits for.

Schemas nest as deep as somebody wrote them, which may be deeper than Python's stack, or the caller's rest of it.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")
Step: TypeAlias = Generator["Step[Any]", Any, T]


def run(step: Step[T]) -> T:
    """What the step returns. An exception ends all steps, and is raised here."""
    stack: list[Step[Any]] = [step]
    value: Any = None
    while True:
        try:
            inner = stack[-1].send(value)
        except StopIteration as done:
            stack.pop()
            value = done.value
            if not stack:
                result: T = value
                return result
        else:
            stack.append(inner)
            value = None
