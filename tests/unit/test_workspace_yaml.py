"""YAML as an enemy may write it: refused with a line and a reason, before it costs anything."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from busline.contract.finding import Finding
from busline.contract.yaml_reader import MAX_NODES, Document, parse_yaml


def refused(data: bytes) -> Finding:
    found = parse_yaml(data, "f.yaml")
    assert isinstance(found, Finding), found
    return found


@pytest.mark.parametrize(
    ("data", "line", "what"),
    [
        (b"a: &x [1]\nb: [*x, *x]\n", 1, "an anchor"),
        (b"a: 1\nb: *x\n", 2, "an alias"),
        (b"a: !!python/object/apply:os.system [x]", 1, "a tag"),
        (b"a: !x 1", 1, "a tag"),
        (b"a: 1\nb: 2\na: 3", 3, "the key 'a' stands twice"),
        (b"a: {b: 1,\n  b: 2}", 2, "the key 'b' stands twice"),
        (b"x:\n  <<: {a: 1}", 2, "a merge key"),
        (b"a: 1\n---\nb: 1", 2, "a second document"),
        (b"a: 1\nb: \xff\n", 2, "is not UTF-8"),
        (b"a: 1\nb: \x00\n", 2, "a NUL character"),
        (b"? [a]\n: b", 1, "a list or mapping as a key"),
        (b"a: [1\nb: 2", 2, "not YAML"),
        (b"{a: " * 10_000, 1, "nested deeper than"),
        (b"[" * 10_000, 1, "nest"),
        (b"- [" + b"1," * (MAX_NODES + 1) + b"]", 1, "more than"),
        (b"a: " + b"x" * 1_048_576, 1, "bytes are more than"),
    ],
)
def test_what_is_hostile_is_refused_with_its_line(data: bytes, line: int, what: str) -> None:
    found = refused(data)
    assert what in found.what
    assert found.line == line


def test_ten_thousand_levels_of_blocks_do_not_recurse() -> None:
    assert "nested deeper" in refused("\n".join(" " * i + "a:" for i in range(1_000)).encode()).what


def test_plain_words_stay_what_people_mean() -> None:
    found = parse_yaml(
        b"[no, yes, on, 2026-01-31, 1:30, 010, 0x1f, 1_000, .5, 1e3, 7, -7, true, null, ~, '7', 1e9999]", "f"
    )
    assert isinstance(found, Document)
    expected = [
        "no",
        "yes",
        "on",
        "2026-01-31",
        "1:30",
        "010",
        "0x1f",
        "1_000",
        0.5,
        1000.0,
        7,
        -7,
        True,
        None,
        None,
        "7",
    ]
    assert found.value == [*expected, "1e9999"]


def test_a_place_that_is_missing_has_the_line_of_what_is_around_it() -> None:
    found = parse_yaml(b"a:\n  b:\n    - x\n    - y\n", "f")
    assert isinstance(found, Document)
    assert found.line(("a", "b", 1)) == 4
    assert found.line(("a", "b", 1, "none")) == 4
    assert found.line(("a", "none")) == 1
    assert found.line(("none",)) == 1


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_a_document_or_a_finding(data: bytes) -> None:
    assert isinstance(parse_yaml(data, "f"), Document | Finding)


@settings(deadline=None)
@given(st.text(alphabet="ab:-[]{}&*!|>'\"\n #?%@,~<", max_size=60))
def test_any_punctuation_gives_a_document_or_a_finding(text: str) -> None:
    assert isinstance(parse_yaml(text.encode(), "f"), Document | Finding)
