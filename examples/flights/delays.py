"""The delays team's service `delays/statistics`: delay per airline, and how rain changes departures.

It reads two teams' streams by its own, narrower models. Nothing is said about the order between two streams, so what
joins them is kept apart until it is asked for.
"""

from collections import Counter, defaultdict
from datetime import datetime

from pydantic import AwareDatetime, BaseModel

from busline import Bus, Event


class Departed(BaseModel):
    delay_minutes: int


class Landed(BaseModel):
    delay_minutes: int


class Movement(Event, contract="airline.aircraft-moved", key="tail_number"):
    tail_number: str
    carrier: str
    flight: int
    origin: str
    scheduled_at: AwareDatetime
    at: AwareDatetime
    movement: Departed | Landed


class Weather(Event, contract="weather.observation", key="airport"):
    airport: str
    hour: AwareDatetime
    precipitation_inches: float


class Statistics:
    """Totals of one process, in memory: a service that must survive a restart keeps them beside its inbox."""

    def __init__(self) -> None:
        self.delays: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        self.departures: Counter[tuple[str, datetime]] = Counter()
        self.wet: dict[tuple[str, datetime], bool] = {}
        self.seen: dict[str, list[tuple[str, int, datetime]]] = defaultdict(list)

    def moved(self, event: Movement) -> None:
        what = type(event.movement).__name__
        self.seen[event.tail_number].append((what, event.flight, event.at))
        totals = self.delays[event.carrier]
        first = 0 if isinstance(event.movement, Departed) else 2
        totals[first] += 1
        totals[first + 1] += event.movement.delay_minutes
        if first == 0:
            self.departures[event.origin, event.scheduled_at.replace(minute=0)] += 1

    def weather(self, event: Weather) -> None:
        self.wet[event.airport, event.hour] = event.precipitation_inches > 0

    def by_carrier(self) -> dict[str, tuple[int, int, int, int]]:
        return {carrier: (t[0], t[1], t[2], t[3]) for carrier, t in self.delays.items()}

    def rain(self) -> tuple[int, int]:
        """Departures in an hour with and without precipitation at their airport, where the hour was observed."""
        count: Counter[bool] = Counter()
        for place, departures in self.departures.items():
            if place in self.wet:
                count[self.wet[place]] += departures
        return count[True], count[False]


def service(url: str, workspace: str | None) -> tuple[Bus, Statistics]:
    bus = Bus(url, service="delays/statistics", workspace=workspace)
    statistics = Statistics()

    @bus.subscribe(Movement)
    async def moved(event: Movement) -> None:
        statistics.moved(event)

    @bus.subscribe(Weather)
    async def observed(event: Weather) -> None:
        statistics.weather(event)

    return bus, statistics
