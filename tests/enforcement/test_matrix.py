"""What a raw client can do is what `access.decide` says: for every principal, contract and action, both ways.

Two states of a made-up workspace one after the other, applied by busline; then every service and every team's people
try everything, with their real credentials, on all topics, groups and transactional ids of the workspace.

Kafka cannot tie a group to a topic: who may read a topic can read it as a member of any group of its own. So a service
that subscribes to A and only reads B can read B in its group; what is exactly true, and tried, is that the group can be
used by whom subscribes to anything.
"""

import asyncio
import datetime as dt
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from busline.contract.access import decide
from busline.contract.model import (
    EVERYONE,
    Action,
    Audience,
    Contract,
    Deprecation,
    Grant,
    Publication,
    ServiceSpec,
    Storage,
    Subscription,
    TeamSpec,
    Version,
)  # fmt: skip
from busline.contract.schema import parse
from busline.governance.apply import apply
from busline.governance.plan import Goal, plan_changes
from busline.names import CONTRACT_LOG, PEOPLE, ContractName, Service, Team
from scripts.raw_kafka import RawKafka, batch

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

READ, WRITE, DESCRIBE = 3, 4, 8
"""Operations, as answers name them."""
WELL, REFUSED_TOPIC, REFUSED_GROUP, REFUSED_TRANSACTION = 0, 29, 30, 53
TODAY = dt.date(2026, 11, 24)
BEFORE, AFTER = TODAY - dt.timedelta(days=1), TODAY + dt.timedelta(days=1)
STREAMS, NAMES = ("order", "order-placed"), ("shop", "shop-2", "sho")
SCHEMA = parse('{"type": "record", "name": "Thing", "fields": [{"name": "id", "type": "string"}]}')
SUNSETS = (None, None, BEFORE, AFTER)
number = itertools.count()


@dataclass(frozen=True, kw_only=True, repr=False)
class State:
    """A workspace's values. Shown in short: the notes of what fails say the rest."""

    contracts: Mapping[ContractName, Contract]
    services: Mapping[Service, ServiceSpec]
    teams: Mapping[Team, TeamSpec]

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(f"<{', '.join(self.services)}>")

    @property
    def goal(self) -> Goal:
        return Goal(contracts=self.contracts, services=self.services, teams=self.teams, enforce="deny", today=TODAY)

    @property
    def principals(self) -> list[Service]:
        return [*self.services, *(Service(f"{team}/{PEOPLE}") for team in self.teams)]

    def may(self, who: Service, action: Action, name: ContractName) -> bool:
        """A team without `people` has no user for its persons: they may nothing, whoever they are."""
        if who.is_people and not self.teams[who.team].people:
            return False
        declared = self.services.get(who)
        decision = decide(service=who, action=action, contract=self.contracts[name], declared=declared, today=TODAY)
        return decision.allowed

    def subscribes(self, who: Service) -> bool:
        return any(self.may(who, Action.SUBSCRIBE, name) for name in self.contracts)

    def uses(self, who: Service) -> bool:
        return any(self.may(who, action, name) for action in Action for name in self.contracts)

    def operations(self, who: Service) -> dict[str, set[int]]:
        """Of every topic, what `decide` says that this one may."""
        found: dict[str, set[int]] = {CONTRACT_LOG: {READ} if self.uses(who) else set()}
        for name, contract in self.contracts.items():
            found[contract.topic] = {READ} if self.may(who, Action.READ, name) else set()
            if self.may(who, Action.SUBSCRIBE, name):
                found[contract.topic].add(READ)
            if self.may(who, Action.PUBLISH, name):
                found[contract.topic].add(WRITE)
        for service in self.services:
            if self.subscribes(service):
                found[service.dead_letters] = {READ, WRITE} if service == who else set()
        return found


def some(draw: Any, of: list[Any]) -> list[Any]:
    return [one for one in of if draw(st.booleans())]


def made_contract(draw: Any, name: ContractName, who: list[str], *, retired: bool) -> Contract:
    grants = [Grant(to=to, read_only=draw(st.booleans())) for to in some(draw, who)]
    sunset = BEFORE if retired else draw(st.sampled_from(SUNSETS))
    return Contract(
        name=name, key=("id",), versions=(Version(number=1, schema=SCHEMA),), grants=tuple(grants),
        audience=draw(st.sampled_from([Audience.TEAM, Audience.COMPANY, Audience.COMPANY, Audience.PUBLIC])),
        storage=Storage(partitions=1), retired=BEFORE if retired else None,
        deprecation=Deprecation(since=BEFORE, sunset=sunset) if sunset else None,
    )  # fmt: skip


def made_service(draw: Any, name: Service, contracts: Mapping[ContractName, Contract]) -> ServiceSpec:
    """It may declare what nobody grants it; only of what is retired nobody may be a reader any more."""
    readable = [one for one, contract in contracts.items() if not contract.retired]
    return ServiceSpec(
        name=name,
        publishes=tuple(Publication(contract=one, version=1) for one in some(draw, list(contracts))),
        subscribes=tuple(Subscription(contract=one, version=1) for one in some(draw, readable)),
        reads=tuple(some(draw, readable)),
        transactional=draw(st.booleans()),
    )


@st.composite
def two_states(draw: Any) -> tuple[State, State]:
    """Over the same names; those of teams, services and streams begin alike."""
    word = f"m{next(number)}"
    teams = [Team(word), Team(f"{word}-x"), Team(f"{word}x")]
    names = [ContractName(f"{team}.{stream}") for team in teams for stream in STREAMS]
    services = [Service(f"{team}/{name}") for team in teams for name in NAMES]
    who = [EVERYONE, *teams, *services, *(f"{team}/{PEOPLE}" for team in teams)]

    over = draw(st.sampled_from([None, *names]))  # in both: who reads it has to leave first

    def state() -> State:
        contracts = {name: made_contract(draw, name, who, retired=name == over) for name in names}
        return State(
            contracts=contracts,
            services={name: made_service(draw, name, contracts) for name in services},
            teams={team: TeamSpec(name=team, people=draw(st.booleans())) for team in teams},
        )

    return state(), state()


@settings(max_examples=5, deadline=None, phases=[Phase.explicit, Phase.generate],
          suppress_health_check=list(HealthCheck))  # fmt: skip
@given(states=two_states())
def test_a_raw_client_can_do_what_decide_says_and_nothing_else(company: Any, states: tuple[State, State]) -> None:
    for state in states:
        asyncio.run(brought(company, state))
        there = company.users()
        for who in state.principals:
            note(f"as {who}, {state.services.get(who)}")
            if who in there:
                with company.raw(who) as raw:
                    compare(raw, who, state)
            else:
                assert not state.uses(who)


async def brought(company: Any, state: State) -> None:
    async with company.engine() as engine:
        await apply(await plan_changes(state.goal, engine), engine, secrets=company.secrets)
        assert (await plan_changes(state.goal, engine)).is_empty


def compare(raw: RawKafka, who: Service, state: State) -> None:
    wanted = state.operations(who)
    assert described(raw, wanted) == {topic: with_describe(operations) for topic, operations in wanted.items()}
    assert produced(raw, [t for t in wanted if t != CONTRACT_LOG]) == {
        topic for topic, operations in wanted.items() if WRITE in operations
    }
    readable = {topic for topic, operations in wanted.items() if READ in operations}
    assert fetched(raw, list(wanted)) == readable
    own = [who, f"{who}/second", f"{who}/~dlq"]
    for group in own:
        assert committed(raw, group, list(wanted)) == (readable if state.subscribes(who) else None)
    joined = own if state.subscribes(who) else []
    reads = any(state.may(who, Action.READ, name) for name in state.contracts)
    noted = [f"{who}/~read"] if (reads and not who.is_people) or joined else []
    names = [name for one in state.principals for name in (one, f"{one}/second", f"{one}/~dlq", f"{one}/~read")]
    assert groups(raw, names) == {*joined, *noted}
    transactional = who in state.services and state.services[who].transactional
    assert transactions(raw, [f"{one}/one" for one in state.principals]) == ({f"{who}/one"} if transactional else set())


def with_describe(operations: set[int]) -> set[int]:
    return operations | {DESCRIBE} if operations else operations


def described(raw: RawKafka, topics: Mapping[str, Any]) -> dict[str, set[int]]:
    answer = raw.ask("Metadata", topics=[{"name": topic} for topic in topics], allow_auto_topic_creation=False,
                     include_topic_authorized_operations=True)["topics"]  # fmt: skip
    assert {one["error_code"] for one in answer} <= {WELL, REFUSED_TOPIC}
    return {one["name"]: set(one["authorized_operations"] or ()) for one in answer}


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
