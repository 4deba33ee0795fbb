"""For tests of what plan and apply do: an engine brought to a goal, with secrets that are made up."""

from __future__ import annotations

from busline.governance.apply.announce import Announcer
from busline.governance.apply.apply import apply
from busline.governance.plan.plan import Goal, Plan, plan_changes
from busline.transport.base import Transport


class Vault:
    """A secret for whoever asks; the same again for who asks again."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def secret(self, user: str) -> str:
        self.asked.append(user)
        return f"secret-of-{user}"


async def brought(engine: Transport, goal: Goal, announcer: Announcer | None = None) -> Plan:
    """Planned and applied; the plan."""
    plan = await plan_changes(goal, engine)
    await apply(plan, engine, secrets=Vault(), announcer=announcer)
    return plan


def texts(plan: Plan) -> list[str]:
    """`orders.order-placed: + topic orders.order-placed: …`"""
    return [f"{change.about}: {change.mark} {change.text}" for change in plan.changes]
