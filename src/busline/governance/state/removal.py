"""Teams that are applied on an engine and are not in this workspace: another workspace's, or gone.

Which of the two it is, nothing on the engine says: so apply leaves them, and a person who knows removes them by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from busline.contract.entry_changes import team_of
from busline.governance.state.applied import Applied
from busline.governance.state.goal import Goal
from busline.governance.state.topics import Deleted
from busline.names import DEAD_LETTERS


def deletions(goal: Goal, applied: Applied) -> list[Deleted]:
    """Topics of busline's that nothing needs any more, where a person allowed it by the contract's or service's
    name."""
    found = []
    for name in goal.gone(applied):
        there = applied.catalog.contract(name)
        if name in goal.allow_delete and there and there.topic in applied.topics and not _is_used(there.topic, goal):
            found.append(Deleted(name, there.topic))
    found += [Deleted(service, topic) for service, topic in _letters(goal, applied) if service in goal.allow_delete]
    return found


def _is_used(topic: str, goal: Goal) -> bool:
    """By a contract that took the stream over."""
    return any(contract.topic == topic for contract in goal.published.values())


def _letters(goal: Goal, applied: Applied) -> list[tuple[str, str]]:
    """Dead letter topics, which are busline's by their names, of services that are gone or subscribe to nothing."""
    found = []
    own = goal.planned & (goal.own_teams | goal.removed)
    reading = {service.name for service in goal.services.values() if service.subscribes and not service.kafka_user}
    for topic in sorted(applied.topics):
        team, _, name = topic.removeprefix(DEAD_LETTERS).partition(".")
        is_own = topic.startswith(DEAD_LETTERS) and name and team in own
        if is_own and f"{team}/{name}" not in reading:
            found.append((f"{team}/{name}", topic))
    return found


def left_alone(goal: Goal, applied: Applied) -> Iterator[str]:
    """What this workspace's apply sees and does not touch, as lines."""
    for name in goal.gone(applied):
        if name not in goal.allow_delete and name.team in goal.own_teams:
            yield (
                f"{name} is applied here but not in the workspace; apply leaves it, as its events are still there. To"
                f" delete them: --allow-delete {name}"
            )
    for service, topic in _letters(goal, applied):
        if service not in goal.allow_delete:
            yield (
                f"topic {topic} holds dead letters of {service}, which subscribes to nothing here any more; apply"
                f" leaves it. To delete them: --allow-delete {service}"
            )
    if not goal.only:
        yield from _other_teams(goal, applied)


def _other_teams(goal: Goal, applied: Applied) -> Iterator[str]:
    held: dict[str, Counter[str]] = {}
    for key in applied.entries:
        team = team_of(key)
        if team is not None and team not in goal.planned:
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
    going = {name for name in goal.gone(applied) if name in goal.allow_delete}
    if not goal.removed and not going:
        return
    for name in applied.catalog.services():
        service = goal.services.get(name) or applied.catalog.service(name)
        if service is None or name.team in goal.removed or (name.team in goal.own_teams and name not in goal.services):
            continue
        uses = {use.contract for use in service.subscribes} | {use.contract for use in service.publishes}
        for contract in sorted(use for use in uses if use.team in goal.removed or use in going):
            yield f"{name} still uses {contract}, which would be removed. Change that service first."


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
