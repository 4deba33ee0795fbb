"""`busline audit` on a broker that enforces, and a registry: a clean environment with services at work has no findings;
each way around the contracts that is planted is found, with who and what, and nothing else is."""

import asyncio
import contextlib
import datetime as dt
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

import busline
from busline import Bus, Event
from busline.bus.contract_log import ContractLog
from busline.bus.decoding import Decoder
from busline.bus.stretch import Span, read_stretch
from busline.cli.audit import audited
from busline.cli.main import run
from busline.cli.target import of_environment, started
from busline.contract.finding import Finding
from busline.contract.model import Contract, Environment, ServiceSpec, Subscription
from busline.contract.schema import parse
from busline.contract.workspace import Workspace
from busline.errors import NotPublished
from busline.governance.audit.audit import Asked, expect
from busline.governance.audit.brokers import broker_settings
from busline.governance.audit.expected import Expected, State
from busline.governance.audit.probes import probe_findings, probe_listeners
from busline.governance.audit.seen import Seen, look
from busline.governance.audit.unused import Looking, find_unused
from busline.governance.registry.registry import Registry
from busline.names import ContractName, Service
from busline.record import Record, TopicPartition
from busline.transport.base import Received, TopicSpec
from busline.transport.guard import Acl, Credential, Quota, Resource
from busline.transport.kafka.engine import KafkaTransport
from busline.transport.partitioner import partition_for
from busline.transport.security import Security

pytestmark = [pytest.mark.kafka, pytest.mark.registry]
WITHIN = 30.0


def schema(name: str, *fields: dict[str, Any]) -> str:
    return json.dumps({"type": "record", "name": name, "doc": "What happened.", "fields": list(fields)}, indent=1)


def text(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "string", "doc": f"What {name} is, in words.", **more}


@dataclass(frozen=True)
class Shop:
    """An enforcing broker with a workspace applied to it; team: a name that no other test has."""

    server: Any
    folder: Path
    team: str
    registry: str

    @property
    def order(self) -> str:
        return f"{self.team}.order-placed"

    def secret(self, user: str) -> Path:
        return self.folder / ".busline" / "secrets" / "prod" / f"{user.replace('/', '.')}.password"

    def security(self, user: str) -> Security:
        return Security(user=user, password=self.secret(user))

    def bus(self, service: str) -> Bus:
        return Bus(self.server.secure_url, service=service, security=self.security(service), workspace=None)

    def event(self, order_id: str) -> Event:
        class OrderPlaced(Event, contract=self.order, key="order_id"):
            order_id: str
            coupon: str = ""

        return OrderPlaced(order_id=order_id)

    async def audit(self, **asked: Any) -> list[Finding]:
        """What there is to be mended, without what the shared registry has of other tests."""
        workspace = Workspace.load(self.folder / "schemas")
        found = await audited(workspace, "prod", Asked(probe=self.secret("busline/probe"), **asked))
        ours = [one for one in found.findings if "subject" not in one.rule or self.team in one.what]
        return [one for one in ours if one.rule != "registry-writable"]

    def do(self, *args: str) -> None:
        assert run(args) == 0, args


def files(team: str, url: str, registry: str) -> dict[str, str]:
    return {
        "busline.yaml": f"""\
company: acme
environments:
  prod:
    url: "{url}"
    registry: "{registry}"
    storage: {{replicas: 1}}
    enforce: deny
    known:
    - {{user: admin, why: The administrators., until: 2099-12-31}}
""",
        f"{team}/team.yaml": 'contact: {chat: "#shop", mail: shop@acme.example}\n',
        f"{team}/order-placed/contract.yaml": (
            "description: An order was accepted and paid for. Emitted once per order.\nkey: order_id\n"
            f"access: {{subscribe: [{team}b/invoicing]}}\nquota: {{publish: 10MiB}}\n"
        ),
        f"{team}/order-placed/1.avsc": schema(f"{team}.OrderPlaced", text("order_id"), text("coupon", default="")),
        f"{team}/account/contract.yaml": (
            "description: How much a customer has spent so far. Replaced with each order.\nkey: user_id\nkind: state\n"
        ),
        f"{team}/account/1.avsc": schema(f"{team}.Account", text("user_id")),
        f"{team}/checkout.service.yaml": f"publishes: {{{team}.order-placed: 1, {team}.account: 1}}\n",
        f"{team}b/team.yaml": 'contact: {chat: "#billing"}\n',
        f"{team}b/invoicing.service.yaml": (
            f"subscribes:\n  {team}.order-placed: {{version: 1, fields: [order_id], start: earliest}}\n"
        ),
    }


@pytest.fixture(scope="module")
def shop(kafka_enforcing: Any, registry: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Platform users made, the workspace applied by busline/apply."""
    made = Shop(kafka_enforcing, tmp_path_factory.mktemp("shop"), f"s{uuid.uuid4().hex[:8]}", registry)
    for path, content in files(made.team, kafka_enforcing.secure_url, registry).items():
        file = made.folder / "schemas" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made.folder)
        patch.setenv("BUSLINE_USER", kafka_enforcing.admin[0])
        patch.setenv("BUSLINE_PASSWORD", kafka_enforcing.admin[1])
        made.do("init", "--platform", "--env", "prod", "--create")
        patch.delenv("BUSLINE_PASSWORD")
        patch.setenv("BUSLINE_USER", "busline/apply")
        patch.setenv("BUSLINE_PASSWORD_FILE", str(made.secret("busline/apply")))
        made.do("apply", "--env", "prod", "--yes")
        patch.setenv("BUSLINE_USER", "busline/audit")
        patch.setenv("BUSLINE_PASSWORD_FILE", str(made.secret("busline/audit")))
        yield made


@contextlib.asynccontextmanager
async def at_work(shop: Shop) -> AsyncIterator[None]:
    """Both services, until each has had something to do."""

    class Account(busline.State, contract=f"{shop.team}.account", key="user_id"):
        user_id: str

    class Read(Event, contract=shop.order, key="order_id"):
        order_id: str

    invoicing, had = shop.bus(f"{shop.team}b/invoicing"), asyncio.Event()

    @invoicing.subscribe(Read)
    async def handle(order: Read) -> None:
        had.set()

    async with shop.bus(f"{shop.team}/checkout") as checkout, invoicing:
        await checkout.publish(*(shop.event(order_id=f"o{n}") for n in range(40)), Account(user_id="u1"))
        async with asyncio.timeout(WITHIN):
            await had.wait()
            await invoicing.caught_up()
        yield


async def test_a_clean_environment_with_services_at_work_has_no_findings(shop: Shop) -> None:
    async with at_work(shop):
        assert await shop.audit(logs=(shop.server.authorizer_log,)) == []


async def test_rights_that_nobody_uses_are_told_and_what_nobody_can_know_is_counted(shop: Shop) -> None:
    team, order, account = shop.team, shop.order, f"{shop.team}.account"
    applied = dt.datetime.now(dt.UTC)
    async with at_work(shop):
        pass
    worked = dt.datetime.now(dt.UTC)
    assert await unused(shop, since=applied) == ([], [])
    found, unknown = await unused(shop, since=worked)
    assert [one.what for one in found] == [
        f"{team}/checkout has not published {account} for 30 days",
        f"{team}/checkout has not published {order} for 30 days",
    ]
    assert unknown == [f"{team}b/invoicing subscribes to {order}"], "there was nothing to handle"
    async with shop.bus(f"{team}/checkout") as checkout:
        await checkout.publish(shop.event(order_id="late"))
    found, unknown = await unused(shop, since=dt.datetime.now(dt.UTC))
    [still] = [one for one in found if "invoicing" in one.what]
    assert still.what == f"{team}b/invoicing has not handled {order} for 30 days"
    assert "its positions stand before records of then" in still.evidence and still.owner.startswith("#billing")
    assert unknown == []


async def unused(shop: Shop, since: dt.datetime) -> tuple[list[Finding], list[str]]:
    """Without the authorizer's log: positions and topics have to do."""
    workspace = Workspace.load(shop.folder / "schemas")
    target = of_environment(workspace, workspace.environments["prod"])
    async with started(target) as engine:
        expected = await expect(workspace, workspace.environments["prod"], engine, dt.date.today())
        looking = Looking(expected=expected, seen=await look(engine), since=since, days=30)
        found = await find_unused(looking, engine, lambda: started(target))
    return found.findings, found.unknown


def acl(user: str, resource: Resource, name: str, operation: str, **more: Any) -> Acl:
    return Acl(f"User:{user}", resource, name, operation, **more)


async def write(shop: Shop, *records: tuple[int, bytes | None, bytes | None]) -> None:
    """Past the contract, as the administrator: partition, key, value."""
    producer = AIOKafkaProducer(bootstrap_servers=shop.server.secure_bootstrap, **shop.server.login)
    await producer.start()
    try:
        for partition, key, value in records:
            await producer.send_and_wait(shop.order, value, key=key, partition=partition)
    finally:
        await producer.stop()


async def plant(shop: Shop, engine: Any, registry: Registry) -> dict[tuple[str, str], str]:
    """Everything at once; by rule and what the finding names, a part of its evidence."""
    team, order, account = shop.team, shop.order, f"{shop.team}.account"
    invoicing, checkout = f"{team}b/invoicing", f"{team}/checkout"
    acls = {
        acl("*", Resource.TOPIC, order, "read"): "everybody",
        acl("ghost", Resource.TOPIC, "*", "read"): "yet to come",
        acl("ghost", Resource.TOPIC, f"{team}.", "write", prefixed=True): order,
        acl(invoicing, Resource.TOPIC, account, "read"): account,
        acl(invoicing, Resource.TOPIC, order, "read", host="10.0.0.7"): "",
        acl(invoicing, Resource.GROUP, "*", "read"): "yet to come",
        acl(checkout, Resource.TOPIC, order, "describe", allow=False): "DENY",
        acl("busline/plan", Resource.CLUSTER, "kafka-cluster", "alter"): "",
        acl("busline/probe", Resource.CLUSTER, "kafka-cluster", "describe"): "",
    }
    await engine.create_acls(acls)
    await engine.delete_acls([acl(checkout, Resource.TOPIC, account, "write")])
    stolen = Credential(user=checkout, mechanism="SCRAM-SHA-256", secret="mine")
    await engine.set_secrets([Credential(user="ghost", secret="boo"), stolen])
    await engine.set_quotas({checkout: Quota(publish=1), "ghost": Quota(subscribe=7)})
    await engine.create_topics([TopicSpec(name="orders_raw"), TopicSpec(name=f"busline.dlq.{team}.gone")])
    at = {TopicPartition(order, 0): 0}
    await engine.mark("console-consumer-1", at, "")
    await engine.mark(f"{invoicing}/other", at, '{"b":1,"v":1}')
    await engine.mark(invoicing, {TopicPartition(account, 0): 0}, '{"b":1,"v":1}')
    await engine.mark(invoicing, at, '{"b":1,"v":1,"f":["order_id","coupon"],"r":"r7"}')
    await engine.alter_topics([TopicSpec(name=order, partitions=6, retention=3_600_000, append_time=False)])
    await engine.grow_topics({account: 7})
    nowhere = (partition_for(b"o1", 6) + 1) % 6
    await write(shop, (0, None, b"no event"), (nowhere, b"o1", b"\x00\x00\x00\x00\x00junk"))
    await registry.register(f"{team}.raw-value", parse(schema(f"{team}.Raw", text("a"))))
    await registry.set_level(f"{order}-value", "NONE")
    await registry.register(f"{order}-value", parse(schema(f"{team}.OrderPlaced", text("quite_other"))))
    return {
        **{("acl-unexplained", f"{one}: "): seen for one, seen in acls.items()},
        ("rights-missing", f"user {checkout}"): account,
        ("user-unexplained", "user ghost"): "write topic",
        ("secret-unexplained", f"user {checkout}"): "SCRAM-SHA-256",
        ("quota-unexplained", f"user {checkout}"): "",
        ("quota-unexplained", "user ghost"): "",
        ("topic-without-contract", "topic orders_raw"): "",
        ("topic-without-contract", f"busline.dlq.{team}.gone"): "",
        ("group-unexplained", "group console-consumer-1"): f"{order}; used by User:admin",
        ("group-unexplained", f"group {invoicing}/other"): order,
        ("group-undeclared", f"group {invoicing} reads {account}"): "",
        ("reader-undeclared", f"{invoicing} reads coupon of {order} (release r7)"): "order_id",
        ("settings-differ", f"topic {order}: retention is 1h, the contract says 7d"): "",
        ("settings-differ", f"topic {order}: LogAppendTime is off"): "",
        ("settings-differ", f"topic {account}: partitions is 7"): "",
        ("record-undecodable", f"topic {order}"): "User:admin",
        ("key-misplaced", f"topic {order}"): "User:admin",
        ("key-misplaced", f"topic {account}"): "topic was grown",
        ("probe-allowed", "busline/probe"): "CLIENTS",
        ("subject-without-contract", f"{team}.raw-value"): "",
        ("version-unexplained", f"{order}-value"): "version 2",
        ("level-weaker", f"{order}-value"): "NONE",
    }


async def test_every_planted_way_around_is_found_and_nothing_else(shop: Shop) -> None:
    async with at_work(shop):
        pass
    name, password = shop.server.admin
    engine = KafkaTransport([shop.server.secure_bootstrap], security=Security(user=name, password=password))
    await engine.start()
    try:
        async with Registry.at(shop.registry) as registry:
            planted = await plant(shop, engine, registry)
    finally:
        await engine.aclose()
    found = await shop.audit(logs=(shop.server.authorizer_log,))
    left = list(found)
    for (rule, what), seen in planted.items():
        match = [one for one in found if one.rule == rule and what in one.what and seen in one.evidence]
        assert len(match) == 1, (rule, what, seen, [str(one) for one in found if one.rule == rule])
        assert match[0].owner and match[0].fix
        left.remove(match[0])
    assert left == []


@pytest.fixture(scope="module")
def lax() -> Iterator[Any]:
    """A broker whose settings let in whom they should not."""
    from scripts import kafka_server

    settings = {
        "allow.everyone.if.no.acl.found": "true",
        "auto.create.topics.enable": "true",
        "connections.max.reauth.ms": "0",
        "listener.name.tls.connections.max.reauth.ms": "7200000",
        "offsets.retention.minutes": "60",
        "unclean.leader.election.enable": "true",
    }
    server = kafka_server.start(enforcing=True, tied=True, settings=settings)
    server.add_user("busline/probe", "probe-secret")
    yield server
    server.stop()


async def test_a_broker_that_lets_strangers_in_is_found_by_its_settings_and_by_the_probes(lax: Any) -> None:
    name, password = lax.admin
    found = await of_broker(KafkaTransport([lax.secure_bootstrap], security=Security(user=name, password=password)))
    assert {one.rule for one in found} == {
        "auto-creation", "offsets-retention", "probe-allowed", "reauthentication", "unclean-election",
    }  # fmt: skip
    [slow] = [one for one in found if one.rule == "reauthentication"]
    assert "CLIENTS, SCRAM-SHA-512: never (broker 1)" in slow.evidence
    assert "TLS, SCRAM-SHA-256: after 2h" in slow.evidence
    assert "CLIENTS, SCRAM-SHA-256" not in slow.evidence, "there it is asked again every 2 s"


async def test_a_listener_that_asks_nobody_is_found_with_what_the_anonymous_may_do(kafka: Any) -> None:
    found = await of_broker(KafkaTransport([kafka.bootstrap], security=Security()))
    [anonymous] = [one for one in found if one.rule == "anonymous-connects"]
    assert f"PLAINTEXT://127.0.0.1:{kafka.ports['plaintext']}" in anonymous.what
    assert "a super user" in anonymous.evidence
    [controller] = [one for one in found if one.rule == "controller-open"]
    assert f"CONTROLLER://127.0.0.1:{kafka.ports['controller']} (controller 1)" in controller.evidence
    assert "a super user" in controller.evidence
    assert [one for one in found if one.rule == "probe-not-run" and "its login is refused" in one.what], (
        "no such user here"
    )


async def test_what_cannot_be_reached_is_no_refusal(kafka: Any) -> None:
    settings = {
        "advertised.listeners": "GONE://127.0.0.1:1,OTHER://127.0.0.1:9",
        "listener.security.protocol.map": "GONE:SASL_PLAINTEXT,OTHER:SSL",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
    }
    found = list(probe_findings(expected(), await probe_listeners(Seen(brokers={7: settings}), "secret")))
    assert {one.rule for one in found} == {"probe-not-run"}
    assert any("GONE://127.0.0.1:1 (broker 7)" in one.evidence and "without credentials" in one.what for one in found)
    assert any("GONE" in one.evidence and "as busline/probe" in one.what for one in found)


def expected() -> Expected:
    """Of a workspace with one event that is kept for a week, and somebody who reads it."""
    name, reader = ContractName("shop.order-placed"), Service("billing/invoicing")
    spec = ServiceSpec(name=reader, subscribes=(Subscription(contract=name, version=1),))
    contracts = {name: Contract(name=name)}
    state = State(contracts=contracts, services={reader: spec}, teams={}, today=dt.date(2026, 11, 24))
    return Expected(merged=state, applied=state, environment=Environment(name="prod", url="kafka://there"))


async def of_broker(engine: KafkaTransport) -> list[Finding]:
    """What the settings and the probes say; the password is that of the lax broker's probe."""
    await engine.start()
    try:
        seen = Seen(brokers=await engine.broker_settings(), guarded=await engine.guards())
    finally:
        await engine.aclose()
    tried = await probe_listeners(seen, "probe-secret")
    return [*broker_settings(expected(), seen), *probe_findings(expected(), tried)]


async def test_refusals_are_told_once_and_later_ones_again(shop: Shop) -> None:
    """As busline/audit, by the log of a broker on which a service tries what nobody grants it."""
    invoicing = f"{shop.team}b/invoicing"

    async def published() -> str:
        workspace = Workspace.load(shop.folder / "schemas")
        asked = Asked(logs=(shop.server.authorizer_log,), publish=True, samples=0, unused=0)
        found = await audited(workspace, "prod", asked)
        return next(note for note in found.notes if "were published" in note)

    async def try_to_write(topic: str) -> None:
        engine = KafkaTransport([shop.server.secure_bootstrap], security=shop.security(invoicing))
        await engine.start()
        try:
            [outcome] = await engine.publish([Record(topic, b"k", b"v")])
            assert isinstance(outcome, NotPublished)
        finally:
            await engine.aclose()

    await published()
    await try_to_write(f"{shop.team}.account")
    assert not (await published()).startswith("0 ")
    assert (await published()).startswith("0 "), "the same log tells nothing twice"
    await try_to_write(f"{shop.team}.account")
    assert not (await published()).startswith("0 ")
    engine = KafkaTransport([shop.server.secure_bootstrap], security=shop.security("busline/audit"))
    await engine.start()
    try:
        told = [event for event in await denials_in(engine) if event["principal"] == f"User:{invoicing}"]
    finally:
        await engine.aclose()
    writes = [one for one in told if (one["operation"], one["resource_name"]) == ("WRITE", f"{shop.team}.account")]
    assert len(writes) == 2
    assert {one["service"] for one in writes} == {invoicing}
    assert writes[0]["last_refused_at"] < writes[1]["first_refused_at"]


async def denials_in(engine: KafkaTransport) -> list[dict[str, Any]]:
    log, name = ContractLog(engine), ContractName("busline.access-denied")
    await log.read()
    decode = Decoder(log, name)
    spans = {p: Span(bounds.first, bounds.next) for p, bounds in (await engine.bounds(name)).items()}
    async with contextlib.aclosing(read_stretch(engine, name, spans)) as stretch:
        return [decode(record) async for item in stretch if isinstance(item, Received) for record in item.records]


async def test_asking_who_may_write_to_a_registry_changes_nothing(registry: str) -> None:
    async with Registry.at(registry) as client:
        before = await client.subjects()
        assert await client.may_write() is True, "this one asks nobody who they are"
        assert await client.subjects() == before
        assert await client.versions("busline-probe") == []
