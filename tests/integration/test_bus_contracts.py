"""Where a bus gets its contracts from: the models, a workspace, or the log alone; and what it refuses to start with."""

import asyncio
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from busline import Bus, Event
from busline.bus import contract_log
from busline.bus.contract_log import ContractLog, write
from busline.bus.decoding import Decoder
from busline.bus.embedded import Embedded
from busline.codec.framing import SINGLE_OBJECT_MARK
from busline.contract import entries as entries_module
from busline.contract.entries import entries
from busline.contract.infer import infer
from busline.contract.workspace import Workspace
from busline.errors import (
    AccessDenied,
    ConfigurationError,
    ContractMismatch,
    ContractUnknown,
    UnknownSchema,
    WorkspaceInvalid,
)
from busline.names import CONTRACT_LOG, ContractName
from busline.record import StoredRecord
from busline.transport.base import Admin, Features
from busline.transport.memory import MemoryTransport
from busline.transport.resolve import resolve


class V1(Event, contract="demo.thing", key="name"):
    name: str


class V2(Event, contract="demo.thing", key="name"):
    name: str
    size: int


class V2Reader(Event, contract="demo.thing", key="name"):
    name: str
    size: int = 0


class Other(Event, contract="demo.thing", key="name"):
    name: str
    colour: str


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/bus.db"


async def versions(bus: Bus, name: str = "demo.thing") -> int:
    contract = bus._running().session.log.catalog.contract(name)
    assert contract is not None
    return len(contract.versions)


async def test_one_line_on_stderr_says_that_contracts_come_from_the_models(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Bus(url):
        pass
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "without a workspace" in err and "local/test-bus-contracts" in err


async def test_a_changed_model_makes_a_next_version_and_old_events_stay_readable(url: str) -> None:
    async with Bus(url) as bus:
        await bus.publish(V1(name="a"))
        await bus.publish(V1(name="b"))
        assert await versions(bus) == 1
    async with Bus(url) as bus:
        await bus.publish(V2(name="c", size=3))
        assert await versions(bus) == 2
        found = [event async for event in bus.read(V2Reader)]
        assert sorted((e.name, e.size) for e in found) == [("a", 0), ("b", 0), ("c", 3)]
    async with Bus(url) as bus:
        await bus.publish(V1(name="d"))
        assert await versions(bus) == 2


async def test_a_reader_that_can_read_the_newest_version_makes_none(url: str) -> None:
    async with Bus(url) as bus:
        await bus.publish(V2(name="c", size=3))
    reader = Bus(url)

    @reader.subscribe(V1)
    async def narrow(event: V1) -> None: ...

    async with reader:
        assert await versions(reader) == 1


async def test_a_new_field_is_never_dropped_silently(url: str) -> None:
    async with Bus(url) as bus:
        await bus.publish(V1(name="a"))
        await bus.publish(V2(name="a", size=7))
        assert {e.get("size") async for e in bus.read("demo.thing")} == {None, 7}


async def test_many_buses_that_start_at_once_on_one_file_converge(url: str) -> None:
    async def start(model: type[Event], event: Event) -> None:
        async with Bus(url) as bus:
            await bus.publish(event)

    events = [V1(name="a"), V2(name="b", size=1), Other(name="c", colour="red")] * 4
    await asyncio.gather(*(start(type(event), event) for event in events))
    async with Bus(url) as bus:
        assert await versions(bus) == 3
        found = [event async for event in bus.read("demo.thing")]
        assert len(found) == 12


async def test_one_at_a_time_writes_contracts_over_all_processes(url: str) -> None:
    async with Bus(url) as first, Bus(url) as second:
        inside: list[str] = []

        async def work(bus: Bus, name: str) -> None:
            async with bus._running().session.embedded._alone():
                inside.append(name)
                await asyncio.sleep(0.05)
                assert inside.pop() == name and inside == []

        await asyncio.gather(*(work(bus, name) for bus, name in [(first, "a"), (second, "b")] * 2))


async def test_the_log_is_read_once_at_start_and_only_what_is_asked_for_is_parsed(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [replace_name(infer([V1])[0], f"team{n % 100}.stream{n}") for n in range(10_000)]
    engine = resolve(url)
    await engine.start()
    await write(engine, dict(entries(many)))
    parsed: list[bytes] = []
    real = entries_module._reading
    monkeypatch.setattr(entries_module, "_reading", lambda key, raw, f: parsed.append(key) or real(key, raw, f))
    log = ContractLog(engine)
    assert len(await log.read()) == 20_000
    assert log.catalog.contract("team7.stream107") is not None
    assert log.catalog.contract("team7.nothing") is None
    assert parsed == [b"contract/team7.stream107", b"version/team7.stream107/1"]
    assert await log.read() == []
    await engine.aclose()


def replace_name(contract: Any, name: str) -> Any:
    from dataclasses import replace

    return replace(contract, name=ContractName(name), topic="", subject="")


async def test_unknown_schemas_make_the_log_be_read_on_but_not_in_a_flood(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contract_log, "REREAD", 0.05)
    engine = resolve(url)
    await engine.start()
    await Embedded(engine, log := ContractLog(engine)).prepare()
    reads: list[float] = []
    real = log.read

    async def counted() -> list[contract_log.Entry]:
        reads.append(time.monotonic())
        return await real()

    monkeypatch.setattr(log, "read", counted)
    await write(engine, dict(entries(infer([V1]))))
    await asyncio.gather(*(log.reread() for _ in range(50)))
    assert len(reads) == 1 and log.catalog.contract("demo.thing") is not None
    await log.reread()
    assert len(reads) == 2 and reads[1] - reads[0] >= 0.05
    await engine.aclose()


async def test_a_reference_that_stays_unknown_is_asked_for_once(url: str) -> None:
    async with Bus(url) as bus:
        await bus.publish(V1(name="a"))
        session = bus._running().session
        decoder = Decoder(session.log, ContractName("demo.thing"))
        reads = count_calls(session.log)
        for _ in range(3):
            with pytest.raises(UnknownSchema):
                decoder(StoredRecord(0, 0, b"a", SINGLE_OBJECT_MARK + bytes(8)))
            await decoder.refresh()
        assert reads == ["read on"]


async def test_a_version_that_another_process_made_is_learned_when_it_is_met(url: str) -> None:
    async with Bus(url) as reader, Bus(url) as writer:
        await reader.publish(V1(name="a"))
        await writer.publish(V2(name="b", size=1))
        assert await versions(reader) == 1
        assert len([e async for e in reader.read("demo.thing")]) == 2
        assert await versions(reader) == 2


def count_calls(log: ContractLog) -> list[str]:
    calls: list[str] = []
    real = log.reread

    async def counted() -> None:
        calls.append("read on")
        await real()

    log.reread = counted  # type: ignore[method-assign]
    return calls


async def test_a_start_at_another_commit_writes_nothing_that_says_the_same(url: str, workspace: Path) -> None:
    head = workspace.parent / ".git" / "HEAD"
    head.parent.mkdir()
    head.write_text("a" * 40 + "\n")
    ends = []
    for commit in ("a", "a", "b"):
        head.write_text(commit * 40 + "\n")
        async with Bus(url, service="demo/maker", workspace=workspace) as bus:
            log = bus._running().session.log
            ends.append(log.next)
            assert b'"commit":"%s"' % (b"a" * 40) in log.records[b"contract/demo.thing"]
    assert ends[0] == ends[1] == ends[2]


async def test_a_start_keeps_the_registrys_ids_that_were_applied(url: str, workspace: Path) -> None:
    contract = Workspace.load(workspace).contracts[ContractName("demo.thing")]
    registered = replace(contract, versions=tuple(replace(v, registry_id=40 + v.number) for v in contract.versions))
    engine = resolve(url)
    await engine.start()
    await write(engine, dict(entries([registered])))
    await engine.aclose()
    async with Bus(url, service="demo/maker", workspace=workspace) as bus:
        found = bus._running().session.log.catalog.contract("demo.thing")
        assert found is not None
        assert [version.registry_id for version in found.versions] == [41]


async def test_one_apply_is_visible_all_at_once(url: str) -> None:
    engine = resolve(url)
    await engine.start()
    positions = await write(engine, {b"team/a": b"{}", b"team/b": b"{}"})
    assert [position.topic for position in positions] == [CONTRACT_LOG] * 2
    await engine.aclose()


# a workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    root = tmp_path / "schemas"
    files = {
        "busline.yaml": "company: acme\nenvironments:\n  local: {url: 'sqlite:///x.db'}\n",
        "demo/team.yaml": "description: Demo team.\ncontact: {chat: '#demo'}\n",
        "demo/maker.service.yaml": "publishes: {demo.thing: 1}\nsubscribes: {}\n",
        "demo/thing/contract.yaml": "description: A thing.\nkey: name\naccess: {subscribe: [other/reader]}\n",
        "demo/thing/1.avsc": json.dumps(
            {"type": "record", "name": "Thing", "namespace": "demo", "fields": [{"name": "name", "type": "string"}]}
        ),
        "other/team.yaml": "description: Other team.\ncontact: {chat: '#other'}\n",
        "other/reader.service.yaml": (
            "publishes: {}\nsubscribes:\n  demo.thing: {version: 1, fields: [name], start: latest}\n"
        ),
        "other/stranger.service.yaml": "publishes: {}\nsubscribes: {}\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


async def test_with_a_workspace_who_is_granted_publishes_and_reads(url: str, workspace: Path) -> None:
    async with Bus(url, service="demo/maker", workspace=workspace) as maker:
        await maker.publish(V1(name="a"))
    async with Bus(url, service="other/reader", workspace=workspace) as reader:
        assert [e async for e in reader.read(V1)] == [V1(name="a")]


async def test_a_start_brings_a_topic_to_the_storage_that_the_workspace_says(url: str, workspace: Path) -> None:
    async with Bus(url, service="demo/maker", workspace=workspace):
        pass
    with (workspace / "demo/thing/contract.yaml").open("a") as contract:
        contract.write("storage: {retention: 30d, max_record: 2MiB}\n")
    async with Bus(url, service="demo/maker", workspace=workspace) as bus:
        spec = (await cast(Admin, bus._running().session.transport).topics())["demo.thing"]
        assert (spec.retention, spec.max_record) == (30 * 86_400_000, 2_097_152)
        await bus.publish(V1(name="x" * 900_000))


async def test_with_a_workspace_who_is_not_granted_is_refused_with_rule_file_and_whom_to_ask(
    url: str, workspace: Path
) -> None:
    async with Bus(url, service="other/stranger", workspace=workspace) as stranger:
        with pytest.raises(AccessDenied) as publishing:
            await stranger.publish(V1(name="a"))
        with pytest.raises(AccessDenied) as reading:
            _ = [e async for e in stranger.read(V1)]
    for caught in (publishing, reading):
        text = str(caught.value)
        assert "other/stranger may not" in text and "contract.yaml" in text and "#demo" in text and "rule" in text
    denied = Bus(url, service="other/stranger", workspace=workspace)

    @denied.subscribe(V1)
    async def handle(event: V1) -> None: ...

    with pytest.raises(AccessDenied):
        await denied.start()


async def test_with_a_workspace_a_model_that_fills_no_version_is_refused(url: str, workspace: Path) -> None:
    async with Bus(url, service="demo/maker", workspace=workspace) as bus:
        with pytest.raises(ContractMismatch) as caught:
            await bus.publish(V2(name="a", size=1))
    assert "size more" in str(caught.value) and "contract.yaml" in str(caught.value)
    reader = Bus(url, service="other/reader", workspace=workspace)

    @reader.subscribe(V2)
    async def handle(event: V2) -> None: ...

    with pytest.raises(ContractMismatch) as caught:
        await reader.start()
    assert "V2 cannot read version 1 of demo.thing" in str(caught.value)


async def test_with_a_workspace_a_service_is_needed(url: str, workspace: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        await Bus(url, workspace=workspace).start()
    assert "BUSLINE_SERVICE" in str(caught.value)


async def test_an_unknown_contract_is_no_contract_with_a_workspace(url: str, workspace: Path) -> None:
    class Unknown(Event, contract="demo.unknown", key="name"):
        name: str

    async with Bus(url, service="demo/maker", workspace=workspace) as bus:
        with pytest.raises(ContractUnknown):
            await bus.publish(Unknown(name="x"))


async def test_a_published_version_that_was_changed_is_refused(url: str, workspace: Path) -> None:
    async with Bus(url, service="demo/maker", workspace=workspace) as bus:
        await bus.publish(V1(name="a"))
    file = workspace / "demo/thing/1.avsc"
    file.write_text(
        file.read_text()
        .replace('"string"', '"bytes"')
        .replace('"name", "type": "bytes"', '"name", "type": "string"')
        .replace('"fields": [', '"fields": [{"name": "extra", "type": "int"}, ')
    )
    with pytest.raises(ContractMismatch) as caught:
        await Bus(url, service="demo/maker", workspace=workspace).start()
    assert "1.avsc" in str(caught.value)


async def test_a_broken_workspace_is_told_whole_at_start(url: str, workspace: Path) -> None:
    (workspace / "demo/thing/contract.yaml").write_text("description: x\nkye: name\n")
    with pytest.raises(WorkspaceInvalid) as caught:
        await Bus(url, service="demo/maker", workspace=workspace).start()
    assert "contract.yaml" in str(caught.value)


async def test_an_engine_that_has_contracts_needs_no_workspace_to_be_read(url: str, workspace: Path) -> None:
    async with Bus(url, service="demo/maker", workspace=workspace) as bus:
        await bus.publish(V1(name="a"))
    async with Bus(url) as bus:
        assert [e async for e in bus.read("demo.thing")] == [{"name": "a"}]


async def test_who_brings_an_engine_up_is_told_by_its_features_and_not_by_its_name() -> None:
    class Guarded(MemoryTransport):
        @property
        def features(self) -> Features:
            return replace(super().features, enforced=True)

    bus = Bus("elsewhere://somewhere", service="demo/maker")
    await bus.begin(bus.settings, (), MemoryTransport())
    await bus.publish(V1(name="a"))
    await bus.aclose()
    with pytest.raises(ContractUnknown, match="nothing was ever applied"):
        await bus.begin(bus.settings, (), Guarded())
