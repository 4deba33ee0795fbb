"""kafka:// keeps every promise of a transport, on a real broker."""

from typing import Any

import pytest

from busline.testing.conformance.suite import TransportConformance
from busline.transport.kafka.engine import KafkaTransport
from busline.transport.security import Security


class TestKafka(TransportConformance):
    patience = 40.0

    @pytest.fixture(autouse=True)
    def broker(self, kafka: Any, unique: str) -> None:
        self.kafka, self.unique = kafka, unique

    def connect(self) -> KafkaTransport:
        return KafkaTransport([self.kafka.bootstrap], security=Security())

    def connect_denied(self) -> KafkaTransport:
        self.kafka.add_user(self.unique, "secret")
        return KafkaTransport([self.kafka.secure_bootstrap], security=Security(user=self.unique, password="secret"))
