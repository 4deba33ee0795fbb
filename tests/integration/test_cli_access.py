"""From a word to a right to read: find, show, can, request; nothing of it speaks of the engine's own words."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Busline = Callable[..., Any]
ENGINE_WORDS = re.compile(r"topic|partition|offset|broker|kafka|consumer group", re.I)
NAME = "growth.user-statistics"


def git(folder: Path, *args: str) -> str:
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    return subprocess.run(["git", *identity, *args], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(shop: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "x")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "x@example.org")
    git(shop, "init", "-q")
    git(shop, "add", "schemas")
    git(shop, "commit", "-q", "-m", "begin")
    return shop


@pytest.mark.parametrize("where", [[], ["--env", "local"]], ids=["workspace", "environment"])
def test_a_stream_is_found_by_what_it_is_about(inside: Busline, where: list[str]) -> None:
    assert inside("apply", "--env", "local").returncode == 0
    done = inside("find", "user", "statistic", *where)
    assert done.stdout.splitlines()[:2] == [NAME, "  What a user has bought so far."]
    hits = [json.loads(line) for line in inside("find", "--json", "where to write", *where).stdout.splitlines()]
    assert hits[0]["contract"] == NAME
    assert hits[0]["fields"][0]["name"] == "mail_address"
    assert inside("find", "submarine", *where).stdout == ""
    assert not ENGINE_WORDS.search(done.stdout + done.stderr)


def test_show_says_what_it_is_who_uses_it_and_whom_to_ask(inside: Busline) -> None:
    inside("apply", "--env", "local")
    done = inside("show", NAME, "--as", "marketing/people")
    assert (done.returncode, ENGINE_WORDS.search(done.stdout + done.stderr)) == (0, None)
    for said in (
        "owner      growth, #growth",
        "growth/stats (version 1)",
        "orders/checkout (version 1: user_id, spent)",
        "last event none is kept",
        f"ask #growth: busline request {NAME} --for marketing/people",
    ):
        assert said in done.stdout
    assert re.search(r"^user_id +text +key +Who bought\.$", done.stdout, re.M)
    assert re.search(r"^mail_address .* pii ", done.stdout, re.M)
    assert re.search(r"^orders +whole number +deprecated: use spent ", done.stdout, re.M)
    told = json.loads(inside("show", NAME, "--as", "marketing/people", "--json").stdout)
    assert (told["access"], told["contact"]["chat"], told["versions"]) == ("ask", "#growth", [1])


def test_show_without_an_engine_says_so(inside: Busline) -> None:
    done = inside("show", NAME)
    assert done.returncode == 0
    assert "last event not known: nothing was ever applied" in done.stdout
    own = inside("show", NAME, "--as", "growth/people").stdout
    assert "you may read, as the workspace says (owner-reads); nothing was ever applied" in own
    assert inside("show", "growth.nope").returncode == 1


@pytest.mark.parametrize(
    ("where", "code", "says"),
    [
        (["--env", "nope"], 2, "no environment 'nope'"),
        (["--env", "local"], 1, "nothing was ever applied"),
        (["--url", "kafka://127.0.0.1:1"], 6, "no answer"),
    ],
    ids=["no environment", "nothing applied", "no engine"],
)
@pytest.mark.parametrize("command", ["find", "show", "can"])
def test_an_engine_that_was_named_and_says_nothing_is_an_error(
    inside: Busline, command: str, where: list[str], code: int, says: str
) -> None:
    args = {"find": ["user"], "show": [NAME], "can": ["marketing/people", "read", NAME]}[command]
    done = inside(command, *args, *where)
    assert (done.returncode, done.stdout, says in done.stderr) == (code, "", True), done.stderr
    assert "fix:" in done.stderr


def test_show_says_how_fresh_it_is(inside: Busline) -> None:
    inside("apply", "--env", "local")
    assert inside("publish", "orders.order-placed", "--fake", "3").returncode == 0
    assert re.search(r"last event \d+ (s|min) ago \(20\d\d-.*Z\)", inside("show", "orders.order-placed").stdout)
    assert json.loads(inside("show", "orders.order-placed", "--json").stdout)["last_event"]


def test_can_names_rule_file_and_line(inside: Busline) -> None:
    yes = inside("can", "orders/checkout", "subscribe", NAME)
    assert (yes.returncode, "growth/user-statistics/contract.yaml:6" in yes.stdout) == (0, True)
    no = inside("can", "marketing/people", "read", NAME, "--json")
    assert (no.returncode, json.loads(no.stdout)["rule"]) == (5, "no-grant")
    assert inside("can", "growth/stats", "publish", NAME).returncode == 0
    assert inside("can", "marketing/mailer", "publish", NAME).returncode == 5
    assert inside("can", "marketing/mailer", "read", "growth.nope").returncode == 5
    inside("apply", "--env", "local")
    assert inside("can", "orders/checkout", "subscribe", NAME, "--env", "local").returncode == 0


def test_access_is_asked_for_by_one_line_and_is_there_when_it_is_applied(shop: Path, inside: Busline) -> None:
    inside("apply", "--env", "local")
    file = shop / "schemas/growth/user-statistics/contract.yaml"
    before = file.read_text()
    done = inside("request", NAME, "--for", "marketing/people", "--why", "autumn campaign")
    assert done.returncode == 0, done.stderr
    assert "ask #growth to merge it" in done.stderr
    after = file.read_text()
    assert set(after.splitlines()) - set(before.splitlines()) == {"  read: [marketing/people]  # autumn campaign"}
    assert "+  read: [marketing/people]  # autumn campaign" in done.stdout
    assert "request open" in inside("show", NAME, "--as", "marketing/people").stdout
    refused = inside("read", NAME, "--as", "marketing/people")
    assert (refused.returncode, f"busline request {NAME} --for marketing/people" in refused.stderr) == (5, True)
    assert inside("apply", "--env", "local").returncode == 0
    assert "you may read (grant-service)" in inside("show", NAME, "--as", "marketing/people").stdout
    assert inside("read", NAME, "--as", "marketing/people").returncode == 0
    again = inside("request", NAME, "--for", "marketing/people", "--why", "once more")
    assert f"already: busline read {NAME} --as marketing/people" in again.stdout
    assert (again.returncode, "already" in again.stdout, file.read_text()) == (0, True, after)
    more = inside("request", NAME, "--for", "marketing/people", "--why", "mails", "--pii")
    assert more.returncode == 0, more.stderr
    assert "  read: [{to: marketing/people, pii: true}]  # autumn campaign" in file.read_text()


def test_a_branch_leaves_the_work_tree_alone(repository: Path, inside: Busline) -> None:
    file = repository / "schemas/growth/user-statistics/contract.yaml"
    file.write_text(file.read_text() + "# not yet committed\n")
    (repository / "schemas/new.txt").write_text("new")
    git(repository, "add", "schemas/new.txt")
    before = git(repository, "status", "--porcelain")
    done = inside("request", NAME, "--for", "marketing/people", "--why", "autumn campaign", "--branch", "--json")
    assert done.returncode == 0, done.stderr
    branch = json.loads(done.stdout)["branch"]
    assert git(repository, "status", "--porcelain") == before
    assert file.read_text().endswith("# not yet committed\n")
    changed = git(repository, "diff", "--stat", f"HEAD..{branch}")
    assert "1 file changed, 1 insertion(+)" in changed
    assert "schemas/growth/user-statistics/contract.yaml" in changed
    assert "autumn campaign" in git(repository, "log", "-1", "--format=%B", branch)
    assert f"request open: branch {branch}" in inside("show", NAME, "--as", "marketing/people").stdout
    assert inside("request", NAME, "--for", "marketing/people", "--why", "again", "--branch").returncode == 2


def test_a_branch_that_is_merged_is_not_to_be_merged_again(repository: Path, inside: Busline) -> None:
    inside("apply", "--env", "local")
    asked = inside("request", NAME, "--for", "marketing/people", "--why", "autumn", "--branch", "--json")
    git(repository, "merge", "-q", json.loads(asked.stdout)["branch"])
    for where in ([], ["--env", "local"]):
        shown = inside("show", NAME, "--as", "marketing/people", *where).stdout
        assert "request open: the line is in the workspace, not applied yet" in shown
    more = inside("request", NAME, "--for", "marketing/people", "--why", "mails", "--pii", "--branch", "--json")
    assert (more.returncode, json.loads(more.stdout)["branch"]) == (0, json.loads(asked.stdout)["branch"])
    git(repository, "merge", "-q", json.loads(more.stdout)["branch"])
    git(repository, "revert", "--no-edit", "HEAD", "HEAD^")
    assert "ask #growth" in inside("show", NAME, "--as", "marketing/people").stdout


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["growth.nope", "--for", "marketing/people"], 1, "busline find nope"),
        ([NAME, "--for", "nobody/people"], 2, "there is no team nobody"),
        ([NAME, "--for", "marketing/nope"], 2, "busline declare"),
        ([NAME, "--for", "marketing/people", "--branch"], 2, "git"),
        (["orders.order-placed", "--for", "marketing/people"], 0, ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_what_cannot_be_asked_for_is_said(inside: Busline, args: list[str], code: int, says: str) -> None:
    done = inside("request", *args, "--why", "x")
    assert (done.returncode, says in done.stderr) == (code, True), done.stderr


def test_a_declared_service_that_waits_for_its_grant_can_ask_for_it(shop: Path, inside: Busline) -> None:
    file = shop / "schemas/marketing/mailer.service.yaml"
    file.write_text(f"{file.read_text()}  {NAME}: {{version: 1, fields: [user_id]}}\n")
    assert inside("can", "marketing/mailer", "subscribe", NAME).returncode == 5
    refused = inside("apply", "--env", "local")
    assert (refused.returncode, "not allowed: marketing/mailer" in refused.stderr) == (4, True)
    assert inside("request", NAME, "--for", "marketing/mailer", "--why", "greetings").returncode == 0
    assert inside("can", "marketing/mailer", "subscribe", NAME).returncode == 0
    assert inside("apply", "--env", "local").returncode == 0
