"""What an engine says of itself, against what explains it: what is merged or applied does, and nothing is invented."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from busline.contract.evolution.readers import Origin, Reader
from busline.contract.finding import Finding, Severity
from busline.contract.model import (
    Contract,
    Environment,
    FieldUse,
    Grant,
    Kind,
    Known,
    Publication,
    ServiceSpec,
    Storage,
    Subscription,
    TeamSpec,
    Version,
)
from busline.contract.schema import parse
from busline.governance.audit.access import (
    acls_unexplained,
    quotas_unexplained,
    rights_missing,
    second_secrets,
    users_unexplained,
)
from busline.governance.audit.audit import engine_findings
from busline.governance.audit.brokers import broker_settings, reauthentication
from busline.governance.audit.expected import Expected, State
from busline.governance.audit.groups import groups_unexplained, readers_undeclared
from busline.governance.audit.judging import Judge
from busline.governance.audit.listeners import controllers_of, listeners_of
from busline.governance.audit.registry import is_weaker
from busline.governance.audit.samples import Samples, sample_findings
from busline.governance.audit.seen import Seen
from busline.governance.audit.topics import settings_that_differ, topics_without_contract
from busline.governance.users.principals import platform_acls
from busline.governance.users.rotation import Rotation
from busline.names import ContractName, Group, Service, Team
from busline.record import StoredRecord
from busline.transport.base import Committed, TopicSpec
from busline.transport.guard import Acl, QuotaEntity, Resource
from busline.transport.inspect import GroupDetail, Member
from busline.transport.partitioner import partition_for

TODAY = dt.date(2026, 11, 24)
ORDER = ContractName("orders.order-placed")
STATE = ContractName("orders.account")
CHECKOUT, INVOICING = Service("orders/checkout"), Service("billing/invoicing")
SCHEMA = parse({"type": "record", "name": "O", "fields": [{"name": "id", "type": "string"}]})
SPEC = TopicSpec(name=ORDER, partitions=6, retention=604_800_000, replicas=1)


def state(**changes: Any) -> State:
    versions = (Version(number=1, schema=SCHEMA),)
    order = Contract(name=ORDER, key=("id",), versions=versions, grants=(Grant(to=INVOICING),), **changes)
    account = Contract(name=STATE, key=("id",), versions=versions, kind=Kind.STATE)
    invoicing = ServiceSpec(
        name=INVOICING,
        subscribes=(Subscription(contract=ORDER, version=1, fields=(FieldUse(name="id"),)),),
        groups=("late",),
    )
    checkout = ServiceSpec(name=CHECKOUT, publishes=(Publication(contract=ORDER, version=1),))
    return State(
        contracts={ORDER: order, STATE: account},
        services={CHECKOUT: checkout, INVOICING: invoicing},
        teams={Team(t): TeamSpec(name=Team(t), chat=f"#{t}") for t in ("orders", "billing")},
        today=TODAY,
    )


EMPTY = State(contracts={}, services={}, teams={}, today=TODAY)


def expected(merged: State | None = None, applied: State | None = None, *known: Known) -> Expected:
    environment = Environment(name="prod", url="kafka://there", known=known)
    platform = frozenset[Acl]().union(*platform_acls().values())
    return Expected(merged=merged or state(), applied=applied or state(), environment=environment, platform=platform)


def clean() -> Seen:
    """Just applied, with both services at work."""
    at = {(str(ORDER), 0): Committed(3, '{"b":1,"v":1,"f":["id"]}')}
    return Seen(
        topics={spec.name: spec for spec in state().topics.values()},
        guarded=True,
        acls=frozenset(state().access.acls) | expected().platform,
        users={user: frozenset({"SCRAM-SHA-512"}) for user in (*state().access.users, *platform_acls())},
        groups={INVOICING: GroupDetail(INVOICING, "Stable", (Member("c", "h", (ORDER,)),))},
        committed={
            INVOICING: at,
            f"{INVOICING}/late": at,
            f"{INVOICING}/~dlq": {(INVOICING.dead_letters, 0): Committed(0, "")},
        },
    )


def rules(findings: Any) -> list[str]:
    return [finding.rule for finding in findings]


@pytest.mark.parametrize(("merged", "applied"), [(None, None), (EMPTY, None), (None, EMPTY)])
def test_what_is_merged_or_applied_explains(merged: State | None, applied: State | None) -> None:
    assert list(engine_findings(expected(merged, applied), clean())) == []


def test_nothing_merged_and_nothing_applied_explains_nothing() -> None:
    found = set(rules(engine_findings(expected(EMPTY, EMPTY), clean())))
    assert found == {"topic-without-contract", "acl-unexplained", "user-unexplained", "group-unexplained"}


def acl(principal: str, name: str = ORDER, operation: str = "read", **more: Any) -> Acl:
    return Acl(principal, more.pop("resource", Resource.TOPIC), name, operation, **more)


@pytest.mark.parametrize(
    ("planted", "seen"),
    [
        (acl("User:*"), "everybody"),
        (acl("User:ANONYMOUS"), "#orders"),
        (acl("User:x", "*"), "yet to come"),
        (acl("User:x", "orders.", prefixed=True), "yet to come"),
        (acl("User:orders/checkout", allow=False), "DENY"),
        (acl("User:billing/invoicing", host="10.0.0.7"), "#orders"),
        (acl("User:billing/invoicing", operation="all"), "#orders"),
        (acl("User:billing/invoicing", STATE), "account"),
        (acl("User:busline/probe", "kafka-cluster", "describe", resource=Resource.CLUSTER), ""),
        (acl("User:busline/audit", ORDER, "write"), "#orders"),
        (acl("Group:admins"), "#orders"),
    ],
)
def test_each_right_that_no_grant_gives_is_found_with_what_it_opens(planted: Acl, seen: str) -> None:
    there = replace(clean(), acls=clean().acls | {planted})
    [found] = acls_unexplained(expected(), there)
    assert str(planted) in found.what
    assert seen in found.evidence
    assert found.owner


@pytest.mark.parametrize(
    ("user", "goes"),
    [("billing/ghost", True), ("billing/invoicing ", True), ("Billing/invoicing", False), ("bi", False)],
)
def test_what_apply_deletes_by_itself_is_said_as_the_plan_has_it(user: str, goes: bool) -> None:
    [found] = acls_unexplained(expected(), replace(clean(), acls=clean().acls | {acl(f"User:{user}")}))
    assert found.fix.startswith("The next `busline apply`" if goes else "apply never touches it")


def test_a_right_that_somebody_deleted_is_told_only_where_it_is_merged_and_applied() -> None:
    gone = acl("User:billing/invoicing")
    there = replace(clean(), acls=clean().acls - {gone})
    [found] = rights_missing(expected(), there)
    assert str(gone) in found.evidence and "#billing" in found.owner
    assert list(rights_missing(expected(applied=EMPTY), there)) == []


def test_users_and_quotas_of_nobody_are_found() -> None:
    there = replace(
        clean(),
        users={**clean().users, "ghost": frozenset({"SCRAM-SHA-256"})},
        quotas={
            QuotaEntity(user="orders/checkout"): {"producer_byte_rate": 5.0},
            QuotaEntity(user=""): {"producer_byte_rate": 1.0},
            QuotaEntity(client="app"): {"consumer_byte_rate": 1.0},
            QuotaEntity(user="orders/checkout", client="app"): {"request_percentage": 1.0},
        },
    )
    [user] = users_unexplained(expected(), there)
    assert "ghost" in user.what and "super user, or unused" in user.evidence
    assert user.severity is Severity.WARNING, "it does nothing, or what no ACL tells"
    assert sorted(one.what.partition(" is ")[0] for one in quotas_unexplained(expected(), there)) == [
        "the quota of client id app",
        "the quota of every user",
        "the quota of user orders/checkout",
        "the quota of user orders/checkout, client id app",
    ]


def test_a_second_secret_is_found_but_for_a_rotation() -> None:
    two = frozenset({"SCRAM-SHA-256", "SCRAM-SHA-512"})
    there = replace(clean(), users={**clean().users, "orders/checkout": two, "busline/apply": two})
    assert [one.what for one in second_secrets(expected(), there)] == [
        "user busline/apply has two secrets, and no rotation is under way",
        "user orders/checkout has two secrets, and no rotation is under way",
    ]
    rotation = Rotation(service=CHECKOUT, user="orders/checkout", new="SCRAM-SHA-256", since=TODAY)
    rotating = replace(expected(), rotating={"orders/checkout": rotation})
    assert [one.what.split()[1] for one in second_secrets(rotating, there)] == ["busline/apply"]
    overdue = replace(rotation, since=TODAY - dt.timedelta(days=30))
    late = [*second_secrets(replace(rotating, rotating={"orders/checkout": overdue}), there)]
    assert [one.severity for one in late] == [Severity.ERROR, Severity.WARNING]


def test_a_quota_as_the_contracts_say_is_right() -> None:
    bound = expected(state(quota={"publish": 100}))
    there = replace(clean(), quotas={QuotaEntity(user="orders/checkout"): {"producer_byte_rate": 100.0}})
    assert list(quotas_unexplained(bound, there)) == []


@pytest.mark.parametrize(
    ("group", "topic", "rule"),
    [
        ("console-1", ORDER, "group-unexplained"),
        ("billing/gone", ORDER, "group-unexplained"),
        ("billing/invoicing/other", ORDER, "group-unexplained"),
        ("billing/invoicing", STATE, "group-undeclared"),
        ("billing/invoicing/~read", STATE, "group-undeclared"),
        ("billing/invoicing/~dlq", ORDER, "group-undeclared"),
        ("orders/checkout", ORDER, "group-undeclared"),
        ("billing/invoicing/late", ORDER, None),
        ("billing/invoicing/~read", ORDER, None),
        ("busline/audit", ORDER, None),
    ],
)
def test_a_group_is_a_services_and_reads_what_it_declares(group: str, topic: str, rule: str | None) -> None:
    there = Seen(committed={group: {(topic, 0): Committed(1, "")}})
    assert rules(groups_unexplained(expected(), there)) == ([rule] if rule else [])


def test_a_member_counts_before_it_has_committed_anything() -> None:
    there = Seen(groups={INVOICING: GroupDetail(INVOICING, "Stable", (Member("kcat", "10.0.0.7", (STATE,)),))})
    [found] = groups_unexplained(expected(), there)
    assert "kcat on 10.0.0.7" in found.evidence and "#orders" in found.owner and "#billing" in found.owner


def reader(version: int | None = 1, *fields: str) -> Reader:
    return Reader(
        service=INVOICING,
        group=Group.of(INVOICING),
        contract=ORDER,
        version=version,
        fields=tuple(FieldUse(name=name) for name in fields),
        origin=Origin.RUNNING,
        release="r7",
    )


def test_other_readers_than_declared_are_found() -> None:
    assert list(readers_undeclared(expected(), [reader(1, "id"), reader(1)])) == []
    words = [one.what for one in readers_undeclared(expected(), [reader(2, "id"), reader(1, "id", "coupon")])]
    assert sorted(words) == [
        "billing/invoicing reads coupon of orders.order-placed (release r7)",
        "billing/invoicing runs version 2 of orders.order-placed (release r7)",
    ]
    [foreign] = readers_undeclared(expected(), [reader(None)])
    assert "no busline runs there" in foreign.what


@pytest.mark.parametrize(
    ("spec", "raw", "what"),
    [
        ({"partitions": 12}, {}, "partitions is 12, the contract says 6"),
        ({"retention": 1000}, {}, "retention is 1s, the contract says 7d"),
        ({"retention": None}, {}, "retention is forever, the contract says 7d"),
        ({"compacted": True}, {}, "compaction is on, the contract says off"),
        ({"max_record": 5}, {}, "max record size is 5, the contract says 1048576"),
        ({"append_time": False}, {}, "LogAppendTime is off, the contract says on"),
        ({}, {"retention.bytes": "100"}, "retention.bytes is 100, which removes records by size"),
        ({}, {"retention.bytes": "-1", "cleanup.policy": "delete"}, None),
    ],
)
def test_a_setting_that_somebody_changed_is_found(spec: Any, raw: Any, what: str | None) -> None:
    there = Seen(topics={ORDER: replace(SPEC, **spec)}, settings={ORDER: raw})
    found = [one.what for one in settings_that_differ(expected(), there)]
    if what is None:
        assert found == []
    else:
        assert any(what in one for one in found)


def test_a_setting_that_is_merged_and_not_applied_is_no_drift() -> None:
    merged = state(storage=Storage(retention=1000))
    assert list(settings_that_differ(expected(merged), Seen(topics={ORDER: SPEC}))) == []
    assert rules(settings_that_differ(expected(merged), Seen(topics={ORDER: replace(SPEC, retention=5)})))


def test_a_state_that_also_deletes_is_found() -> None:
    there = state().topics[STATE]
    raw = {str(STATE): {"cleanup.policy": "compact,delete"}}
    [found] = settings_that_differ(expected(), Seen(topics={STATE: there}, settings=raw))
    assert "cleanup.policy is compact,delete" in found.what


def test_two_underscores_hide_no_topic() -> None:
    spec = TopicSpec(name="__hidden", partitions=1)
    seen = replace(clean(), topics={**clean().topics, "__hidden": spec})
    assert [one.what for one in topics_without_contract(expected(), seen)] == ["topic __hidden has no contract"]


def test_a_kind_that_somebody_changed_is_not_left_to_apply() -> None:
    topics = {**clean().topics, STATE: replace(clean().topics[STATE], compacted=False)}
    [found] = settings_that_differ(expected(), replace(clean(), topics=topics))
    assert "compaction is off" in found.what and "kafka-configs" in found.fix


def test_kafkas_own_topics_are_none_of_ours() -> None:
    assert list(topics_without_contract(expected(), Seen(topics={"__consumer_offsets": SPEC}))) == []


def test_what_is_known_is_left_out_until_its_day() -> None:
    there = replace(
        clean(),
        acls=clean().acls | {acl("User:ghost")},
        users={**clean().users, "ghost": frozenset()},
        topics={**clean().topics, "connect-configs": SPEC},
    )
    known = [
        Known(kind="user", name="ghost", why="Moves in May.", until=TODAY),
        Known(kind="topic", name="connect-*", why="Kafka Connect.", until=TODAY),
    ]
    assert list(engine_findings(expected(None, None, *known), there)) == []
    over = [replace(one, until=TODAY - dt.timedelta(days=1)) for one in known]
    found = rules(engine_findings(expected(None, None, *over), there))
    assert sorted(found) == [
        "acl-unexplained",
        "known-over",
        "known-over",
        "topic-without-contract",
        "user-unexplained",
    ]


BROKER = {
    "advertised.listeners": "CLIENTS://10.0.0.1:9092,TLS://[::1]:9093,MTLS://broker-1.example:9094,PLAINTEXT://h:1",
    "listener.security.protocol.map": "CLIENTS:SASL_PLAINTEXT,TLS:SASL_SSL,MTLS:SSL",
    "sasl.enabled.mechanisms": "SCRAM-SHA-512,SCRAM-SHA-256",
    "listener.name.tls.sasl.enabled.mechanisms": "SCRAM-SHA-512",
    "inter.broker.listener.name": "MTLS",
    "connections.max.reauth.ms": "3600000",
}


def test_listeners_are_as_the_broker_advertises_them() -> None:
    found = {one.name: one for one in listeners_of(1, BROKER)}
    assert [(one.host, one.port, one.protocol) for one in found.values()] == [
        ("10.0.0.1", 9092, "SASL_PLAINTEXT"), ("::1", 9093, "SASL_SSL"), ("broker-1.example", 9094, "SSL"),
        ("h", 1, "PLAINTEXT"),
    ]  # fmt: skip
    assert found["CLIENTS"].mechanisms == ("SCRAM-SHA-512", "SCRAM-SHA-256")
    assert found["TLS"].mechanisms == ("SCRAM-SHA-512",) and found["MTLS"].mechanisms == ()
    only = {"listeners": "CONTROLLER://:1,B://h:2", "controller.listener.names": "CONTROLLER"}
    assert [one.name for one in listeners_of(1, only)] == ["B"]


def test_controllers_are_as_the_quorum_is_named() -> None:
    named = BROKER | {"controller.listener.names": "C", "listener.security.protocol.map": "C:SASL_SSL"}
    [one, two] = controllers_of(named | {"controller.quorum.voters": "1@a.example:9,2@[::1]:8"})
    assert (one.broker, one.host, one.port, one.protocol, two.host) == (1, "a.example", 9, "SASL_SSL", "::1")
    [found] = controllers_of(named | {"controller.quorum.bootstrap.servers": "b:7"})
    assert str(found) == "C://b:7" and controllers_of(named) == []


@pytest.mark.parametrize(
    ("settings", "wrong"),
    [
        ({}, False),
        ({"connections.max.reauth.ms": "0"}, True),
        ({"connections.max.reauth.ms": "3600001"}, True),
        ({"listener.name.tls.connections.max.reauth.ms": "0"}, True),
        ({"listener.name.clients.scram-sha-256.connections.max.reauth.ms": "7200000"}, True),
        ({"listener.name.mtls.connections.max.reauth.ms": "0"}, False),
    ],
)
def test_re_authentication_is_looked_at_by_listener_and_mechanism(settings: dict[str, str], wrong: bool) -> None:
    found = rules(broker_settings(expected(), Seen(brokers={1: BROKER | settings, 2: BROKER})))
    assert ("reauthentication" in found) == wrong


def test_the_narrowest_setting_of_re_authentication_holds() -> None:
    settings = BROKER | {"listener.name.clients.scram-sha-512.connections.max.reauth.ms": "5"}
    assert reauthentication(settings, "CLIENTS", "SCRAM-SHA-512") == 5
    assert reauthentication(settings, "CLIENTS", "SCRAM-SHA-256") == 3_600_000


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"auto.create.topics.enable": "true"}, "auto-creation"),
        ({"unclean.leader.election.enable": "true"}, "unclean-election"),
        ({"offsets.retention.minutes": "10079"}, "offsets-retention"),
        ({"offsets.retention.minutes": "10080"}, None),
    ],
)
def test_a_brokers_dangerous_settings_are_found(settings: dict[str, str], rule: str | None) -> None:
    found: list[Finding] = list(broker_settings(expected(), Seen(brokers={1: BROKER, 2: BROKER | settings})))
    assert rules(found) == ([rule] if rule else [])


def test_a_broker_without_authorizer_is_found() -> None:
    assert rules(broker_settings(expected(), Seen(guarded=False))) == ["no-authorizer"]


def judged(*records: tuple[int, bytes | None, bytes | None], contract: Contract | None = None) -> list[Finding]:
    judge = Judge([contract or state().contracts[ORDER]], 6)
    for offset, (partition, key, value) in enumerate(records):
        judge.look(partition, StoredRecord(offset, 0, key, value))
    return list(sample_findings(expected(), Samples(judges=[judge]), lambda topic: "unknown"))


EVENT = b"\xc3\x01" + SCHEMA.fingerprint.to_bytes(8, "little") + b"\x02a"


@pytest.mark.parametrize("value", [b"", b"{}", EVENT + b"x", EVENT[:-1], b"\x00\x00\x00\x00\x01\x02a", None])
def test_a_record_that_is_no_event_is_found(value: bytes | None) -> None:
    [found] = judged((partition_for(b"a", 6), b"a", value), (partition_for(b"a", 6), b"a", EVENT))
    assert found.rule == "record-undecodable"
    assert f"1 of 2 sampled, {ORDER}[" in found.evidence and "written by unknown" in found.evidence


def test_events_where_they_belong_are_fine() -> None:
    assert judged(*((partition_for(key, 6), key, EVENT) for key in (b"a", b"b", b"c"))) == []


def test_a_key_elsewhere_is_found_and_what_grew_is_a_note() -> None:
    [found] = judged(((partition_for(b"a", 6) + 1) % 6, b"a", EVENT))
    assert (found.rule, found.severity) == ("key-misplaced", Severity.ERROR)
    [keyless] = judged((0, None, EVENT))
    assert keyless.rule == "key-misplaced"
    keys = [f"k{n}".encode() for n in range(40)]
    [grown] = judged(*((partition_for(key, 4), key, EVENT) for key in keys))
    assert grown.severity is Severity.NOTE and "4 partitions would put them there" in grown.evidence
    [all_in_one] = judged(*((0, key, EVENT) for key in keys))
    assert all_in_one.severity is Severity.ERROR, "whoever writes all to one partition did not grow it"


def test_a_deletion_is_an_event_of_a_state_only() -> None:
    account = state().contracts[STATE]
    assert judged((partition_for(b"a", 6), b"a", None), contract=account) == []


def test_a_level_is_weaker_where_it_lets_something_through() -> None:
    assert is_weaker("NONE", "BACKWARD_TRANSITIVE") and is_weaker("BACKWARD", "BACKWARD_TRANSITIVE")
    assert is_weaker("FORWARD_TRANSITIVE", "BACKWARD") and is_weaker("nonsense", "BACKWARD")
    assert not is_weaker("FULL_TRANSITIVE", "BACKWARD_TRANSITIVE") and not is_weaker("NONE", "NONE")
