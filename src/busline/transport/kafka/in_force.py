"""The barrier after a change of ACLs: until every broker that serves clients goes by it.

An acknowledged change is in the controller's log, and each broker follows at its own pace. Fencing is in the same log:
a broker that has the change knows who was unfenced before it, so such a one says which brokers there are. A fenced
broker leads no partition, and is not waited for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any, Final, TypeAlias

from busline.errors import NotInForce
from busline.transport.kafka.admin_client import KafkaError, MetadataRequest

ANSWER_WITHIN: Final = 1.0
"""Seconds for the answers of one round: a broker that is slower counts as lagging, and is asked again."""
PAUSE: Final = 0.05

Conflict: TypeAlias = Callable[[Any, int], str | None]
"""What is wrong with an answer of a broker: one line, or None."""


def wait_until_in_force(client: Any, request: Callable[[], Any], conflict: Conflict, within: float) -> None:
    """Until no unfenced broker's answer has a conflict. Blocking. Raises NotInForce after `within` seconds."""
    end = time.monotonic() + within
    settled: set[int] = set()
    while True:
        seen_by, brokers = _unfenced(client, settled)
        if seen_by in settled and brokers <= settled:
            return
        lagging: list[str] = []
        for broker, answer in _ask_all(client, request, brokers - settled).items():
            silent = isinstance(answer, str)
            fault = f"broker {broker} does not answer: {answer}" if silent else conflict(answer, broker)
            if fault is None:
                settled.add(broker)
            else:
                lagging.append(fault)
        if time.monotonic() > end:
            raise NotInForce(
                "brokers do not go by the changed ACLs yet",
                conflicts=lagging or ["no broker that has the change says which brokers there are"],
                fix="Look at the brokers that are named, then run it again.",
            )
        if lagging:
            time.sleep(PAUSE)


def _unfenced(client: Any, settled: Collection[int]) -> tuple[int | None, set[int]]:
    """Who says it, and the brokers that are not fenced; nobody and those known till now, where nobody answers."""
    known = {broker.node_id for broker in client._manager.cluster.brokers()}
    for some in (settled, known - set(settled)):
        answers = _ask_all(client, lambda: MetadataRequest(topics=[]), some)
        for broker, answer in answers.items():
            if not isinstance(answer, str):
                client._manager.cluster.update_metadata(answer)  # addresses, for the next round
                return broker, {one.node_id for one in answer.brokers}
    return None, known


def _ask_all(client: Any, request: Callable[[], Any], brokers: Collection[int]) -> dict[int, Any]:
    """Each broker's answer, or the text of why there is none; all at the same time."""
    manager = client._manager

    async def ask() -> dict[int, Any]:
        end = time.monotonic() + ANSWER_WITHIN
        answers: dict[int, Any] = {}
        waiting: dict[int, Any] = {}
        for broker in brokers:
            try:
                waiting[broker] = manager.send(request(), broker)
            except KafkaError as error:
                answers[broker] = str(error)
        for broker, future in waiting.items():
            try:
                answers[broker] = await manager.wait_for(future, max(1, int((end - time.monotonic()) * 1000)))
            except KafkaError as error:
                answers[broker] = str(error)
        return answers

    answers: dict[int, Any] = manager.run(ask)
    return answers
