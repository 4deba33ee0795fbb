"""`busline adopt`: what is on a real cluster already becomes contracts, and nothing that runs there changes."""

import asyncio
import datetime as dt
import http.client
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from busline.cli.declare import write_files
from busline.cli.main import run
from busline.codec.codec import Codec
from busline.codec.framing import frame_registry
from busline.contract.model import Contract, Kind
from busline.contract.workspace import Workspace
from busline.governance.adopt.adoption import Adoption, Asked, adopt
from busline.governance.adopt.left import Reason
from busline.governance.adopt.live import Live, read_live
from busline.governance.adopt.owners import owners_of
from busline.governance.plan.plan import Plan, plan_changes
from busline.governance.registry.registry import Registry
from busline.governance.state.goal import Goal
from busline.governance.state.rights import wanted_access
from busline.names import Service
from busline.record import Position, Record, TopicPartition
from busline.transport.guard import Acl, Credential, Quota, Resource
from busline.transport.kafka.engine import KafkaTransport
from busline.transport.resolve import resolve

pytestmark = [pytest.mark.kafka, pytest.mark.registry, pytest.mark.timeout(400)]  # two servers of its own
MANY = 1_100
TODAY = dt.date(2026, 11, 24)
JSON_SCHEMA = '{"$schema": "http://json-schema.org/draft-07/schema#", "title": "Thing", "type": "object"}'
OWNERS = """\
"ord[._-]*": orders
"ORD[._-]*": orders
"[0-9]*_invoices*": billing
"[Bb]illing*": billing
"ship*": shipping
"stock*": stock
"user:*-orders*": orders
"""


def record(name: str, *fields: str, **more: object) -> str:
    made = [{"name": field, "type": "string", "doc": f"The {field}."} for field in fields]
    return json.dumps({"type": "record", "name": name, "namespace": "com.acme", "fields": made, **more})


class Company:
    """A company with an old Kafka: 300 topics, none of them named as busline would, each with its own settings."""

    def __init__(self) -> None:
        self.topics: dict[str, dict[str, str]] = {}
        self.partitions: dict[str, int] = {}
        self.subjects: dict[str, list[str]] = {}
        self.kinds: dict[str, str] = {}
        self.levels: dict[str, str] = {}
        self.acls: set[Acl] = set()
        self.users: set[str] = set()
        self.positions: dict[str, list[str]] = {}
        self.records: dict[str, list[tuple[str, dict[str, str]]]] = {}
        self.strange: set[str] = set()

    def stream(self, topic: str, *versions: str, key: str | None = None, partitions: int = 1, **configs: str) -> None:
        self.topic(topic, partitions=partitions, **configs)
        self.subjects[f"{topic}-value"] = list(versions) or [record("Happened", "id", "what")]
        if key is not None:
            self.subjects[f"{topic}-key"] = [key]

    def topic(self, topic: str, *, partitions: int = 1, **configs: str) -> None:
        self.topics[topic] = {name.replace("_", "."): value for name, value in configs.items()}
        self.partitions[topic] = partitions

    def user(self, name: str, *, writes: tuple[str, ...] = (), reads: tuple[str, ...] = (),
             groups: tuple[str, ...] = ()) -> None:  # fmt: skip
        self.users.add(name)
        who = f"User:{name}"
        self.acls |= {Acl(who, Resource.TOPIC, topic, "write") for topic in writes}
        self.acls |= {Acl(who, Resource.TOPIC, topic, "read") for topic in reads}
        self.acls |= {Acl(who, Resource.GROUP, group, "read") for group in groups}

    def group(self, name: str, *topics: str) -> None:
        self.positions[name] = list(topics)


def old_company() -> Company:
    made = Company()
    for n in range(60):
        versions = [record("Placed", "id", "what"), record("Placed", "id", "what", "who")][: 1 + n % 2]
        made.stream(f"ord.OrderPlaced.v{n}", *versions, retention_ms=str(86_400_000 + n))
        made.stream(f"ORD_ITEM_{n:03}", max_message_bytes=str(200_000 + n))
        made.stream(f"2019_invoices_{n}", message_timestamp_type="LogAppendTime")
    for n in range(31):
        made.stream(f"Billing.Invoice_{n}", retention_ms="-1")
        made.stream(f"billing-Invoice-{n}", retention_ms="9223372036854775807")
        made.stream(f"shipping.parcelTracked{n}", partitions=1 + n % 3)
    for n in range(8):
        key = record("StockKey", "sku")
        level = record("Level", "sku", "count")
        made.stream(f"stock-level-{n}", level, key=key, cleanup_policy="compact")
    made.stream("ship." + "very-long-" * 20 + "name")
    made.stream("ship." + "very-long-" * 20 + "game")
    made.stream("stock_l1")
    made.stream("stock_ll")
    made.stream("stock-nokey", cleanup_policy="compact")
    made.stream("stock-both", key=record("K", "id"), cleanup_policy="compact,delete")
    made.stream("stock-money", json.dumps({
        "type": "record", "name": "Price", "fields": [{"name": "unitPrice", "type": "double"}],
    }))  # fmt: skip
    made.stream("ord.keyed", record("Keyed", "id", "what"))
    made.records["ord.keyed"] = [(f"o-{n}", {"id": f"o-{n}", "what": "placed"}) for n in range(6)]
    made.stream("stock.state", record("Held", "sku", "count"), cleanup_policy="compact")
    made.records["stock.state"] = [(f"s-{n}", {"sku": f"s-{n}", "count": f"{n}"}) for n in range(6)]
    made.stream("ord.strange")
    made.strange.add("ord.strange")
    made.stream("nobodys-topic")
    made.stream("ord-json")
    made.kinds["ord-json-value"], made.subjects["ord-json-value"] = "JSON", [JSON_SCHEMA]
    made.stream("ord-text", '"string"')
    made.topic("ord-raw")
    made.topic("ord-mixed")
    made.subjects["ord-mixed-com.acme.Mixed"] = [record("Mixed", "id")]
    made.subjects["com.acme.Anywhere"] = [record("Anywhere", "id")]
    made.subjects["gone-value"] = [record("Gone", "id")]
    for topic in ("connect-configs", "app-KSTREAM-AGGREGATE-0003-changelog", "heartbeats", "_schemas"):
        made.topic(topic)
    _people(made)
    made.levels = {"ord.OrderPlaced.v0-value": "FULL", "ORD_ITEM_000-value": "BACKWARD_TRANSITIVE"}
    return made


def _people(made: Company) -> None:
    made.user("svc-orders-checkout", writes=("ord.OrderPlaced.v0", "ORD_ITEM_000"))
    made.user("billing_Invoicer", writes=("Billing.Invoice_0",), reads=("ord.OrderPlaced.v0", "ORD_ITEM_001"),
              groups=("invoicer-prod",))  # fmt: skip
    made.group("invoicer-prod", "ord.OrderPlaced.v0")
    made.user("stock-reader", reads=("ORD_ITEM_000",))
    made.user("CN=ship,O=acme", writes=("shipping.parcelTracked0",))
    made.users.discard("CN=ship,O=acme")
    made.user("stock-writer", writes=("ord.OrderPlaced.v1",))
    made.user("mystery", writes=("ord.OrderPlaced.v2",))
    made.user("stock-idle")
    made.group("lost-group", "ord.OrderPlaced.v3")
    wide = "User:stock-wide"
    made.acls |= {
        Acl(wide, Resource.TOPIC, "ord.", "read", prefixed=True),
        Acl(wide, Resource.TOPIC, "*", "describe"),
        Acl("User:*", Resource.TOPIC, "ord.OrderPlaced.v4", "read"),
        Acl("User:stock-reader", Resource.TOPIC, "ORD_ITEM_002", "read", allow=False),
        Acl("User:stock-reader", Resource.TOPIC, "ORD_ITEM_003", "read", host="127.0.0.1"),
        Acl("User:stock-reader", Resource.TOPIC, "ORD_ITEM_004", "all"),
    }


async def set_up(company: Company, url: str, registry: str) -> None:
    await asyncio.gather(_cluster(company, url), _subjects(company, registry))
    await _publish(company, url, registry)


async def _cluster(company: Company, url: str) -> None:
    async with engine(url) as transport:
        await asyncio.to_thread(_topics, company, url)
        await transport.create_acls(company.acls)
        await transport.set_secrets([Credential(user=user, secret="secret-of-old") for user in sorted(company.users)])
        await transport.set_quotas({"stock-reader": Quota(publish=None, subscribe=1_000_000)})
        for group, topics in company.positions.items():
            await transport.mark(group, {TopicPartition(topic, 0): 0 for topic in topics}, "")


def _topics(company: Company, url: str) -> None:
    from kafka.admin import KafkaAdminClient

    client = KafkaAdminClient(bootstrap_servers=url.removeprefix("kafka://"))
    try:
        wanted: Any = {
            topic: {"num_partitions": company.partitions[topic], "replication_factor": 1, "configs": configs}
            for topic, configs in company.topics.items()
        }
        client.create_topics(wanted)
    finally:
        client.close()


async def _subjects(company: Company, url: str) -> None:
    """By plain HTTP, eight at a time: a client's own work counts at a thousand subjects."""
    shares = [[*company.subjects.items()][n::8] for n in range(8)]
    await asyncio.gather(*(asyncio.to_thread(_register, company, url, share) for share in shares))


def _register(company: Company, url: str, subjects: list[tuple[str, list[str]]]) -> None:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.netloc, timeout=60)

    def send(method: str, path: str, body: dict[str, str]) -> None:
        connection.request(method, address.path + path, json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status == 200, text

    try:
        for subject, versions in subjects:
            for text in versions:
                kind = company.kinds.get(subject, "AVRO")
                send("POST", f"/subjects/{subject}/versions", {"schema": text, "schemaType": kind})
            if level := company.levels.get(subject):
                send("PUT", f"/config/{subject}", {"compatibility": level})
    finally:
        connection.close()


async def _publish(company: Company, url: str, registry: str) -> None:
    records = [Record(topic, b"k", b"no Avro at all") for topic in company.strange]
    async with engine(url) as transport, Registry.at(registry) as asked:
        for topic, given in company.records.items():
            stored = await asked.stored(f"{topic}-value", 1)
            assert stored is not None
            codec = Codec(stored.text)
            records += [
                Record(topic, key.encode(), frame_registry(stored.id, codec.encode(value))) for key, value in given
            ]
        for outcome in await transport.publish(records):
            assert isinstance(outcome, Position), outcome


@asynccontextmanager
async def engine(url: str) -> AsyncIterator[KafkaTransport]:
    transport = resolve(url)
    assert isinstance(transport, KafkaTransport)
    await transport.start()
    try:
        yield transport
    finally:
        await transport.aclose()


@pytest.fixture(scope="module")
def node() -> Iterator[Any]:
    from scripts import kafka_server
    from scripts.processes import ServerUnavailable

    try:
        server = kafka_server.start(tied=True)
    except ServerUnavailable as error:
        pytest.skip(str(error))
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def subjects() -> Iterator[str]:
    from scripts import registry_server
    from scripts.processes import ServerUnavailable

    try:
        server = registry_server.start(tied=True)
    except ServerUnavailable as error:
        pytest.skip(str(error))
    try:
        yield server.url
    finally:
        server.stop()


@pytest.fixture(scope="module")
def company(node: Any, subjects: str) -> Company:
    made = old_company()
    asyncio.run(set_up(made, node.url, subjects))
    return made


@pytest.fixture(scope="module")
def live(company: Company, node: Any, subjects: str) -> Live:
    """Asked once: adopting itself asks nothing and changes nothing."""

    async def look() -> Live:
        async with engine(node.url) as transport, Registry.at(subjects) as registry:
            return await read_live(transport, registry)

    return asyncio.run(look())


@pytest.fixture
def folder(tmp_path: Path, node: Any, subjects: str) -> Path:
    return new_folder(tmp_path, node.url, subjects)


def new_folder(path: Path, url: str, registry: str) -> Path:
    (path / "schemas").mkdir(parents=True)
    (path / "owners.yaml").write_text(OWNERS)
    (path / "schemas" / "busline.yaml").write_text(
        f'company: acme\nenvironments:\n  prod: {{url: "{url}", registry: "{registry}"}}\n'
    )
    return path


class Adopted(NamedTuple):
    """What was said of it, and the workspace with the files."""

    what: Adoption
    workspace: Workspace

    def left(self, reason: Reason) -> dict[str, str]:
        return {one.about: one.why for one in self.what.left if one.reason is reason}

    @property
    def topics(self) -> dict[str, Contract]:
        return {contract.topic: contract for contract in self.workspace.contracts.values()}

    @property
    def rights(self) -> set[Acl]:
        w = self.workspace
        return {*wanted_access(w.contracts, w.services, w.teams, TODAY).acls}


def adopted(
    folder: Path, live: Live, owners: str = OWNERS, keys: Mapping[str, tuple[str, ...]] | None = None
) -> Adopted:
    path = folder / "schemas"
    asked = Asked(workspace=Workspace.load(path), owners=owners_of([], owners), today=TODAY, keys=keys or {})
    what = adopt(live, asked)
    write_files(path, what.files)
    return Adopted(what, Workspace.load(path))


def command(folder: Path, *more: str) -> int:
    said = ["adopt", "--env", "prod", "--into", str(folder / "schemas"), "--json"]
    return run([*said, "--owners", str(folder / "owners.yaml"), *more])


class State(NamedTuple):
    """What a cluster holds."""

    topics: dict[str, dict[str, str]]
    acls: frozenset[Acl]
    users: dict[str, Any]
    quotas: Any


async def state(url: str) -> State:
    async with engine(url) as transport:
        settings = await transport.topic_settings()
        return State(settings, await transport.acls(), await transport.users(), await transport.quotas())


async def planned(workspace: Workspace) -> Plan:
    env = workspace.environments["prod"]
    assert env.registry is not None
    goal = Goal(contracts=workspace.contracts, services=workspace.services, teams=workspace.teams)
    async with engine(env.url) as transport, Registry.at(env.registry) as registry:
        return await plan_changes(goal, transport, registry)


def test_three_hundred_odd_topics_become_contracts_as_they_are(folder: Path, live: Live, company: Company) -> None:
    made = adopted(folder, live)
    assert len(company.topics) >= 300
    assert len(made.workspace.contracts) == len(made.what.streams) > 280
    for contract in made.workspace.contracts.values():
        configs = company.topics[contract.topic]
        assert contract.storage.partitions == company.partitions[contract.topic]
        retention = int(configs.get("retention.ms", 604_800_000))
        if contract.kind is Kind.EVENT:
            assert contract.storage.retention == (None if retention < 0 else retention)
        assert contract.append_time == (configs.get("message.timestamp.type") == "LogAppendTime")
        assert contract.compatibility == company.levels.get(contract.subject, "NONE").lower().replace("_", "-")
        assert [json.loads(v.schema.text) for v in contract.versions] == [
            json.loads(text) for text in company.subjects[contract.subject]
        ]


def test_what_was_adopted_passes_check_and_the_plan_is_empty(folder: Path, live: Live) -> None:
    made = adopted(folder, live)
    assert run(["check", "--workspace", str(folder / "schemas")]) == 0
    plan = asyncio.run(planned(made.workspace))
    assert plan.changes == ()
    assert {change.about for change in plan.bookkeeping} > {str(name) for name in made.workspace.contracts}


def test_the_rights_that_contracts_give_are_those_that_were_there(folder: Path, live: Live, company: Company) -> None:
    made = adopted(folder, live)
    users = {service.user for service in made.workspace.services.values()}
    plain = {
        acl
        for acl in company.acls
        if acl.user in users and acl.allow and acl.host == "*" and acl.operation in ("read", "write")
        and (acl.name in made.topics or acl.resource is Resource.GROUP)
    }  # fmt: skip
    assert made.rights == plain
    invoicer = made.workspace.services[Service("billing/invoicer")]
    assert [use.contract for use in invoicer.subscribes] == [made.topics["ord.OrderPlaced.v0"].name]
    assert invoicer.reads == (made.topics["ORD_ITEM_001"].name,)
    assert (invoicer.kafka_user, invoicer.kafka_groups) == ("billing_Invoicer", ("invoicer-prod",))


def test_what_no_contract_can_say_is_listed_with_why(folder: Path, live: Live) -> None:
    made = adopted(folder, live)
    left = made.left
    assert left(Reason.NO_OWNER).keys() == {"nobodys-topic"}
    assert left(Reason.USER).keys() == {"CN=ship,O=acme", "mystery"}
    assert "only shipping's" in left(Reason.USER)["CN=ship,O=acme"]
    assert left(Reason.FOREIGN_WRITER).keys() == {"stock-writer"}
    assert left(Reason.GROUP).keys() == {"lost-group"}
    assert left(Reason.NOT_AVRO) == {"ord-json": "ord-json-value is JSON"}
    assert left(Reason.NO_SUBJECT).keys() == {"ord-raw", "ord-mixed"}
    assert "TopicRecordNameStrategy" in left(Reason.NO_SUBJECT)["ord-mixed"]
    assert left(Reason.BY_RECORD).keys() == {"com.acme.Anywhere", "ord-mixed-com.acme.Mixed"}
    assert left(Reason.SCHEMA) == {"ord-text": "ord-text-value version 1 is no record"}
    assert left(Reason.RECORDS).keys() == {"ord.strange"}
    assert left(Reason.KEY).keys() == {"stock-nokey"}
    assert left(Reason.POLICY).keys() == {"stock-both"}
    assert left(Reason.NO_TOPIC).keys() >= {"gone-value"}
    assert left(Reason.TOOL).keys() == {
        "connect-configs", "app-KSTREAM-AGGREGATE-0003-changelog", "heartbeats", "_schemas",
    }  # fmt: skip
    acls = left(Reason.ACL)
    assert acls["User:* may read topic ord.OrderPlaced.v4"] == "it is for every user, also the anonymous"
    assert len([acl for acl in acls if "stock-wide" in acl]) == 2
    assert len([acl for acl in acls if "stock-reader" in acl]) == 3
    half = {"ord-json", "ord-text", "ord-raw", "ord-mixed", "ord.strange", "stock-nokey", "stock-both"}
    assert not half & made.topics.keys()


def test_keys_come_from_people_the_registry_or_the_newest_records(folder: Path, live: Live) -> None:
    topics = adopted(folder, live, keys={"stock-nokey": ("id",)}).topics
    assert topics["stock-level-0"].key == ("sku",)
    assert topics["stock.state"].key == ("sku",) and topics["stock.state"].kind is Kind.STATE
    assert topics["ord.keyed"].key == ("id",)
    assert topics["stock-nokey"].key == ("id",)
    assert topics["ord.OrderPlaced.v0"].key == ()


def test_a_second_run_writes_nothing(folder: Path, live: Live) -> None:
    assert adopted(folder, live).what.files
    before = {path: path.read_bytes() for path in (folder / "schemas").rglob("*") if path.is_file()}
    again = adopted(folder, live).what
    assert not again.files and not again.streams and not again.users
    assert before == {path: path.read_bytes() for path in (folder / "schemas").rglob("*") if path.is_file()}


def test_a_company_can_be_adopted_team_by_team(folder: Path, live: Live, tmp_path: Path, subjects: str) -> None:
    adopted(folder, live, "'[Bb]illing*': billing")
    adopted(folder, live, "'ord.*': orders\n'[Bb]illing*': billing")
    in_steps = adopted(folder, live)
    at_once = adopted(new_folder(tmp_path / "once", "kafka://k:1", subjects), live)
    assert in_steps.topics.keys() == at_once.topics.keys()
    assert in_steps.rights == at_once.rights


def test_a_file_that_people_have_changed_is_theirs(folder: Path, live: Live) -> None:
    adopted(folder, live, "'[Bb]illing*': billing\n'ord.*': orders")
    file = folder / "schemas" / "billing" / "invoicer.service.yaml"
    file.write_text(f"description: Ours.\n{file.read_text()}")
    made = adopted(folder, live)
    assert made.left(Reason.SERVICE).keys() == {"billing/invoicer"}
    assert file.read_text().startswith("description: Ours.")


def test_adopting_and_applying_by_command_changes_nothing_that_was_there(
    folder: Path, live: Live, node: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ("--owner", "nobodys*=stock", "--owner", "mystery=orders", "--owner", "CN=*=shipping",
            "--owner", "ord.OrderPlaced.v1=stock")  # fmt: skip
    assert command(folder, *more, "--dry-run") == 3
    said = json.loads(capsys.readouterr().out)
    assert said["written"] is False and said["files"]
    assert [path.name for path in (folder / "schemas").iterdir()] == ["busline.yaml"]
    assert command(folder) == 4, "topics and users that nobody owns are findings"
    done = json.loads(capsys.readouterr().out)
    assert done["written"] is True
    assert len(Workspace.load(folder / "schemas").contracts) == len(done["streams"])
    before = asyncio.run(state(node.url))
    where = ("--env", "prod", "--workspace", str(folder / "schemas"))
    assert run(["plan", *where, "--exit-code"]) == 0
    assert run(["apply", *where]) == 0
    after = asyncio.run(state(node.url))
    assert {name: after.topics[name] for name in before.topics} == before.topics
    assert (after.acls, after.users, after.quotas) == (before.acls, before.users, before.quotas)
    assert set(after.topics) - set(before.topics) == {name for name in after.topics if name.startswith("busline.")}


async def test_more_than_a_thousand_subjects_are_all_found(company: Company, subjects: str) -> None:
    many = Company()
    many.subjects = {f"many-{n}-value": [record("Many", "id")] for n in range(MANY)}
    await _subjects(many, subjects)
    async with Registry.at(subjects) as registry:
        found = await registry.subjects()
        some = await registry.subjects("many-10")
    assert found.complete and {*many.subjects, *company.subjects} <= {*found.names}
    assert some.names == sorted(name for name in many.subjects if name.startswith("many-10"))
