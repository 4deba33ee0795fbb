"""What a raw client can do is what `access.decide` says: for every principal, contract and action, both ways.

Two states of a made-up workspace one after the other, applied by busline; then every service and every team's people
try everything, with their real credentials, on all topics, groups and transactional ids of the workspace.

Kafka cannot tie a group to a topic: who may read a topic can read it as a member of any group of its own. So a service
that subscribes to A and only reads B can read B in its group; what is exactly true, and tried, is that the group can be
used by whom subscribes to anything.
"""

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings

from busline.governance.apply.apply import apply
from busline.governance.plan.plan import Goal, plan_changes
from busline.names import CONTRACT_LOG, Service
from busline.testing.access_states import READ, TODAY, WRITE, AccessState, access_states
from scripts.raw_kafka import RawKafka, batch

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(600)]

OPERATIONS = {3: READ, 4: WRITE, 8: "describe"}
"""As answers name them; describing comes with either of the others."""
WELL, REFUSED_TOPIC, REFUSED_GROUP, REFUSED_TRANSACTION = 0, 29, 30, 53


@settings(max_examples=4, deadline=None, phases=[Phase.explicit, Phase.generate],
          suppress_health_check=list(HealthCheck))  # fmt: skip
@given(states=access_states(2))
def test_a_raw_client_can_do_what_decide_says_and_nothing_else(company: Any, states: tuple[AccessState, ...]) -> None:
    for state in states:
        asyncio.run(brought(company, state))
        there = company.users()
        for who in state.principals:
            note(f"as {who}, {state.services.get(who)}")
            if who in there:
                with company.raw(who) as raw:
                    compare(raw, who, state)
            else:
                assert not any(state.topics(who).values())


async def brought(company: Any, state: AccessState) -> None:
    goal = Goal(contracts=state.contracts, services=state.services, teams=state.teams, enforce="deny", today=TODAY)
    async with company.engine() as engine:
        await apply(await plan_changes(goal, engine), engine, secrets=company.secrets)
        assert (await plan_changes(goal, engine)).is_empty


def compare(raw: RawKafka, who: Service, state: AccessState) -> None:
    wanted = state.topics(who)
    topics = list(wanted)
    readable = {topic for topic, operations in wanted.items() if READ in operations}
    assert described(raw, topics) == {topic: {*may, *(["describe"] if may else [])} for topic, may in wanted.items()}
    assert fetched(raw, topics) == readable
    writable = [topic for topic in topics if topic != CONTRACT_LOG]  # there are records of ours in it
    assert produced(raw, writable) == {topic for topic in writable if WRITE in wanted[topic]}
    own = state.groups(who)
    for group in (who, f"{who}/second", f"{who}/~dlq", f"{who}/~read"):
        assert committed(raw, group, topics) == (readable if group in own else None)
    names = [name for one in state.principals for name in (one, *(f"{one}/{n}" for n in ("second", "~dlq", "~read")))]
    assert groups(raw, names) == own
    assert transactions(raw, [f"{one}/one" for one in state.principals]) == state.transactions(who)


def described(raw: RawKafka, topics: list[str]) -> dict[str, set[str]]:
    answer = raw.ask("Metadata", topics=[{"name": topic} for topic in topics], allow_auto_topic_creation=False,
                     include_topic_authorized_operations=True)["topics"]  # fmt: skip
    assert {one["error_code"] for one in answer} <= {WELL, REFUSED_TOPIC}
    return {one["name"]: {OPERATIONS[each] for each in one["authorized_operations"] or ()} for one in answer}


def produced(raw: RawKafka, topics: list[str]) -> set[str]:
    answer = raw.ask("Produce", transactional_id=None, acks=-1, timeout_ms=10_000, topic_data=[
        {"name": topic, "partition_data": [{"index": 0, "records": batch(b"tried")}]} for topic in topics
    ])["responses"]  # fmt: skip
    return allowed((one["name"], part["error_code"]) for one in answer for part in one["partition_responses"])


def fetched(raw: RawKafka, topics: list[str]) -> set[str]:
    answer = raw.ask("Fetch", max_wait_ms=0, min_bytes=0, max_bytes=1, isolation_level=0, topics=[
        {"topic": topic, "partitions": [{"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1}]}
        for topic in topics
    ])["responses"]  # fmt: skip
    return allowed((one["topic"], part["error_code"]) for one in answer for part in one["partitions"])


def committed(raw: RawKafka, group: str, topics: list[str]) -> set[str] | None:
    """To which topics' partitions the group's position could be set; None: this one may not use the group."""
    answer = raw.ask("OffsetCommit", group_id=group, generation_id_or_member_epoch=-1, member_id="", topics=[
        {"name": topic, "partitions": [{"partition_index": 0, "committed_offset": 0, "committed_metadata": ""}]}
        for topic in topics
    ])["topics"]  # fmt: skip
    codes = {one["name"]: one["partitions"][0]["error_code"] for one in answer}
    return None if set(codes.values()) == {REFUSED_GROUP} else allowed(codes.items())


def groups(raw: RawKafka, names: list[str]) -> set[str]:
    """Whose positions it sees; asked for `~read`, `~dlq` and others of every principal."""
    answer = raw.ask("OffsetFetch", require_stable=False, groups=[{"group_id": one, "topics": None} for one in names])
    return allowed(((one["group_id"], one["error_code"]) for one in answer["groups"]), REFUSED_GROUP)


def transactions(raw: RawKafka, names: list[str]) -> set[str]:
    """Which transactional ids it can take."""
    answers = [(one, raw.ask("InitProducerId", transactional_id=one, transaction_timeout_ms=60_000)) for one in names]
    return allowed(((one, answer["error_code"]) for one, answer in answers), REFUSED_TRANSACTION)


def allowed(answers: Any, refused: int = REFUSED_TOPIC) -> set[str]:
    """The broker's answer is one of two: nothing else is said, and nothing is done halfway."""
    found = dict(answers)
    assert set(found.values()) <= {WELL, refused}, found
    return {name for name, code in found.items() if code == WELL}
