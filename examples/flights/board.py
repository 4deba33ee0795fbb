"""The airport's service `airport/on-time-board`: by airport, what left on time, what left late, what never left."""

from collections import defaultdict

from pydantic import BaseModel

from busline import Bus, Event
from examples.flights.direct import ON_TIME_MINUTES


class Departed(BaseModel):
    delay_minutes: int


class Landed(BaseModel):
    delay_minutes: int


class Movement(Event, contract="airline.aircraft-moved", key="tail_number"):
    tail_number: str
    origin: str
    movement: Departed | Landed


class Cancellation(Event, contract="airline.flight-cancelled", key=("carrier", "flight")):
    carrier: str
    flight: int
    origin: str


class Board:
    def __init__(self) -> None:
        self.rows: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])

    def table(self) -> dict[str, tuple[int, int, int]]:
        return {airport: (t[0], t[1], t[2]) for airport, t in self.rows.items()}


def service(url: str, workspace: str | None) -> tuple[Bus, Board]:
    bus = Bus(url, service="airport/on-time-board", workspace=workspace)
    board = Board()

    @bus.subscribe(Movement)
    async def moved(event: Movement) -> None:
        if isinstance(event.movement, Departed):
            board.rows[event.origin][int(event.movement.delay_minutes >= ON_TIME_MINUTES)] += 1

    @bus.subscribe(Cancellation)
    async def cancelled(event: Cancellation) -> None:
        board.rows[event.origin][2] += 1

    return bus, board
