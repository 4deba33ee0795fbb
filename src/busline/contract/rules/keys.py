"""Keys: one that is there, that stays, and that says nothing about a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from busline.contract.model import Kind
from busline.contract.nodes import Fixed, Primitive
from busline.contract.rules.rule import Found, Page, error, warning
from busline.contract.rules.subject import Site, Subject

_CHANGING: Final = frozenset(
    ("status", "state", "version", "count", "total", "amount", "price", "balance", "updated", "modified", "changed")
)


def _key_sites(subject: Subject) -> Iterator[Site]:
    return (site for site in subject.sites if site.path in subject.contract.key)


def _present(subject: Subject) -> Iterable[Found]:
    if subject.contract.kind is Kind.EVENT and not subject.contract.key and subject.contract.versions:
        fix = "Write `key:` with the field whose events belong together, e.g. the id of what they are about."
        yield Found("there is no key, so no two events keep their order", fix, "", True)


def _stable(subject: Subject) -> Iterable[Found]:
    for site in _key_sites(subject):
        why = _changes(site)
        if why:
            fix = "Take the id of what the event is about."
            yield Found(f"the key field {site.path!r} changes: {why}", fix, "key", True)


def _changes(site: Site) -> str:
    node, last = site.type, site.words.words[-1:]
    logical = node.logical.name if isinstance(node, Primitive | Fixed) and node.logical else ""
    if "timestamp" in logical or logical.startswith("time-") or site.words.moment:
        return "it is a moment"
    if logical == "decimal":
        return "it is an amount"
    if isinstance(node, Primitive) and node.type == "boolean":
        return "it is yes or no"
    if last and last[0] in _CHANGING:
        return f"it is a {last[0]}"
    return ""


def _not_pii(subject: Subject) -> Iterable[Found]:
    for site in _key_sites(subject):
        marked = site.path in subject.contract.pii and not site.words.identifier
        if marked or (site.words.person and not site.path.endswith("_hash")):
            fix = "Take an id that means nothing by itself, and keep this as a field that is marked `pii`."
            yield Found(f"the key field {site.path!r} says something about a person", fix, "key", True)


PRESENT: Final = warning(
    "key-present",
    "An event has a key.",
    Page(
        why="Only events of one key keep their order, and only they go to one worker. Without a key `cancelled` can be"
        " handled before `placed`. It cannot be added later: the partitions of old events are decided.",
        bad="description: An order was accepted.",
        good="description: An order was accepted.\nkey: order_id",
        mend="Name the field that says what the event is about, before the first version is published.",
    ),
    contract=_present,
)
STABLE: Final = error(
    "key-stable",
    "A key stays the same for the life of what it names.",
    Page(
        why="A status, an amount or a moment differs from event to event, so that the events of one thing land in"
        " different partitions and lose their order; a state keeps every value for ever.",
        bad="key: status",
        good="key: order_id",
        mend="Take the id. A published key never changes: a redesign is a new contract (`…-v2`).",
    ),
    contract=_stable,
)
NOT_PII: Final = error(
    "key-not-pii",
    "A key says nothing about a person; an id that means nothing by itself may stand for one.",
    Page(
        why="Keys are shown in tools, logs and dead letters, are never masked, and outlive their events where a log is"
        " compacted. A mail address as a key also changes when the person's does.",
        bad="key: email",
        good="key: user_id\nfields: {email: {pii: true}}",
        mend="Give the person an id that only your systems can resolve, and use that as the key.",
    ),
    contract=_not_pii,
)
