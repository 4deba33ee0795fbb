"""memory:// keeps every promise of a transport."""

import uuid

import pytest

from busline.testing.conformance.suite import TransportConformance
from busline.transport.memory import MemoryTransport


class TestMemory(TransportConformance):
    @pytest.fixture(autouse=True)
    def log(self) -> None:
        self.name = uuid.uuid4().hex

    def connect(self) -> MemoryTransport:
        return MemoryTransport(self.name, ttl=1)
