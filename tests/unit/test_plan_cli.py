"""How a plan looks, and how it is kept in a file between plan and apply."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from busline.cli.plan_file import PlanFile, read_plan, write_plan
from busline.cli.plan_view import Shown
from busline.cli.planning import Asked, Planned
from busline.errors import ConfigurationError, PlanStale
from busline.governance.plan.record_lines import moved, record_lines
from busline.governance.state.change import Change
from busline.names import Team

SERVICES = [f"team{number % 7}/service-{number}" for number in range(400)]


def plain(shown: Shown, *, full: bool = False) -> list[str]:
    return re.sub(r"\x1b\[[0-9;]*m", "", shown.text(full=full)).splitlines()


def of_service(name: str) -> list[Change]:
    letters = f"busline.dlq.{name.replace('/', '.')}"
    rights = f"read group {name}; read group {name}/*; read topic {letters}"
    return [Change(name, "+", f"rights of {name}", new=rights, why="a:1"), Change(name, "+", f"user {name}", new=name)]


def test_changes_stand_with_their_contract_with_old_and_new_value_and_why() -> None:
    changes = [
        Change("orders.order-placed", "~", "topic: kept", "7d", "30d", "orders/order-placed/contract.yaml:4"),
        Change("billing/invoicing", "-", "service", "", "", ""),
        Change("orders.order-placed", "±", "rights of billing/x", "write topic a", "read topic a", "a.yaml:9"),
        Change("orders.order-placed", "+", "version 2"),
    ]
    assert plain(Shown(changes=changes)) == [
        "billing/invoicing",
        "  - gone     service",
        "orders.order-placed",
        "  ~ changed  topic: kept: 7d -> 30d  (orders/order-placed/contract.yaml:4)",
        "  ± replaced rights of billing/x: write topic a -> read topic a  (a.yaml:9)",
        "  + new      version 2",
        "1 new, 1 changed, 1 replaced, 1 gone",
    ]


def test_what_destroys_and_what_widens_and_what_is_held_back_stand_apart() -> None:
    held = Change("orders.order-placed", "-", "rights of a/b", "read topic orders.order-placed")
    shown = Shown(
        destroys=["topic x is deleted"], widens=["y: a/b reads"], held=[held], until=" until 2026-12-31"
    )  # fmt: skip
    assert plain(shown) == [
        "destroys, and cannot be taken back:",
        "  ! topic x is deleted",
        "widens access:",
        "  > y: a/b reads",
        "stays for now, as `enforce` is `observe` until 2026-12-31:",
        "  - gone     orders.order-placed: rights of a/b: read topic orders.order-placed",
        "no changes, 1 destroying, 1 widening access, 1 held back",
    ]
    assert plain(Shown()) == ["no changes"]


def test_services_that_get_the_same_are_one_group() -> None:
    changes = [change for name in SERVICES for change in of_service(name)]
    lines = plain(Shown(changes=changes))
    assert lines == [
        "400 alike: team0/service-0, team0/service-105, team0/service-112 and 397 more (--full)",
        "  + new      rights of …: read group …; read group …/*; read topic busline.dlq.…",
        "  + new      user …",
        "800 new",
    ]
    assert len(plain(Shown(changes=changes), full=True)) == 1201


def test_rights_of_many_on_one_contract_are_one_line_and_what_differs_stays() -> None:
    changes = [Change("a.b", "+", f"rights of {name}", new="read topic a.b", why="a/b:4") for name in SERVICES]
    changes.append(Change("a.b", "+", "rights of other/one", new="write topic a.b", why="a/b:9"))
    assert plain(Shown(changes=changes)) == [
        "a.b",
        "  + new      rights of …: read topic a.b",
        "             400 of them: team0/service-0, team1/service-1, team2/service-2 and 397 more (--full)",
        "  + new      rights of other/one: write topic a.b  (a/b:9)",
        "401 new",
    ]
    full = plain(Shown(changes=changes), full=True)
    assert "  + new      rights of team6/service-398: read topic a.b  (a/b:4)" in full
    assert len(full) == 403


def test_a_long_list_of_who_newly_gets_what_is_cut_and_says_so() -> None:
    widens = ["a.b: " + ", ".join(f"{name} subscribes" for name in SERVICES), *(f"c{n}.d: x" for n in range(100))]
    lines = plain(Shown(widens=widens))
    assert lines[1].endswith("team2/service-2 subscribes and 397 more (--full)")
    assert lines[-2] == "  > and 61 more (--full)"
    assert len(plain(Shown(widens=widens), full=True)) == 103


def test_nothing_that_destroys_is_ever_cut() -> None:
    assert len(plain(Shown(destroys=[f"topic {name}" for name in SERVICES]))) == 402


def test_what_a_broker_says_cannot_drive_the_terminal() -> None:
    shown = Shown(changes=[Change("a.b\x1b[2J", "~", "topic", "\x1b]0;x\x07", "y", "\x1b[1m")], widens=["\x1b[3m: z"])
    assert "\x1b" not in "".join(plain(shown))


@pytest.fixture
def made() -> Planned:
    """A plan as far as a file needs it."""
    plan: Any = SimpleNamespace(fingerprint="f1", changes=(Change("a.b", "+", "version 1"),))
    target: Any = SimpleNamespace(url="kafka://one:9092", environment=SimpleNamespace(name="prod"))
    workspace: Any = SimpleNamespace(commit="c1")
    engine: Any = None
    return Planned(workspace=workspace, target=target, plan=plan, engine=engine, registry=None)


ASKED = Asked(env="prod", teams=frozenset({Team("a")}), allow_delete=frozenset({"a.b"}))


@pytest.fixture
def file(tmp_path: Path, made: Planned) -> Path:
    write_plan(tmp_path / "plan.json", made, ASKED)
    return tmp_path / "plan.json"


def test_a_plan_comes_back_as_it_was_asked_for_and_only_its_owner_reads_it(file: Path, made: Planned) -> None:
    found = read_plan(file)
    assert found.asked(None) == ASKED
    assert file.stat().st_mode & 0o777 == 0o600
    found.check_is(made)
    assert [path.name for path in file.parent.iterdir()] == ["plan.json"]


def changed(made: Planned, where: str, **what: Any) -> Planned:
    part: Any = SimpleNamespace(**{**vars(getattr(made, where)), **what})
    parts: dict[str, Any] = {where: part}
    return replace(made, **parts)


@pytest.mark.parametrize(
    ("where", "what", "why"),
    [
        ("workspace", {"commit": "c2"}, "another commit.*planned at c1, now at c2"),
        ("workspace", {"commit": None}, "another commit"),
        ("target", {"url": "kafka://other:9092"}, "elsewhere.*kafka://one:9092"),
        (
            "plan",
            {"fingerprint": "f2", "changes": (Change("a.c", "+", "version 3"),)},
            "a.b: version 1; a.c: version 3",
        ),
        ("plan", {"fingerprint": "f2"}, "changed since"),
    ],
)
def test_a_plan_that_is_not_what_would_be_done_now_is_stale(
    file: Path, made: Planned, where: str, what: dict[str, Any], why: str
) -> None:
    with pytest.raises(PlanStale, match=why):
        read_plan(file).check_is(changed(made, where, **what))


def text(change: Callable[[dict[str, Any]], Any]) -> Callable[[str], str]:
    def changed_text(was: str) -> str:
        held = json.loads(was)
        change(held)
        return json.dumps(held)

    return changed_text


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda was: "garbage", "not JSON"),
        (lambda was: "", "not JSON"),
        (lambda was: "[" * 100_000, "not JSON"),
        (lambda was: "[]", "no plan of busline"),
        (lambda was: "null", "no plan of busline"),
        (lambda was: was[: len(was) // 2], "not JSON"),
        (lambda was: '{"busline": "plan", "v": 1}', "Field required"),
        (text(lambda held: held.update(v=2)), "format 2 is newer than 1"),
        (text(lambda held: held["allow_delete"].append("x.y")), "changed after it was written"),
        (text(lambda held: held.update(environment="test")), "changed after it was written"),
        (text(lambda held: held.pop("digest")), "changed after it was written"),
        (text(lambda held: held.update(more=1)), "Extra inputs"),
    ],
)
def test_a_file_that_is_no_whole_plan_is_refused_and_named(file: Path, spoil: Callable[[str], str], why: str) -> None:
    file.write_text(spoil(file.read_text()))
    with pytest.raises(ConfigurationError, match=re.escape(str(file))) as refused:
        read_plan(file)
    assert why in str(refused.value)


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        read_plan(tmp_path / "none.json")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="not JSON"):
        read_plan(tmp_path / "bytes")


def test_a_plan_replaces_a_plan_and_no_other_file(file: Path, made: Planned) -> None:
    write_plan(file, changed(made, "plan", fingerprint="f2"), ASKED)
    assert read_plan(file).fingerprint == "f2"
    file.write_text("my thesis")
    with pytest.raises(ConfigurationError, match="not overwritten"):
        write_plan(file, made, ASKED)
    assert file.read_text() == "my thesis"


def test_no_password_of_a_url_gets_into_the_file(tmp_path: Path, made: Planned) -> None:
    url = "kafka://me:t0psecret@one:9092"
    with pytest.raises(ConfigurationError, match="password"):
        write_plan(tmp_path / "plan.json", changed(made, "target", url=url), replace(ASKED, url=url))
    write_plan(tmp_path / "plan.json", changed(made, "target", url=url), ASKED)
    assert "t0psecret" not in (tmp_path / "plan.json").read_text()


def test_every_field_of_a_plan_file_is_written(file: Path) -> None:
    assert json.loads(file.read_text()).keys() == PlanFile.model_fields.keys()


def test_what_only_stands_elsewhere_in_its_file_is_no_change_and_grants_are_said_as_one_reads_them() -> None:
    def record(line: int, *to: str) -> bytes:
        grants = [{"to": name, "pii": True, "source": {"file": "a/b/contract.yaml", "line": line}} for name in to]
        return json.dumps({"v": 1, "grants": grants, "storage": {"retention": 86_400_000 * line}}).encode()

    key = b"contract/a.b"
    assert moved({key: record(1, "x/y")}, {key: record(1, "x/y").replace(b'"line": 1', b'"line": 9')}) == {key}
    assert moved({key: record(1, "x/y"), b"team/a": None}, {key: record(1, "x/z")}) == set()
    lines = [change for _, change in record_lines({key: record(7, "x/y", "x/z")}, {key: record(1, "x/y")}, {})]
    assert lines == [
        Change("a.b", "~", "contract: grants", "x/y (pii)", "x/y (pii), x/z (pii)"),
        Change("a.b", "~", "contract: storage.retention", "1d", "7d"),
    ]


def test_of_thousands_of_new_contracts_some_are_shown_and_of_what_changes_or_goes_all() -> None:
    new = [Change(f"a.c{n}", "+", f"topic a.c{n}: {n} partitions") for n in range(1000)]
    gone = [Change(f"b.c{n}", "-", f"version {n}") for n in range(1000)]
    lines = plain(Shown(changes=[*new, *gone]))
    assert [line for line in lines if line.startswith("940 more, of which all is new: ")]
    assert sum(line.startswith("  - gone") for line in lines) == 1000
    assert sum(line.startswith("  + new") for line in lines) == 60


def test_a_name_within_another_name_is_another_name() -> None:
    changes = [
        Change("a.b", "+", f"rights of t/s{n}", new=f"read group t/s{n}; read group t/s{n}/*; read topic t/s{n}-x")
        for n in range(9)
    ]
    assert len(plain(Shown(changes=changes))) == 11
    alike = [line._replace(new=line.new.partition("; read topic")[0]) for line in changes]
    assert plain(Shown(changes=alike))[1] == "  + new      rights of …: read group …; read group …/*"
