"""What a running reader says of itself in its commits."""

import json

import pytest

from busline import Event
from busline.bus.notes import MAX_NOTE, Note, read_note, reader_note
from busline.contract.infer import infer


class Placed(Event, contract="orders.placed", key="user"):
    user: str
    coupon: str | None = None


class Sent(Event, contract="billing.sent", key="user"):
    user: str


def test_one_contract_says_version_fields_and_release() -> None:
    note = reader_note([(infer([Placed])[0], Placed, 3)], "1.4.2")
    assert note == '{"b":1,"v":3,"f":["user","coupon?"],"r":"1.4.2"}'


def test_several_contracts_are_said_by_name() -> None:
    both = [(infer([Placed])[0], Placed, None), (infer([Sent])[0], Sent, 2)]
    assert json.loads(reader_note(both)) == {
        "b": 1,
        "v": {"orders.placed": 1, "billing.sent": 2},
        "f": {"orders.placed": ["user", "coupon?"], "billing.sent": ["user"]},
    }


def test_who_reads_everything_lists_no_fields() -> None:
    assert reader_note([(infer([Sent])[0], None, None)]) == '{"b":1,"v":1}'


@pytest.mark.parametrize("fields", [10, 1_000])
def test_a_note_fits_the_metadata_of_a_commit(fields: int) -> None:
    wide = type(
        "Wide", (Event,), {"__annotations__": {f"a_long_field_{n}": str for n in range(fields)}}, contract="a.b"
    )
    note = reader_note([(infer([wide])[0], wide, None)], "release " * 100)
    assert len(note.encode()) <= MAX_NOTE
    assert ("f" in json.loads(note)) == (fields == 10)


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", "made by somebody else", '{"b":2,"v":1}', "[" * 3000, '{"b":1,"v":' + "9" * 5000],
)
def test_a_foreign_note_says_nothing(text: str) -> None:
    assert read_note(text, "orders.order-placed") is None


def test_what_is_written_is_read_again_for_each_contract() -> None:
    text = '{"b":1,"v":{"a.one":2,"a.two":3},"f":{"a.one":["id","note?"]},"r":"r41"}'
    assert read_note(text, "a.one") == Note(2, ("id", "note?"), "r41")
    assert read_note(text, "a.two") == Note(3, None, "r41")
    assert read_note(text, "a.three") == Note(None, None, "r41")


def test_a_note_that_lies_about_its_types_says_less() -> None:
    assert read_note('{"b":1,"v":true,"f":[1],"r":"\\u001b[2J"}', "a.one") == Note(None, None, "")
    assert read_note('{"b":1,"v":-1,"f":["\\u001b"],"r":7}', "a.one") == Note(None, None, "")
