"""Where in a value something failed: functions wrapped so that each adds its part of the path on the way out."""

from __future__ import annotations

from itertools import count
from typing import Any

from busline.codec.wire import Add, Left, Read, Skip, Write


class Path:
    """The path of one failure. Used once, on the second run over what failed."""

    def __init__(self) -> None:
        self.segments: list[str] = []
        self.value: object = None

    def __str__(self) -> str:
        return "".join(s if s[0] in "[{" else f".{s}" for s in reversed(self.segments)).lstrip(".")

    def reading(self, segment: str, read: Read) -> Read:
        def traced(data: bytes, p: int, left: Left) -> tuple[Any, int]:
            try:
                return read(data, p, left)
            except Exception:
                self.segments.append(segment)
                raise

        return traced

    def skipping(self, segment: str, skip: Skip) -> Skip:
        def traced(data: bytes, p: int, left: Left) -> int:
            try:
                return skip(data, p, left)
            except Exception:
                self.segments.append(segment)
                raise

        return traced

    def reading_each(self, read: Read) -> Read:
        """For the items of one array, one after the other."""
        indexes = count()

        def traced(data: bytes, p: int, left: Left) -> tuple[Any, int]:
            return self.reading(f"[{next(indexes)}]", read)(data, p, left)

        return traced

    def writing(self, segment: str, write: Write) -> Write:
        def traced(value: Any, add: Add) -> None:
            before = len(self.segments)
            try:
                write(value, add)
            except Exception:
                if not before and not self.segments:
                    self.value = value
                self.segments.append(segment)
                raise

        return traced
