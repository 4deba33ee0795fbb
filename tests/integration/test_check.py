"""`busline check` in a real git repository: what is new, who is hurt, what is published, and what a pipeline sees."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from busline.cli.main import run
from busline.contract.finding import Finding
from busline.governance.gate.baseline import Baseline, fingerprint

ROOT = Path(__file__).parents[2]
VERSION = "schemas/orders/order-placed/{}.avsc"


class Done(NamedTuple):
    code: int
    findings: list[dict[str, Any]]
    summary: dict[str, Any]

    @property
    def rules(self) -> set[str]:
        return {finding["rule"] for finding in self.findings}

    def errors(self, rule: str) -> list[dict[str, Any]]:
        return [one for one in self.findings if one["rule"] == rule and one["severity"] == "error"]


Check = Callable[..., Done]


def git(*args: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    who = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", *who, *args], capture_output=True, text=True, check=True, env=environment | {"GIT_CONFIG_NOSYSTEM": "1"}
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The shop's workspace on main, and a branch `change` checked out."""
    for name in [name for name in os.environ if name.startswith(("BUSLINE_", "GITHUB_"))]:
        monkeypatch.delenv(name)
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    (tmp_path / "schemas/orders/order-placed/example.json").unlink()
    monkeypatch.chdir(tmp_path)
    git("init", "-q", "-b", "main", ".")
    git("add", "-A")
    git("commit", "-q", "-m", "one")
    git("checkout", "-q", "-b", "change")
    yield tmp_path


@pytest.fixture
def check(repository: Path, capsys: pytest.CaptureFixture[str]) -> Check:
    def checked(*args: str) -> Done:
        code = run(["check", "--json", *args])
        out, err = capsys.readouterr()
        assert code in (0, 4), err
        *findings, summary = [json.loads(line) for line in out.splitlines()]
        return Done(code, findings, summary["summary"])

    return checked


def schema(number: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(VERSION.format(number)).read_text())
    return found


def write(number: int, value: dict[str, Any]) -> None:
    Path(VERSION.format(number)).write_text(json.dumps(value, indent=2))


def renamed() -> dict[str, Any]:
    """Version 2 with `total` under another name."""
    value = schema(2)
    for field in value["fields"]:
        field["name"] = {"total": "amount"}.get(field["name"], field["name"])
    return value


def extended() -> dict[str, Any]:
    value = schema(2)
    value["fields"].append({"name": "channel", "type": "string", "doc": "Where it was ordered."})
    return value


def test_an_unchanged_workspace_has_no_findings(check: Check) -> None:
    assert check()[:2] == (0, [])
    assert check("--against", "main")[:2] == (0, [])


@pytest.mark.parametrize("against", [(), ("--against", "main"), ("--against", "HEAD")])
def test_a_renamed_field_names_every_reader_that_fails_and_ends_with_a_recipe(check: Check, against: Any) -> None:
    write(3, renamed())
    done = check(*against)
    assert done.code == 4
    assert sorted(one["what"].partition(" ")[0] for one in done.errors("reader-fails")) == [
        "billing/invoicing",
        "marketing/statistics",
    ]
    assert all(one["key"] == "total" and one["file"] == VERSION.format(3) for one in done.errors("reader-fails"))
    assert "4 merges" in done.summary["recipes"]["orders.order-placed"]
    assert done.errors("compatibility-level")


def test_what_no_reader_is_hurt_by_is_not_forbidden_by_the_level(check: Check, repository: Path) -> None:
    write(3, extended())
    done = check()
    levels = [one for one in done.findings if one["rule"] == "compatibility-level"]
    assert levels and {one["severity"] for one in levels} == {"note"}
    assert done.code == 0
    contract = repository / "schemas/orders/order-placed/contract.yaml"
    contract.write_text(contract.read_text() + "audience: partner\n")
    assert check("--only", "levels").errors("compatibility-level"), "outsiders are readers that nobody knows"


def test_each_version_that_hurts_has_its_recipe(check: Check) -> None:
    write(3, renamed())
    more = renamed()
    more["fields"] = [field for field in more["fields"] if field["name"] != "user_id"]
    write(4, more)
    steps = check().summary["recipes"]["orders.order-placed"]
    assert "instead of version 3" in steps and "instead of version 4" in steps


def test_a_version_that_is_no_record_is_said_once(check: Check) -> None:
    for schema_ in ([], "string", {"type": "array", "items": "int"}):
        Path(VERSION.format(3)).write_text(json.dumps(schema_))
        assert [(f["rule"], f["what"]) for f in check().findings if f["severity"] == "error"] == [
            ("invalid", "the root is not a record")
        ]


def test_a_symbol_more_is_a_note_where_nobody_reads_its_enum_and_an_error_where_somebody_does(check: Check) -> None:
    for enum, severities in (("status", {"note"}), ("currency", {"warning"})):
        value = schema(2)
        next(f for f in value["fields"] if f["name"] == enum)["type"]["symbols"].append("NEW")
        write(3, value)
        done = check()
        assert {f["severity"] for f in done.findings if f["rule"] == "enum-symbol-added"} == severities
        assert bool(done.errors("reader-fails")) == (enum == "currency")


def test_a_hurt_that_its_team_accepts_does_not_fail(check: Check, repository: Path) -> None:
    write(3, renamed())
    for service in ("billing/invoicing", "marketing/statistics"):
        file = repository / f"schemas/{service}.service.yaml"
        accepted = "accepts: [{contract: orders.order-placed, version: 3, why: moving, until: 9999-12-31}]\n"
        file.write_text(file.read_text() + accepted)
    done = check()
    assert done.code == 0 and "reader-accepted" in done.rules and "reader-fails" not in done.rules


def test_a_published_version_never_changes_and_one_on_the_branch_may(check: Check) -> None:
    write(3, extended())
    git("add", "-A")
    git("commit", "-q", "-m", "three")
    value = schema(3)
    value["fields"][-1]["default"] = "web"
    write(3, value)
    assert "version-immutable" not in check().rules
    value = schema(1)
    value["fields"][0]["doc"] = "Another."
    write(1, value)
    [found] = check().errors("version-immutable")
    assert found["file"] == VERSION.format(1)


def test_a_version_that_was_published_meanwhile_is_told(check: Check) -> None:
    write(3, extended())
    git("add", "-A")
    git("commit", "-q", "-m", "ours")
    git("checkout", "-q", "main")
    write(3, {**extended(), "doc": "Theirs."})
    git("add", "-A")
    git("commit", "-q", "-m", "theirs")
    git("checkout", "-q", "change")
    [found] = check().errors("version-immutable")
    assert "meanwhile" in found["what"]


def test_a_published_version_or_contract_that_is_gone_is_told(check: Check, repository: Path) -> None:
    Path(VERSION.format(2)).unlink()
    for service in ("orders/checkout", "billing/invoicing", "marketing/statistics"):
        file = repository / f"schemas/{service}.service.yaml"
        file.write_text(
            file.read_text().replace("order-placed: 2", "order-placed: 1").replace("version: 2", "version: 1")
        )
    assert [one["file"] for one in check().errors("version-immutable")] == [VERSION.format(2)]
    shutil.rmtree(repository / "schemas/billing/invoice-sent")
    (repository / "schemas/billing/invoicing.service.yaml").unlink()
    assert [one["about"] for one in check("--only", "versions").errors("contract-immutable")] == [
        "billing.invoice-sent"
    ]


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("key: order_id", "key"),
        ("storage: {partitions: 7}", "storage.partitions"),
        ("kafka: {topic: placed}", "kafka.topic"),
    ],
)
def test_what_decides_where_events_lie_never_changes(check: Check, repository: Path, line: str, key: str) -> None:
    file = repository / "schemas/orders/order-placed/contract.yaml"
    kept = file.read_text().replace("key: user_id\n", "") if key == "key" else file.read_text()
    file.write_text(f"{kept}{line}\n")
    [found] = check("--only", "versions").errors("contract-immutable")
    assert found["key"] == key and found["line"] > 1


def test_against_a_commit_only_what_changed_is_looked_at(check: Check, repository: Path) -> None:
    team = repository / "schemas/billing/team.yaml"
    team.write_text("description: nobody\n")
    git("add", "-A")
    git("commit", "-q", "-m", "two")
    write(3, extended())
    assert "owner-reachable" not in check("--against", "HEAD").rules
    assert check("--against", "HEAD").summary["contracts"] == 1
    assert "owner-reachable" in check("--against", "main").rules
    assert check().summary["contracts"] == 3


def test_who_is_hurt_is_told_beside_what_does_not_hold_together(check: Check, repository: Path) -> None:
    write(3, renamed())
    (repository / "schemas/orders/order-placed/example.json").write_text("{}")
    (repository / "schemas/marketing/user-statistics/contract.yaml").write_text("nonsense: [")
    done = check()
    assert {"invalid", "reader-fails"} <= done.rules
    assert "version-immutable" not in done.rules and "contract-immutable" not in done.rules
    assert "invalid" not in check("--only", "readers").rules


def test_against_a_folder_and_an_environment(
    check: Check, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(repository / "schemas", repository / "before")
    assert run(["apply", "--env", "local"]) == 0
    capsys.readouterr()
    write(3, renamed())
    value = schema(1)
    value["doc"] = "Another."
    write(1, value)
    for against in ("before", "local"):
        done = check("--against", against)
        assert {"reader-fails", "version-immutable"} <= done.rules, against


def test_a_ref_that_is_nothing_here_is_wrong_usage(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for ref in ("nowhere", "--upload-pack=x", "../..", ""):
        assert run(["check", "--against", ref]) == 2
    assert "no commit, no folder and no environment" in capsys.readouterr().err


def test_without_a_repository_or_its_branch_it_says_so_and_goes_on(
    check: Check, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git("branch", "-D", "main")
    assert "no branch 'main'" in check().summary["remarks"][0]
    shutil.rmtree(repository / ".git")
    write(3, renamed())
    done = check()
    assert "no commit of a git repository" in done.summary["remarks"][0]
    assert done.errors("reader-fails"), "the current version is judged by its readers"


def test_a_baseline_fails_new_findings_only(check: Check, repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / "schemas/billing/team.yaml").write_text("description: nobody\n")
    assert run(["check", "--write-baseline"]) == 0
    capsys.readouterr()
    done = check()
    assert done.code == 0 and done.summary["baseline"] > 0 and done.summary["gone"] == []
    team = repository / "schemas/marketing/team.yaml"
    team.write_text("description: nobody\n")
    assert [one["rule"] for one in check().findings if one["severity"] == "error"] == ["owner-reachable"]
    (repository / "schemas/billing/team.yaml").write_text("contact: {mail: billing@acme.example}\n")
    assert check().summary["gone"]
    assert run(["check", "--write-baseline", "--only", "rules"]) == 2


def test_a_baseline_gives_nobodys_consent(check: Check, repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(3, renamed())
    before = check()
    assert before.errors("reader-fails") and before.errors("compatibility-level")
    assert run(["check", "--write-baseline"]) == 0
    assert "not recorded" in capsys.readouterr().err
    done = check()
    assert done.code == 4 and done.errors("reader-fails") == before.errors("reader-fails")
    assert not done.errors("compatibility-level")
    hurt = Finding(file="a/b/2.avsc", what="c/d fails", rule="reader-fails")
    assert Baseline({fingerprint(hurt): "written by hand"}).new([hurt]) == [hurt]


def test_a_name_with_a_line_break_in_the_tree_harms_nothing(check: Check, repository: Path) -> None:
    folder = repository / "schemas/orders/odd\nname"
    folder.mkdir()
    (folder / "1.avsc").write_text("{}")
    git("add", "-A")
    git("commit", "-q", "-m", "odd")
    shutil.rmtree(folder)
    assert check("--against", "main").code == 0


def test_under_github_actions_findings_are_annotations(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    write(3, renamed())
    assert run(["check"]) == 4
    out = capsys.readouterr().out
    assert "::error file=schemas/orders/order-placed/3.avsc,line=" in out
    assert run(["check", "--format", "text"]) == 4
    assert "::error" not in capsys.readouterr().out


def test_an_unknown_part_is_wrong_usage(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "--only", "rules,nonsense"]) == 2
    assert "validity, rules, versions" in capsys.readouterr().err


def test_a_new_project_passes_and_is_given_its_pipeline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in os.environ if name.startswith(("BUSLINE_", "GITHUB_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    assert run(["init"]) == 0
    assert run(["init", "--ci", "github"]) == 2, "outside a repository there is no place for it"
    git("init", "-q", "-b", "main", ".")
    (tmp_path / "schemas/orders/team.yaml").write_text('codeowners: "@acme/orders"\ncontact: {chat: x}\n')
    (tmp_path / "schemas/billing").mkdir()
    (tmp_path / "schemas/billing/team.yaml").write_text("contact: {chat: x}\n")
    with (tmp_path / "schemas/busline.yaml").open("a") as file:
        file.write('  prod: {url: "kafka://k1:9092", enforce: deny}\n')
    assert run(["init", "--ci", "github"]) == 0
    assert (tmp_path / ".github/CODEOWNERS").read_text().splitlines()[-2:] == [
        "# /schemas/billing/ @YOUR-ORG/billing   (`codeowners` is not said in billing/team.yaml)",
        "/schemas/orders/ @acme/orders",
    ]
    pipeline = yaml.safe_load((tmp_path / ".github/workflows/busline.yml").read_text())
    assert pipeline["jobs"]["check"]["steps"][-1]["run"] == "busline check --workspace schemas"
    assert pipeline["jobs"]["apply-prod"]["steps"][-1]["run"] == "busline apply --env prod --workspace schemas"
    plan = pipeline["jobs"]["plan-prod"]["steps"][-1]
    assert plan["run"] == "busline plan --env prod --workspace schemas"
    assert plan["env"]["BUSLINE_USER"] == "busline/plan", "a request's pipeline gets the user that changes nothing"
    assert list(pipeline["jobs"]) == ["check", "plan-prod", "apply-prod"]
    capsys.readouterr()
    monkeypatch.setenv("BUSLINE_APP", "nothing.here:bus")
    run(["check", "--json"])
    rules = [json.loads(line).get("rule") for line in capsys.readouterr().out.splitlines()]
    assert rules == ["codeowners", "declare-fresh", None] or rules == ["declare-fresh", "codeowners", None]


def test_a_pipeline_that_is_there_is_never_overwritten(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / "CODEOWNERS").write_text("/schemas/orders/ @acme/orders\n")
    assert run(["init", "--ci", "gitlab"]) == 0
    assert "/schemas/billing/" in capsys.readouterr().out
    assert (repository / "CODEOWNERS").read_text() == "/schemas/orders/ @acme/orders\n"
    file = repository / ".gitlab/busline.yml"
    jobs = yaml.safe_load(file.read_text())
    assert list(jobs) == ["busline-check", "busline-plan-prod", "busline-apply-prod"]
    assert run(["init", "--ci", "gitlab"]) == 0
    file.write_text("mine: {}\n")
    assert run(["init", "--ci", "gitlab"]) == 2
    assert file.read_text() == "mine: {}\n"


def test_models_that_are_not_fresh_are_errors(
    check: Check, repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    generated = repository / "models.py"
    monkeypatch.setenv("BUSLINE_GENERATED", str(generated))
    assert check("--only", "fresh").rules == {"codegen-fresh"}
    assert run(["codegen", "billing.invoice-sent", "--out", "models.py"]) == 0
    capsys.readouterr()
    assert check("--only", "fresh").rules == set()
    generated.write_text(generated.read_text() + "# by hand\n")
    [found] = check("--only", "fresh").findings
    assert (found["rule"], found["file"]) == ("codegen-fresh", "models.py")


def test_what_is_missing_before_a_contract_is_shown_outside(check: Check, repository: Path) -> None:
    team = repository / "schemas/billing/team.yaml"
    team.write_text(team.read_text().replace("mail: billing@acme.example, ", ""))
    done = check("--as", "public")
    assert done.code == 4
    assert {(one["about"], one["rule"]) for one in done.findings if one["severity"] == "error"} == {
        ("team billing", "owner-reachable")
    }
    assert done.summary["remarks"] == ["ready for public: marketing.user-statistics, orders.order-placed"]
    assert check().code == 0


def test_what_a_removed_contract_leaves_behind_is_found_by_what_changed_alone(check: Check, repository: Path) -> None:
    shutil.rmtree(repository / "schemas/orders/order-placed")
    done = check("--against", "main")
    assert {one["about"] for one in done.errors("invalid")} == {
        "orders/checkout",
        "billing/invoicing",
        "marketing/statistics",
    }


def test_a_grant_beyond_the_audience_has_a_rule_of_its_own(check: Check, repository: Path) -> None:
    contract = repository / "schemas/billing/invoice-sent/contract.yaml"
    contract.write_text(contract.read_text() + "audience: team\n")
    assert len(check("--only", "validity").errors("grant-audience")) == 2


ODD = {
    "root": '"string"',
    "enum": '{"type": "enum", "name": "E", "symbols": ["A"]}',
    "recursive": '{"type": "record", "name": "O", "fields": [{"name": "n", "type": ["null", "O"]}]}',
    "empty": '{"type": "record", "name": "OrderPlaced", "fields": []}',
    "no schema": "[1]",
    "no json": "{",
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
@pytest.mark.parametrize("args", [(), ("--against", "main"), ("--as", "public")])
def test_no_schema_ends_the_check(check: Check, text: str, args: tuple[str, ...]) -> None:
    Path(VERSION.format(3)).write_text(text)
    done = check(*args)
    assert done.code == 4 and done.errors("invalid")


def test_from_any_folder_as_a_process_results_are_on_stdout_and_the_code_is_4(repository: Path) -> None:
    write(3, renamed())
    done = subprocess.run(
        [sys.executable, "-m", "busline.cli.main", "check"],
        cwd=repository / "schemas/orders",
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith(("BUSLINE_", "GITHUB_"))},
    )
    assert done.returncode == 4
    lines = done.stdout.splitlines()
    assert lines[0] == "orders.order-placed" and lines[-1] == "next: busline explain reader-fails"
    assert done.stderr.startswith("compared with main (")
