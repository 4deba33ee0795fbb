"""Rotation of a secret: stopped anywhere, the service can always log in, and nobody deletes the wrong one."""

import datetime as dt
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from busline.bus.contract_log import ContractLog, write
from busline.errors import ApplyError, ContractError
from busline.governance.users.rotation import Rotation, abort, finish, rotate, rotations
from busline.names import Service
from busline.testing.guarded_memory import GuardedMemory
from busline.transport.guard import Credential, Mechanism
from busline.transport.memory import MemoryTransport

SERVICE, DAY = Service("orders/checkout"), dt.date(2026, 11, 24)
OLD: Mechanism = "SCRAM-SHA-512"
NEW: Mechanism = "SCRAM-SHA-256"


class Stopped(Exception):
    pass


class Engine(GuardedMemory):
    """Ends at the n-th change, before it is made."""

    left = 1000

    def _count(self) -> None:
        if self.left == 0:
            raise Stopped
        self.left -= 1

    async def publish_atomically(self, records: Any, transaction: str) -> Any:
        self._count()
        return await super().publish_atomically(records, transaction)

    async def set_secrets(self, credentials: Any) -> None:
        self._count()
        await super().set_secrets(credentials)

    async def delete_secrets(self, secrets: Any) -> None:
        self._count()
        await super().delete_secrets(secrets)


class Kept:
    """Gives the same secret again, as a file does."""

    async def secret(self, user: str, mechanism: Mechanism, *, other: bool = False) -> str:
        assert other
        return f"the-new-one-of-{user}"


@pytest.fixture
async def engine(unique: str) -> AsyncIterator[Engine]:
    made = Engine(unique)
    await made.start()
    await write(made, {b"team/orders": b"{}"})
    await made.set_secrets([Credential(user=SERVICE, secret="the-old-one", mechanism="SCRAM-SHA-512")])
    yield made
    await made.aclose()


async def begin(engine: MemoryTransport) -> Rotation:
    return await rotate(SERVICE, SERVICE, engine, Kept(), DAY)


async def under_way(engine: MemoryTransport) -> list[Rotation]:
    log = ContractLog(engine)
    await log.read()
    return rotations(log.records)


async def test_the_new_secret_stands_beside_the_old_one_until_it_is_finished(engine: Engine) -> None:
    done = await begin(engine)
    assert (done.old, done.new, done.since) == (OLD, NEW, DAY)
    assert engine.secrets[SERVICE] == {OLD: "the-old-one", NEW: f"the-new-one-of-{SERVICE}"}
    assert await under_way(engine) == [done]
    await finish(SERVICE, engine)
    assert engine.secrets[SERVICE] == {NEW: f"the-new-one-of-{SERVICE}"}
    assert await under_way(engine) == []
    assert (await begin(engine)).new == OLD


async def test_who_calls_it_off_keeps_the_old_one(engine: Engine) -> None:
    await begin(engine)
    await abort(SERVICE, engine)
    assert engine.secrets[SERVICE] == {OLD: "the-old-one"}
    assert await under_way(engine) == []


async def test_a_rotation_that_is_under_way_is_not_begun_again(engine: Engine) -> None:
    await begin(engine)
    with pytest.raises(ApplyError, match="under way since 2026-11-24") as refused:
        await begin(engine)
    assert "--finish" in str(refused.value)
    assert engine.secrets[SERVICE][OLD] == "the-old-one"


@pytest.mark.parametrize("after", range(2))
async def test_a_begin_that_was_stopped_is_gone_on_with_or_called_off(engine: Engine, after: int) -> None:
    engine.left = after
    with pytest.raises(Stopped):
        await begin(engine)
    engine.left = 1000
    assert OLD in engine.secrets[SERVICE]
    with pytest.raises(ApplyError, match="never came to its new secret" if after else "no rotation"):
        await finish(SERVICE, engine)
    assert (await begin(engine)).new == NEW
    assert set(engine.secrets[SERVICE]) == {OLD, NEW}
    await finish(SERVICE, engine)
    assert set(engine.secrets[SERVICE]) == {NEW}


@pytest.mark.parametrize("after", range(2))
@pytest.mark.parametrize("ending", [finish, abort])
async def test_an_end_that_was_stopped_is_gone_on_with_and_one_secret_always_holds(
    engine: Engine, after: int, ending: Any
) -> None:
    await begin(engine)
    engine.left = after
    with pytest.raises(Stopped):
        await ending(SERVICE, engine)
    engine.left = 1000
    good = NEW if ending is finish else OLD
    assert good in engine.secrets[SERVICE]
    await ending(SERVICE, engine)
    assert set(engine.secrets[SERVICE]) == {good}
    assert await under_way(engine) == []


async def test_an_end_that_was_begun_is_not_turned_round(engine: Engine) -> None:
    await begin(engine)
    engine.left = 1
    with pytest.raises(Stopped):
        await finish(SERVICE, engine)
    engine.left = 1000
    with pytest.raises(ApplyError, match="deleted already"):
        await abort(SERVICE, engine)
    assert set(engine.secrets[SERVICE]) == {NEW}


async def test_of_two_secrets_without_a_record_nobody_guesses_which_is_old(engine: Engine) -> None:
    await engine.set_secrets([Credential(user=SERVICE, secret="by-hand", mechanism="SCRAM-SHA-256")])
    with pytest.raises(ApplyError, match=r"no rotation is recorded.*--delete-config"):
        await begin(engine)
    with pytest.raises(ApplyError, match="no rotation"):
        await finish(SERVICE, engine)
    assert set(engine.secrets[SERVICE]) == {OLD, NEW}


async def test_of_two_who_begin_at_once_one_is_told(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Rotation(service=SERVICE, user=SERVICE, new=NEW, since=DAY)

    async def late(transport: Any, changes: Mapping[bytes, bytes | None]) -> Any:
        await write(transport, {other.key: other.record()})
        return await write(transport, changes)

    monkeypatch.setattr("busline.governance.users.rotation.write", late)
    with pytest.raises(ApplyError, match="another run"):
        await begin(engine)
    assert set(engine.secrets[SERVICE]) == {OLD}


async def test_who_has_no_secret_has_none_to_rotate(engine: Engine, unique: str) -> None:
    with pytest.raises(ApplyError, match="busline apply"):
        await rotate(Service("orders/other"), "orders/other", engine, Kept(), DAY)
    with_none = MemoryTransport(unique + "-plain")
    with pytest.raises(ApplyError, match="no users"):
        await begin(with_none)


async def test_nothing_is_rotated_where_nothing_was_applied(unique: str) -> None:
    engine = GuardedMemory(unique + "-empty")
    await engine.start()
    with pytest.raises(ApplyError, match="nothing was ever applied"):
        await begin(engine)
    await engine.aclose()


def test_a_rotation_of_more_than_a_week_is_late() -> None:
    one = Rotation(service=SERVICE, user=SERVICE, new=NEW, since=DAY)
    assert not one.is_overdue(DAY + dt.timedelta(days=7))
    assert one.is_overdue(DAY + dt.timedelta(days=8))


@pytest.mark.parametrize(
    "value", [b"", b"[]", b"{}", b'{"v": 9, "user": "a/b", "new": "SCRAM-SHA-256", "since": "2026-11-24"}',
              b'{"v": 1, "user": "a/b", "new": "PLAIN", "since": "2026-11-24"}',
              b'{"v": 1, "user": "a/b", "new": "SCRAM-SHA-256", "since": "soon"}']
)  # fmt: skip
def test_a_record_that_cannot_be_read_is_named_and_nothing_is_guessed(value: bytes) -> None:
    with pytest.raises(ContractError, match="rotation/orders/checkout"):
        rotations({b"rotation/orders/checkout": value})
