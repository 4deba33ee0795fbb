"""Personal data: marked where it stands, and not kept for ever."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from busline.contract.model import Kind
from busline.contract.nodes import Primitive
from busline.contract.rules.rule import Found, Page, error, warning
from busline.contract.rules.subject import Site, Subject


def _marked(subject: Subject, site: Site) -> Found | None:
    if not site.words.person or site.top in subject.contract.pii:
        return None
    if isinstance(site.type, Primitive) and site.type.type == "boolean":
        return None
    what = f"{site.path!r} looks like personal data and is not marked"
    return Found(what, f"Write `fields: {{{site.top}: {{pii: true}}}}`.", f"fields.{site.top}", True)


def _kept(subject: Subject) -> Iterable[Found]:
    contract = subject.contract
    if contract.kind is Kind.EVENT and contract.pii and contract.storage.retention is None:
        what = f"personal data ({', '.join(sorted(contract.pii))}) is kept for ever, and an event cannot be erased"
        yield Found(
            what, "Write a retention, or keep it as a state, whose keys can be deleted.", "storage.retention", True
        )


MARKED: Final = error(
    "pii-marked",
    "Fields with personal data are marked `pii`.",
    Page(
        why="What is marked is masked in tools unless a grant says otherwise, and is found when somebody asks what is"
        " known about a person. What is not marked is in every terminal, export and ticket.",
        bad='{"name": "email", "type": "string"}',
        good="fields: {email: {pii: true}}",
        mend="Mark it in contract.yaml; that changes no version. If it is nobody's (a shop's own phone number), switch"
        " the rule off for that field and say so.",
    ),
    field=_marked,
)
KEPT: Final = warning(
    "pii-retention",
    "Events with personal data are not kept for ever.",
    Page(
        why="A log of events cannot forget one person: only its end moves on. With `forever` it never does.",
        bad="storage: {retention: forever}\nfields: {email: {pii: true}}",
        good="storage: {retention: 90d}\nfields: {email: {pii: true}}",
        mend="Give it a retention, move the personal part to a state contract, or leave it out.",
    ),
    contract=_kept,
)
