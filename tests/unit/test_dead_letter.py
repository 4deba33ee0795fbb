"""Dead letters keep what came, with why and where from; one that cannot be written is never given up silently."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busline.bus.dead_letter import DeadLetters, Why
from busline.bus.letter import Letter, parse_letter
from busline.bus.options import DeadLetter
from busline.bus.retry import Undecodable
from busline.errors import DeadLetterFailed, NotPublished, Reject, Unreachable
from busline.record import Headers, Position, Record, StoredRecord
from busline.transport.base import Outcome, Transport

TOPIC = "busline.dlq.shop.billing"
SOURCE = Position("shop.order", 3, 41)
WHY = Why(contract="shop.order", group="shop/billing", error="ValueError", reason="no", calls=5)


class Log:
    """A transport's publish; `answers` are taken first, one a call."""

    def __init__(self, *answers: NotPublished | Exception) -> None:
        self.answers = list(answers)
        self.records: list[Record] = []

    async def publish(self, records: Sequence[Record]) -> list[Outcome]:
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, NotPublished):
                return [answer]
            raise answer
        self.records += records
        return [Position(TOPIC, 0, len(self.records) - 1)]


def letters(log: Log, **options: Any) -> DeadLetters:
    return DeadLetters(cast(Transport, log), TOPIC, release="1.2", options=DeadLetter(**options))


async def no_pause(seconds: float) -> None:
    assert seconds > 0


def stored(record: Record, offset: int = 0) -> StoredRecord:
    return StoredRecord(offset, 5, record.key, record.value, record.headers)


async def write(log: Log, record: StoredRecord, source: Position = SOURCE, **options: Any) -> Letter:
    await letters(log, **options).write(source, record, WHY, no_pause)
    return parse_letter(TOPIC, 0, stored(log.records[-1], len(log.records) - 1))


header = st.tuples(st.text(max_size=8).filter(lambda name: not name.startswith("busline_dlq_")), st.binary(max_size=9))


@given(st.none() | st.binary(max_size=20), st.none() | st.binary(max_size=60), st.lists(header, max_size=4))
def test_bytes_key_and_headers_come_back_as_they_were(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]]
) -> None:
    record = StoredRecord(41, 5, key, value, tuple(headers))
    letter = asyncio.run(write(Log(), record))
    assert (letter.key, letter.value, letter.headers, letter.omitted) == (key, value, tuple(headers), None)
    assert letter.record()[2:] == record[2:]


async def test_a_letter_says_why_and_where_from() -> None:
    letter = await write(Log(), StoredRecord(41, 5, b"k", b"v"))
    assert (letter.source, letter.contract, letter.group) == (SOURCE, "shop.order", "shop/billing")
    assert (letter.error, letter.reason, letter.attempt, letter.calls) == ("ValueError", "no", 1, 5)
    assert (letter.position, letter.release) == (Position(TOPIC, 0, 0), "1.2")
    assert letter.time > 1_700_000_000_000


async def test_what_fails_again_keeps_its_source_and_counts_on() -> None:
    log = Log()
    first = await write(log, StoredRecord(41, 5, b"k", b"v", (("ce_id", b"1"),)))
    second = await write(log, stored(log.records[0]), Position(TOPIC, 0, 0))
    assert (second.source, second.attempt, second.calls) == (SOURCE, 2, 10)
    assert (second.value, second.headers) == (first.value, first.headers)
    assert len(log.records[1].headers) == len(log.records[0].headers)


async def test_what_does_not_fit_goes_as_position_and_reason() -> None:
    letter = await write(Log(), StoredRecord(41, 5, b"k", b"v" * 9000), max_record=8192)
    assert (letter.key, letter.value, letter.omitted) == (b"k", None, 9000)
    assert (letter.source, letter.reason) == (SOURCE, "no")
    huge: Headers = (("h", b"x" * 9000),)
    letter = await write(Log(), StoredRecord(41, 5, b"k" * 9000, b"v", huge), max_record=8192)
    assert (letter.key, letter.value, letter.headers, letter.omitted) == (None, None, (), 1)


async def test_an_omitted_event_stays_known_as_omitted_when_it_fails_again() -> None:
    log = Log()
    await write(log, StoredRecord(41, 5, b"k", b"v" * 9000), max_record=8192)
    again = await write(log, stored(log.records[0]), Position(TOPIC, 0, 0))
    assert (again.attempt, again.omitted) == (2, 9000)


async def test_a_long_reason_is_cut_between_characters() -> None:
    why = Why(contract="c", group="g", error="E", reason="ü" * 5000, calls=1)
    log = Log()
    await letters(log).write(SOURCE, StoredRecord(0, 0, None, b""), why, no_pause)
    letter = parse_letter(TOPIC, 0, stored(log.records[0]))
    assert letter.reason == "ü" * 1024


async def test_a_failed_write_is_tried_again_and_shows_until_it_succeeds() -> None:
    log = Log(NotPublished("full"), Unreachable("gone"))
    dead, seen = letters(log), []

    async def pause(seconds: float) -> None:
        seen.append(dead.failing)

    position = await dead.write(SOURCE, StoredRecord(0, 0, b"k", b"v"), WHY, pause)
    assert position == Position(TOPIC, 0, 0)
    assert ["full" in str(seen[0]), "gone" in str(seen[1])] == [True, True]
    assert (dead.failing, dead.written) == (None, 1)


async def test_when_patience_ends_progress_stops_instead_of_losing() -> None:
    dead = letters(Log(NotPublished("full")), patience=0)
    with pytest.raises(DeadLetterFailed, match="full"):
        await dead.write(SOURCE, StoredRecord(0, 0, b"k", b"v"), WHY, no_pause)
    assert dead.failing


@pytest.mark.parametrize(
    "spoil",
    [
        lambda headers: (),
        lambda headers: tuple(h for h in headers if h[0] != "busline_dlq_offset"),
        lambda headers: (*headers, ("busline_dlq_partition", b"x")),
    ],
)
async def test_a_record_that_is_no_letter_is_a_value_error(spoil: Callable[[Headers], Headers]) -> None:
    log = Log()
    await write(log, StoredRecord(41, 5, b"k", b"v"))
    with pytest.raises(ValueError):
        parse_letter(TOPIC, 0, stored(log.records[0]._replace(headers=spoil(log.records[0].headers))))


async def test_a_foreign_record_in_the_topic_gets_a_letter_of_its_own() -> None:
    letter = await write(Log(), StoredRecord(9, 5, b"k", b"junk"), Position(TOPIC, 0, 9))
    assert (letter.source, letter.attempt) == (Position(TOPIC, 0, 9), 1)


def test_the_reason_is_the_cause_of_an_undecodable_record() -> None:
    error = Undecodable()
    error.__cause__ = KeyError("x")
    assert Why.of(error, contract="c", group="g", calls=1).error == "KeyError"


class Broken(Exception):
    """A service's own."""


@pytest.mark.parametrize(
    ("error", "parts", "text"),
    [
        (Reject("no such customer"), ("Reject", "BL0702", "no such customer"), "Reject (BL0702): no such customer"),
        (Unreachable("down", where="db"), ("Unreachable", "BL0501", "down (db)"), "Unreachable (BL0501): down (db)"),
        (ValueError("no"), ("ValueError", "", "no"), "ValueError: no"),
        (ValueError(), ("ValueError", "", ""), "ValueError"),
        (Broken("x"), (f"{__name__}.Broken", "", "x"), f"{__name__}.Broken: x"),
    ],
)
def test_class_code_and_reason_are_apart_and_read_well_together(
    error: Exception, parts: tuple[str, str, str], text: str
) -> None:
    why = Why.of(error, contract="c", group="g", calls=1)
    assert (why.error, why.code, why.reason) == parts
    assert str(why) == text
    error.add_note("ask billing")
    assert Why.of(error, contract="c", group="g", calls=1).reason == "\n".join(
        [*([parts[2]] if parts[2] else []), "ask billing"]
    )
