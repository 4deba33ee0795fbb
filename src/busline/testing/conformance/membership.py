"""Membership in virtual time, for transports whose groups are made by busline.transport.members."""

from __future__ import annotations

import asyncio

import pytest

from busline.testing.conformance.base import ConformanceBase, needs
from busline.testing.membership import simulate
from busline.transport.log_transport import LogTransport


class MembershipTests(ConformanceBase):
    """An engine with a coordinator of its own (Kafka) is tested by joins and leaves under flow instead."""

    @needs(groups=True)
    async def test_membership_survives_freezes_and_lost_answers(self) -> None:
        if not isinstance(self.connect(), LogTransport):
            pytest.skip("the engine has a coordinator of its own")
        for seed in (101, 102):
            outcome = await asyncio.to_thread(simulate, seed, freezes=True, loss=0.05)
            assert (outcome.lost, outcome.broken_commits) == (0, 0)
            assert None not in outcome.owners, "a partition has no owner at the end"
