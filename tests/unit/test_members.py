"""Group membership: the target is balanced, sticky and agreed; the protocol holds P5 whatever freezes or gets lost."""

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from busline.errors import Fenced
from busline.record import TopicPartition
from busline.testing.membership import simulate
from busline.testing.virtual_time import run_virtual
from busline.transport.base import Lease, Revoked
from busline.transport.members import (
    Assigned,
    Event,
    Member,
    Membership,
    Slot,
    Store,
    Versioned,
    assignment,
    committed_positions,
    group_of,
    group_prefix,
    idle,
    slot_key,
    target,
)

PARTS = [TopicPartition("t", i) for i in range(40)]
LIVING = {f"m{i}" for i in range(1, 10, 2)}


class Shelf:
    """The simplest store there can be."""

    def __init__(self) -> None:
        self.entries: dict[str, Versioned] = {}

    async def list(self, prefix: str) -> dict[str, Versioned]:
        return {key: entry for key, entry in self.entries.items() if key.startswith(prefix)}

    async def cas(self, key: str, revision: int, value: bytes | None) -> bool:
        if (self.entries[key].revision if key in self.entries else 0) != revision:
            return False
        if value is None:
            self.entries.pop(key, None)
        else:
            self.entries[key] = Versioned(value, revision + 1)
        return True


def nobody(name: str) -> bool:
    return False


def member(store: Store, name: str, events: list[Event], *, gone: Callable[[str], bool] = nobody) -> Member:
    async def first(part: TopicPartition) -> int:
        return 0

    membership = Membership(group="g", name=name, note="n", ttl=2.0, gone=gone)
    return Member(store, membership, PARTS[:2], first, events.append)


names = st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=8, unique=True)
counts = st.integers(0, 40)
owners = st.dictionaries(st.sampled_from(PARTS), st.none() | st.text("abcd", min_size=1, max_size=3))


@given(names, counts, owners)
def test_the_target_is_complete_and_balanced(members: list[str], count: int, owner: dict[TopicPartition, str]) -> None:
    out = target(members, PARTS[:count], owner)
    assert sorted(out) == PARTS[:count]
    sizes = [sum(1 for have in out.values() if have == name) for name in members]
    assert max(sizes) - min(sizes) <= 1


@given(names, counts, owners)
def test_the_target_does_not_depend_on_the_order_of_the_list(
    members: list[str], count: int, owner: dict[TopicPartition, str]
) -> None:
    assert target(members, PARTS[:count], owner) == target(members[::-1], PARTS[:count], owner)


@given(names, counts, owners)
def test_the_target_once_reached_is_the_target(
    members: list[str], count: int, owner: dict[TopicPartition, str]
) -> None:
    out = target(members, PARTS[:count], owner)
    assert target(members, PARTS[:count], out) == out


@given(names, counts, owners)
def test_an_owner_keeps_all_that_its_share_allows(
    members: list[str], count: int, owner: dict[TopicPartition, str]
) -> None:
    parts = PARTS[:count]
    out = target(members, parts, owner)
    for name in members:
        had = [part for part in parts if owner.get(part) == name]
        kept = [part for part in had if out[part] == name]
        assert len(kept) >= min(len(had), count // len(members))


def test_members_of_different_topics_get_their_own_topics_only() -> None:
    parts = [TopicPartition(topic, i) for topic in "abc" for i in range(4)]
    out = assignment({"old": ["a", "b"], "new": ["a", "b", "c"]}, parts, {})
    assert {part for part, name in out.items() if part.topic == "c"} == {part for part in parts if part.topic == "c"}
    assert {name for part, name in out.items() if part.topic == "c"} == {"new"}
    assert sum(name == "old" for name in out.values()) == 4
    assert assignment({"old": ["a"]}, [TopicPartition("z", 0)], {}) == {}


@given(st.text(max_size=20), st.text(max_size=20))
def test_no_groups_keys_are_among_anothers(one: str, two: str) -> None:
    key = slot_key(one, PARTS[0])
    assert group_of(key) == one
    assert key.startswith(group_prefix(two)) == (one == two)


@given(st.none() | st.text(), st.integers(0), st.integers(-1), st.text())
def test_a_slot_survives_the_store(owner: str | None, epoch: int, position: int, note: str) -> None:
    slot = Slot(owner, epoch, position, note)
    assert Slot.decode(slot.encode()) == slot


def test_a_late_commit_is_fenced() -> None:
    async def main() -> None:
        store, events = Shelf(), list[Event]()
        slow = member(store, "slow", events)
        await slow.tick()
        leases = [event.lease for event in events if isinstance(event, Assigned)]
        assert len(leases) == 2
        quick = member(store, "quick", [])
        await quick.tick()
        await asyncio.sleep(2.5)  # slow is frozen for longer than ttl
        assert not slow.valid
        await quick.tick()
        assert len(quick.leases) == 2
        for lease in leases:
            with pytest.raises(Fenced) as caught:
                await slow.commit(lease, 7)
            assert caught.value.leases == (lease,)
        assert {c.next for c in committed_positions("g", await store.list("g/")).values()} == {0}
        assert slow.leases == []
        assert [event.lease for event in events if isinstance(event, Revoked)] == leases

    run_virtual(main())


def test_nobody_takes_from_the_living() -> None:
    async def main() -> None:
        store, events = Shelf(), list[Event]()
        holder = member(store, "holder", events)
        await holder.tick()
        joining = member(store, "joining", [])
        for _ in range(20):
            await joining.tick()
            await holder.tick()
            await asyncio.sleep(0.5)
        assert joining.leases == []
        revoked = [event for event in events if isinstance(event, Revoked)]
        assert len(revoked) == 1, "asked once, and only for what is too much"
        assert revoked[0].deadline > 0
        await holder.commit(revoked[0].lease, 3)
        await holder.give_back(revoked[0].lease)
        await joining.tick()
        assert [(lease.partition, lease.epoch) for lease in joining.leases] == [(revoked[0].lease.partition, 2)]

    run_virtual(main())


def test_leaving_needs_no_ttl() -> None:
    async def main() -> None:
        store = Shelf()
        leaving, staying = member(store, "leaving", []), member(store, "staying", [])
        await leaving.tick()
        await staying.tick()
        await leaving.commit(leaving.leases[0], 5)
        await leaving.leave()
        await staying.tick()
        assert len(staying.leases) == 2
        assert sorted(c.next for c in committed_positions("g", await store.list("g/")).values()) == [0, 5]

    run_virtual(main())


def test_who_is_known_to_be_gone_is_not_waited_for() -> None:
    async def main() -> None:
        store = Shelf()
        await member(store, "crashed", []).tick()
        quick = member(store, "quick", [], gone=lambda name: name == "crashed")
        await quick.tick()
        assert len(quick.leases) == 2

    run_virtual(main())


def test_one_who_was_buried_drops_its_leases_and_joins_anew() -> None:
    async def main() -> None:
        store, events = Shelf(), list[Event]()
        sleeper, other = member(store, "sleeper", events), member(store, "other", [])
        await sleeper.tick()
        for _ in range(20):
            await other.tick()
            await asyncio.sleep(0.5)
        assert "g/g/m/sleeper" not in store.entries
        await sleeper.tick()
        assert sleeper.leases == []
        assert not sleeper.valid
        await sleeper.tick()
        assert sleeper.valid

    run_virtual(main())


def test_a_give_back_is_idempotent_and_silent_about_a_lease_that_is_gone() -> None:
    async def main() -> None:
        only = member(Shelf(), "only", [])
        await only.tick()
        lease = only.leases[0]
        await only.give_back(lease)
        await only.give_back(lease)
        await only.give_back(Lease("t", 1, 99))
        assert not only.holds(lease)

    run_virtual(main())


def test_a_group_is_idle_when_no_beat_changes_for_ttl() -> None:
    async def main() -> None:
        store = Shelf()
        assert await idle(store, "g", ttl=2.0, gone=nobody)
        crashed = member(store, "crashed", [])
        await crashed.tick()
        assert await idle(store, "g", ttl=2.0, gone=nobody)
        watching = asyncio.create_task(idle(store, "g", ttl=2.0, gone=nobody))
        await asyncio.sleep(1)
        await crashed.tick()
        assert not await watching
        loop = asyncio.get_running_loop()
        before = loop.time()
        assert await idle(store, "g", ttl=2.0, gone=lambda name: name == "crashed")
        assert loop.time() == before

    run_virtual(main())


@pytest.mark.parametrize("seed", range(4))
def test_joins_and_leaves_lose_and_repeat_nothing(seed: int) -> None:
    outcome = simulate(seed)
    assert outcome.published > 2000
    assert (outcome.lost, outcome.repeated, outcome.overlaps, outcome.broken_commits) == (0, 0, 0, 0)
    assert set(outcome.owners) == LIVING
    assert outcome.spread <= 1


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("loss", [0.0, 0.05])
def test_freezes_and_lost_answers_lose_nothing_and_commit_nothing_unfinished(seed: int, loss: float) -> None:
    outcome = simulate(seed, freezes=True, loss=loss)
    assert outcome.published > 2000
    assert (outcome.lost, outcome.broken_commits) == (0, 0)
    assert set(outcome.owners) == LIVING
    assert outcome.spread <= 1
