"""The same totals, computed straight from the rows without busline: what the services must arrive at."""

from collections import Counter, defaultdict
from datetime import datetime

from examples.flights.data import Row, given, scheduled

ON_TIME_MINUTES = 15


def delays(rows: list[Row]) -> dict[str, tuple[int, int, int, int]]:
    """By carrier: departures, minutes of departure delay, arrivals, minutes of arrival delay."""
    out: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for row in rows:
        if given(row, "dep_delay"):
            totals = out[row["carrier"]]
            totals[0] += 1
            totals[1] += int(float(row["dep_delay"]))
            if given(row, "arr_delay") and given(row, "air_time"):
                totals[2] += 1
                totals[3] += int(float(row["arr_delay"]))
    return {carrier: (t[0], t[1], t[2], t[3]) for carrier, t in out.items()}


def rain(rows: list[Row], weather: list[Row]) -> tuple[int, int]:
    """Departures in an hour with and without precipitation at their airport, where the hour was observed."""
    wet: dict[tuple[str, datetime], bool] = {
        (row["origin"], datetime.fromisoformat(row["time_hour"])): float(row["precip"]) > 0 for row in weather
    }
    count: Counter[bool] = Counter()
    for row in rows:
        place = (row["origin"], scheduled(row).replace(minute=0))
        if given(row, "dep_delay") and place in wet:
            count[wet[place]] += 1
    return count[True], count[False]


def board(rows: list[Row]) -> dict[str, tuple[int, int, int]]:
    """By airport of departure: departed on time, departed late, cancelled."""
    out: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in rows:
        column = 2 if not given(row, "dep_delay") else int(float(row["dep_delay"]) >= ON_TIME_MINUTES)
        out[row["origin"]][column] += 1
    return {airport: (t[0], t[1], t[2]) for airport, t in out.items()}
