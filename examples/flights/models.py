"""The airline's and the weather office's events. The owner teams' models: subscribers may read less of them."""

from datetime import datetime

from pydantic import AwareDatetime, BaseModel, Field

from busline import Event


class Departed(BaseModel):
    """The aircraft left the gate."""

    delay_minutes: int = Field(description="Minutes after the scheduled departure; negative is early.")


class Landed(BaseModel):
    """The aircraft arrived."""

    delay_minutes: int = Field(description="Minutes after the scheduled arrival; negative is early.")
    air_minutes: int = Field(description="Minutes in the air.")
    distance_miles: int = Field(description="Distance between the airports, miles.")


class AircraftMoved(Event, contract="airline.aircraft-moved", key="tail_number"):
    """A departure or an arrival of one aircraft, in the order in which they happened to it."""

    tail_number: str = Field(description="Registration of the aircraft.")
    carrier: str = Field(description="Two-letter code of the airline.")
    flight: int = Field(description="Flight number of the airline.")
    origin: str = Field(description="Airport of departure, FAA code.")
    destination: str = Field(description="Airport of arrival, FAA code.")
    scheduled_at: AwareDatetime = Field(description="Scheduled departure.")
    at: AwareDatetime = Field(description="When it happened. A landing is departure plus time in the air.")
    movement: Departed | Landed = Field(description="What happened.")


class FlightCancelled(Event, contract="airline.flight-cancelled", key=("carrier", "flight")):
    """A scheduled flight did not depart."""

    carrier: str = Field(description="Two-letter code of the airline.")
    flight: int = Field(description="Flight number of the airline.")
    origin: str = Field(description="Airport of departure, FAA code.")
    destination: str = Field(description="Airport of arrival, FAA code.")
    scheduled_at: AwareDatetime = Field(description="Scheduled departure.")


class WeatherObserved(Event, contract="weather.observation", key="airport"):
    """One hour's weather at an airport."""

    airport: str = Field(description="FAA code.")
    hour: AwareDatetime = Field(description="The hour observed.")
    temperature_fahrenheit: float | None = Field(default=None, description="Air temperature.")
    precipitation_inches: float = Field(description="Rain and snow in this hour.")
    visibility_miles: float = Field(description="Horizontal visibility.")


def moment(event: AircraftMoved) -> tuple[str, int, datetime]:
    """What tells two movements of one aircraft apart: used to compare what was published with what was handled."""
    return (type(event.movement).__name__, event.flight, event.at)
