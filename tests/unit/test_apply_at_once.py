"""Two applies at once: the one that began later goes on, the earlier one stops before its next step."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from busline.bus.contract_log import SPEC, ContractLog
from busline.contract.entries import Catalog
from busline.errors import ApplyError, Fenced, NotPublished
from busline.governance.apply.journal import Journal, journal
from busline.governance.state.applied import read_applied
from busline.governance.state.intent import KEY, begun, read_intent
from busline.record import Position, Record
from busline.testing.guarded_memory import GuardedMemory
from busline.transport.guard import Acl, Resource

TAKEN = Acl("User:a/b", Resource.TOPIC, "t", "read")


class FencingMemory(GuardedMemory):
    """As Kafka: opening fences whoever holds it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.epoch = 0

    @asynccontextmanager
    async def transactions(self, transaction: str) -> AsyncIterator[Any]:
        self.epoch += 1
        yield Holder(self, self.epoch)


class Holder:
    def __init__(self, engine: FencingMemory, epoch: int) -> None:
        self.engine, self.epoch = engine, epoch

    async def publish(self, records: Sequence[Record]) -> list[Position]:
        if self.engine.epoch != self.epoch:
            raise NotPublished("not published", cause=Fenced([]))
        return await self.engine.publish_atomically(records, "x")


@pytest.fixture(params=[GuardedMemory, FencingMemory])
async def engine(request: pytest.FixtureRequest, unique: str) -> AsyncIterator[GuardedMemory]:
    transport: GuardedMemory = request.param(unique)
    await transport.start()
    await transport.create_topics([SPEC])
    yield transport
    await transport.aclose()


def intent(takes: Collection[Acl] = (), gives: Collection[Acl] = ()) -> Any:
    return begun(commit="abc", fingerprint="f", takes=takes, gives=gives)


async def test_a_later_intent_stops_the_earlier_one(engine: GuardedMemory) -> None:
    applied = await read_applied(engine)
    async with journal(engine, applied) as earlier:
        await earlier.begin(intent())
        await earlier.check()
        async with journal(engine, await read_applied(engine)) as later:
            await later.begin(intent())
            with pytest.raises(ApplyError, match="another apply came between"):
                await earlier.check()
            with pytest.raises(ApplyError, match="another apply came between"):
                await earlier.end({b"team/a": b'{"v":1}'})
            await later.end({b"team/b": b'{"v":1}'})
    assert (await read_applied(engine)).entries == {b"team/b": b'{"v":1}'}


async def test_a_plan_that_another_apply_overtook_does_not_begin(engine: GuardedMemory) -> None:
    old = await read_applied(engine)
    async with journal(engine, old) as first:
        await first.begin(intent())
        await first.end({b"team/a": b'{"v":1}'})
    async with journal(engine, old) as second:
        with pytest.raises(ApplyError, match="another apply came between"):
            await second.begin(intent())


async def test_who_is_fenced_between_two_steps_writes_no_state(unique: str) -> None:
    engine = FencingMemory(unique)
    await engine.start()
    await engine.create_topics([SPEC])
    async with journal(engine, await read_applied(engine)) as earlier:
        await earlier.begin(intent())
        async with engine.transactions("busline.apply"):
            with pytest.raises(ApplyError, match="another apply came between"):
                await earlier.end({b"team/a": b'{"v":1}'})
    assert set((await read_applied(engine)).entries) == {KEY}
    await engine.aclose()


async def test_an_intent_is_no_contract_for_who_reads_the_log(engine: GuardedMemory) -> None:
    async with journal(engine, await read_applied(engine)) as book:
        assert isinstance(book, Journal)
        await book.begin(intent(takes=[TAKEN], gives=[TAKEN._replace(name="u")]))
        log = ContractLog(engine)
        await log.read()
        assert (log.catalog.names(), log.catalog.services(), log.catalog.teams()) == ([], [], [])
        left = read_intent(log.records[KEY])
        assert left is not None
        assert (set(left.takes), set(left.gives), left.commit) == ({TAKEN}, {TAKEN._replace(name="u")}, "abc")
        await book.end({})
    await log.read()
    assert log.records == {}


@pytest.mark.parametrize("value", [b"", b"{}", b"[]", b'{"v":9}', b'{"by":1,"started":2,"rights":"!"}', b"\xff"])
def test_an_intent_of_a_newer_busline_still_says_that_there_was_one(value: bytes) -> None:
    left = read_intent(value)
    assert left is not None
    assert (left.takes, left.gives) == (frozenset(), frozenset())
    catalog = Catalog()
    catalog.apply(KEY, value)
    assert catalog.names() == []
