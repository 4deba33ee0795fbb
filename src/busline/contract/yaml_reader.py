"""Hostile-safe YAML with positions: bounded in bytes, depth and nodes; no anchors, aliases, tags or duplicate keys.

Built on libyaml's events, so that nothing is made before it is counted and no depth recurses. Plain scalars follow
YAML 1.2's core schema: `no`, `on`, dates, `1:30` and `010` stay text, as people mean them; a model says what it takes.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import yaml

from busline.contract.finding import Finding

MAX_BYTES: Final = 1_048_576
MAX_DEPTH: Final = 32
MAX_NODES: Final = 50_000
Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"
Path_: TypeAlias = "tuple[str | int, ...]"
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT: Final = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FLOAT: Final = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]{1,2})?")
_WORDS: Final[dict[str, bool | None]] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(frozen=True, kw_only=True)
class Document:
    """A file's value, and the line of each place in it (by path of keys and indices, lines from 1)."""

    file: str
    value: Value
    lines: dict[Path_, int] = field(repr=False)

    def line(self, path: Path_) -> int:
        """Of the place, or of the nearest one around it that is in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


class _Refused(Exception):
    def __init__(self, line: int, what: str, fix: str = "") -> None:
        super().__init__(what)
        self.line, self.what, self.fix = line, what, fix


File: TypeAlias = "str | os.PathLike[str]"


def read_bytes(path: File, file: str, limit: int = MAX_BYTES) -> bytes | Finding:
    """A regular file's content; a device or pipe is never opened. An entry of a listed folder is the cheapest path."""
    try:
        listed = isinstance(path, os.DirEntry) and path.is_file(follow_symlinks=False)
        if not listed and not stat.S_ISREG(os.stat(path).st_mode):
            return Finding(file=file, what="not a regular file", fix="Put a plain file here.")
        opened = os.open(path, os.O_RDONLY)
        try:
            size = os.fstat(opened).st_size
            if size <= limit:
                return _whole(opened, size)
        finally:
            os.close(opened)
    except OSError as error:
        return Finding(file=file, what=why_not(error), fix="Mend its permissions.")
    what = f"{size} bytes are more than the {limit} taken here"
    return Finding(file=file, what=what, fix="Remove what does not belong here.")


def _whole(opened: int, size: int) -> bytes:
    """One call where the system gives all at once, as local file systems do."""
    data = os.read(opened, size)
    while len(data) < size and (more := os.read(opened, size - len(data))):
        data += more
    return data


def why_not(error: OSError) -> str:
    return f"cannot be read: {os.strerror(error.errno or 0)}"


def read_yaml(path: File, file: str) -> Document | Finding:
    """`file` is the name to show."""
    data = read_bytes(path, file)
    return data if isinstance(data, Finding) else parse_yaml(data, file)


def parse_yaml(data: bytes, file: str) -> Document | Finding:
    """One document, UTF-8. A finding says the first thing that is wrong with it as YAML."""
    try:
        text = _text(data)
        return _Builder(file).build(text)
    except _Refused as refused:
        return Finding(file=file, line=refused.line, what=refused.what, fix=refused.fix)
    except yaml.YAMLError as error:
        return _syntax(error, file)


def _text(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise _Refused(1, f"{len(data)} bytes are more than the {MAX_BYTES} taken here")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _Refused(line, f"byte {error.start} is not UTF-8", "Save the file as UTF-8.") from None
    zero = text.find("\0")
    if zero >= 0:
        raise _Refused(text.count("\n", 0, zero) + 1, "a NUL character", "Remove it.")
    return text


def _syntax(error: yaml.YAMLError, file: str) -> Finding:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "not YAML"
    context = getattr(error, "context", None)
    what = f"not YAML: {context}: {problem}" if context else f"not YAML: {problem}"
    return Finding(file=file, line=mark.line + 1 if mark else 1, what=what, fix="Mind indentation, colons and quotes.")


class _Open:
    """A mapping or sequence that is being filled. at: the place of `key`."""

    __slots__ = ("at", "key", "path", "value")

    def __init__(self, value: list[Value] | dict[str, Value], path: Path_) -> None:
        self.value = value
        self.path = path
        self.key: str | None = None
        self.at: Path_ = ()


class _Builder:
    """Events to values, by an explicit stack."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.stack: list[_Open] = []
        self.lines: dict[Path_, int] = {}
        self.root: Value = None
        self.nodes = 0
        self.documents = 0

    def build(self, text: str) -> Document:
        loader = _LOADER(text)
        try:
            while (event := loader.get_event()) is not None:
                self._take(event)
        finally:
            loader.dispose()
        return Document(file=self.file, value=self.root, lines=self.lines)

    def _take(self, event: Any) -> None:
        kind = type(event)
        line = event.start_mark.line + 1
        if kind is yaml.ScalarEvent:
            self._count(event, line)
            top = self.stack[-1] if self.stack else None
            if top is not None and top.key is None and type(top.value) is dict:
                self._key(top, event.value, line)
            else:
                self._put(_plain(event.value) if event.implicit[0] else event.value, line)
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            self.stack.pop()
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            self._count(event, line)
            self._open({} if kind is yaml.MappingStartEvent else [], line)
        elif kind is yaml.AliasEvent:
            raise _Refused(line, f"an alias (*{event.anchor})", "Write the value out; aliases are not taken.")
        elif kind is yaml.DocumentStartEvent:
            self.documents += 1
            if self.documents > 1:
                raise _Refused(line, "a second document", "One file holds one document: remove `---` and the rest.")

    def _count(self, event: Any, line: int) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise _Refused(line, f"more than {MAX_NODES} values")
        if event.anchor is not None:
            raise _Refused(line, f"an anchor (&{event.anchor})", "Write values out; anchors are not taken.")
        if event.tag is not None and event.tag != "!":
            raise _Refused(line, f"a tag ({event.tag:.60})", "Remove it; only plain values are taken.")

    def _key(self, top: _Open, key: str, line: int) -> None:
        at = (*top.path, key)
        if key in top.value:
            raise _Refused(
                line, f"the key {key!r:.80} stands twice", f"The first is in line {self.lines[at]}: keep one of them."
            )
        if key == "<<":
            raise _Refused(line, "a merge key (<<)", "Write the values out.")
        top.key, top.at = key, at
        self.lines[at] = line

    def _open(self, value: list[Value] | dict[str, Value], line: int) -> None:
        if len(self.stack) >= MAX_DEPTH:
            raise _Refused(line, f"nested deeper than {MAX_DEPTH} levels")
        self.stack.append(_Open(value, self._put(value, line)))

    def _put(self, value: Value, line: int) -> Path_:
        """Into what is open; the path where it now is."""
        if not self.stack:
            self.root = value
            return ()
        top = self.stack[-1]
        if isinstance(top.value, list):
            path = (*top.path, len(top.value))
            top.value.append(value)
            self.lines[path] = line
            return path
        if top.key is None:
            raise _Refused(line, "a list or mapping as a key", "Keys are plain text.")
        top.value[top.key] = value
        top.key = None
        return top.at


def _plain(text: str) -> Value:
    if text in _WORDS:
        return _WORDS[text]
    if not text[0].isascii() or text[0].isalpha():
        return text
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
