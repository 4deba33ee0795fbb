"""plan and apply at the command line, on a broker that refuses what no ACL allows; nobody here is a super user, but for
the administrator who makes busline's own users once.
"""

import asyncio
import json
import re
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from busline.cli.main import run
from busline.errors import AuthenticationFailed, NotAuthorized, NotPublished
from busline.governance.users.principals import APPLY, AUDIT, PLAN, PRINCIPALS, platform_acls
from busline.record import Position, Record
from busline.transport.base import TopicSpec
from busline.transport.guard import Acl, Credential, Quota, Resource
from busline.transport.kafka.engine import KafkaTransport
from busline.transport.security import Security

R = TypeVar("R")
Busline = Callable[..., Any]
SCHEMA = """{"type": "record", "name": "%s.Order", "doc": "One order as it was paid for, once an order.", "fields": [
  {"name": "order_id", "type": "string", "doc": "Unique for ever, given by the shop."}]}
"""
CONTRACT = """description: An order was accepted and paid for. Published once an order, at payment.
key: order_id
access: {subscribe: [%s]}
storage: {partitions: 1, retention: %s}
"""


class Team:
    """A workspace of one team with a contract, a publisher and a subscriber; and the cluster that it is for."""

    def __init__(self, folder: Path, name: str, kafka: Any, secrets: Path) -> None:
        self.folder, self.name, self.kafka, self.platform = folder, name, kafka, secrets
        self.publisher, self.subscriber = f"{name}/shop", f"{name}/books"
        self.contract = f"{name}.order"
        environments = "\n".join(
            f'  {env}: {{url: "{kafka.url}", enforce: {env}{until}}}'
            for env, until in (("deny", ""), ("observe", ", observe_until: 2999-12-31"))
        )
        self.write("busline.yaml", f"company: acme\nenvironments:\n{environments}\n")
        self.write(f"{name}/team.yaml", "description: Sells.\ncontact: {chat: '#sells'}\n")
        self.write(f"{name}/order/1.avsc", SCHEMA % name)
        self.grants()
        self.write(f"{name}/shop.service.yaml", f"publishes: {{{self.contract}: 1}}\n")
        self.write(
            f"{name}/books.service.yaml", f"subscribes: {{{self.contract}: {{version: 1, fields: [order_id]}}}}\n"
        )

    def write(self, path: str, text: str) -> None:
        file = self.folder / "schemas" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def grants(self, *to: str, retention: str = "7d") -> None:
        self.write(f"{self.name}/order/contract.yaml", CONTRACT % (", ".join(to), retention))

    def secret(self, service: str, mechanism: str = "", env: str = "deny") -> Path:
        name = service.replace("/", ".") + (f".{mechanism}" if mechanism else "")
        return self.folder / ".busline" / "secrets" / env / f"{name}.password"

    def login(self, service: str, mechanism: Any = None) -> Security:
        kind = mechanism.lower() if mechanism == "SCRAM-SHA-256" else ""
        return Security(user=service, password=self.secret(service, kind), mechanism=mechanism)


@pytest.fixture(scope="module")
def platform(kafka_enforcing: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """busline's own users, made by the command and an administrator's login; the folder of their secrets."""
    folder = tmp_path_factory.mktemp("platform")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUSLINE_USER", kafka_enforcing.admin[0])
        patch.setenv("BUSLINE_PASSWORD_FILE", str(kafka_enforcing.admin_secret))
        patch.chdir(folder)
        assert run(["init", "--platform", "--url", kafka_enforcing.url, "--create", "--secrets", str(folder)]) == 0
    return folder


@pytest.fixture
def team(tmp_path: Path, unique: str, kafka_enforcing: Any, platform: Path) -> Team:
    return Team(tmp_path, unique, kafka_enforcing, platform)


@pytest.fixture
def busline(team: Team, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Busline]:
    """`busline …` in that workspace, as one of busline's own users."""
    monkeypatch.chdir(team.folder)

    def as_user(user: str, *args: str) -> Any:
        monkeypatch.setenv("BUSLINE_USER", user)
        monkeypatch.setenv("BUSLINE_PASSWORD_FILE", str(team.platform / f"{user.replace('/', '.')}.password"))
        capsys.readouterr()
        code = run(args)
        out, err = capsys.readouterr()
        return code, out, err

    yield as_user


def own(team: Team, user: str) -> Security:
    return Security(user=user, password=team.platform / f"{user.replace('/', '.')}.password")


def doing(team: Team, security: Security, work: Callable[[KafkaTransport], Awaitable[R]]) -> R:
    """One thing that this user does on the cluster."""

    async def done() -> R:
        engine = KafkaTransport([team.kafka.bootstrap], security=security)
        await engine.start()
        try:
            return await work(engine)
        finally:
            await engine.aclose()

    return asyncio.run(done())


async def writes(engine: KafkaTransport, topic: str) -> None:
    (outcome,) = await engine.publish([Record(topic, b"k", b"v")])
    if not isinstance(outcome, Position):
        raise outcome


def test_busline_s_own_users_have_exactly_their_rights_and_a_second_time_nothing_is_made(
    team: Team, busline: Busline, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    acls = doing(team, own(team, AUDIT), lambda engine: engine.acls())
    wanted = {acl for some in platform_acls().values() for acl in some}
    assert {acl for acl in acls if acl.user in PRINCIPALS} == wanted
    assert all(acl.allow and not acl.prefixed and acl.principal != "User:*" for acl in wanted)
    monkeypatch.setenv("BUSLINE_USER", team.kafka.admin[0])
    monkeypatch.setenv("BUSLINE_PASSWORD_FILE", str(team.kafka.admin_secret))
    again = ["init", "--platform", "--url", team.kafka.url, "--create", "--secrets", str(team.platform), "--json"]
    assert run(again) == 0
    assert json.loads(capsys.readouterr().out) == {"made": {"users": 0, "rights": 0}, "users": []}


def test_who_plans_sees_all_and_can_change_nothing(team: Team, busline: Busline) -> None:
    assert busline(APPLY, "apply", "--env", "deny")[0] == 0
    code, out, err = busline(PLAN, "plan", "--env", "deny", "--exit-code", "--json")
    assert (code, json.loads(out)["changes"]) == (0, []), err
    team.grants(retention="30d")
    assert busline(PLAN, "plan", "--env", "deny", "--exit-code")[0] == 3
    assert busline(PLAN, "apply", "--env", "deny")[0] == 5
    right = Acl("User:x/y", Resource.TOPIC, team.contract, "read")
    attempts: list[Callable[[KafkaTransport], Awaitable[object]]] = [
        lambda engine: engine.create_topics([TopicSpec(name=f"{team.name}.other")]),
        lambda engine: engine.alter_topics([TopicSpec(name=team.contract, partitions=1, retention=1)]),
        lambda engine: engine.delete_topics([team.contract]),
        lambda engine: engine.create_acls([right]),
        lambda engine: engine.set_secrets([Credential(user="x/y", secret="a-secret-of-mine")]),
        lambda engine: engine.delete_secrets([(team.publisher, "SCRAM-SHA-512")]),
        lambda engine: engine.set_quotas({team.publisher: Quota(publish=1)}),
    ]
    for attempt in attempts:
        with pytest.raises(NotAuthorized):
            doing(team, own(team, PLAN), attempt)
    for topic in (team.contract, "busline.contracts", "busline.access-denied"):
        with pytest.raises(NotPublished):
            doing(team, own(team, PLAN), lambda engine, topic=topic: writes(engine, topic))  # type: ignore[misc]
    assert busline(PLAN, "plan", "--env", "deny", "--exit-code")[0] == 3


def test_apply_needs_no_super_user_for_any_kind_of_change(team: Team, busline: Busline) -> None:
    plan = str(team.folder / "plan.json")
    assert busline(PLAN, "plan", "--env", "deny", "--out", plan)[0] == 0
    code, _, err = busline(APPLY, "apply", "--plan", plan)
    assert code == 0, err
    assert f"new secret of {team.publisher} (SCRAM-SHA-512): {team.secret(team.publisher)}" in err
    doing(team, team.login(team.publisher), lambda engine: writes(engine, team.contract))
    with pytest.raises(NotPublished):
        doing(team, team.login(team.subscriber), lambda engine: writes(engine, team.contract))
    code, out, _ = busline(APPLY, "apply", "--env", "deny")  # notes may tell of other tests' teams
    assert (code, out.splitlines()[-1]) == (0, "no changes")
    team.grants(retention="30d")
    (team.folder / "schemas" / team.name / "shop.service.yaml").unlink()
    code, out, err = busline(APPLY, "apply", "--env", "deny", "--json")
    assert code == 0, err
    marks = {(one["mark"], one["what"]) for one in json.loads(out)["changes"]}
    assert {("-", f"rights of {team.publisher}"), ("-", f"user {team.publisher}")} <= marks
    with pytest.raises(AuthenticationFailed):
        doing(team, team.login(team.publisher), lambda engine: writes(engine, team.contract))


def test_a_plan_is_refused_when_it_is_stale_before_anything_is_touched(team: Team, busline: Busline) -> None:
    plan = str(team.folder / "plan.json")
    assert busline(PLAN, "plan", "--env", "deny", "--out", plan)[0] == 0
    team.grants(retention="30d")
    code, out, err = busline(APPLY, "apply", "--plan", plan)
    assert (code, out) == (1, "")
    assert "error[BL0902]" in err
    assert team.contract not in doing(team, own(team, PLAN), lambda engine: engine.topics())
    assert busline(PLAN, "plan", "--env", "deny", "--out", plan)[0] == 0
    acl = Acl(f"User:{team.subscriber}", Resource.TOPIC, "something.else", "read")
    doing(team, own(team, APPLY), lambda engine: engine.create_acls([acl]))
    doing(team, own(team, APPLY), lambda engine: engine.settled(present=[acl]))
    assert "BL0902" in busline(APPLY, "apply", "--plan", plan)[2]
    assert busline(APPLY, "apply", "--env", "deny")[0] == 0
    assert acl not in doing(team, own(team, PLAN), lambda engine: engine.acls())


def test_with_a_plan_nothing_else_is_said(team: Team, busline: Busline) -> None:
    plan = str(team.folder / "plan.json")
    assert busline(PLAN, "plan", "--env", "deny", "--out", plan)[0] == 0
    assert busline(APPLY, "apply", "--plan", plan, "--env", "observe")[0] == 2
    assert busline(APPLY, "apply", "--plan", plan, "--team", team.name)[0] == 2
    assert busline(APPLY, "apply", "--plan", plan, "--env", "deny", "--dry-run")[0] == 3


def test_what_observe_holds_back_is_listed_with_its_day_and_stays(team: Team, busline: Busline) -> None:
    assert busline(APPLY, "apply", "--env", "observe")[0] == 0
    right = Acl(f"User:{team.subscriber}", Resource.TOPIC, team.contract, "write")
    doing(team, own(team, APPLY), lambda engine: engine.create_acls([right]))
    doing(team, own(team, APPLY), lambda engine: engine.settled(present=[right]))
    _, out, _ = busline(PLAN, "plan", "--env", "observe")
    assert "stays for now, as `enforce` is `observe` until 2999-12-31:" in out
    assert f"rights of {team.subscriber}: write topic {team.contract}" in out
    assert "no changes, 1 held back" in out
    assert busline(PLAN, "plan", "--env", "deny", "--exit-code")[0] == 3


def test_given_secrets_are_taken_and_printed_ones_are_kept_nowhere(
    team: Team, busline: Busline, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = "a-secret-of-the-shop"
    monkeypatch.setenv(f"BUSLINE_SECRET_{team.name.upper()}_SHOP", given)
    code, out, err = busline(APPLY, "apply", "--env", "deny", "--print-secrets", "--json")
    assert code == 0, err
    said = json.loads(out)
    assert sorted(said["secrets"]) == [team.subscriber, f"{team.name}/people"]
    assert given not in out + err
    assert not (team.folder / ".busline").exists()
    users = {team.publisher: given, team.subscriber: said["secrets"][team.subscriber]}
    for user, secret in users.items():
        doing(team, Security(user=user, password=secret), lambda engine: engine.bounds(team.contract))


def test_a_secret_that_is_refused_stops_before_its_user_is_made(
    team: Team, busline: Busline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"BUSLINE_SECRET_{team.name.upper()}_SHOP", "tooshort1")
    code, out, err = busline(APPLY, "apply", "--env", "deny")
    assert code == 2
    assert "tooshort1" not in out + err
    assert team.publisher not in doing(team, own(team, PLAN), lambda engine: engine.users())


def test_a_secret_is_rotated_with_both_good_meanwhile(team: Team, busline: Busline) -> None:
    assert busline(APPLY, "apply", "--env", "deny")[0] == 0
    rotating = ("apply", "--env", "deny", "--rotate", team.publisher)
    assert "--rotate alone" in busline(APPLY, *rotating, "--finish")[2]
    code, _, err = busline(APPLY, *rotating)
    assert code == 0, err
    new = team.secret(team.publisher, "scram-sha-256")
    assert f"BUSLINE_SASL_MECHANISM=SCRAM-SHA-256 BUSLINE_PASSWORD_FILE={new}" in err
    for mechanism in ("SCRAM-SHA-512", "SCRAM-SHA-256"):
        doing(team, team.login(team.publisher, mechanism), lambda engine: writes(engine, team.contract))
    code, _, err = busline(APPLY, *rotating)
    assert (code, "under way" in err) == (1, True)
    note = busline(PLAN, "plan", "--env", "deny", "--exit-code")
    assert note[0] == 0
    assert re.search(rf"the secret of {team.publisher} is being rotated to SCRAM-SHA-256 since \d", note[1])
    code, out, err = busline(APPLY, *rotating, "--finish")
    assert code == 0, err
    assert "logs in by SCRAM-SHA-256" in out
    assert not team.secret(team.publisher).exists()
    doing(team, team.login(team.publisher, "SCRAM-SHA-256"), lambda engine: writes(engine, team.contract))
    users = doing(team, own(team, PLAN), lambda engine: engine.users())
    assert users[team.publisher] == {"SCRAM-SHA-256"}
    assert busline(PLAN, "plan", "--env", "deny", "--exit-code")[0] == 0
    assert busline(APPLY, *rotating)[0] == 0
    assert busline(APPLY, *rotating, "--abort")[0] == 0
    assert doing(team, own(team, PLAN), lambda engine: engine.users())[team.publisher] == {"SCRAM-SHA-256"}
    doing(team, team.login(team.publisher, "SCRAM-SHA-256"), lambda engine: writes(engine, team.contract))


def test_what_check_finds_refuses_the_plan_before_anything_is_touched(team: Team, busline: Busline) -> None:
    team.write(f"{team.name}/order/1.avsc", (SCHEMA % team.name).replace("Unique for ever, given by the shop.", ""))
    for command in ("plan", "apply"):
        code, out, err = busline(APPLY, command, "--env", "deny")
        assert (code, out) == (4, "")
        assert "'order_id' has no doc" in err
    assert team.contract not in doing(team, own(team, PLAN), lambda engine: engine.topics())


def test_a_store_of_secrets_gets_new_ones_and_is_asked_for_those_it_has(team: Team, busline: Busline) -> None:
    vault = team.folder / "vault.py"
    vault.write_text(
        "import os, sys, pathlib\n"
        "file = pathlib.Path(__file__).with_name(os.environ['BUSLINE_USER'].replace('/', '.') + '.kept')\n"
        "if sys.argv[1:] == ['put']:\n    file.write_text(sys.stdin.read())\n"
        "elif file.exists():\n    print(file.read_text().strip())\n"
    )
    services = f'services: {{read: ["{sys.executable}", "{vault}"], store: ["{sys.executable}", "{vault}", put]}}'
    file = team.folder / "schemas" / "busline.yaml"
    file.write_text(file.read_text().replace("enforce: deny", f"enforce: deny, credentials: {{{services}}}"))
    kept = team.folder / f"{team.subscriber.replace('/', '.')}.kept"
    kept.write_text("what-the-vault-has-already\n")
    code, out, err = busline(APPLY, "apply", "--env", "deny")
    assert code == 0, err
    assert f"secret of {team.subscriber} (SCRAM-SHA-512): as given by the command {sys.executable}" in err
    assert not (team.folder / ".busline").exists()
    new = (team.folder / f"{team.publisher.replace('/', '.')}.kept").read_text().strip()
    assert new not in out + err
    for user, secret in ((team.publisher, new), (team.subscriber, "what-the-vault-has-already")):
        doing(team, Security(user=user, password=secret), lambda engine: engine.bounds(team.contract))


def test_a_rotation_is_not_taken_for_a_dry_run(team: Team, busline: Busline) -> None:
    rotating = ("apply", "--env", "deny", "--rotate", team.publisher)
    assert busline(APPLY, *rotating, "--dry-run")[0] == 2
    assert busline(APPLY, *rotating, "--team", team.name)[0] == 2


def test_an_unknown_service_is_not_rotated(team: Team, busline: Busline) -> None:
    code, _, err = busline(APPLY, "apply", "--env", "deny", "--rotate", f"{team.name}/shap")
    assert code == 2
    assert f"Did you mean {team.publisher}?" in err
