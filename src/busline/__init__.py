"""busline: published event contracts over Kafka, sqlite and memory. Names are imported when they are first used."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from busline.bus.bus import Bus as Bus
    from busline.bus.delivery import Delivery as Delivery
    from busline.bus.options import Batch as Batch
    from busline.bus.options import Concurrency as Concurrency
    from busline.bus.options import DeadLetter as DeadLetter
    from busline.bus.options import Retry as Retry
    from busline.bus.publishing import Publisher as Publisher
    from busline.contract.event import Deleted as Deleted
    from busline.contract.event import Event as Event
    from busline.contract.event import State as State
    from busline.errors import BuslineError as BuslineError
    from busline.errors import Reject as Reject
    from busline.record import Position as Position
    from busline.transport.security import Security as Security

_HOMES = {
    "Batch": "busline.bus.options",
    "Bus": "busline.bus.bus",
    "BuslineError": "busline.errors",
    "Concurrency": "busline.bus.options",
    "DeadLetter": "busline.bus.options",
    "Deleted": "busline.contract.event",
    "Delivery": "busline.bus.delivery",
    "Event": "busline.contract.event",
    "Position": "busline.record",
    "Publisher": "busline.bus.publishing",
    "Reject": "busline.errors",
    "Retry": "busline.bus.options",
    "Security": "busline.transport.security",
    "State": "busline.contract.event",
}
__version__ = "0.1.0"
__all__ = [
    "Batch",
    "Bus",
    "BuslineError",
    "Concurrency",
    "DeadLetter",
    "Deleted",
    "Delivery",
    "Event",
    "Position",
    "Publisher",
    "Reject",
    "Retry",
    "Security",
    "State",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'busline' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
