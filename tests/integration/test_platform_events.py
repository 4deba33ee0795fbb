"""Who subscribes to busline's own contracts hears of changes and refusals: on a real broker, as anybody else would."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from busline import Bus, Security
from busline.errors import AccessDenied as Refused
from busline.errors import NotAuthorized, NotPublished
from busline.platform import AccessChanged, AccessDenied, ContractChanged
from busline.record import Record
from busline.transport.kafka.engine import KafkaTransport

SCHEMA = {"type": "record", "name": "OrderPlaced", "namespace": "orders", "doc": "An order.",
          "fields": [{"name": "order_id", "type": "string", "doc": "Its id."}]}  # fmt: skip
FILES = {
    "busline.yaml": "company: acme\nenvironments:\n  prod: {{url: '{url}', enforce: deny}}\nevents:\n"
    "  access-changed: {{subscribe: [security/siem]}}\n  access-denied: {{subscribe: [security]}}\n"
    "  contract-changed: {{subscribe: [security/siem]}}\n",
    "orders/team.yaml": "contact: {{mail: orders@acme.example}}\n",
    "orders/order-placed/contract.yaml": "description: An order was placed; emitted once per order.\nkey: order_id\n"
    "access: {{subscribe: [billing/invoicing]}}\n",
    "orders/order-placed/1.avsc": json.dumps(SCHEMA).replace("{", "{{").replace("}", "}}"),
    "orders/checkout.service.yaml": "publishes: {{orders.order-placed: 1}}\n",
    "billing/team.yaml": "contact: {{mail: billing@acme.example}}\n",
    "billing/invoicing.service.yaml": "subscribes:\n  orders.order-placed: {{version: 1, fields: [order_id]}}\n",
    "security/team.yaml": "contact: {{mail: security@acme.example}}\n",
    "security/siem.service.yaml": "subscribes:\n  busline.access-changed: {{version: 1, fields: [service, change]}}\n"
    "  busline.access-denied: {{version: 1, fields: [principal]}}\n"
    "  busline.contract-changed: {{version: 1, fields: [contract, change]}}\n",
}
HEARD_WITHIN = 30.0


class Company:
    """A workspace, and who works on it with which secret."""

    def __init__(self, kafka: Any, folder: Path, secrets: Path, monkeypatch: pytest.MonkeyPatch, busline: Any) -> None:
        self.kafka, self.folder, self.secrets, self._patch, self._busline = kafka, folder, secrets, monkeypatch, busline
        for path, text in FILES.items():
            file = folder / "schemas" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text.format(url=kafka.secure_url))
        monkeypatch.chdir(folder)

    def secret(self, user: str) -> Path:
        return self.secrets / f"{user.replace('/', '.')}.password"

    def run(self, *words: str, user: str, secret: Path, code: int = 0) -> Any:
        self._patch.setenv("BUSLINE_USER", user)
        self._patch.setenv("BUSLINE_PASSWORD_FILE", str(secret))
        done = self._busline(*words)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def apply(self) -> Any:
        secret = self.secret("busline/apply")
        return self.run("apply", "--env", "prod", "--secrets", str(self.secrets), user="busline/apply", secret=secret)

    def change(self, path: str, old: str, new: str) -> None:
        file = self.folder / "schemas" / path
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))

    def security(self, user: str) -> Security:
        return Security(user=user, password=self.secret(user))


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The node's users outlive a test, and so do their secrets."""
    return tmp_path_factory.mktemp("secrets")


@pytest.fixture
def company(
    kafka_enforcing: Any, tmp_path: Path, secrets: Path, monkeypatch: pytest.MonkeyPatch, in_process: Any
) -> Company:
    made = Company(kafka_enforcing, tmp_path, secrets, monkeypatch, in_process)
    admin = {"user": "admin", "secret": kafka_enforcing.admin_secret}
    made.run("init", "--platform", "--env", "prod", "--create", "--secrets", str(secrets), **admin)
    return made


async def in_thread(call: Any, *args: Any, **kwargs: Any) -> Any:
    """The command line has an event loop of its own."""
    return await asyncio.to_thread(call, *args, **kwargs)


async def test_an_auditor_hears_of_rights_contracts_and_refusals(company: Company) -> None:
    await in_thread(company.apply)
    heard: list[Any] = []
    news = asyncio.Condition()

    async def keep(event: Any) -> None:
        async with news:
            heard.append(event)
            news.notify_all()

    async def until(found: Any) -> Any:
        async with asyncio.timeout(HEARD_WITHIN), news:
            await news.wait_for(lambda: any(map(found, heard)))
        return next(filter(found, heard))

    siem = Bus(company.kafka.secure_url, service="security/siem", security=company.security("security/siem"))

    @siem.subscribe(AccessChanged)
    async def access(event: AccessChanged) -> None:
        await keep(event)

    @siem.subscribe(ContractChanged)
    async def contracts(event: ContractChanged) -> None:
        await keep(event)

    @siem.subscribe(AccessDenied)
    async def denied(event: AccessDenied) -> None:
        await keep(event)

    async with siem:
        granted = await until(
            lambda e: isinstance(e, AccessChanged) and e.service == "billing/invoicing" and e.contract
        )
        assert (granted.contract, granted.operation, granted.change) == ("orders.order-placed", "READ", "GRANTED")
        assert (granted.applied_by, granted.environment) == ("busline/apply", "prod")
        assert granted.source == "orders/order-placed/contract.yaml:3"
        await until(lambda e: isinstance(e, ContractChanged) and e.contract == "orders.order-placed")

        company.change(
            "billing/invoicing.service.yaml",
            "subscribes:\n  orders.order-placed: {version: 1, fields: [order_id]}",
            "{}",
        )
        company.change("orders/order-placed/contract.yaml", "[billing/invoicing]", "[]")
        await in_thread(company.apply)
        taken = await until(lambda e: isinstance(e, AccessChanged) and e.change == "REVOKED" and e.contract)
        assert (taken.service, taken.contract) == ("billing/invoicing", "orders.order-placed")
        assert taken.plan != granted.plan
        changed = await until(lambda e: isinstance(e, ContractChanged) and "access" in e.settings)
        assert changed.contract == "orders.order-placed"

        await refused(company, "security/siem")
        await in_thread(
            company.run, "audit", "--env", "prod", "--authorizer-log", str(company.kafka.authorizer_log), "--publish",
            user="busline/audit", secret=company.secret("busline/audit"), code=4,
        )  # fmt: skip
        said = await until(lambda e: isinstance(e, AccessDenied) and e.contract == "orders.order-placed")
        assert (said.principal, said.service, said.operation) == ("User:security/siem", "security/siem", "DESCRIBE")
        assert (said.resource_kind, said.resource_name, said.environment) == ("TOPIC", "orders.order-placed", "prod")


async def refused(company: Company, user: str) -> None:
    raw = KafkaTransport([company.kafka.secure_bootstrap], security=company.security(user))
    try:
        (outcome,) = await raw.publish([Record("orders.order-placed", b"k", b"v")])
        assert isinstance(outcome, NotPublished)
    finally:
        await raw.aclose()


async def test_no_service_forges_what_busline_tells(company: Company) -> None:
    """Neither by busline nor by a raw client with the auditors' own credentials."""
    await in_thread(company.apply)
    siem = Bus(company.kafka.secure_url, service="security/siem", security=company.security("security/siem"))
    forged = AccessDenied.model_validate_json(json.dumps(_example("access-denied")))
    async with siem:
        with pytest.raises(Refused):
            await siem.publish(forged)
    raw = KafkaTransport([company.kafka.secure_bootstrap], security=company.security("security/siem"))
    try:
        for topic in (
            "busline.access-denied",
            "busline.access-changed",
            "busline.contract-changed",
            "busline.contracts",
        ):
            (outcome,) = await raw.publish([Record(topic, b"k", b"v")])
            assert isinstance(outcome, NotPublished) and isinstance(outcome.cause, NotAuthorized)
    finally:
        await raw.aclose()


def _example(stream: str) -> Any:
    from busline.contract.search_folder import OWN

    return json.loads((OWN / "busline" / stream / "example.json").read_text())
