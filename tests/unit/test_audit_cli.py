"""`busline audit` as it is asked: formats, exit codes, what it wants to be told."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from busline.cli import audit as command
from busline.cli.main import run
from busline.cli.report.formats import FORMATS
from busline.contract.workspace import Workspace
from busline.governance.audit.audit import Asked, Audited
from busline.governance.audit.findings import found

Busline = Callable[..., tuple[int, str, str]]
ERROR = found(
    "topic-without-contract",
    "topic raw has no contract",
    "Delete it.",
    at=("busline.yaml", 3),
    seen="6 parts",
    ask="#x",
)
WARNING = found("probe-not-run", "not probed", "Give the secret.", at=("orders/x.service.yaml", 2), ask="#orders")


@pytest.fixture
def asked() -> list[Asked]:
    return []


@pytest.fixture
def busline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], asked: Any) -> Busline:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas/busline.yaml").write_text("company: acme\nenvironments:\n  prod: {url: 'kafka://nowhere:1'}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BUSLINE_PROBE_PASSWORD_FILE", raising=False)

    def called(*args: str, findings: Any = (ERROR, WARNING)) -> tuple[int, str, str]:
        async def audited(workspace: Workspace, env: str, how: Asked) -> Audited:
            asked.append(how)
            return Audited(findings=list(findings), notes=["4 listeners: 4 tried"])

        monkeypatch.setattr(command, "audited", audited)
        code = run(["audit", *args])
        out, err = capsys.readouterr()
        return code, out, err

    return called


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_tells_what_was_seen_whom_to_ask_and_how_to_mend(busline: Busline, form: str) -> None:
    code, out, _ = busline("--env", "prod", "--format", form)
    assert code == 4
    for part in ("topic raw has no contract", "6 parts", "#x", "Delete it", "topic-without-contract"):
        assert part in out, part


def test_what_only_should_be_mended_fails_nothing(busline: Busline) -> None:
    assert busline("--env", "prod", findings=(WARNING,))[0] == 0
    code, out, _ = busline("--env", "prod", findings=())
    assert code == 0 and "no findings" in out and "4 listeners: 4 tried" in out


def test_json_has_evidence_and_owner_of_their_own(busline: Busline) -> None:
    _, out, _ = busline("--env", "prod", "--json")
    first, *_, last = map(json.loads, out.splitlines())
    assert (first["evidence"], first["owner"], first["severity"]) == ("6 parts", "#x", "error")
    assert last["summary"]["errors"] == 1 and last["summary"]["remarks"] == ["4 listeners: 4 tried"]


def test_what_is_asked_is_passed_on_and_the_probes_secret_is_never_shown(
    busline: Busline, asked: list[Asked], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUSLINE_PROBE_PASSWORD", "swordfish")
    log = tmp_path / "a.log"
    log.touch()
    busline("--env", "prod", "--samples", "3", "--unused", "7", "--authorizer-log", str(log), "--publish")
    [one] = asked
    assert (one.samples, one.unused, one.logs, one.publish, one.probe) == (3, 7, (log,), True, "swordfish")
    assert "swordfish" not in repr(one)


def test_wrong_usage_is_said_before_anything_is_asked(busline: Busline, monkeypatch: pytest.MonkeyPatch) -> None:
    assert busline()[0] == 2
    code, _, err = busline("--env", "prod", "--publish")
    assert code == 2 and "--authorizer-log" in err
    assert busline("--env", "prod", "--authorizer-log", "nowhere.log")[0] == 2
    monkeypatch.setenv("BUSLINE_PROBE_PASSWORD_FILE", "nowhere")
    code, _, err = busline("--env", "prod")
    assert code == 2 and "BUSLINE_PROBE_PASSWORD_FILE" in err
