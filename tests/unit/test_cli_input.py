"""Events on stdin: the same lines however the bytes come, bounded, each error with its line."""

import io
import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busline.cli import json_input
from busline.cli.json_input import Line, json_lines


class Pipe(io.RawIOBase):
    """Gives what was written in the pieces in which it was written."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)

    def read1(self, size: int) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""

    def read(self, size: int = -1) -> bytes:
        found, self.pieces = b"".join(self.pieces), []
        return found[:size] if size >= 0 else found


async def lines(*pieces: bytes) -> list[Line]:
    source: Any = Pipe(*pieces)
    return [line for portion in [x async for x in json_lines(source)] for line in portion]


values = st.dictionaries(st.text(max_size=8), st.none() | st.integers() | st.text(max_size=8), max_size=3)


@given(events=st.lists(values, max_size=6), cuts=st.lists(st.integers(0, 200), max_size=6), last=st.booleans())
async def test_the_pieces_in_which_it_comes_change_nothing(events: list[Any], cuts: list[int], last: bool) -> None:
    text = "\n".join(json.dumps(event) for event in events).encode() + (b"\n" if last else b"")
    at = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    pieces = [text[a:b] for a, b in itertools.pairwise(at)]
    assert await lines(*pieces) == [Line(number, event) for number, event in enumerate(events, 1)]


async def test_a_line_is_there_as_soon_as_it_has_come() -> None:
    source: Any = Pipe(b'{"a": 1}\n{"a"', b": 2}\n")
    portions = [portion async for portion in json_lines(source)]
    assert [[line.value for line in portion] for portion in portions] == [[{"a": 1}], [{"a": 2}]]


async def test_empty_lines_count_and_are_no_events() -> None:
    assert await lines(b"\n\n{}\n\n[]") == [Line(3, {}), Line(5, [])]


@pytest.mark.parametrize("end", [b"", b"\n"])
async def test_one_document_may_span_lines(end: bytes) -> None:
    assert await lines(b'{\n "a":\n 1}' + end) == [Line(1, {"a": 1})]
    assert await lines(b"[\n {},\n", b' {"a": 1}\n]' + end) == [Line(1, {}), Line(2, {"a": 1})]


async def test_a_bad_line_is_told_and_the_next_one_goes_on() -> None:
    first, second, third, fourth = await lines(b'nonsense\n{"a": 1}\n\xff\n{"a": NaN}\n')
    assert (first.number, second.value, third.number, fourth.number) == (1, {"a": 1}, 3, 4)
    assert first.error is not None and "not JSON" in first.error.what
    assert third.error is not None and "UTF-8" in third.error.what
    assert fourth.error is not None and "NaN" in str(fourth.error)


async def test_a_deep_line_is_an_error_and_no_crash() -> None:
    (line,) = await lines(b"[" * 500_000 + b"]" * 500_000 + b"\n")
    assert line.error is not None


async def test_an_endless_line_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_input, "LONGEST", 1000)
    (line,) = await lines(*[b"x" * 400] * 100)
    assert line.error is not None and "more than 1000 bytes" in line.error.what


async def test_a_document_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_input, "LONGEST", 1000)
    (line,) = await lines(b"[\n", b'"' + b"x" * 3000 + b'"]')
    assert line.error is not None and "more than 1000 bytes" in line.error.what
