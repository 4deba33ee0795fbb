"""A contract as `busline show` shows it: for people, and for programs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import click

from busline.cli.known import Known
from busline.cli.output import clean, columns
from busline.contract.evolution.readers import readers_of
from busline.contract.model import Contract, Grant
from busline.contract.nodes import MISSING, Array, Enum, Field, Fixed, Map, Node, Primitive, Record, Union
from busline.names import Service

_WORDS: Final = {
    "string": "text",
    "null": "nothing",
    "int": "whole number",
    "long": "whole number",
    "float": "number",
    "double": "number",
    "boolean": "true or false",
}


@dataclass(frozen=True, kw_only=True)
class View:
    """last: its last event; why: why that is not known. access: one word; detail: in one line."""

    contract: Contract
    known: Known
    last: dt.datetime | None
    why: str
    access: str
    detail: str

    @property
    def publishers(self) -> list[tuple[Service, int]]:
        found = ((s.name, s.publication(self.contract.name)) for s in self.known.services.values())
        return [(name, publication.version) for name, publication in found if publication]

    @property
    def readers(self) -> list[tuple[Service, str]]:
        return [(reader.service, reader.reads) for reader in readers_of(self.contract, self.known.services.values())]

    def marks(self, field: str) -> list[str]:
        contract = self.contract
        key, pii = ["key"] if field in contract.key else [], ["pii"] if field in contract.pii else []
        gone = contract.deprecated.get(field)
        return [*key, *pii, *([f"deprecated: use {gone.use}" if gone.use else "deprecated"] if gone else [])]

    def as_json(self) -> dict[str, object]:
        c, team = self.contract, self.known.teams.get(self.contract.owner)
        return {
            "contract": c.name,
            "description": c.description,
            "kind": c.kind.value,
            "audience": c.audience.value,
            "owner": c.owner,
            "contact": {"mail": team.mail if team else None, "chat": team.chat if team else None},
            "tags": list(c.tags),
            "key": list(c.key),
            "fields": [
                {"name": f.name, "type": type_text(f.type), "doc": f.doc, "marks": self.marks(f.name)}
                for f in fields(c)
            ],
            "versions": [version.number for version in c.versions],
            "publishers": [{"service": name, "version": version} for name, version in self.publishers],
            "readers": [{"service": name, "reads": reads} for name, reads in self.readers],
            "grants": [_grant(grant) for grant in c.grants],
            "deprecation": str(c.deprecation.since) if c.deprecation else None,
            "retired": str(c.retired) if c.retired else None,
            "last_event": self.last,
            "last_event_unknown": None if self.last else self.why,
            "access": self.access,
            "access_detail": self.detail,
        }


def text(view: View) -> str:
    return "\n".join(_lines(view))


def fields(contract: Contract) -> tuple[Field, ...]:
    root = contract.current.schema.root if contract.current else None
    return root.fields if isinstance(root, Record) else ()


def type_text(node: Node) -> str:
    """A type as one says it: `text or nothing`, `list of Line`."""
    match node:
        case Primitive():
            return node.logical.name if node.logical else _WORDS.get(node.type, node.type)
        case Fixed():
            return node.logical.name if node.logical else f"{node.size} bytes"
        case Enum():
            return " | ".join(node.symbols[:6]) + (" | …" if len(node.symbols) > 6 else "")
        case Array():
            return f"list of {type_text(node.items)}"
        case Map():
            return f"map of {type_text(node.values)}"
        case Union():
            return " or ".join(sorted(map(type_text, node.branches), key=lambda one: one == "nothing"))
        case Record():
            return node.name.rpartition(".")[2]


def _lines(view: View) -> Iterator[str]:
    c = view.contract
    state = "retired" if c.retired else "deprecated" if c.deprecation else "" if c.versions else "draft"
    yield click.style(c.name, bold=True) + (click.style(f" ({state})", fg="yellow") if state else "")
    yield clean(c.description)
    yield ""
    yield f"owner      {c.owner}, {clean(view.known.contact(c.owner))}"
    what = "the latest value of each key" if c.kind.value == "state" else "events"
    yield f"what       {what}, for {c.audience.value}" + (f"; tags: {', '.join(c.tags)}" if c.tags else "")
    if c.deprecation:
        to = f"; use {c.deprecation.replacement}" if c.deprecation.replacement else ""
        yield f"deprecated since {c.deprecation.since}, gone from {c.deprecation.sunset or 'a day not yet set'}{to}"
    yield f"versions   {', '.join(str(version.number) for version in c.versions) or 'none yet'}"
    yield f"publishes  {', '.join(f'{name} (version {version})' for name, version in view.publishers) or 'nobody yet'}"
    yield from _listed("reads", [f"{name} ({reads})" for name, reads in view.readers])
    yield f"last event {_age(view)}"
    rows = [(f.name, type_text(f.type), ", ".join(view.marks(f.name)), _doc(f)) for f in fields(c)]
    if rows:
        yield ""
        yield clean(columns([("field", "type", "marks", "what it says"), *rows]))
    yield ""
    yield click.style(view.detail, fg={"granted": "green"}.get(view.access, "yellow"))


def _listed(word: str, names: list[str]) -> Iterator[str]:
    for number, name in enumerate(names or ["nobody yet"]):
        yield f"{word if not number else '':<10} {name}"


def _doc(field: Field) -> str:
    default = "" if field.default is MISSING else "optional. "
    return default + " ".join(field.doc.split())


def _age(view: View) -> str:
    if view.last is None:
        return f"not known: {clean(view.why)}" if view.why != "no event is kept" else "none is kept"
    seconds = max(0, int((dt.datetime.now(dt.UTC) - view.last).total_seconds()))
    size, unit = next((n, u) for n, u in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")) if seconds >= n or n == 1)
    return f"{seconds // size} {unit} ago ({view.last.isoformat(timespec='seconds').replace('+00:00', 'Z')})"


def _grant(grant: Grant) -> dict[str, object]:
    return {"to": grant.to, "read_only": grant.read_only, "pii": grant.pii}
