"""ACLs, users and quotas on their way to Kafka and back, and the barrier over brokers that answer as they are told."""

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.errors import KafkaConnectionError, KafkaTimeoutError

from busline.errors import NotAuthorized, NotInForce, TransportError
from busline.transport.guard import MECHANISMS, Acl, Credential, Quota, QuotaEntity, Resource
from busline.transport.kafka import guard, in_force, users
from busline.transport.kafka.admin_client import check, portions

WORDS = st.text(min_size=1, max_size=20)
ACLS = st.builds(
    Acl,
    principal=WORDS.map("User:{}".format),
    resource=st.sampled_from(Resource),
    name=WORDS,
    operation=st.sampled_from([*guard.OPERATIONS, "operation-77"]),
    prefixed=st.booleans(),
    allow=st.booleans(),
    host=st.sampled_from(["*", "10.0.0.1"]),
)


def answer(acls: Iterable[Acl]) -> Any:
    """A DescribeAclsResponse, one resource an ACL."""
    resources = []
    for creation in map(guard._creation, acls):
        one = SimpleNamespace(
            principal=creation.principal, host=creation.host, operation=creation.operation,
            permission_type=creation.permission_type,
        )  # fmt: skip
        resources.append(
            SimpleNamespace(
                resource_type=creation.resource_type, resource_name=creation.resource_name,
                pattern_type=creation.resource_pattern_type, acls=[one],
            )
        )  # fmt: skip
    return SimpleNamespace(error_code=0, error_message=None, resources=resources)


@given(st.frozensets(ACLS, max_size=5))
def test_an_acl_comes_back_as_it_went(acls: frozenset[Acl]) -> None:
    assert guard.acls_in(answer(acls), where="here") == acls


@given(ACLS)
def test_a_filter_names_everything_that_tells_an_acl_from_others(acl: Acl) -> None:
    exactly, created = guard._exactly(acl), guard._creation(acl)
    assert exactly.resource_type_filter == created.resource_type
    assert exactly.resource_name_filter == created.resource_name
    assert exactly.pattern_type_filter == created.resource_pattern_type
    assert (exactly.principal_filter, exactly.host_filter) == (created.principal, created.host)
    assert (exactly.operation, exactly.permission_type) == (created.operation, created.permission_type)
    wild = {guard.ANY, 2}  # of pattern types: any, match
    assert exactly.pattern_type_filter not in wild
    assert guard.ANY not in (exactly.resource_type_filter, exactly.operation, exactly.permission_type)


def test_a_kind_of_resource_that_is_new_is_not_passed_over() -> None:
    strange = answer([Acl("User:a", Resource.TOPIC, "t", "read")])
    strange.resources[0].resource_type = 99
    with pytest.raises(TransportError, match="99"):
        guard.acls_in(strange, where="here")


def test_a_refusal_says_which_right_is_missing_and_not_kafkas_dump() -> None:
    refused = SimpleNamespace(error_code=31, error_message="Request Request(processor=3, session=org.apache…")
    with pytest.raises(NotAuthorized, match="needs ALTER on the cluster") as caught:
        check(refused, "User:a may read topic t", "ALTER")
    assert "processor" not in str(caught.value)
    with pytest.raises(TransportError, match="not now"):
        check(SimpleNamespace(error_code=42, error_message="not now"), "x", "ALTER")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers())))
def test_a_user_is_changed_once_a_request_and_in_order(changes: list[tuple[str, int]]) -> None:
    turns = list(users._turns([(user, (user, number)) for user, number in changes]))
    for turn in turns:
        assert len({user for user, _ in turn}) == len(turn)
    for user in "abc":
        assert [n for turn in turns for u, n in turn if u == user] == [n for u, n in changes if u == user]


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_secret_is_hashed_and_salted_anew_each_time(mechanism: Any) -> None:
    one, other = (users._upsertion(Credential(user="u", secret="hidden", mechanism=mechanism)) for _ in range(2))
    assert one.salt != other.salt
    assert one.salted_password != other.salted_password
    assert len(one.salted_password) == {"SCRAM-SHA-256": 32, "SCRAM-SHA-512": 64}[mechanism]
    assert one.iterations >= 4096, "Kafka takes no fewer"
    assert b"hidden" not in one.salted_password


def test_a_quota_without_a_bound_is_removed() -> None:
    entry = users._quota("a/b", Quota(publish=1000))
    assert [(op.key, op.remove) for op in entry.ops] == [("producer_byte_rate", False), ("consumer_byte_rate", True)]
    assert [(part.entity_type, part.entity_name) for part in entry.entity] == [("user", "a/b")]


def test_an_entity_tells_the_default_from_what_is_not_looked_at() -> None:
    def part(kind: str, name: str | None) -> Any:
        return SimpleNamespace(entity_type=kind, entity_name=name)

    assert users._entity([part("user", "a/b")]) == QuotaEntity(user="a/b")
    assert users._entity([part("user", None)]) == QuotaEntity(user="")
    assert users._entity([part("user", "a"), part("client-id", None)]) == QuotaEntity(user="a", client="")
    assert users._entity([part("ip", "10.0.0.1")]) == QuotaEntity(ip="10.0.0.1")


@given(st.lists(st.integers(), max_size=1200))
def test_portions_are_all_there_is_in_order(items: list[int]) -> None:
    assert [one for some in portions(items) for one in some] == items
    assert all(0 < len(some) <= 500 for some in portions(items))


class Cluster:
    """Brokers as kafka-python's client sees them. steps: by broker, what it answers round after round: None (it has the
    change), a line (it has not), or an exception. alive: by broker, which brokers it takes for unfenced."""

    def __init__(self, steps: dict[int, list[Any]], alive: dict[int, Callable[[], set[int]]]) -> None:
        self.steps, self.alive = steps, alive
        self.known = set(steps)
        self.asked: list[int] = []
        self._manager = self.cluster = self

    def brokers(self) -> list[Any]:
        return [SimpleNamespace(node_id=broker) for broker in self.known]

    def update_metadata(self, answer: Any) -> None:
        self.known = {one.node_id for one in answer.brokers}

    def send(self, request: Any, broker: int) -> Any:
        if not isinstance(request, str):  # metadata
            if isinstance(self.steps[broker][0], Exception):
                return self.steps[broker][0]
            return SimpleNamespace(brokers=[SimpleNamespace(node_id=one) for one in self.alive[broker]()])
        self.asked.append(broker)
        steps = self.steps[broker]
        step = steps.pop(0) if len(steps) > 1 else steps[0]
        return step if isinstance(step, Exception) else SimpleNamespace(lacks=step)

    async def wait_for(self, future: Any, timeout_ms: int) -> Any:
        if isinstance(future, Exception):
            raise future
        return future

    def run(self, coroutine: Callable[[], Any]) -> Any:
        running = coroutine()
        with pytest.raises(StopIteration) as done:
            running.send(None)
        return done.value.value

    def wait(self, within: float = 60.0) -> None:
        in_force.wait_until_in_force(self, lambda: "acls", lambda answer, _: answer.lacks, within)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_force, "PAUSE", 0.0)


def all_alive(*brokers: int) -> dict[int, Callable[[], set[int]]]:
    return dict.fromkeys(brokers, lambda: {*brokers})


def test_each_broker_is_asked_until_it_has_the_change_and_then_no_more() -> None:
    cluster = Cluster({1: [None], 2: ["still", "still", None], 3: ["still", None]}, all_alive(1, 2, 3))
    cluster.wait()
    assert sorted(cluster.asked) == [1, 2, 2, 2, 3, 3]


def test_brokers_that_lag_are_named_with_what_they_say() -> None:
    cluster = Cluster({1: [None], 2: ["broker 2 still has: x"], 3: [KafkaTimeoutError("slow")]}, all_alive(1, 2, 3))
    with pytest.raises(NotInForce) as caught:
        cluster.wait(0.0)
    assert caught.value.conflicts[0] == "broker 2 still has: x"
    assert "broker 3 does not answer" in caught.value.conflicts[1]
    assert len(caught.value.conflicts) == 2


def test_a_broker_that_is_fenced_meanwhile_is_waited_for_no_more() -> None:
    gone: list[int] = []
    cluster = Cluster(
        {1: [None], 2: [KafkaConnectionError("refused")]}, dict.fromkeys((1, 2), lambda: {1, 2} - {*gone})
    )
    original = cluster.send

    def send(request: Any, broker: int) -> Any:
        if cluster.asked.count(2) == 3:
            gone.append(2)
        return original(request, broker)

    cluster.send = send  # type: ignore[method-assign]
    cluster.wait()
    assert cluster.asked.count(2) >= 3


def test_only_who_has_the_change_knows_who_else_must_have_it() -> None:
    """Broker 1 lags, and does not know yet that broker 2 is back; 2 lags more. Neither is passed over."""
    seen = iter([{1}, {1}])
    cluster = Cluster(
        {1: ["still", None], 2: ["still", "still", None]}, {1: lambda: next(seen, {1, 2}), 2: lambda: {1, 2}}
    )
    cluster.known = {1}
    cluster.wait()
    assert cluster.asked.count(2) == 3


def test_nobody_who_answers_is_no_success() -> None:
    cluster = Cluster({1: [KafkaTimeoutError("slow")]}, all_alive(1))
    with pytest.raises(NotInForce, match="does not answer"):
        cluster.wait(0.0)
