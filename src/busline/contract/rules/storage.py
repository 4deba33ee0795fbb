"""Storage: kept as long as its readers need, in records and partitions of a size that engines carry easily."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from busline.contract.finding import Severity
from busline.contract.model import Audience, Kind
from busline.contract.rules.rule import Found, Page, warning
from busline.contract.rules.subject import Subject

_HOUR: Final = 3_600_000
LEAST: Final = {
    Audience.TEAM: 0,
    Audience.COMPANY: 24 * _HOUR,
    Audience.PARTNER: 72 * _HOUR,
    Audience.PUBLIC: 72 * _HOUR,
}
"""Milliseconds an event is kept at least: a night for colleagues, a long weekend for outsiders."""
MAX_RECORD: Final = 8 * 1024 * 1024
MAX_PARTITIONS: Final = 100


def _retention(subject: Subject) -> Iterable[Found]:
    contract, kept = subject.contract, subject.contract.storage.retention
    least = LEAST[contract.audience]
    if contract.kind is Kind.EVENT and kept is not None and kept < least:
        what = f"events are kept {kept / _HOUR:g} h, and the audience is {contract.audience.value}"
        yield Found(what, f"Keep them {least // _HOUR}h or longer.", "storage.retention", True)


def _record_size(subject: Subject) -> Iterable[Found]:
    size = subject.contract.storage.max_record
    if size > MAX_RECORD:
        what = f"records up to {size / 1024**2:g} MiB"
        yield Found(what, "Publish where the data lies instead of the data.", "storage.max_record", True)


def _partitions(subject: Subject) -> Iterable[Found]:
    count = subject.contract.storage.partitions
    if count > MAX_PARTITIONS:
        what = f"{count} partitions: each costs memory and time on every broker and in every reader"
        yield Found(
            what, f"Take at most {MAX_PARTITIONS}; 6 carry some 10,000 events a second.", "storage.partitions", True
        )


RETENTION: Final = warning(
    "retention-audience",
    "Events are kept as long as their audience may be down: a day in the company, three for partners and public.",
    Page(
        why="A reader that is down for longer than the retention loses events, and finds out afterwards. A team can"
        " call itself; a partner is closed over the weekend.",
        bad="audience: partner\nstorage: {retention: 6h}",
        good="audience: partner\nstorage: {retention: 7d}",
        mend="Raise the retention; it changes nothing else.",
    ),
    contract=_retention,
    outside=Severity.ERROR,
)
RECORD_SIZE: Final = warning(
    "record-size",
    "A record is at most 8 MiB.",
    Page(
        why="Brokers and readers hold whole records in memory, several at a time. Large ones delay all that is behind"
        " them.",
        bad="storage: {max_record: 50MiB}",
        good="storage: {max_record: 1MiB}",
        mend="Store the data elsewhere and publish where it lies, or split it into events of their own.",
    ),
    contract=_record_size,
)
PARTITIONS: Final = warning(
    "partition-count",
    "A stream has at most 100 partitions.",
    Page(
        why="Each costs every broker and reader something, restarts take longer, and the number cannot be lowered.",
        bad="storage: {partitions: 500}",
        good="storage: {partitions: 12}",
        mend="Take as many as members of one group shall share the work, with room for a few years.",
    ),
    contract=_partitions,
)
