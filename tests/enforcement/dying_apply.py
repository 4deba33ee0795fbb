"""An apply as a process that dies at its n-th change: `dying_apply.py SERVERS WORKSPACE SECRETS N how`.

how: `after` the n-th call has returned, or `within` it, with its request on the way. Nothing of Python's is run on the
way out, as by kill -9. Exit code 9 when it died, 0 when it was through before. The administrator's name and password
are in the environment.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from busline.contract.workspace import Workspace
from busline.governance.apply.apply import apply
from busline.governance.plan.plan import Goal, plan_changes
from busline.governance.users.secrets import SecretPlaces, Secrets
from busline.transport.kafka.engine import KafkaTransport
from busline.transport.security import Security

DIED = 9
ON_THE_WAY = 0.004
"""Seconds: a request has left by then, mostly."""
CHANGES = ("create_topics", "alter_topics", "create_acls", "delete_acls", "set_secrets", "delete_secrets", "set_quotas",
           "settled")  # fmt: skip


class Dying:
    """Counts an engine's changes, and dies at one."""

    def __init__(self, number: int, how: str) -> None:
        self.left, self.within = number, how == "within"

    async def step(self, call: Awaitable[Any]) -> Any:
        self.left -= 1
        if self.left == 0 and self.within:
            await asyncio.wait([asyncio.ensure_future(call)], timeout=ON_THE_WAY)
            os._exit(DIED)
        answer = await call
        if self.left == 0:
            os._exit(DIED)
        return answer

    def watch(self, engine: KafkaTransport) -> None:
        for name in CHANGES:
            setattr(engine, name, self.counted(getattr(engine, name)))
        opened = engine.transactions
        outer = self

        @asynccontextmanager
        async def transactions(identity: str) -> AsyncIterator[Any]:
            async with opened(identity) as held:

                class Held:
                    @staticmethod
                    async def publish(records: Any) -> Any:
                        return await outer.step(held.publish(records))

                yield Held

        engine.transactions = transactions  # type: ignore[method-assign]

    def counted(self, method: Any) -> Any:
        def call(*args: Any, **more: Any) -> Any:
            return self.step(method(*args, **more))

        return call


async def main(servers: str, folder: str, secrets: str, number: str, how: str) -> None:
    there = Workspace.load(folder)
    goal = Goal(contracts=there.contracts, services=there.services, teams=there.teams, own=there.own, enforce="deny")
    security = Security(user=os.environ["ADMIN"], password=os.environ["ADMIN_PASSWORD"])
    engine = KafkaTransport(servers.split(","), security=security)
    await engine.start()
    try:
        plan = await plan_changes(goal, engine)
        Dying(int(number), how).watch(engine)
        await apply(plan, engine, secrets=Secrets(SecretPlaces(folder=Path(secrets))))
    finally:
        await engine.aclose()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
