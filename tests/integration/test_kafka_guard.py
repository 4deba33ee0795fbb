"""Who may do what, on a real broker: ACLs, SCRAM users and quotas are set, read and in force as the power says."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from busline.errors import AuthenticationFailed, NotAuthorized, NotInForce, TransportError
from busline.record import Position, Record
from busline.transport.base import TopicSpec
from busline.transport.guard import Acl, Credential, Guarded, Quota, QuotaEntity, Resource
from busline.transport.kafka.engine import KafkaTransport
from busline.transport.security import Security


@pytest.fixture
async def admin(kafka: Any) -> AsyncIterator[KafkaTransport]:
    """With all rights."""
    transport = KafkaTransport([kafka.bootstrap], security=Security())
    yield transport
    await transport.aclose()


def rights(user: str, topic: str) -> set[Acl]:
    return {
        Acl(f"User:{user}", Resource.TOPIC, topic, "write"),
        Acl(f"User:{user}", Resource.TOPIC, topic, "describe-configs"),
        Acl(f"User:{user}", Resource.GROUP, user, "read"),
        Acl(f"User:{user}", Resource.GROUP, f"{user}/", "read", prefixed=True),
        Acl(f"User:{user}", Resource.TRANSACTIONAL_ID, f"{user}/", "write", prefixed=True, host="127.0.0.1"),
        Acl(f"User:{user}", Resource.CLUSTER, "kafka-cluster", "describe", allow=False),
    }


async def of(admin: KafkaTransport, *users: str) -> set[Acl]:
    return {acl for acl in await admin.acls() if acl.user in users}


async def test_the_transport_is_guarded(admin: KafkaTransport) -> None:
    assert isinstance(admin, Guarded)
    assert await admin.guards()


async def test_acls_are_read_as_they_were_made(admin: KafkaTransport, unique: str) -> None:
    user = f"guard/{unique}"
    wanted = rights(user, unique)
    await admin.create_acls(wanted)
    await admin.settled(present=wanted)
    assert await of(admin, user) == wanted


async def test_exactly_the_named_acls_are_deleted(admin: KafkaTransport, unique: str) -> None:
    """Their look-alikes stay: another kind of name, host, permission, principal, and names that they begin."""
    base = Acl(f"User:guard/{unique}", Resource.TOPIC, unique, "read")
    alike = {
        base._replace(prefixed=True),
        base._replace(host="127.0.0.1"),
        base._replace(allow=False),
        base._replace(principal=f"User:guard/{unique}-b"),
        base._replace(name=f"{unique}.more"),
        base._replace(operation="describe"),
        base._replace(resource=Resource.GROUP),
    }
    await admin.create_acls(alike | {base})
    await admin.settled(present=alike | {base})
    await admin.delete_acls([base])
    await admin.settled(present=alike, absent=[base])
    assert await of(admin, f"guard/{unique}", f"guard/{unique}-b") == alike
    await admin.delete_acls([base])  # gone already


async def test_a_refused_acl_is_told_and_its_neighbours_are_made(admin: KafkaTransport, unique: str) -> None:
    good = Acl(f"User:guard/{unique}", Resource.TOPIC, unique, "read")
    bad = Acl(f"User:guard/{unique}", Resource.CLUSTER, "not-the-cluster", "alter")
    with pytest.raises(TransportError) as caught:
        await admin.create_acls([bad, good])
    assert "not-the-cluster" in str(caught.value)
    await admin.settled(present=[good])


async def test_who_may_not_look_is_told_so(kafka: Any, unique: str) -> None:
    user = f"guard/{unique}"
    kafka.add_user(user, "one")
    acl = Acl(f"User:{user}", Resource.TOPIC, "*", "all")
    security = Security(user=user, password="one")
    transport = KafkaTransport([kafka.secure_bootstrap], security=security)
    assert await transport.guards()
    for call in (
        transport.acls(),
        transport.create_acls([acl]),
        transport.delete_acls([acl]),
        transport.settled(present=[acl]),
        transport.users(),
        transport.set_secrets([Credential(user=user, secret="two")]),
        transport.delete_secrets([(user, "SCRAM-SHA-512")]),
        transport.quotas(),
        transport.set_quotas({user: Quota(publish=1)}),
    ):
        with pytest.raises(NotAuthorized, match=r"needs [A-Z_]+ on the cluster"):
            await call
    await transport.start()
    await transport.aclose()


async def test_what_is_not_in_force_in_time_is_told_with_broker_and_acl(admin: KafkaTransport, unique: str) -> None:
    never = Acl(f"User:guard/{unique}", Resource.TOPIC, unique, "read")
    with pytest.raises(NotInForce) as caught:
        await admin.settled(present=[never], within=0.1)
    (conflict,) = caught.value.conflicts
    assert "broker 1" in conflict
    assert str(never) in conflict
    await admin.create_acls([never])
    await admin.settled(present=[never])
    with pytest.raises(NotInForce, match="still has"):
        await admin.settled(absent=[never], within=0.1)


async def test_a_granted_right_holds_at_once_when_settled(admin: KafkaTransport, kafka: Any, unique: str) -> None:
    user, topic = f"guard/{unique}", f"guard.{unique}"
    await admin.create_topics([TopicSpec(name=topic)])
    await admin.set_secrets([Credential(user=user, secret="one")])
    write = Acl(f"User:{user}", Resource.TOPIC, topic, "write")
    for _ in range(3):
        await admin.create_acls([write])
        await admin.settled(present=[write])
        transport = KafkaTransport([kafka.secure_bootstrap], security=Security(user=user, password="one"))
        (outcome,) = await transport.publish([Record(topic, b"k", b"v")])
        assert isinstance(outcome, Position)
        await admin.delete_acls([write])
        await admin.settled(absent=[write])
        (outcome,) = await transport.publish([Record(topic, b"k", b"v")])
        assert not isinstance(outcome, Position)
        await transport.aclose()


async def logs_in(server: str, user: str, password: str, mechanism: Any) -> bool:
    transport = KafkaTransport([server], security=Security(user=user, password=password, mechanism=mechanism))
    try:
        await transport.start()
    except AuthenticationFailed:
        return False
    finally:
        await transport.aclose()
    return True


async def test_two_mechanisms_hold_two_secrets(admin: KafkaTransport, kafka: Any, unique: str) -> None:
    """The overlap of a rotation: old and new live side by side until one is deleted."""
    user, server = f"guard/{unique}", kafka.secure_bootstrap
    new, old = "SCRAM-SHA-512", "SCRAM-SHA-256"
    await admin.set_secrets(
        [Credential(user=user, secret="öld", mechanism=old), Credential(user=user, secret="new", mechanism=new)]
    )
    await until_equal(lambda: logs_in(server, user, "öld", old), True)
    await until_equal(lambda: logs_in(server, user, "new", new), True)
    assert not await logs_in(server, user, "new", old)
    assert (await admin.users())[user] == {old, new}
    await admin.delete_secrets([(user, old)])
    await until_equal(lambda: logs_in(server, user, "öld", old), False)
    assert (await admin.users())[user] == {new}
    assert await logs_in(server, user, "new", new)
    await admin.delete_secrets([(user, new), (user, old), (f"{user}-never", new)])
    assert user not in await admin.users()


async def test_a_secret_is_in_no_repr(unique: str) -> None:
    assert "hidden" not in repr(Credential(user=unique, secret="hidden"))


async def test_quotas_are_of_the_user(admin: KafkaTransport, unique: str) -> None:
    user = f"guard/{unique}"

    async def now() -> dict[str, float] | None:
        return (await admin.quotas()).get(QuotaEntity(user=user))

    await admin.set_quotas({user: Quota(publish=1_000, subscribe=2_000)})
    await until_equal(now, {"producer_byte_rate": 1000.0, "consumer_byte_rate": 2000.0})
    await admin.set_quotas({user: Quota(subscribe=3_000)})
    await until_equal(now, {"consumer_byte_rate": 3000.0})
    await admin.set_quotas({user: Quota()})
    await until_equal(now, None)


async def until_equal(ask: Any, wanted: Any) -> None:
    """A broker follows the controller a moment later."""
    async with asyncio.timeout(20):
        while (found := await ask()) != wanted:  # noqa: ASYNC110 - the broker's state, which has no event
            await asyncio.sleep(0.02)
    assert found == wanted


async def test_more_than_one_request_takes(admin: KafkaTransport, unique: str) -> None:
    """1,100 ACLs in three requests, the last of them no less in force than the first; 30 users with 60 secrets."""
    users = [f"guard/{unique}-{number}" for number in range(30)]
    wanted = {Acl(f"User:{user}", Resource.TOPIC, f"{unique}.{n}", "read") for user in users for n in range(37)}
    await admin.create_acls(wanted)
    await admin.settled(present=wanted)
    assert await of(admin, *users) == wanted
    await admin.delete_acls(wanted)
    await admin.settled(absent=wanted)
    assert await of(admin, *users) == set()
    both = ("SCRAM-SHA-512", "SCRAM-SHA-256")
    await admin.set_secrets([Credential(user=user, secret="s", mechanism=one) for user in users for one in both])
    there = await admin.users()
    assert {user: there.get(user) for user in users} == dict.fromkeys(users, frozenset(both))
    await admin.delete_secrets([(user, one) for user in users for one in both])
    assert not set(users) & set(await admin.users())
