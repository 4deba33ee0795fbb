"""The steps of an apply, in the order that makes it safe to stop anywhere.

    1  the intent, in the contract log
    2  rights that go are deleted
    3  every broker says that they are gone
    4  topics, their settings, schemas
    5  users, quotas, rights that come
    6  every broker says that they are there
    7  the state, in one transaction with the end of the intent

An acknowledged change of rights is in the controller, and brokers follow it one by one: without the wait between 2 and
5 one broker would give the new right while another still gives the old one. So access is at each moment within the old
one (to 3) or within the new one (from 3), and a service that starts meanwhile sees the old state.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Protocol, TypeAlias, TypeVar

from busline.errors import ApplyError
from busline.governance.apply.journal import Journal, another
from busline.governance.plan.access_plan import AccessPlan
from busline.governance.state.live import read_live
from busline.governance.state.ownership import Ownership
from busline.governance.state.topics import TopicPlan
from busline.transport.base import Admin, TopicRemoval, Transport
from busline.transport.guard import Acl, Credential, Guarded, Mechanism

Narrate: TypeAlias = Callable[[str], None]
T = TypeVar("T")
TOPICS_AT_ONCE: Final = 250
RIGHTS_AT_ONCE: Final = 500
USERS_AT_ONCE: Final = 100


class SecretSource(Protocol):
    """Where the secret of a new user comes from."""

    async def secret(self, user: str) -> str:
        """Kept where its service finds it before this returns: whoever is stopped before the engine knows it gets the
        same again."""
        ...


@dataclass(frozen=True, kw_only=True)
class Hands:
    """What the steps work with."""

    engine: Transport
    journal: Journal
    narrate: Narrate

    async def each(self, items: Iterable[T], size: int, what: str, work: Callable[[list[T]], Awaitable[None]]) -> None:
        """By portions, none begun when another apply has begun; with progress."""
        every = list(items)
        done = 0
        for some in _portions(every, size):
            await self.journal.check()
            await work(some)
            done += len(some)
            self.narrate(f"{what}: {done:,}" if done == len(every) else f"{what}: {done:,} of {len(every):,}")


async def bring_topics(plan: TopicPlan, hands: Hands) -> None:
    """Step 4, its first half."""
    engine = hands.engine
    assert isinstance(engine, Admin)
    create, alter = ([one.spec for one in some] for some in (plan.create, plan.alter))
    await hands.each(create, TOPICS_AT_ONCE, "4/7 topics created", engine.create_topics)
    await hands.each(alter, TOPICS_AT_ONCE, "4/7 topics altered", engine.alter_topics)
    if plan.grow or plan.delete:
        assert isinstance(engine, TopicRemoval)
        grow = {grown.spec.name: grown.spec.partitions for grown in plan.grow}
        removal = engine
        await hands.each(
            grow,
            TOPICS_AT_ONCE,
            "4/7 topics grown",
            lambda some: removal.grow_topics({name: grow[name] for name in some}),
        )
        names = [deleted.topic for deleted in plan.delete]
        await hands.each(names, TOPICS_AT_ONCE, "4/7 topics deleted", removal.delete_topics)


@dataclass(frozen=True, kw_only=True)
class AccessSteps:
    """Steps 2, 3, 5 and 6. taken: what must be gone everywhere before anything is given. again: another apply began and
    did not end."""

    plan: AccessPlan
    engine: Guarded
    hands: Hands
    ownership: Ownership
    taken: frozenset[Acl]
    again: bool = False

    async def take(self) -> None:
        if self.again:
            await self._check_as_planned()
        await self.hands.each(sorted(self.plan.revoke), RIGHTS_AT_ONCE, "2/7 rights revoked", self.engine.delete_acls)
        await self._settle(3, absent=self.taken)

    async def give(self, secrets: SecretSource | None) -> None:
        plan, hands, engine = self.plan, self.hands, self.engine
        gone: list[tuple[str, Mechanism]] = [
            (user, kind) for user in sorted(plan.gone_users) for kind in sorted(plan.gone_users[user])
        ]
        await hands.each(gone, RIGHTS_AT_ONCE, "5/7 secrets of users deleted", engine.delete_secrets)
        await hands.each(sorted(plan.lift), RIGHTS_AT_ONCE, "5/7 denials lifted", engine.delete_acls)
        await hands.each(sorted(plan.new_users), USERS_AT_ONCE, "5/7 users made", self._maker(secrets))
        quotas = sorted(plan.quotas)
        await hands.each(
            quotas, RIGHTS_AT_ONCE, "5/7 quotas set", lambda some: engine.set_quotas({u: plan.quotas[u] for u in some})
        )
        await hands.each(sorted(plan.creates), RIGHTS_AT_ONCE, "5/7 rights given", engine.create_acls)
        wanted = plan.wanted.acls.keys() if self.again else plan.creates
        await self._settle(6, present=wanted)
        if self.again:
            await self._check_done()

    def _maker(self, secrets: SecretSource | None) -> Callable[[list[str]], Awaitable[None]]:
        async def make(users: Sequence[str]) -> None:
            assert secrets is not None
            await self.engine.set_secrets([Credential(user=u, secret=await secrets.secret(u)) for u in users])

        return make

    async def _settle(self, step: int, *, present: Collection[Acl] = (), absent: Collection[Acl] = ()) -> None:
        if present or absent:
            await self.engine.settled(present=present, absent=absent)
            self.hands.narrate(f"{step}/7 every broker follows: {len(present) + len(absent):,}")

    async def _check_as_planned(self) -> None:
        """The other apply may have gone on between our look and our intent, which stopped it."""
        live = await read_live(self.hands.engine)
        if live is None or live.of(self.ownership).lines() != self.plan.live.lines():
            raise another()

    async def _check_done(self) -> None:
        """A call of the other's may have been under way when our intent stopped it."""
        there = {acl for acl in await self.engine.acls() if self.ownership.has(acl.user)}
        if there != self.plan.wanted.acls.keys() | self.plan.held:
            raise another()


def check_secrets(plan: AccessPlan, secrets: SecretSource | None) -> None:
    if plan.new_users and secrets is None:
        raise ApplyError(
            "there are new users, and no place for their secrets",
            conflicts=sorted(plan.new_users),
            fix="Give apply a source of secrets.",
        )


def _portions(items: Sequence[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield some
