"""The conformance suite. A transport's test file is this:

from busline.testing.conformance.suite import TransportConformance

class TestMine(TransportConformance):
    @pytest.fixture(autouse=True)
    def log(self, tmp_path):
        self.url = f"mine:///{tmp_path}/log"

    def connect(self):
        return resolve(self.url)
"""

from __future__ import annotations

from busline.testing.conformance.cancellation import CancellationTests
from busline.testing.conformance.groups import GroupPowerTests, GroupTests, RebalanceTests
from busline.testing.conformance.handling import HandlingTests
from busline.testing.conformance.life import LifeTests
from busline.testing.conformance.membership import MembershipTests
from busline.testing.conformance.records import Records
from busline.testing.conformance.replay import ReplayTests


class TransportConformance(
    Records,
    GroupTests,
    GroupPowerTests,
    RebalanceTests,
    MembershipTests,
    HandlingTests,
    LifeTests,
    CancellationTests,
    ReplayTests,
):
    """Everything that a transport promises. Each test names what it needs; `core` is what nobody may lack."""
