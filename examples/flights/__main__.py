"""Publish a year of flights, handle them in two services, and compare with a direct computation.

    python -m examples.flights                  the first 10,000 flights on a fresh sqlite file
    python -m examples.flights --whole          all 336,776 of them
    python -m examples.flights --url kafka://127.0.0.1:9092

On Kafka the contracts are applied first, as a platform team would: `busline apply`.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from busline import Bus, Event
from busline.contract.workspace import Workspace
from busline.governance.apply.apply import apply
from busline.governance.plan.plan import Goal, plan_changes
from busline.governance.users.secrets import SecretPlaces, Secrets
from busline.transport.resolve import resolve
from examples.flights import board, data, delays, direct
from examples.flights.models import AircraftMoved, FlightCancelled, WeatherObserved, moment

WORKSPACE = Path(__file__).parent / "schemas"
SAMPLE = 10_000
E = TypeVar("E", bound=Event)


async def apply_contracts(url: str) -> None:
    """What `busline apply` does: topics and contract log, as the workspace says."""
    workspace = Workspace.load(WORKSPACE)
    goal = Goal(contracts=workspace.contracts, services=workspace.services, teams=workspace.teams)
    secrets = Secrets(SecretPlaces(folder=Path(".busline/secrets/flights")))
    engine = resolve(url)
    await engine.start()
    try:
        await apply(await plan_changes(goal, engine), engine, secrets=secrets)
    finally:
        await engine.aclose()


async def stream(bus: Bus, model: type[E], events: Iterable[E]) -> None:
    """All events, each confirmed when this returns."""
    async with bus.publisher(model) as publisher:
        for event in events:
            await publisher.send(event)


async def publish(url: str, workspace: str | None, flights: list[data.Row], weather: list[data.Row]) -> int:
    """The airline's and the weather office's part. Returns how many events were confirmed."""
    airline = Bus(url, service="airline/operations", workspace=workspace)
    office = Bus(url, service="weather/stations", workspace=workspace)
    moved, cancelled, observed = data.movements(flights), data.cancellations(flights), data.weather(weather)
    async with airline, office:
        await stream(airline, AircraftMoved, moved)
        await stream(airline, FlightCancelled, cancelled)
        await stream(office, WeatherObserved, observed)
    return len(moved) + len(cancelled) + len(observed)


def in_order(flights: list[data.Row], seen: dict[str, list[tuple[str, int, datetime]]]) -> int:
    """How many aircraft's movements were not handled exactly in the order in which they were published."""
    published: dict[str, list[tuple[str, int, datetime]]] = defaultdict(list)
    for event in data.movements(flights):
        published[event.tail_number].append(moment(event))
    return sum(seen.get(tail) != events for tail, events in published.items())


async def run(url: str, limit: int | None) -> bool:
    """The whole example on one engine. True if every total and every order is right."""
    flights, weather = list(data.flight_rows(limit)), list(data.weather_rows())
    embedded = not url.startswith("kafka")
    if not embedded:
        await apply_contracts(url)
    workspace = str(WORKSPACE) if embedded else None
    began = time.perf_counter()
    delay_bus, statistics = delays.service(url, workspace)
    board_bus, on_time = board.service(url, workspace)
    async with delay_bus, board_bus:
        published = await publish(url, workspace, flights, weather)
        await delay_bus.caught_up()
        await board_bus.caught_up()
    seconds = time.perf_counter() - began
    checks = {
        "delays by airline": statistics.by_carrier() == direct.delays(flights),
        "departures in rain": statistics.rain() == direct.rain(flights, weather),
        "on-time board": on_time.table() == direct.board(flights),
        "order of every aircraft": in_order(flights, statistics.seen) == 0,
    }
    report(len(flights), published, seconds, checks, on_time)
    return all(checks.values())


def report(flights: int, published: int, seconds: float, checks: dict[str, bool], on_time: board.Board) -> None:
    print(f"{flights:,} flights: {published:,} events published and handled by two services in {seconds:.1f} s")
    for airport, (early, late, cancelled) in sorted(on_time.table().items()):
        print(f"  {airport}  on time {early:>7,}   late {late:>7,}   cancelled {cancelled:>6,}")
    for what, holds in checks.items():
        print(f"  {'equal ' if holds else 'WRONG '} {what}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.flights", description=__doc__.splitlines()[0])
    parser.add_argument("--url", help="engine; a fresh sqlite file if left out")
    parser.add_argument("--whole", action="store_true", help="all 336,776 flights")
    parser.add_argument("--flights", type=int, default=SAMPLE, help=f"how many flights (default {SAMPLE:,})")
    chosen = parser.parse_args()
    limit = None if chosen.whole else chosen.flights
    with tempfile.TemporaryDirectory(prefix="busline-flights-") as folder:
        url = chosen.url or f"sqlite:///{folder}/flights.db"
        return 0 if asyncio.run(run(url, limit)) else 1


if __name__ == "__main__":
    sys.exit(main())
