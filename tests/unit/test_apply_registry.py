"""apply and the schema registry: several subjects at once, one contract's versions in order, a level never left low."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from busline.contract.model import Contract, Version
from busline.contract.schema import Schema, parse
from busline.errors import RegistryRefused
from busline.governance.apply.apply import apply
from busline.governance.plan.plan import Goal, plan_changes
from busline.governance.registry.http import Patience, RegistryHttp
from busline.governance.registry.registry import Registry
from busline.names import ContractName
from busline.transport.memory import MemoryTransport


class Server:
    """A registry that keeps each write until the others that may come have come."""

    def __init__(self) -> None:
        self.levels: dict[str, str] = {}
        self.schemas: dict[str, list[str]] = {}
        self.order: list[str] = []
        self.writing = self.most = 0
        self.refuse: str | None = None

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        parts = request.url.path.strip("/").split("/")
        body = json.loads(request.content) if request.content else {}
        if request.method == "PUT" or parts[-1] == "versions":
            status, answer = await self._write(request.method, parts[1], body)
        else:
            status, answer = self._look(request.method, parts[1], body)
        return httpx.Response(status, stream=httpx.ByteStream(json.dumps(answer).encode()))

    def _look(self, method: str, subject: str, body: dict[str, str]) -> tuple[int, Any]:
        if method == "GET":
            level = self.levels.get(subject)
            return (200, {"compatibilityLevel": level}) if level else (404, {"error_code": 40408})
        found = self.schemas.get(subject, [])
        if body["schema"] not in found:
            return 404, {"error_code": 40403}
        return 200, {"id": self._id(body["schema"]), "version": found.index(body["schema"]) + 1}

    async def _write(self, method: str, subject: str, body: dict[str, str]) -> tuple[int, Any]:
        self.writing += 1
        self.most = max(self.most, self.writing)
        for _ in range(50):
            await asyncio.sleep(0)
        self.writing -= 1
        said = body.get("compatibility") or body["schema"]
        if self.refuse is not None and self.refuse in said:
            return 422, {"error_code": 42201, "message": "no"}
        self.order.append(f"{subject} {said}")
        if method == "PUT":
            self.levels[subject] = said
            return 200, {}
        self.schemas.setdefault(subject, []).append(said)
        return 200, {"id": self._id(said)}

    @staticmethod
    def _id(schema: str) -> int:
        return sum(schema.encode())

    def client(self) -> Registry:
        http = RegistryHttp(
            "http://registry", patience=Patience(attempts=1), transport=httpx.MockTransport(self.__call__)
        )
        return Registry(http)


@pytest.fixture
async def engine() -> AsyncIterator[MemoryTransport]:
    transport = MemoryTransport()
    await transport.start()
    yield transport
    await transport.aclose()


def schema(*fields: tuple[str, str]) -> Schema:
    return parse({"type": "record", "name": "R", "fields": [{"name": name, "type": kind} for name, kind in fields]})


def contract(name: str, *schemas: Schema) -> Contract:
    versions = tuple(Version(number=n, schema=one) for n, one in enumerate(schemas, 1))
    return Contract(name=ContractName(name), key=("id",), versions=versions, compatibility="backward")


def goal(*contracts: Contract) -> Goal:
    return Goal(contracts={one.name: one for one in contracts}, services={}, teams={})


ONE, TWO = schema(("id", "string"), ("a", "string")), schema(("id", "string"))
BREAKING = schema(("id", "string"), ("b", "long"))


async def test_eight_subjects_at_once_and_one_contracts_versions_in_order(engine: MemoryTransport) -> None:
    server = Server()
    many = [contract(f"orders.stream-{chr(97 + n)}", ONE, TWO) for n in range(24)]
    async with server.client() as registry:
        await apply(await plan_changes(goal(*many), engine, registry), engine, registry)
        assert (await plan_changes(goal(*many), engine, registry)).is_empty
    assert server.most == 8
    for one in many:
        own = [line.partition(" ")[2] for line in server.order if line.startswith(f"{one.subject} ")]
        assert own == ["BACKWARD", ONE.text, TWO.text]


async def test_after_a_refusal_no_further_subject_is_begun(engine: MemoryTransport) -> None:
    server = Server()
    server.refuse = '"b"'
    first = contract("orders.a", BREAKING)
    many = [contract(f"orders.stream-{chr(97 + n)}", ONE) for n in range(24)]
    async with server.client() as registry:
        with pytest.raises(RegistryRefused, match=r"orders\.a"):
            await apply(await plan_changes(goal(first, *many), engine, registry), engine, registry)
        assert len(server.schemas) < 24
        server.refuse = None
        await apply(await plan_changes(goal(first, *many), engine, registry), engine, registry)
        assert (await plan_changes(goal(first, *many), engine, registry)).is_empty


async def test_a_level_that_a_crash_left_low_is_restored_by_the_next_run(engine: MemoryTransport) -> None:
    server = Server()
    before = contract("orders.order", ONE)
    after = replace(before, versions=(*before.versions, Version(number=2, schema=BREAKING)))
    async with server.client() as registry:
        await apply(await plan_changes(goal(before), engine, registry), engine, registry)
        plan = await plan_changes(goal(after), engine, registry)
        [line] = [change.text for change in plan.changes if change.what.startswith("registry")]
        assert line == (
            "registry: orders.order-value, schema of version 2: BACKWARD, lowered to NONE for this one and restored"
        )
        server.refuse = "BACKWARD"  # what comes after the version never arrives
        with pytest.raises(RegistryRefused):
            await apply(plan, engine, registry)
        assert server.levels == {"orders.order-value": "NONE"}
        server.refuse = None
        again = await plan_changes(goal(after), engine, registry)
        assert "registry: orders.order-value checks: NONE -> BACKWARD" in [change.text for change in again.changes]
        await apply(again, engine, registry)
        assert server.levels == {"orders.order-value": "BACKWARD"}
        assert (await plan_changes(goal(after), engine, registry)).is_empty
