"""Bring an environment to what the workspace says. `busline.governance.apply.steps` says in which order, and why.

What is done already is found done by the next run; a service sees a contract only when its topic and its schemas are
there, and everybody's rights are in force.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from busline.governance.apply.journal import journal
from busline.governance.apply.steps import AccessSteps, Hands, Narrate, SecretSource, bring_topics, check_secrets
from busline.governance.plan.plan import Plan
from busline.governance.state.intent import begun
from busline.governance.state.subjects import Ids, register
from busline.names import CONTRACT_LOG
from busline.transport.base import Admin, Transport
from busline.transport.guard import Guarded

if TYPE_CHECKING:
    from busline.governance.apply.announce import Announcer
    from busline.governance.registry.registry import Registry


async def apply(
    plan: Plan,
    engine: Transport,
    registry: Registry | None = None,
    *,
    secrets: SecretSource | None = None,
    narrate: Narrate = lambda _: None,
    announcer: Announcer | None = None,
) -> int:
    """Carry a plan out; how many records the contract log took. Idempotent.

    secrets: asked for each user that does not exist yet. announcer: who tells of the changes, in the transaction that
    makes them the state.

    Raises ApplyError when another apply came between plan and apply or begins meanwhile, NotInForce naming brokers that
    do not follow, and what the engine and the registry raise: then a next plan holds what is left.
    """
    if plan.is_empty:
        return 0
    check_secrets(plan.access, secrets)
    await _bring_log(plan, engine)
    async with journal(engine, plan.applied) as book:
        hands = Hands(engine=engine, journal=book, narrate=narrate)
        access = _access_steps(plan, engine, hands)
        if isinstance(engine, Guarded):
            rights = {"takes": plan.taken, "gives": plan.given}
            await book.begin(begun(commit=plan.goal.commit, fingerprint=plan.fingerprint, **rights))
            narrate("1/7 said in the contract log what is to be done")
        if access:
            await access.take()
        await bring_topics(plan.topics, hands)
        ids = await _bring_schemas(plan, registry, hands)
        if access:
            await access.give(secrets)
        records = plan.goal.changes(ids, plan.applied)
        told = announcer.records(plan, ids, records) if announcer else ()
        await book.end(records, told)
        narrate(f"7/7 records to {CONTRACT_LOG}: {len(records):,}" + (f", events: {len(told):,}" if told else ""))
        return len(records)


def _access_steps(plan: Plan, engine: Transport, hands: Hands) -> AccessSteps | None:
    if not plan.guarded or not isinstance(engine, Guarded):
        return None
    return AccessSteps(
        plan=plan.access,
        engine=engine,
        hands=hands,
        ownership=plan.ownership,
        taken=plan.taken,
        again=plan.left is not None,
    )


async def _bring_log(plan: Plan, engine: Transport) -> None:
    """The first thing that anything is written to."""
    missing = [topic.spec for topic in plan.topics.create if topic.spec.name == CONTRACT_LOG]
    if missing and isinstance(engine, Admin):
        await engine.create_topics(missing)


async def _bring_schemas(plan: Plan, registry: Registry | None, hands: Hands) -> Ids:
    await hands.journal.check()
    ids = await register(plan.subjects, registry)
    if plan.subjects.todo:
        hands.narrate(f"4/7 subjects in the registry: {len(plan.subjects.todo):,}")
    return ids
