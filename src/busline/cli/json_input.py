"""Events as JSON on stdin: one a line, or one document (an object, or a list of objects). Bounded, as it comes."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from typing import BinaryIO, Final, NamedTuple

from busline.errors import EncodeError

CHUNK: Final = 1 << 16
LONGEST: Final = 16 << 20
"""Bytes of one line, or of one document that spans several."""


_BOM: Final = b"\xef\xbb\xbf"


class Line(NamedTuple):
    """Where an event stands in the input, and its JSON, or why it is none."""

    number: int
    value: object = None
    error: EncodeError | None = None


async def json_lines(given: BinaryIO | None = None) -> AsyncIterator[list[Line]]:
    """What has come so far, in portions, as soon as it is there. After an error the next line goes on.

    Where the first line is the beginning of a JSON value, the whole input is one document.
    """
    source = sys.stdin.buffer if given is None else given
    number, rest, first = 0, b"", True
    while chunk := await asyncio.to_thread(_some, source):
        *lines, rest = (rest + chunk).split(b"\n")
        if first and lines:
            first = False
            if _is_open(lines[0]):
                yield _document(b"\n".join([*lines, rest]) + await asyncio.to_thread(source.read, LONGEST))
                return
        yield [_parsed(number + i, line) for i, line in enumerate(lines, 1) if line.strip()]
        number += len(lines)
        if len(rest) > LONGEST:
            yield [Line(number + 1, error=EncodeError(f"a line of more than {LONGEST} bytes"))]
            return
    if rest.strip():
        last = _parsed(number + 1, rest)
        yield _document(rest) if first and isinstance(last.value, list) else [last]


def _some(source: BinaryIO) -> bytes:
    """What is there, at least one byte: a pipe's next write, without waiting for a full chunk."""
    read1 = getattr(source, "read1", source.read)
    data: bytes = read1(CHUNK)
    return data


def _parsed(number: int, text: bytes) -> Line:
    try:
        return Line(
            number, json.loads(text.removeprefix(_BOM).decode(), parse_constant=_refuse, object_pairs_hook=_once)
        )
    except UnicodeDecodeError:
        return Line(number, error=EncodeError("it is not UTF-8"))
    except RecursionError:
        return Line(number, error=EncodeError("nested too deeply"))
    except ValueError as error:
        return Line(number, error=EncodeError("it is not JSON", why=str(error)))


def _is_open(text: bytes) -> bool:
    """It begins a JSON value, and ends within it."""
    try:
        json.loads(text.removeprefix(_BOM))
    except json.JSONDecodeError as error:
        return text.removeprefix(_BOM).lstrip()[:1] in (b"{", b"[") and error.pos >= len(error.doc.rstrip())
    except (ValueError, RecursionError):
        return False
    return False


def _document(text: bytes) -> list[Line]:
    if len(text) > LONGEST:
        return [Line(1, error=EncodeError(f"a document of more than {LONGEST} bytes", fix="Write one event a line."))]
    whole = _parsed(1, text)
    if isinstance(whole.value, list):
        return [Line(i, item) for i, item in enumerate(whole.value, 1)]
    return [whole]


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """JSON leaves open which of two same names counts, so neither does."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} is there twice")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
