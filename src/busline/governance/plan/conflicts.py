"""Why a plan is refused before anything is touched, as lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from busline.contract.model import Contract
from busline.governance.readers.running import Deployed, running_readers
from busline.governance.readers.survey import Merged, Survey
from busline.governance.readers.survey import conflicts as reader_conflicts
from busline.governance.state.applied import Applied
from busline.governance.state.goal import Goal
from busline.governance.state.live import Live
from busline.governance.state.topics import TopicPlan
from busline.transport.base import TopicRemoval, Transport
from busline.transport.guard import Guarded


async def readers_hurt(goal: Goal, applied: Applied, engine: Transport) -> list[str]:
    """The groups are asked only where a contract that is there changes for its readers."""
    merged = Merged(contracts=goal.planned_contracts, services=goal.services, teams=goal.teams)
    before = Survey(merged=merged, deployed=Deployed(catalog=applied.catalog), today=goal.today)
    if not any(before.new_versions(c) or c.retired for c in merged.contracts.values()):
        return []
    running = tuple(await running_readers(engine, applied.catalog))
    return list(reader_conflicts(replace(before, deployed=Deployed(catalog=applied.catalog, running=running))))


def engine_conflicts(goal: Goal, engine: Transport, live: Live | None, topics: TopicPlan) -> Iterator[str]:
    """What the environment asks for and the engine cannot do."""
    if goal.enforce == "deny" and live is None and isinstance(engine, Guarded):
        yield (
            "the environment says `enforce: deny`, and this cluster has no authorizer: everyone may do everything. Set"
            " authorizer.class.name on its brokers, or write `enforce: observe` with `observe_until`."
        )
    if (topics.grow or topics.delete) and not isinstance(engine, TopicRemoval):
        yield "this engine can neither delete topics nor give them more partitions. Leave out --allow-…."


def goal_conflicts(goal: Goal) -> Iterator[str]:
    """What a person asks for that cannot be meant."""
    if goal.enforce == "observe" and goal.observe_until and goal.observe_until < goal.today:
        yield (
            f"the environment's `observe` ended on {goal.observe_until}, by `observe_until` in busline.yaml. Write"
            " `enforce: deny`, after a look at what plan lists as held; or a later day, if somebody decides so."
        )
    for team in sorted(goal.only - goal.own_teams):
        yield f"team {team} is not in this workspace. There are: {', '.join(sorted(goal.own_teams)) or 'none'}."


def changed_versions(contracts: Iterable[Contract], applied: Applied) -> Iterator[str]:
    for contract in contracts:
        there = applied.catalog.contract(contract.name)
        for version in there.versions if there else ():
            here = contract.version(version.number)
            if here is None:
                yield (
                    f"{contract.name} version {version.number} is applied, and missing in the workspace."
                    f" Restore {version.number}.avsc."
                )
            elif here.schema != version.schema:
                yield (
                    f"{contract.name} version {version.number} ({here.source or 'workspace'}) is not what was applied:"
                    f" a published version never changes. Restore it, and publish the change as"
                    f" {len(contract.versions) + 1}.avsc."
                )


def changed_promises(contracts: Iterable[Contract], applied: Applied) -> Iterator[str]:
    """Another key would break order per key and compaction for what is in the topic; another topic would leave it."""
    for contract in contracts:
        there = applied.catalog.contract(contract.name)
        if there is None or not there.versions:
            continue
        key, was = (", ".join(one.key) or "none" for one in (contract, there))
        for what, now, before in (("key", key, was), ("kafka.topic", contract.topic, there.topic)):
            if now != before:
                yield (
                    f"{contract.name} ({contract.source or 'workspace'}): {what} is {now}, and was applied as {before}."
                    f" Restore it. A redesign is a new contract: {contract.name}-v2, with this one deprecated."
                )
