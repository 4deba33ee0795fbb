"""Administrative calls wait for a coordinator that a new broker has yet to find, and turn to another broker."""

import subprocess
import sys
from typing import Any

import kafka.errors
import pytest

from busline.errors import BuslineError, Unreachable
from busline.record import TopicPartition
from busline.transport.kafka import admin_client
from busline.transport.kafka.groups import KafkaGroups


class Connection:
    name = "kafka://nowhere:1"

    async def answering(self) -> str:
        return "nowhere:1"


def failing(monkeypatch: pytest.MonkeyPatch, *failures: type[Exception]) -> tuple[KafkaGroups, list[type[Exception]]]:
    left = list(failures)
    client: Any = Connection()
    made = KafkaGroups(client)

    def call(work: Any, server: str) -> Any:
        if left:
            raise left.pop(0)("not now")
        return work(None)

    monkeypatch.setattr(made, "_in_thread", call)
    monkeypatch.setattr(admin_client, "COORDINATOR_PAUSE", 0)
    return made, left


async def test_the_first_group_of_a_new_broker_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    errors = kafka.errors
    made, left = failing(monkeypatch, errors.CoordinatorNotAvailableError, errors.CoordinatorLoadInProgressError)
    assert await made._run(lambda _: "done") == "done"
    assert left == []


async def test_a_coordinator_that_never_comes_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_client, "COORDINATOR_WITHIN", -1.0)
    made, _ = failing(monkeypatch, kafka.errors.CoordinatorNotAvailableError)
    with pytest.raises(Unreachable):
        await made._run(lambda _: "done")


async def test_a_broker_that_dies_on_the_way_is_another_ones_work(monkeypatch: pytest.MonkeyPatch) -> None:
    made, left = failing(monkeypatch, kafka.errors.KafkaConnectionError, kafka.errors.KafkaTimeoutError)
    asked: list[str] = []

    async def answering() -> str:
        asked.append("another:1")
        return asked[-1]

    monkeypatch.setattr(made._connection, "answering", answering)
    assert await made._run(lambda _: "done") == "done"
    assert (len(asked), left) == (3, [])


async def test_another_failure_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made, left = failing(monkeypatch, kafka.errors.GroupAuthorizationFailedError, kafka.errors.NotCoordinatorError)
    with pytest.raises(BuslineError, match="refuses"):
        await made._run(lambda _: "done")
    assert len(left) == 1


def test_an_import_warns_of_nothing() -> None:
    """A user's tests may run with warnings as errors."""
    command = [sys.executable, "-W", "error", "-c", "import busline.transport.kafka.engine"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


async def test_a_mark_waits_for_a_coordinator_that_is_still_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [kafka.errors.CoordinatorLoadInProgressError, kafka.errors.NoError]

    class Client:
        def alter_group_offsets(self, _: str, wanted: dict[Any, Any]) -> dict[Any, Any]:
            return dict.fromkeys(wanted, answers.pop(0))

    made, _ = failing(monkeypatch)
    monkeypatch.setattr(made, "_in_thread", lambda work, _: work(Client()))
    await made.mark("group", {TopicPartition("topic", 0): 1}, "note")
    assert answers == []
