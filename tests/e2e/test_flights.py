"""The flights example on both engines: its totals and the order of every aircraft, against a direct computation."""

from pathlib import Path
from typing import Any

import pytest

from busline.contract.workspace import Workspace
from examples.flights import direct
from examples.flights.__main__ import WORKSPACE, run
from examples.flights.data import cancellations, flight_rows, movements


def test_the_workspace_of_the_example_has_no_findings() -> None:
    assert len(Workspace.load(WORKSPACE).contracts) == 3


def test_the_first_flight_of_the_year_is_read_as_it_was() -> None:
    [row] = flight_rows(1)
    departed, landed = movements([row])
    assert (departed.tail_number, departed.flight, departed.movement.delay_minutes) == ("N14228", 1545, 2)
    assert (landed.at - departed.at).total_seconds() == 227 * 60
    assert departed.scheduled_at.isoformat() == "2013-01-01T10:15:00+00:00"


def test_every_flight_departs_or_is_cancelled() -> None:
    rows = list(flight_rows(5_000))
    departures = sum(type(event.movement).__name__ == "Departed" for event in movements(rows))
    assert departures + len(cancellations(rows)) == len(rows)
    assert sum(map(sum, direct.board(rows).values())) == len(rows)


async def test_a_sample_of_flights_adds_up_on_sqlite(tmp_path: Path) -> None:
    assert await run(f"sqlite:///{tmp_path}/flights.db", 3_000)


@pytest.mark.kafka
async def test_a_sample_of_flights_adds_up_on_kafka(kafka: Any) -> None:
    assert await run(kafka.url, 3_000)
