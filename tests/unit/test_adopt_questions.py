"""Whose topics and users are is asked once for all that begin alike, with a suggestion, and can be kept."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from busline.cli.adopt_questions import ask_owners
from busline.cli.main import run
from busline.cli.output import Output
from busline.contract.workspace import Workspace
from busline.governance.adopt.adoption import Asked, adopt
from busline.governance.adopt.live import Live, SubjectSeen
from busline.governance.adopt.owners import Owners, owners_of
from busline.governance.registry.registry import Stored
from busline.transport.base import TopicSpec
from busline.transport.guard import Acl, Resource

SCHEMA = '{"type": "record", "name": "A", "fields": [{"name": "id", "type": "string", "doc": "Its id."}]}'
TOPICS = ("ord.a", "ORD_b", "order.c", "2019_x", "stock")


class Terminal:
    """Who sits there: questions with their suggestions, answered in turn; None takes the suggestion."""

    def __init__(self, answers: list[str | None]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str]] = []

    def prompt(self, text: str, default: str, err: bool) -> str:
        assert err
        self.asked.append((text.strip(), default))
        return self.answers.pop(0) or default


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Asked]:
    (tmp_path / "busline.yaml").write_text("company: acme\n")
    yield Asked(workspace=Workspace.load(tmp_path), owners=Owners(), today=dt.date(2026, 11, 24))


@pytest.fixture
def live() -> Live:
    subjects = [SubjectSeen(name=f"{topic}-value", versions=(Stored(1, 1, SCHEMA),)) for topic in TOPICS]
    return Live(
        topics={topic: TopicSpec(name=topic) for topic in TOPICS},
        subjects={subject.name: subject for subject in subjects},
        acls=frozenset({Acl("User:svc", Resource.TOPIC, "ord.a", "write")}),
    )


def test_what_begins_alike_is_asked_once_and_the_answers_can_be_kept(
    asked: Asked, live: Live, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal([None, "orders", "Not A Team", "-", None, None])
    monkeypatch.setattr(click, "prompt", terminal.prompt)
    said = ask_owners(Output(), live, asked)
    assert terminal.asked == [
        ("2019_x", "-"),
        ("2: ORD_b, ord.a", "ord"),
        ("order.c", "order"),
        ("order.c", "order"),
        ("stock", "stock"),
        ("svc: it writes 1 of the adopted streams, and writes only orders's", "orders"),
    ]
    made = adopt(live, said)
    assert {stream.topic.name for stream in made.streams.values()} == {"ord.a", "ORD_b", "stock"}
    assert [user.service for user in made.users] == ["orders/svc"]
    kept = capsys.readouterr().err.partition("--owners:\n")[2]
    assert adopt(live, Asked(workspace=asked.workspace, owners=owners_of([], kept), today=asked.today)) == made


def test_nobody_is_asked_where_everything_is_said(asked: Asked, live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(click, "prompt", Terminal([]).prompt)
    whole = Asked(workspace=asked.workspace, owners=owners_of(["*=orders"]), today=asked.today)
    assert ask_owners(Output(), live, whole) == whole


def test_without_a_workspace_it_is_said_what_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["adopt", "--env", "prod"]) == 2
    shown = capsys.readouterr().err
    assert "schemas/busline.yaml" in shown and "prod: {url:" in shown
