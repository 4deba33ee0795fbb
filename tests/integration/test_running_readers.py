"""Readers that run, known by what they say of themselves in their groups: on sqlite as on Kafka."""

import asyncio
import datetime as dt
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from busline import Bus, Event
from busline.cli.main import run
from busline.contract.evolution.readers import Origin
from busline.contract.workspace import Workspace
from busline.errors import ReadersHurt
from busline.governance.apply.apply import apply
from busline.governance.plan.plan import Goal, plan_changes
from busline.governance.readers.deployment import Place, contract_obstacles, service_obstacles
from busline.governance.readers.running import Deployed, look
from busline.governance.readers.survey import Merged
from busline.governance.users.secrets import SecretPlaces, Secrets
from busline.names import ContractName, Service
from busline.transport.base import Transport
from busline.transport.resolve import resolve

WITHIN = 30.0


def schema(*fields: str) -> str:
    made = [{"name": f, "type": "string" if f == "order_id" else "double"} for f in fields]
    return json.dumps({"type": "record", "name": "OrderPlaced", "fields": made})


class Shop:
    """Two teams: the owner's checkout publishes `<owner>.placed`, the billing team's invoicing reads it."""

    def __init__(self, folder: Path, url: str, word: str) -> None:
        self.folder, self.url = folder / "schemas", url
        self.owner, self.billing = f"{word}o", f"{word}b"
        self.contract = ContractName(f"{self.owner}.placed")
        self.checkout, self.invoicing = Service(f"{self.owner}/checkout"), Service(f"{self.billing}/invoicing")
        self.write("busline.yaml", f'company: acme\nenvironments:\n  local: {{url: "{url}"}}\n')
        for team in (self.owner, self.billing):
            self.write(f"{team}/team.yaml", f'contact: {{chat: "#{team}"}}\n')
        self.write(
            f"{self.owner}/placed/contract.yaml",
            f"description: Placed.\nkey: order_id\naccess: {{subscribe: [{self.billing}]}}\n"
            "storage: {partitions: 2}\n",
        )
        self.write(f"{self.owner}/checkout.service.yaml", f"publishes: {{{self.contract}: 1}}\nsubscribes: {{}}\n")
        self.version(1, "order_id", "total")
        self.reads(1, "order_id", "total")

    def write(self, path: str, text: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def version(self, number: int, *fields: str) -> None:
        self.write(f"{self.owner}/placed/{number}.avsc", schema(*fields))

    def reads(self, version: int, *fields: str, accepts: str = "") -> None:
        text = (
            f"publishes: {{}}\nsubscribes:\n  {self.contract}: {{version: {version}, fields: [{', '.join(fields)}]}}\n"
        )
        self.write(f"{self.billing}/invoicing.service.yaml", f"{text}accepts: [{accepts}]\n")

    def model(self, *fields: str) -> type[Event]:
        types = {f: str if f == "order_id" else float for f in fields}
        meta: Any = type(Event)
        body = {"__annotations__": types, "__module__": __name__}
        made: type[Event] = meta("Placed", (Event,), body, contract=self.contract, key="order_id")
        return made

    @property
    def merged(self) -> Merged:
        loaded = Workspace.load(self.folder)
        return Merged(contracts=loaded.contracts, services=loaded.services, teams=loaded.teams)

    async def apply(self, engine: Transport) -> None:
        merged = self.merged
        goal = Goal(contracts=merged.contracts, services=merged.services, teams=merged.teams)
        secrets = Secrets(SecretPlaces(folder=self.folder.parent / "secrets"))
        await apply(await plan_changes(goal, engine), engine, secrets=secrets)

    async def place(self, engine: Transport) -> Place:
        today = dt.datetime.now(dt.UTC).date()
        return Place(name="local", merged=self.merged, deployed=await look(engine), today=today)

    @asynccontextmanager
    async def running(self, monkeypatch: pytest.MonkeyPatch, release: str, *fields: str) -> AsyncIterator[Bus]:
        monkeypatch.setenv("BUSLINE_RELEASE", release)
        bus = Bus(self.url, service=self.invoicing)
        model = self.model(*fields)

        async def handle(event: Event) -> None: ...

        handle.__annotations__["event"] = model
        bus.subscribe(model)(handle)
        async with bus:
            await bus.caught_up()
            yield bus


async def until(engine: Transport, true: Callable[[Deployed], bool]) -> Deployed:
    async with asyncio.timeout(WITHIN):
        while True:
            if true(deployed := await look(engine)):
                return deployed
            await asyncio.sleep(0.05)


def releases(deployed: Deployed, contract: str) -> set[str]:
    return {reader.release for reader in deployed.running if reader.contract == contract}


@pytest.fixture
async def engine(shop: Shop) -> AsyncIterator[Transport]:
    made = resolve(shop.url)
    await made.start()
    yield made
    await made.aclose()


@pytest.fixture(params=["sqlite", pytest.param("kafka", marks=pytest.mark.kafka)])
def shop(request: pytest.FixtureRequest, tmp_path: Path, unique: str) -> Shop:
    url = f"sqlite:///{tmp_path}/bus.db" if request.param == "sqlite" else request.getfixturevalue("kafka").url
    return Shop(tmp_path, url, unique)


async def test_a_running_reader_says_what_it_reads_and_blocks_what_would_hurt_it(
    shop: Shop, engine: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.apply(engine)
    async with shop.running(monkeypatch, "r41", "order_id", "total"):
        deployed = await until(engine, lambda there: releases(there, shop.contract) == {"r41"})
    [reader] = [r for r in deployed.running if r.contract == shop.contract]
    assert (reader.service, reader.group, reader.version) == (shop.invoicing, shop.invoicing, 1)
    assert [use.name for use in reader.fields] == ["order_id", "total"]
    assert reader.origin is Origin.RUNNING

    shop.reads(1, "order_id")  # merged: billing reads total no more; r41 does
    shop.version(2, "order_id")
    [obstacle] = contract_obstacles(await shop.place(engine), shop.contract)
    assert "running (release r41), fails on version 2" in obstacle.what
    assert "`total` is gone" in obstacle.what
    assert obstacle.first == f"deploy {shop.invoicing} as it is merged: release r41 still runs"
    with pytest.raises(ReadersHurt, match="release r41"):
        await shop.apply(engine)

    async with shop.running(monkeypatch, "r42", "order_id"):
        await until(engine, lambda there: releases(there, shop.contract) == {"r42"})
    assert contract_obstacles(await shop.place(engine), shop.contract) == []
    await shop.apply(engine)
    assert service_obstacles(await shop.place(engine), shop.invoicing) == []


async def test_consent_in_the_readers_own_file_lets_an_apply_pass(
    shop: Shop, engine: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.apply(engine)
    async with shop.running(monkeypatch, "r41", "order_id", "total"):
        await until(engine, lambda there: releases(there, shop.contract) == {"r41"})
    shop.version(2, "order_id")
    with pytest.raises(ReadersHurt) as refused:
        await shop.apply(engine)
    assert len(refused.value.conflicts) == 2  # merged, and running
    shop.reads(
        1, "order_id", "total", accepts=f"{{contract: {shop.contract}, version: 2, why: we stop, until: 2999-01-01}}"
    )
    await shop.apply(engine)


async def test_who_only_reads_says_so_without_joining_a_group(shop: Shop, engine: Transport) -> None:
    await shop.apply(engine)
    async with Bus(shop.url, service=shop.invoicing) as bus:
        assert [event async for event in bus.read(shop.model("order_id", "total"))] == []
        assert [event async for event in bus.read(str(shop.contract))] == []
    [reader] = [r for r in (await look(engine)).running if r.contract == shop.contract]
    assert reader.group == f"{shop.invoicing}/~read"
    assert reader.is_told


@pytest.fixture
def local(tmp_path: Path) -> Shop:
    return Shop(tmp_path, f"sqlite:///{tmp_path}/bus.db", "s")


def answer(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, dict[str, Any]]:
    code = run(["can-i-deploy", *args, "--json"])
    captured = capsys.readouterr()
    return code, json.loads(captured.out or captured.err)


def test_the_command_answers_with_its_exit_code(local: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--env", "local", "--workspace", str(local.folder)]
    assert run(["apply", *where]) == 0
    capsys.readouterr()
    code, said = answer(capsys, local.invoicing, *where)
    assert (code, said["deployable"], said["obstacles"]) == (0, True, [])
    local.version(2, "order_id", "total", "tax")
    local.reads(2, "order_id", "tax")
    code, said = answer(capsys, local.invoicing, *where)
    assert code == 4
    assert [o["first"] for o in said["obstacles"]] == ["busline apply --env local"]
    assert answer(capsys, "--contract", f"{local.contract}@2", *where)[0] == 0
    assert run(["apply", *where]) == 0
    capsys.readouterr()
    code, said = answer(capsys, local.invoicing, *where)
    assert code == 4
    assert "fails on version 1" in said["obstacles"][0]["what"]
    assert "`tax` is not there yet" in said["obstacles"][0]["what"]
    local.reads(2, "order_id", "tax", accepts=f"{{contract: {local.contract}, version: 1, why: w, until: 2999-01-01}}")
    assert answer(capsys, local.invoicing, *where)[0] == 0


def test_it_waits_until_what_has_to_go_first_has_gone(
    local: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    where = ["--env", "local", "--workspace", str(local.folder)]
    assert run(["apply", *where]) == 0
    local.version(2, "order_id", "total", "tax")
    local.reads(2, "order_id", "total")
    looked: list[Deployed] = []

    async def applied_meanwhile(engine: Transport) -> Deployed:
        if looked:
            await local.apply(engine)
        looked.append(await look(engine))
        return looked[-1]

    monkeypatch.setattr("busline.cli.can_i_deploy.look", applied_meanwhile)
    monkeypatch.setattr("busline.cli.can_i_deploy.POLL", 0.0)
    capsys.readouterr()
    assert run(["can-i-deploy", local.invoicing, "--wait", "10m", *where]) == 0
    captured = capsys.readouterr()
    assert len(looked) == 2
    assert captured.out == f"yes: {local.invoicing} may be deployed to local\n"
    assert "version 2 is not applied" in captured.err


def test_an_environment_that_nobody_made_and_a_service_that_nobody_declared_are_wrong_usage(
    local: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["can-i-deploy", local.invoicing, "--workspace", str(local.folder)]) != 0
    assert "nothing was ever applied" in capsys.readouterr().err
    where = ["--workspace", str(local.folder)]
    assert run(["apply", "--env", "local", *where]) == 0
    for args in (["nobody/here"], [], ["--contract", "a.b@x"], [local.invoicing, "--contract", local.contract]):
        assert run(["can-i-deploy", *args, *where]) == 2
    assert run(["can-i-deploy", local.invoicing, "--url", "kafka://127.0.0.1:1", *where]) == 6
