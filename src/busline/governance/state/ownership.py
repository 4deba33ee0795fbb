"""Which users are busline's: by rule, as an engine's ACLs carry no label, so that a crash forgets nothing."""

from __future__ import annotations

from dataclasses import dataclass

from busline.governance.state.applied import Applied
from busline.governance.state.goal import Goal
from busline.names import RESERVED_TEAM


@dataclass(frozen=True, kw_only=True)
class Ownership:
    """Every `team/name` of these teams, and users from before that service files name, or named when last applied.

    The users of busline itself (`busline/apply`, …) are the platform team's: made once, by hand.
    """

    teams: frozenset[str]
    adopted: frozenset[str] = frozenset()

    @classmethod
    def of(cls, goal: Goal, applied: Applied) -> Ownership:
        there = (applied.catalog.service(name) for name in applied.catalog.services() if name.team in goal.planned)
        every = [*goal.planned_services.values(), *(service for service in there if service is not None)]
        named = frozenset(service.kafka_user for service in every if service.kafka_user)
        elsewhere = {service.user for service in goal.services.values() if service.name.team not in goal.planned}
        return cls(teams=goal.planned - {RESERVED_TEAM}, adopted=named - elsewhere)

    def has(self, user: str | None) -> bool:
        return user is not None and (user in self.adopted or self.is_made(user))

    def is_made(self, user: str) -> bool:
        """By busline, and not from before: `team/name`."""
        team, slash, name = user.partition("/")
        return bool(slash and name) and team in self.teams and user not in self.adopted
