"""docs/platform.md is run as it is written, by a company that had its Kafka before: old topics, users, groups, JSON.

Blocks with a title are files. In ```console a line after `$ ` is a command; `export` holds for those behind it; what
follows is shown by it, in any order (… stands for anything); `   # exit N` behind a command is its exit code, else 0.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from busline.codec.codec import Codec
from busline.codec.framing import frame_registry
from busline.record import Position, Record
from busline.transport.base import Received, TopicSpec
from busline.transport.guard import Acl, Credential, Resource
from busline.transport.kafka.engine import KafkaTransport
from busline.transport.security import Security

PAGE = (Path(__file__).parents[2] / "docs" / "platform.md").read_text()
FENCE = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.M | re.S)
FIELDS = [
    {"name": "order_id", "type": "string", "doc": "Its id."},
    {"name": "total_cents", "type": "long", "doc": "The total in euro cents."},
]
SCHEMA = {"type": "record", "name": "com.acme.shop.OrderPlaced", "doc": "An order was placed.", "fields": FIELDS}
RIGHTS = [
    Acl("User:shop", Resource.TOPIC, "ord_placed", "write"),
    Acl("User:invoicing", Resource.TOPIC, "ord_placed", "read"),
    Acl("User:invoicing", Resource.GROUP, "inv", "read"),
    Acl("User:invoicing", Resource.TOPIC, "shop-metrics", "read"),
    Acl("User:bi", Resource.TOPIC, "ord_placed", "read"),
    Acl("User:bi", Resource.GROUP, "bi", "read"),
]
ORDERS = 20


class Old:
    """What the company had: its clients know nothing of busline."""

    def __init__(self, kafka: Any, registry: str) -> None:
        self.kafka, self.registry = kafka, registry
        self.codec = Codec(json.dumps(SCHEMA))
        self.schema_id = 0

    def client(self, user: str, password: str | None = None) -> KafkaTransport:
        security = Security(user=user, password=password or f"{user}-secret")
        return KafkaTransport([self.kafka.secure_bootstrap], security=security)

    async def found(self) -> None:
        async with httpx.AsyncClient() as http:
            place = f"{self.registry}/subjects/ord_placed-value/versions"
            answer = await http.post(place, json={"schema": json.dumps(SCHEMA)})
        self.schema_id = answer.json()["id"]
        admin = self.client(*self.kafka.admin)
        try:
            names = ("ord_placed", 3), ("shop-metrics", 1)
            await admin.create_topics([TopicSpec(name=n, partitions=p, append_time=False) for n, p in names])
            await admin.set_secrets([Credential(user=u, secret=f"{u}-secret") for u in ("shop", "invoicing", "bi")])
            await admin.create_acls(RIGHTS)
            await admin.settled(present=RIGHTS)
        finally:
            await admin.aclose()
        await self.shop()
        assert await self.invoicing(ORDERS) == ORDERS

    async def shop(self) -> None:
        shop = self.client("shop")
        try:
            made = [
                Record("ord_placed", f"o-{n}".encode(), frame_registry(self.schema_id, self._order(n)))
                for n in range(ORDERS)
            ]
            assert all(isinstance(outcome, Position) for outcome in await shop.publish(made))
        finally:
            await shop.aclose()

    def _order(self, n: int) -> bytes:
        return self.codec.encode({"order_id": f"o-{n}", "total_cents": 100 * n})

    async def invoicing(self, count: int) -> int:
        """Goes on where its group is."""
        client = self.client("invoicing")
        consumer = await client.consume(["ord_placed"], "inv")
        seen, done = 0, {}
        try:
            while seen < count:
                for item in await consumer.receive():
                    if isinstance(item, Received):
                        seen += len(item.records)
                        done[item.lease] = item.records[-1].offset + 1
            await consumer.commit(done)
        finally:
            await consumer.aclose()
            await client.aclose()
        return seen


class Terminal:
    """One after the other, with what was exported before."""

    def __init__(self, folder: Path, names: dict[str, str]) -> None:
        self.folder, self._names = folder, names
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("BUSLINE_", "PYTEST_", "GIT_", "GITHUB_"))}
        who = {f"GIT_{r}_{w}": "x@example.org" for r in ("AUTHOR", "COMMITTER") for w in ("NAME", "EMAIL")}
        self._environ = (
            kept | who | {"NO_COLOR": "1", "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"}
        )
        self._exports: list[str] = []
        self.count = 0

    def here(self, text: str) -> str:
        for name, real in self._names.items():
            text = text.replace(name, real)
        return text

    def write(self, path: str, text: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self.here(text))

    def run(self, command: str, code: int, shown: list[str]) -> None:
        if command.startswith("export "):
            self._exports.append(command)
            return
        script = "\n".join([*self._exports, self.here(command)])
        done = subprocess.run(
            ["sh", "-c", script], cwd=self.folder, env=self._environ, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=120,
        )  # fmt: skip
        assert done.returncode == code, f"$ {command}\n{done.stdout}"
        lines = [squeezed(line) for line in done.stdout.splitlines()]
        for line in shown:
            wanted = ".*".join(re.escape(part) for part in squeezed(self.here(line)).split("…"))
            assert any(re.fullmatch(wanted, one) for one in lines), f"$ {command}\nno {line!r} in\n{done.stdout}"
        self.count += 1


def squeezed(text: str) -> str:
    return " ".join(text.split())


def steps(block: str) -> list[tuple[str, int, list[str]]]:
    found: list[tuple[str, int, list[str]]] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            command, _, code = line[2:].partition("   # exit ")
            found.append((command, int(code or 0), []))
        else:
            found[-1][2].append(line)
    return found


@pytest.fixture
async def old(kafka_enforcing: Any, registry: str) -> Old:
    made = Old(kafka_enforcing, registry)
    await made.found()
    return made


@pytest.mark.timeout(600)
async def test_the_page_leads_from_a_kafka_that_is_there_to_one_that_refuses(old: Old, tmp_path: Path) -> None:
    terminal = Terminal(
        tmp_path,
        {
            "kafka://k1.acme.example:9093": old.kafka.secure_url,
            "https://registry.acme.example/apis/ccompat/v7": old.registry,
            " authorizer.log": f" {old.kafka.authorizer_log}",
        },
    )
    terminal.write("admin.secret", old.kafka.admin[1])
    terminal.run("git init -q -b main .", 0, [])
    for language, title, text in FENCE.findall(PAGE):
        if title:
            terminal.write(title, text)
        elif language == "console":
            for command, code, shown in steps(text):
                terminal.run(command, code, shown)
    assert terminal.count > 15
    await old.shop()
    assert await old.invoicing(ORDERS) == ORDERS, "who was there goes on as before, where it was"
    assert old.kafka.admin[1] not in "".join(p.read_text() for p in (tmp_path / "schemas").rglob("*") if p.is_file())
