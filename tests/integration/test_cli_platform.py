"""The script that `busline init --platform` writes: by Kafka's own tools it makes what --create makes."""

import os
import shlex
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from busline.governance.users.principals import APPLY, AUDIT, PLAN, PRINCIPALS, PROBE, platform_acls
from busline.transport.guard import USER, Acl, Resource

TOOL = """#!/bin/sh
printf '%s\\n' "$0 $*" >> "$NOTED"
for argument; do
  case ${previous:-} in --add-config-file) cat "$argument" >> "$NOTED.config" ;; esac
  previous=$argument
done
"""
RESOURCES = {"--topic": Resource.TOPIC, "--group": Resource.GROUP, "--transactional-id": Resource.TRANSACTIONAL_ID}
OPERATIONS = {"DescribeConfigs": "describe-configs", "AlterConfigs": "alter-configs"}


@pytest.fixture
def noted(tmp_path: Path, in_process: Any, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The calls of Kafka's tools, as the script makes them."""
    monkeypatch.chdir(tmp_path)
    done = in_process("init", "--platform", "--url", "kafka://one:9092,two:9092")
    assert done.returncode == 0
    assert "wrote platform/create-principals.sh" in done.stdout
    for tool in ("kafka-acls.sh", "kafka-configs.sh"):
        (tmp_path / tool).write_text(TOOL)
        (tmp_path / tool).chmod(0o755)
    told = {"NOTED": str(tmp_path / "noted"), "ADMIN": "admin.properties", "SECRETS": str(tmp_path / "secrets")}
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", **told}
    script = ["sh", "-e", str(tmp_path / "platform/create-principals.sh")]
    subprocess.run(script, env=environment, check=True, timeout=60)
    return [shlex.split(line) for line in (tmp_path / "noted").read_text().splitlines()]


def acls_of(call: list[str]) -> set[Acl]:
    user = call[call.index("--allow-principal") + 1]
    operations = [call[place + 1] for place, word in enumerate(call) if word == "--operation"]
    kinds = [(kind, call[call.index(flag) + 1]) for flag, kind in RESOURCES.items() if flag in call]
    if "--cluster" in call:
        kinds.append((Resource.CLUSTER, "kafka-cluster"))
    ((kind, name),) = kinds
    return {Acl(user, kind, name, OPERATIONS.get(one, one.lower())) for one in operations}


def test_the_script_gives_exactly_what_create_gives(noted: list[list[str]]) -> None:
    calls = [call for call in noted if call[0].endswith("kafka-acls.sh")]
    assert all("one:9092" in call and "--add" in call for call in calls)
    made = set().union(*(acls_of(call) for call in calls))
    assert made == {acl for acls in platform_acls().values() for acl in acls}


def test_the_script_makes_the_users_with_secrets_in_files_and_in_no_argument(
    noted: list[list[str]], tmp_path: Path
) -> None:
    calls = [call for call in noted if call[0].endswith("kafka-configs.sh")]
    assert [call[call.index("--entity-name") + 1] for call in calls] == list(PRINCIPALS)
    secrets = {file.name: file.read_text() for file in (tmp_path / "secrets").iterdir()}
    assert sorted(secrets) == sorted(f"{user.replace('/', '.')}.password" for user in PRINCIPALS)
    assert all(len(secret) == 43 for secret in secrets.values())
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in (tmp_path / "secrets").iterdir())
    given = (tmp_path / "noted.config").read_text().splitlines()
    names = [f"{user.replace('/', '.')}.password" for user in PRINCIPALS]
    assert given == [f"SCRAM-SHA-512=iterations=8192,password={secrets[name]}" for name in names]
    assert not any(secret in " ".join(call) for secret in secrets.values() for call in noted)


def test_who_plans_may_only_look_and_who_probes_may_nothing() -> None:
    looking = {"describe", "describe-configs", "read"}
    acls = platform_acls()
    assert {acl.operation for acl in acls[PLAN]} == looking
    assert [acl.name for acl in acls[PLAN] if acl.operation == "read"] == ["busline.contracts"]
    assert acls[PROBE] == frozenset()
    assert {(acl.name, acl.operation) for acl in acls[AUDIT] - acls[PLAN] if acl.operation not in looking} == {
        ("busline.access-denied", "write")
    }
    assert {acl.name for acl in acls[APPLY] if acl.operation in ("read", "write")} == {
        "busline.contracts", "busline.contract-changed", "busline.access-changed", "busline.apply"
    }  # fmt: skip
    assert all(acl.principal == USER + user for user, some in acls.items() for acl in some)


def test_what_belongs_to_platform_is_refused_without_it(in_process: Any, tmp_path: Path) -> None:
    assert in_process("init", str(tmp_path / "x"), "--create").returncode == 2
    assert not (tmp_path / "x").exists()


def test_an_engine_without_users_is_refused(in_process: Any, tmp_path: Path) -> None:
    where = ["--url", f"sqlite:///{tmp_path}/bus.db"]
    assert in_process("init", "--platform", *where).returncode == 2
    done = in_process("init", "--platform", "--create", *where)
    assert done.returncode == 1
    assert "refuses nobody" in done.stderr
