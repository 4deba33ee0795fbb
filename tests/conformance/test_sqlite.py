"""sqlite:// keeps every promise of a transport."""

from pathlib import Path

import pytest

from busline.testing.conformance.suite import TransportConformance
from busline.transport.sqlite.engine import SqliteTransport


class TestSqlite(TransportConformance):
    @pytest.fixture(autouse=True)
    def log(self, tmp_path: Path) -> None:
        self.path = str(tmp_path / "log.db")

    def connect(self) -> SqliteTransport:
        return SqliteTransport(self.path, ttl=1)
