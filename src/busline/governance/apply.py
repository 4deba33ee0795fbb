"""Bring an environment to what the workspace says: topics, then schemas, then the contract log in one transaction.

The order makes it safe to stop anywhere: a service sees a contract only when its topic and its schemas are there, and
what was done already is found done by the next run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from busline.bus.contract_log import ContractLog, write
from busline.errors import ApplyError
from busline.governance.applied import Applied
from busline.governance.plan import Plan
from busline.governance.subjects import register
from busline.governance.topics import TopicPlan
from busline.names import CONTRACT_LOG
from busline.transport.base import Admin, Transport

if TYPE_CHECKING:
    from busline.governance.registry import Registry

Narrate = Callable[[str], None]


async def apply(
    plan: Plan, engine: Transport, registry: Registry | None = None, *, narrate: Narrate = lambda _: None
) -> int:
    """Carry a plan out; how many records the contract log took. Idempotent.

    Raises ApplyError when another apply came between plan and apply, and what the engine and the registry raise: then
    a next plan holds what is left.
    """
    if not plan.changes:
        return 0
    if isinstance(engine, Admin):
        await _bring_topics(plan.topics, engine, narrate)
    if plan.subjects.todo:
        narrate(f"subjects in the registry: {len(plan.subjects.todo)}")
    ids = await register(plan.subjects, registry)
    records = plan.goal.changes(ids, plan.applied)
    if records:
        narrate(f"records to {CONTRACT_LOG}: {len(records)}")
        await _check_unchanged(plan.applied, engine)
        await write(engine, records)
    return len(records)


async def _bring_topics(plan: TopicPlan, engine: Admin, narrate: Narrate) -> None:
    if plan.create:
        narrate(f"creating topics: {len(plan.create)}")
        await engine.create_topics([topic.spec for topic in plan.create])
    if plan.alter:
        narrate(f"altering topics: {len(plan.alter)}")
        await engine.alter_topics([altered.spec for altered in plan.alter])


async def _check_unchanged(applied: Applied, engine: Transport) -> None:
    log = ContractLog(engine)
    log.next = applied.next
    if await log.read():
        raise ApplyError("another apply came between plan and apply", where=CONTRACT_LOG, fix="Run it again.")
