"""Where a command writes: results on stdout, narration on stderr; text for people, JSON for programs.

What came from a record, a file or a server is shown without control characters, so that no input can drive the
terminal. A reader that went away (`| head`) ends the command quietly.
"""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Mapping
from typing import Final

import click

_BIDI: Final = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
_ESCAPED: Final = {c: f"\\u{c:04x}" for c in (*range(0x7F, 0xA0), *_BIDI)}
_SHOWN: Final = _ESCAPED | {c: f"\\x{c:02x}" for c in (*range(0x20), *range(0x7F, 0xA0)) if c not in (0x09, 0x0A)}


def clean(text: str) -> str:
    """Text with its control and direction-changing characters written out."""
    return text.translate(_SHOWN)


def to_json(value: object) -> str:
    """One line of JSON, never with raw control characters; bytes are written as Avro's JSON does (code points)."""
    return json.dumps(value, ensure_ascii=False, default=_plain).translate(_ESCAPED)


class Output:
    """A command's two streams. as_json: results and failures are JSON, narration is left out."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json

    @property
    def interactive(self) -> bool:
        """Somebody watches stderr: progress may move there."""
        return sys.stderr.isatty() and not self.as_json

    def result(self, value: Mapping[str, object], text: str | None = None) -> None:
        """One result: the mapping as a line of JSON, or `text` (without one, the JSON as well)."""
        if self.as_json or text is None:
            click.echo(to_json(value))
        elif text:
            click.echo(text)

    def note(self, text: str) -> None:
        """Narration for people; nothing depends on it."""
        if not self.as_json:
            click.echo(text, err=True)

    def warn(self, text: str) -> None:
        """What people must see, also where results are JSON."""
        click.secho(text, fg="yellow", err=True)


def wrapped(line: str, indent: int) -> str:
    """On a terminal no word is cut at its edge, and what goes on is indented; elsewhere the line stays one line."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    if width is None or len(line) <= width:
        return line
    return textwrap.fill(
        line, max(width, 2 * indent), subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    )


def columns(rows: list[tuple[str, ...]]) -> str:
    """Rows as left-aligned text columns, two spaces apart; numbers are right-aligned."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    numeric = [all(row[i].isdigit() or row[i] == "-" for row in rows[1:]) for i in range(len(widths))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in rows
    )


def _plain(value: object) -> object:
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("latin-1")
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    isoformat = getattr(value, "isoformat", None)
    return isoformat() if callable(isoformat) else str(value)
