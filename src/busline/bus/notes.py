"""What a running reader says of itself, in the metadata of its own group's commits, where nobody else can write.

`{"b":1,"v":version,"f":[fields],"r":release}`. A field ends in `?` where the model has a default for it. `f` is left
out by who reads everything, or too much to be listed. A group of several contracts says `v` and `f` by contract.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final, NamedTuple

from busline.contract.avro import schema_of
from busline.contract.event import Event
from busline.contract.model import Contract
from busline.contract.nodes import MISSING, Record

FORMAT: Final = 1
MAX_NOTE: Final = 4_096
"""Kafka's limit for the metadata of a commit (offset.metadata.max.bytes)."""

Read = tuple[Contract, type[Event] | None, int | None]
"""A contract, the model that it is read by (None: dicts), and the declared version (None: the newest)."""


def reader_note(reads: Sequence[Read], release: str = "") -> str:
    """At most MAX_NOTE bytes."""
    versions: dict[str, object] = {c.name: version or len(c.versions) for c, _, version in reads}
    fields: dict[str, object] = {c.name: _fields(model) for c, model, _ in reads if model is not None}
    for listed in (fields, {}):
        note = _note(versions, listed, release[:200])
        if len(note.encode()) <= MAX_NOTE:
            return note
    return _note({}, {}, release[:200])


def _note(versions: dict[str, object], fields: dict[str, object], release: str) -> str:
    single = len(versions) == 1
    body: dict[str, object] = {"b": FORMAT}
    if versions:
        body["v"] = next(iter(versions.values())) if single else versions
    if fields:
        body["f"] = next(iter(fields.values())) if single else fields
    if release:
        body["r"] = release
    return json.dumps(body, separators=(",", ":"))


class Note(NamedTuple):
    """What a note says of one contract. fields None: not listed; an optional one ends in `?`."""

    version: int | None
    fields: tuple[str, ...] | None
    release: str


def read_note(text: str, contract: str) -> Note | None:
    """None for what is no note of ours: other clients write there what they like."""
    try:
        body = json.loads(text[:MAX_NOTE])
    except (ValueError, RecursionError):
        return None
    if not isinstance(body, dict) or body.get("b") != FORMAT:
        return None
    version, fields, release = (_of(body.get(key), contract) for key in ("v", "f", "r"))
    names = fields if isinstance(fields, list) else None
    known = names is not None and all(isinstance(n, str) and n.removesuffix("?").isidentifier() for n in names)
    return Note(
        version if isinstance(version, int) and not isinstance(version, bool) and version > 0 else None,
        tuple(names) if names is not None and known else None,
        release if isinstance(release, str) and release.isprintable() else "",
    )


def _of(said: object, contract: str) -> object:
    """A group of several contracts says it by contract."""
    return said.get(contract) if isinstance(said, dict) else said


def field_names(model: type[Event]) -> list[str]:
    """The fields that the model reads, as the schema calls them."""
    root = schema_of(model).root
    assert isinstance(root, Record)
    return [field.name for field in root.fields]


def _fields(model: type[Event]) -> list[str]:
    root = schema_of(model).root
    assert isinstance(root, Record)
    return [field.name if field.default is MISSING else f"{field.name}?" for field in root.fields]
