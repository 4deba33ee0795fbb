"""Any YAML's plain values with their places, for who only looks: anchors, tags and several documents are taken.

Built on libyaml's events like `yaml_reader`, with the same bounds; no value is made, no tag is followed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import yaml

MAX_DEPTH: Final = 100
MAX_NODES: Final = 200_000
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Leaf(NamedTuple):
    """A scalar, and the keys and indices above it."""

    path: tuple[str | int, ...]
    value: str
    line: int


class NotYaml(Exception):
    """The text is no YAML, or beyond the bounds; line: where."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line, self.what = line, what


def scan(text: str) -> Iterator[Leaf]:
    """Every scalar in its order; the first number of a path is the document's. Raises NotYaml."""
    try:
        loader = _LOADER(text)
        try:
            yield from _Scan().leaves(loader)
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        raise NotYaml(mark.line + 1 if mark else 1, str(getattr(error, "problem", None) or "not YAML")) from None


class _Scan:
    def __init__(self) -> None:
        self.open: list[list[Any]] = []  # [is mapping, key or index, waits for a value]
        self.anchors: dict[str, str] = {}
        self.nodes = 0
        self.document = -1

    def leaves(self, loader: Any) -> Iterator[Leaf]:
        while (event := loader.get_event()) is not None:
            kind, line = type(event), event.start_mark.line + 1
            if kind is yaml.DocumentStartEvent:
                self.document += 1
            elif kind in (yaml.MappingStartEvent, yaml.SequenceStartEvent):
                self._count(line)
                self._enter()
                self.open.append([kind is yaml.MappingStartEvent, -1, False])
            elif kind in (yaml.MappingEndEvent, yaml.SequenceEndEvent):
                self.open.pop()
                self._leave()
            elif kind in (yaml.ScalarEvent, yaml.AliasEvent):
                self._count(line)
                value = event.value if kind is yaml.ScalarEvent else self.anchors.get(event.anchor, "")
                if kind is yaml.ScalarEvent and event.anchor:
                    self.anchors[event.anchor] = event.value
                if self._is_value(value):
                    yield Leaf((self.document, *(level[1] for level in self.open)), value, line)
                    self._leave()

    def _count(self, line: int) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise NotYaml(line, f"more than {MAX_NODES:,} values")
        if len(self.open) > MAX_DEPTH:
            raise NotYaml(line, f"nested deeper than {MAX_DEPTH} levels")

    def _enter(self) -> None:
        """A mapping or list begins: as a value, an item, or (rarely) as a key."""
        if self.open and not self.open[-1][0]:
            self.open[-1][1] += 1
        elif self.open and not self.open[-1][2]:
            self.open[-1][1] = "?"

    def _leave(self) -> None:
        if self.open and self.open[-1][0]:
            self.open[-1][2] = not self.open[-1][2] if self.open[-1][1] == "?" else False

    def _is_value(self, value: str) -> bool:
        """Or a key, which is kept."""
        if not self.open:
            return True
        top = self.open[-1]
        if not top[0]:
            top[1] += 1
            return True
        if top[2]:
            return True
        top[1], top[2] = value, True
        return False
