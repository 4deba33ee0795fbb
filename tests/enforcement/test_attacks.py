"""What no contract grants does not work: raw requests with real credentials, refused by the broker itself.

Every request that the listener takes is tried here, or stands under HARMLESS with the reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest

from scripts.raw_kafka import batch, codes

pytestmark = pytest.mark.kafka

TOPIC, GROUP, CLUSTER, TRANSACTION = 29, 30, 31, 53
"""TOPIC_AUTHORIZATION_FAILED, and so on."""
THIEF = "growth/stats"
"""Publishes and subscribes in its own team, has transactions, may have what is granted to everyone: and wants more."""


@dataclass(frozen=True, kw_only=True)
class Attack:
    """One request as `who`, and the code with which it has to be refused."""

    what: str
    api: str
    code: int
    body: Mapping[str, Any]
    who: str = THIEF

    def __str__(self) -> str:
        return f"{self.who} {self.what}".replace(" ", "-")


def produce(topic: str, transaction: str | None = None) -> dict[str, Any]:
    data = batch(b"forged", transactional=transaction is not None)
    return {"transactional_id": transaction, "acks": -1, "timeout_ms": 10_000,
            "topic_data": [{"name": topic, "partition_data": [{"index": 0, "records": data}]}]}  # fmt: skip


def fetch(topic: str) -> dict[str, Any]:
    return {"max_wait_ms": 100, "min_bytes": 0, "max_bytes": 1 << 20, "isolation_level": 0, "topics": [
        {"topic": topic, "partitions": [{"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1 << 20}]}
    ]}  # fmt: skip


def offsets(topic: str, at: int = -1) -> dict[str, Any]:
    return {"replica_id": -1, "isolation_level": 0,
            "topics": [{"name": topic, "partitions": [{"partition_index": 0, "timestamp": at}]}]}  # fmt: skip


def join(group: str) -> dict[str, Any]:
    return {"group_id": group, "session_timeout_ms": 10_000, "rebalance_timeout_ms": 10_000, "member_id": "",
            "protocol_type": "consumer", "protocols": [{"name": "range", "metadata": b""}]}  # fmt: skip


def commit(group: str, topic: str) -> dict[str, Any]:
    return {"group_id": group, "generation_id_or_member_epoch": -1, "member_id": "", "topics": [
        {"name": topic, "partitions": [{"partition_index": 0, "committed_offset": 0, "committed_metadata": ""}]}
    ]}  # fmt: skip


def of_topic(topic: str, who: str = THIEF) -> list[Attack]:
    """All that a client can do with a topic, tried by one who may do nothing with it."""
    one = [{"name": topic, "partitions": [{"partition_index": 0, "offset": 1}]}]
    epoch = [{"topic": topic, "partitions": [{"partition": 0, "current_leader_epoch": -1, "leader_epoch": 0}]}]
    grown = {"name": topic, "count": 20, "assignments": None}
    setting = {"name": "retention.ms", "value": "1"}
    altered = {"resource_type": 2, "resource_name": topic, "configs": [{**setting, "config_operation": 0}]}
    replaced = {"resource_type": 2, "resource_name": topic, "configs": [setting]}
    asked = {"resource_type": 2, "resource_name": topic, "configuration_keys": None}
    table: list[tuple[str, str, dict[str, Any]]] = [
        ("produces to", "Produce", produce(topic)),
        ("fetches", "Fetch", fetch(topic)),
        ("describes", "Metadata", {"topics": [{"name": topic}], "allow_auto_topic_creation": True}),
        ("describes partitions of", "DescribeTopicPartitions",
         {"topics": [{"name": topic}], "response_partition_limit": 10, "cursor": None}),
        ("lists offsets of", "ListOffsets", offsets(topic)),
        ("lists epochs of", "OffsetForLeaderEpoch", {"replica_id": -1, "topics": epoch}),
        ("describes producers of", "DescribeProducers", {"topics": [{"name": topic, "partition_indexes": [0]}]}),
        ("deletes records of", "DeleteRecords", {"timeout_ms": 10_000, "topics": one}),
        ("creates", "CreateTopics", {"timeout_ms": 10_000, "validate_only": False, "topics": [
            {"name": topic, "num_partitions": 1, "replication_factor": 1, "assignments": [], "configs": []}]}),
        ("adds partitions to", "CreatePartitions", {"topics": [grown], "timeout_ms": 10_000, "validate_only": False}),
        ("deletes", "DeleteTopics", {"topic_names": [topic], "timeout_ms": 10_000}),
        ("alters settings of", "IncrementalAlterConfigs", {"resources": [altered], "validate_only": False}),
        ("replaces settings of", "AlterConfigs", {"resources": [replaced], "validate_only": False}),
        ("reads settings of", "DescribeConfigs",
         {"resources": [asked], "include_synonyms": False, "include_documentation": False}),
        ("keeps a position in", "OffsetCommit", commit(who, topic)),
        ("asks its own group's position in", "OffsetFetch", {"require_stable": False, "groups": [
            {"group_id": who, "topics": [{"name": topic, "partition_indexes": [0]}]}]}),
    ]  # fmt: skip
    return [Attack(what=f"{what} {topic}", api=api, code=TOPIC, body=body, who=who) for what, api, body in table]


def of_group(group: str, who: str = THIEF) -> list[Attack]:
    topic = "growth.visit"
    table: list[tuple[str, str, dict[str, Any]]] = [
        ("joins", "JoinGroup", join(group)),
        ("commits for", "OffsetCommit", commit(group, topic)),
        ("asks the positions of", "OffsetFetch",
         {"groups": [{"group_id": group, "topics": None}], "require_stable": False}),
        ("describes", "DescribeGroups", {"groups": [group], "include_authorized_operations": True}),
        ("deletes", "DeleteGroups", {"groups_names": [group]}),
        ("deletes positions of", "OffsetDelete",
         {"group_id": group, "topics": [{"name": topic, "partitions": [{"partition_index": 0}]}]}),
        ("finds the coordinator of", "FindCoordinator", {"key_type": 0, "coordinator_keys": [group]}),
        ("beats the heart of", "Heartbeat", {"group_id": group, "generation_id": 1, "member_id": "member"}),
        ("synchronizes", "SyncGroup", {"group_id": group, "generation_id": 1, "member_id": "member",
                                         "protocol_type": "consumer", "protocol_name": "range", "assignments": []}),
        ("throws members out of", "LeaveGroup", {"group_id": group, "members": [{"member_id": "member"}]}),
    ]  # fmt: skip
    return [Attack(what=f"{what} {group}", api=api, code=GROUP, body=body, who=who) for what, api, body in table]


def of_transaction(name: str, who: str = THIEF) -> list[Attack]:
    held = {"transactional_id": name, "producer_id": 1, "producer_epoch": 0}
    topic = {"name": "growth.visit", "partitions": [0]}
    table: list[tuple[str, str, dict[str, Any]]] = [
        ("takes over", "InitProducerId", {"transactional_id": name, "transaction_timeout_ms": 60_000}),
        ("adds partitions to", "AddPartitionsToTxn", {
            "v3_and_below_transactional_id": name, "v3_and_below_producer_id": 1, "v3_and_below_producer_epoch": 0,
            "v3_and_below_topics": [topic]}),
        ("adds offsets to", "AddOffsetsToTxn", {**held, "group_id": who}),
        ("commits offsets in", "TxnOffsetCommit", {**held, "group_id": who, "topics": [
            {"name": "growth.visit", "partitions": [{"partition_index": 0, "committed_offset": 0}]}]}),
        ("ends", "EndTxn", {**held, "committed": True}),
        ("describes", "DescribeTransactions", {"transactional_ids": [name]}),
        ("finds the coordinator of", "FindCoordinator", {"key_type": 1, "coordinator_keys": [name]}),
        ("produces in", "Produce", produce("growth.visit", name)),
    ]  # fmt: skip
    return [Attack(what=f"{what} {name}", api=api, code=TRANSACTION, body=body, who=who) for what, api, body in table]


def of_cluster(who: str = THIEF) -> list[Attack]:
    acl = {"resource_type": 2, "resource_name": "orders.order-placed", "resource_pattern_type": 3,
           "principal": f"User:{who}", "host": "*", "operation": 3, "permission_type": 3}  # fmt: skip
    any_acl = {"resource_type_filter": 1, "resource_name_filter": None, "pattern_type_filter": 1,
               "principal_filter": None, "host_filter": None, "operation": 1, "permission_type": 1}  # fmt: skip
    secret = {
        "name": "orders/checkout",
        "mechanism": 2,
        "iterations": 4096,
        "salt": b"salt",
        "salted_password": b"p" * 64,
    }
    own_secret = {**secret, "name": who}
    quota = {"entity": [{"entity_type": "user", "entity_name": who}],
             "ops": [{"key": "producer_byte_rate", "value": 1e9, "remove": False}]}  # fmt: skip
    broker = {"resource_type": 4, "resource_name": "1"}
    setting = {"name": "log.cleaner.threads", "value": "2"}
    moved = [{"name": "orders.order-placed", "partitions": [{"partition_index": 0, "replicas": [1]}]}]
    feature = {"feature": "metadata.version", "max_version_level": 1, "upgrade_type": 3}
    marker = {"producer_id": 1, "producer_epoch": 0, "transaction_result": False, "coordinator_epoch": 0,
              "topics": [{"name": "orders.order-placed", "partition_indexes": [0]}]}  # fmt: skip
    table: list[tuple[str, str, dict[str, Any]]] = [
        ("grants itself a right", "CreateAcls", {"creations": [acl]}),
        ("deletes every ACL", "DeleteAcls", {"filters": [any_acl]}),
        ("lists ACLs", "DescribeAcls", any_acl),
        ("changes another's password", "AlterUserScramCredentials", {"deletions": [], "upsertions": [secret]}),
        ("changes its own password", "AlterUserScramCredentials", {"deletions": [], "upsertions": [own_secret]}),
        ("deletes a user", "AlterUserScramCredentials",
         {"deletions": [{"name": "orders/checkout", "mechanism": 2}], "upsertions": []}),
        ("lists users", "DescribeUserScramCredentials", {"users": [{"name": "orders/checkout"}]}),
        ("lifts its quota", "AlterClientQuotas", {"entries": [quota], "validate_only": False}),
        ("lists quotas", "DescribeClientQuotas", {"components": [], "strict": False}),
        ("alters a broker", "IncrementalAlterConfigs",
         {"resources": [{**broker, "configs": [{**setting, "config_operation": 0}]}], "validate_only": False}),
        ("replaces a broker's settings", "AlterConfigs",
         {"resources": [{**broker, "configs": [setting]}], "validate_only": False}),
        ("reads a broker's settings", "DescribeConfigs", {"resources": [{**broker, "configuration_keys": None}],
                                                          "include_synonyms": True, "include_documentation": False}),
        ("elects leaders", "ElectLeaders", {"election_type": 1, "topic_partitions": None, "timeout_ms": 10_000}),
        ("moves partitions", "AlterPartitionReassignments", {"timeout_ms": 10_000, "topics": moved}),
        ("lists movements", "ListPartitionReassignments", {"timeout_ms": 10_000, "topics": None}),
        ("lists the disks", "DescribeLogDirs", {"topics": None}),
        ("moves replicas to a disk", "AlterReplicaLogDirs", {"dirs": [
            {"path": "/tmp", "topics": [{"name": "orders.order-placed", "partitions": [0]}]}]}),
        ("describes the quorum", "DescribeQuorum", {"topics": [
            {"topic_name": "__cluster_metadata", "partitions": [{"partition_index": 0}]}]}),
        ("turns features back", "UpdateFeatures",
         {"timeout_ms": 10_000, "feature_updates": [feature], "validate_only": False}),
        ("writes transactions' markers", "WriteTxnMarkers", {"markers": [marker]}),
        ("lists what has settings", "ListConfigResources", {"resource_types": []}),
    ]  # fmt: skip
    return [Attack(what=what, api=api, code=CLUSTER, body=body, who=who) for what, api, body in table]


FOREIGN = ("orders.order-placed", "busline.dlq.billing.invoicing", "nobody.knows-it")
"""Another team's topic, another team's dead letters, and one that is not there: the answer does not tell which."""
GROUPS = ("billing/invoicing", "billing/invoicing/~dlq")
LOOK_ALIKE = (
    ("orders/checkout-2", "orders/checkout"),
    ("orders-x/checkout", "orders/checkout"),
    ("orders/checkout", "orders/checkout-2"),
    ("orders/checkout", "orders-x/checkout"),
    ("orders/check", "orders/checkout"),
)
"""Of one team, of teams whose names begin alike, of services whose names do."""


def of_look_alike(who: str, whose: str) -> list[Attack]:
    dead_letters = f"busline.dlq.{whose.replace('/', '.')}"
    writes = [one for one in of_topic(dead_letters, who) if one.api in ("Produce", "Fetch", "Metadata")]
    joins = [one for one in of_group(whose, who) if one.api in ("JoinGroup", "OffsetCommit", "DescribeGroups")]
    within = [one for one in of_group(f"{whose}/second", who) if one.api == "JoinGroup"]
    taken = [one for one in of_transaction(f"{whose}/one", who) if one.api == "InitProducerId"]
    return writes + joins + within + taken


def only(attacks: list[Attack], *apis: str) -> list[Attack]:
    return [attack for attack in attacks if attack.api in apis]


OWN = ("DeleteRecords", "CreateTopics", "CreatePartitions", "DeleteTopics", "IncrementalAlterConfigs", "AlterConfigs",
       "DescribeConfigs")  # fmt: skip
"""What may not be done with one's own topic either: it is as its contract says."""
ATTACKS = [
    *(attack for topic in FOREIGN for attack in of_topic(topic)),
    *(attack for group in GROUPS for attack in of_group(group)),
    *of_transaction("billing/invoicing/one"),
    *of_cluster(),
    *only(of_topic("growth.visit"), *OWN),
    *only(of_group("growth/stats"), "DeleteGroups", "OffsetDelete"),
    *only(of_topic("busline.contracts"), "Produce", *OWN),
    *only(of_topic("busline.access-denied"), "Produce", *OWN),
    *only(of_topic("busline.access-denied", "orders/checkout"), "Produce", "Fetch", "Metadata"),
    *only(of_topic("busline.access-changed"), "Produce", "Fetch", "Metadata"),
    *only(of_topic("busline.contract-changed"), "Produce", "Fetch", "Metadata"),
    *(attack for who, whose in LOOK_ALIKE for attack in of_look_alike(who, whose)),
    *(only(of_topic("orders.order-placed-v2", "orders/checkout"), "Produce", "Fetch", "Metadata")),
    *(only(of_topic("orders.order-placed", "orders/check"), "Produce", "Fetch", "Metadata")),
    *(only(of_topic("orders.order-placed", "orders-x/checkout"), "Produce", "Fetch", "Metadata")),
    *(only(of_topic("orders-x.order-placed", "orders/checkout"), "Produce", "Fetch", "Metadata")),
    # granted, and no more than that
    *only(of_topic("orders.order-placed", "billing/invoicing"), "Produce", *OWN),
    *only(of_topic("orders.order-placed", "billing/reports"), "Produce", *OWN),
    *only(of_topic("orders.order-placed", "orders/checkout"), "Fetch", *OWN),
    *only(of_group("billing/reports", "billing/reports"), "JoinGroup", "OffsetCommit", "DescribeGroups"),
    *only(of_topic("orders.order-placed-v2", "growth/people"), "Produce", *OWN),
    *only(of_group("growth/people", "growth/people"), "JoinGroup", "OffsetCommit", "DescribeGroups"),
    *only(of_transaction("billing/audit/one", "billing/audit"), "InitProducerId"),
    *only(of_transaction("busline.apply"), "InitProducerId"),
    Attack(what="becomes an idempotent producer", api="InitProducerId", code=CLUSTER, who="billing/reports",
           body={"transactional_id": None, "transaction_timeout_ms": 60_000}),
]  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_is_refused_and_changes_nothing(company: Any, attack: Attack) -> None:
    with company.raw(attack.who) as raw:
        answer = raw.ask(attack.api, **attack.body)
    assert codes(answer) - {0} == {attack.code}, answer
    company.assert_unchanged()


def text(value: str) -> bytes:
    """A compact string (KIP-482); so are arrays and counts: one more than the length."""
    return bytes([len(value) + 1]) + value.encode()


def number(value: int, size: int = 4) -> bytes:
    return value.to_bytes(size, "big", signed=True)


NONE, END, MEMBER = b"\0", b"\0", text("member-of-mine-1234567")
WHOSE, TOPICS = text("billing/invoicing"), b"\2" + text("orders.order-placed")
TOKENS_DISABLED, NO_TOKEN = 61, 65
SHARED = WHOSE + b"\2" + bytes(16) + b"\2" + number(0)
"""A group, a topic's id, a partition: whose state of a share group (KIP-932)."""


class RawAttack(NamedTuple):
    """A request without a schema in kafka-python. at: where in the answer the code stands."""

    what: str
    api: int
    version: int
    body: bytes
    at: int = 4
    code: int = GROUP

    def __str__(self) -> str:
        return self.what.replace(" ", "-")


IN_A_GROUP = 4 + 1
"""Behind the throttle time and the count of groups."""
IN_A_PARTITION = 1 + 16 + 1 + 4
RAW_ATTACKS = [
    RawAttack("joins a group by the newer protocol", 68, 1,
              WHOSE + MEMBER + number(0) + NONE + NONE + number(10_000) + TOPICS + NONE + NONE + b"\1" + END),
    RawAttack("joins its own group for another's topic by the newer protocol", 68, 1,
              text(THIEF) + MEMBER + number(0) + NONE + NONE + number(10_000) + TOPICS + NONE + NONE + b"\1" + END,
              code=TOPIC),
    RawAttack("describes a group by the newer protocol", 69, 1, b"\2" + WHOSE + b"\0" + END, IN_A_GROUP),
    RawAttack("joins as a share group", 76, 1, WHOSE + MEMBER + number(0) + NONE + TOPICS + END),
    RawAttack("describes a share group", 77, 1, b"\2" + WHOSE + b"\0" + END, IN_A_GROUP),
    RawAttack("fetches as a share group", 78, 1, WHOSE + text("AAAAAAAAAAAAAAAAAAAAAA") + number(0) + number(100)
              + number(0) + number(1 << 20) + number(10) + number(10) + b"\1" + b"\1" + END),
    RawAttack("acknowledges for a share group", 79, 1,
              WHOSE + text("AAAAAAAAAAAAAAAAAAAAAA") + number(1) + b"\1" + END),
    RawAttack("joins as a streams group", 88, 0, WHOSE + MEMBER + number(0) + number(0) + NONE + NONE + number(10_000)
              + b"\xff" + NONE * 4 + b"\xff" + NONE * 3 + b"\0" + END),
    RawAttack("describes a streams group", 89, 0, b"\2" + WHOSE + b"\0" + END, IN_A_GROUP),
    RawAttack("lists a share group's positions", 90, 0, b"\2" + WHOSE + b"\0" + END + END, 4 + 1 + len(WHOSE) + 1),
    RawAttack("alters a share group's positions", 91, 0, WHOSE + b"\1" + END),
    RawAttack("deletes a share group's positions", 92, 0, WHOSE + b"\1" + END),
    RawAttack("begins a share group's state", 83, 0, SHARED + number(0) + number(0, 8) + END * 3,
              IN_A_PARTITION, CLUSTER),
    RawAttack("reads a share group's state", 84, 0, SHARED + number(0) + END * 3, IN_A_PARTITION, CLUSTER),
    RawAttack("writes a share group's state", 85, 0, SHARED + number(0) + number(0) + number(0, 8) + b"\1" + END * 3,
              IN_A_PARTITION, CLUSTER),
    RawAttack("deletes a share group's state", 86, 0, SHARED + END * 3, IN_A_PARTITION, CLUSTER),
    RawAttack("sums a share group's state up", 87, 0, SHARED + number(0) + END * 3, IN_A_PARTITION, CLUSTER),
    RawAttack("adds a controller", 80, 0, NONE + number(1000) + number(9) + bytes(16) + b"\1" + END, code=CLUSTER),
    RawAttack("removes a controller", 81, 0, NONE + number(1) + bytes(16) + END, code=CLUSTER),
    RawAttack("removes a broker", 64, 0, number(1) + END, code=CLUSTER),
    RawAttack("makes a token for another", 38, 3, text("User") + text("orders/checkout") + b"\1" + number(-1, 8) + END,
              0, NO_TOKEN),
    RawAttack("makes a token for itself", 38, 3, NONE + NONE + b"\1" + number(-1, 8) + END, 0, TOKENS_DISABLED),
    RawAttack("renews a token", 39, 2, text("token") + number(1000, 8) + END, 0, TOKENS_DISABLED),
    RawAttack("ends a token", 40, 2, text("token") + number(-1, 8) + END, 0, TOKENS_DISABLED),
    RawAttack("lists tokens", 41, 2, NONE + END, 0, TOKENS_DISABLED),
]  # fmt: skip


@pytest.mark.parametrize("attack", RAW_ATTACKS, ids=str)
def test_is_refused_by_newer_requests_too(company: Any, attack: RawAttack) -> None:
    with company.raw(THIEF) as raw:
        answer = raw.ask_bytes(attack.api, attack.version, attack.body)
    assert int.from_bytes(answer[attack.at : attack.at + 2], "big", signed=True) == attack.code, answer
    company.assert_unchanged()


HARMLESS = {
    "ApiVersions": "which requests there are",
    "SaslHandshake": "logs in",
    "SaslAuthenticate": "logs in",
    "DescribeCluster": "the brokers' addresses, which who connects has to know",
    "ListGroups": "shows one's own alone, as the next test holds",
    "ListTransactions": "shows one's own alone, as the next test holds",
}


def test_every_request_that_the_broker_takes_is_tried_here(company: Any) -> None:
    with company.raw(THIEF) as raw:
        named = {raw.key(attack.api) for attack in ATTACKS} | {raw.key(api) for api in HARMLESS}
        assert raw.apis - named == {attack.api for attack in RAW_ATTACKS}


def test_lists_show_what_is_ones_own(company: Any) -> None:
    with company.raw(THIEF) as raw:
        topics = raw.ask("Metadata", topics=None, allow_auto_topic_creation=False)["topics"]
        groups, transactions = raw.ask("ListGroups")["groups"], raw.ask("ListTransactions", duration_filter=-1)
        brokers = raw.ask("DescribeCluster", include_cluster_authorized_operations=True)
    assert {topic["name"] for topic in topics} == {
        "growth.visit", "billing.invoice-sent", "busline.contracts", "busline.access-denied", "busline.dlq.growth.stats"
    }  # fmt: skip
    assert {group["group_id"] for group in groups} == {THIEF}
    assert transactions["transaction_states"] == []
    assert not brokers["authorized_operations"]


def test_topics_named_by_their_ids_are_no_way_in(company: Any) -> None:
    """Newer versions of requests name a topic by its id (KIP-516), which no one is told who may not describe it."""
    topics = company.root.ask("Metadata", version=13, topics=[{"name": "orders.order-placed", "topic_id": None}])
    identity = topics["topics"][0]["topic_id"]
    partition = {"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1 << 20}
    record = {"index": 0, "records": batch(b"forged")}
    position = {"partition_index": 0, "committed_offset": 0, "committed_metadata": ""}
    tried = [
        ("Metadata", 13, {"topics": [{"topic_id": identity, "name": None}]}),
        ("Fetch", 16, {"max_wait_ms": 0, "min_bytes": 0, "session_epoch": -1, "rack_id": "",
                       "topics": [{"topic_id": identity, "partitions": [partition]}], "forgotten_topics_data": []}),
        ("Produce", 13, {"transactional_id": None, "acks": -1, "timeout_ms": 10_000,
                         "topic_data": [{"topic_id": identity, "partition_data": [record]}]}),
        ("DeleteTopics", 6, {"topics": [{"name": None, "topic_id": identity}], "timeout_ms": 10_000}),
        ("OffsetCommit", 10, {"group_id": THIEF, "generation_id_or_member_epoch": -1, "member_id": "",
                              "topics": [{"topic_id": identity, "partitions": [position]}]}),
    ]  # fmt: skip
    with company.raw(THIEF) as raw:
        answers = {api: codes(raw.ask(api, version=version, **body)) - {0} for api, version, body in tried}
    assert answers == {api: {TOPIC} for api in answers}
    company.assert_unchanged()


def test_an_own_transaction_takes_nothing_of_anothers_in(company: Any) -> None:
    identity, foreign, group = f"{THIEF}/mine", "orders.order-placed", "billing/invoicing"
    with company.raw(THIEF) as raw:
        made = raw.ask("InitProducerId", transactional_id=identity, transaction_timeout_ms=60_000)
        assert codes(made) == {0}
        held = {"transactional_id": identity, **{name: made[name] for name in ("producer_id", "producer_epoch")}}
        before = {f"v3_and_below_{name}": value for name, value in held.items()}
        position = [{"partition_index": 0, "committed_offset": 0, "committed_metadata": ""}]
        added = raw.ask("AddPartitionsToTxn", **before, v3_and_below_topics=[{"name": foreign, "partitions": [0]}])
        assert codes(added) == {TOPIC}
        assert codes(raw.ask("AddOffsetsToTxn", **held, group_id=group)) == {GROUP}
        for whose, topic, code in ((group, "growth.visit", GROUP), (THIEF, foreign, TOPIC)):
            commit = {"group_id": whose, "topics": [{"name": topic, "partitions": position}]}
            assert codes(raw.ask("TxnOffsetCommit", **held, **commit)) == {code}
        data = batch(b"forged", producer=(made["producer_id"], made["producer_epoch"]), sequence=0, transactional=True)
        sent = [{"name": foreign, "partition_data": [{"index": 0, "records": data}]}]
        answer = raw.ask("Produce", transactional_id=identity, acks=-1, timeout_ms=10_000, topic_data=sent)
        assert codes(answer) == {TOPIC}
    company.assert_unchanged()
