"""Docs: what a contract and each of its fields mean stands where everybody reads it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from busline.contract.finding import Severity
from busline.contract.rules.rule import Found, Page, error
from busline.contract.rules.subject import Site, Subject

_EMPTY_WORDS: Final = frozenset(
    (
        "a",
        "an",
        "the",
        "of",
        "and",
        "is",
        "was",
        "were",
        "has",
        "been",
        "event",
        "state",
        "record",
        "this",
        "todo",
        "tbd",
    )
)


def _contract_docs(subject: Subject) -> Iterable[Found]:
    contract = subject.contract
    name = set(contract.name.stream.split("-")) | {contract.owner}
    said = set(re.findall(r"[a-z0-9]+", contract.description.lower()))
    if not said - name - _EMPTY_WORDS:
        what = f"the description says no more than the name: {contract.description!r:.60}"
        yield Found(what, "Say what happened, and when the event is published.", "description", True)


def _field_docs(subject: Subject, site: Site) -> Found | None:
    if site.field.doc.strip():
        return None
    return Found(f"{site.path!r} has no doc", "Say what it means, in which unit, and when it is absent.", site.path)


CONTRACT_DOCS: Final = error(
    "contract-docs",
    "A description says what happened and when the event is published.",
    Page(
        why="It is what others find the stream by and what they decide on. A name said twice tells nobody whether the"
        " event comes before or after payment, once or again.",
        bad="description: Order placed.",
        good="description: An order was accepted and paid for. Emitted once per order.",
        mend="Write what happened, when it is published and how often. It may change at any time.",
    ),
    contract=_contract_docs,
)
FIELD_DOCS: Final = error(
    "field-docs",
    "Every field has a doc.",
    Page(
        why="A reader in another team cannot ask the code what `total` includes. What is not written is guessed, and"
        " each reader guesses differently.",
        bad='{"name": "total", "type": "long"}',
        good='{"name": "total", "type": "long", "doc": "What the customer pays, in cents, taxes included."}',
        mend='Add "doc" to the field: in the model by `Field(description="…")`, then `busline declare`. A published'
        " version stays as it is; the doc comes with the next one.",
    ),
    field=_field_docs,
    inside=Severity.WARNING,
    outside=Severity.ERROR,
)
