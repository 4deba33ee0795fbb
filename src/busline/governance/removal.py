"""Teams that are applied on an engine and are not in this workspace: another workspace's, or gone.

Which of the two it is, nothing on the engine says: so apply leaves them, and a person who knows removes them by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from busline.contract.entry_changes import team_of
from busline.governance.applied import Applied

if TYPE_CHECKING:
    from busline.governance.plan import Goal


def left_alone(goal: Goal, applied: Applied) -> Iterator[str]:
    """What this workspace's apply sees and does not touch, as lines."""
    for name in applied.catalog.names():
        if name.team in goal.own_teams and name not in goal.contracts:
            yield f"{name} is applied here but not in the workspace; apply leaves it, as its events are still there"
    held: dict[str, Counter[str]] = {}
    for key in applied.entries:
        team = team_of(key)
        if team is not None and team not in goal.own_teams and team not in goal.removed:
            held.setdefault(team, Counter())[key.decode().partition("/")[0]] += 1
    if held:
        each = (
            f"{team} ({_count(kinds['contract'], 'contract')}, {_count(kinds['service'], 'service')})"
            for team, kinds in sorted(held.items())
        )
        yield (
            f"teams that are applied here but not in this workspace: {', '.join(each)}; apply leaves them, as they may"
            " be another workspace's. For a team that is gone: busline apply --remove-team TEAM"
        )


def removal_conflicts(goal: Goal, applied: Applied) -> Iterator[str]:
    """Why teams cannot be removed: they are here, were never here, or others still use their contracts."""
    there = {team_of(key) for key in applied.entries}
    for team in sorted(goal.removed):
        if team in goal.own_teams:
            yield f"team {team} is in this workspace: remove its folder first."
        elif team not in there:
            known = ", ".join(sorted(one for one in there if one is not None and one not in goal.own_teams))
            yield f"team {team} is not applied here. Other teams that are: {known or 'none'}."
    for name in applied.catalog.services():
        service = goal.services.get(name) or applied.catalog.service(name)
        if service is None or name.team in goal.removed or (name.team in goal.own_teams and name not in goal.services):
            continue
        uses = {use.contract for use in service.subscribes} | {use.contract for use in service.publishes}
        for contract in sorted(use for use in uses if use.team in goal.removed):
            yield f"{name} still uses {contract}, which would be removed. Change that service first."


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
