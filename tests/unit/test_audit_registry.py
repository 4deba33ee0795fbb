"""The registry against the contracts, and who may write there: asking changes nothing, and no failure is a refusal."""

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from busline.contract.finding import Severity
from busline.contract.model import Contract, Environment, Known, Version
from busline.contract.schema import Schema, parse
from busline.governance.audit.expected import Expected, State
from busline.governance.audit.registry import registry_findings
from busline.governance.registry.http import Patience, RegistryHttp
from busline.governance.registry.registry import Registry
from busline.names import ContractName

ORDER = ContractName("orders.order-placed")
TODAY = dt.date(2026, 11, 24)


def schema(*names: str) -> Schema:
    return parse({"type": "record", "name": "O", "fields": [{"name": name, "type": "string"} for name in names]})


class Fake:
    """A registry in memory. write: what it answers to a registration."""

    def __init__(self, *, default: str = "NONE", write: tuple[int, Any] = (401, {})) -> None:
        self.subjects: dict[str, list[str]] = {}
        self.levels: dict[str, str] = {}
        self.default, self.write = default, write
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        made = self._answer(request)
        return httpx.Response(made.status_code, stream=httpx.ByteStream(made.content))  # not read yet

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(f"{request.method} {request.url.path}")
        match (request.method, request.url.path.strip("/").split("/")):
            case ("GET", ["subjects"]):
                return httpx.Response(200, json=sorted(self.subjects))
            case ("GET", ["subjects", name, "versions"]):
                found = self.subjects.get(name)
                return self._found([*range(1, len(found) + 1)] if found else None)
            case ("POST", ["subjects", _, "versions"]):
                return httpx.Response(self.write[0], json=self.write[1])
            case ("POST", ["subjects", name]):
                text = json.loads(request.content)["schema"]
                known = [parse(one) for one in self.subjects.get(name, [])]
                at = next((n for n, one in enumerate(known, 1) if one == parse(text)), None)
                return self._found({"id": at, "version": at} if at else None)
            case ("GET", ["config", name]):
                level = self.levels.get(name)
                return self._found({"compatibilityLevel": level} if level else None)
            case ("GET", ["config"]):
                return httpx.Response(200, json={"compatibilityLevel": self.default})
        raise AssertionError(request)

    @staticmethod
    def _found(body: Any) -> httpx.Response:
        return httpx.Response(200, json=body) if body else httpx.Response(404, json={"error_code": 40401})

    def client(self, login: str = "") -> Registry:
        url, transport = f"http://{login}registry:8081", httpx.MockTransport(self)
        return Registry(RegistryHttp(url, transport=transport, patience=Patience(attempts=1)))


def expected(*versions: Schema, applied: int = 1, known: tuple[Known, ...] = ()) -> Expected:
    def state(count: int) -> State:
        made = tuple(Version(number=n, schema=one, registry_id=n) for n, one in enumerate(versions[:count], 1))
        contract = Contract(name=ORDER, key=("id",), versions=made)
        return State(contracts={ORDER: contract}, services={}, teams={}, today=TODAY)

    environment = Environment(name="prod", url="kafka://there", known=known)
    return Expected(merged=state(len(versions)), applied=state(applied), environment=environment)


async def found(fake: Fake, asked: Expected, anonymous: Fake | None = None) -> list[str]:
    async with fake.client() as ours, (anonymous or fake).client() as stranger:
        return sorted(one.rule for one in await registry_findings(asked, ours, stranger))


def clean() -> Fake:
    fake = Fake()
    fake.subjects["orders.order-placed-value"] = [schema("id").text]
    fake.levels["orders.order-placed-value"] = "BACKWARD_TRANSITIVE"
    return fake


async def test_a_registry_as_apply_left_it_has_no_findings() -> None:
    assert await found(clean(), expected(schema("id"))) == []
    waiting = expected(schema("id"), schema("id", "more"))
    assert await found(clean(), waiting) == [], "what is merged and not applied need not be there"


def another_subject(fake: Fake) -> None:
    fake.subjects["raw-value"] = [schema("x").text]


def another_version(fake: Fake) -> None:
    fake.subjects["orders.order-placed-value"].append(schema("id", "strange").text)


def lost_version(fake: Fake) -> None:
    fake.subjects["orders.order-placed-value"] = [schema("x").text]


def weaker(fake: Fake) -> None:
    fake.levels["orders.order-placed-value"] = "BACKWARD"


def no_level(fake: Fake) -> None:
    fake.levels.clear()


@pytest.mark.parametrize(
    ("plant", "rules"),
    [
        (another_subject, ["subject-without-contract"]),
        (another_version, ["version-unexplained"]),
        (lost_version, ["version-missing", "version-unexplained"]),
        (weaker, ["level-weaker"]),
        (no_level, ["level-weaker"]),
    ],
)
async def test_each_thing_that_was_planted_is_found(plant: Callable[[Fake], None], rules: list[str]) -> None:
    fake = clean()
    plant(fake)
    assert await found(fake, expected(schema("id"))) == rules


async def test_a_default_that_is_strong_enough_is_as_good() -> None:
    fake = clean()
    fake.levels.clear()
    fake.default = "FULL_TRANSITIVE"
    assert await found(fake, expected(schema("id"))) == []


async def test_a_subject_that_is_known_is_let_be() -> None:
    fake = clean()
    another_subject(fake)
    known = (Known(kind="subject", name="raw-value", why="Old.", until=TODAY),)
    assert await found(fake, expected(schema("id"), known=known)) == []


@pytest.mark.parametrize(
    ("answer", "rules"),
    [
        ((401, {}), []),
        ((403, {"error_code": 40301}), []),
        ((422, {"error_code": 42205, "message": "read-only mode"}), []),
        ((422, {"error_code": 42201, "message": "invalid schema"}), ["registry-writable"]),
        ((200, {"id": 1}), ["registry-writable"]),
        ((400, {}), ["registry-not-probed"]),
        ((404, {}), ["registry-not-probed"]),
        ((503, {}), ["registry-not-probed"]),
    ],
)
async def test_who_may_write_is_asked_and_no_failure_is_a_refusal(answer: tuple[int, Any], rules: list[str]) -> None:
    stranger = Fake(write=answer)
    assert await found(clean(), expected(schema("id")), stranger) == rules
    assert stranger.asked == ["POST /subjects/busline-probe/versions"]


async def test_the_audits_own_credentials_need_not_write() -> None:
    fake = clean()
    for answer, rules in ((403, []), (422, ["registry-writable"])):
        ours, stranger = Fake(write=(answer, {})), Fake(write=(401, {}))
        ours.subjects, ours.levels = fake.subjects, fake.levels
        async with ours.client("audit:secret@") as client, stranger.client() as anonymous:
            found = await registry_findings(expected(schema("id")), client, anonymous)
        assert [one.rule for one in found] == rules
        assert {one.severity for one in found} <= {Severity.WARNING}
