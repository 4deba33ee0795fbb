"""Lists of words as they are read: separated by spaces."""

from __future__ import annotations


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())
