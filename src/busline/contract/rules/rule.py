"""What a rule of `busline check` is: an id, how grave, why in one line, a page, and how it looks at a contract."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from busline.contract.finding import Severity
from busline.contract.model import Audience, TeamSpec
from busline.contract.rules.subject import Site, Subject
from busline.contract.workspace import Workspace


class Found(NamedTuple):
    """What a rule has against a place. key: in contract.yaml where `in_contract`, else a field's path in the schema."""

    what: str
    fix: str
    key: str = ""
    in_contract: bool = False


class Page(NamedTuple):
    """What `busline explain` says beyond the reason: why it matters, an example of each kind, and the way out."""

    why: str
    bad: str
    good: str
    mend: str


FieldCheck: TypeAlias = Callable[[Subject, Site], Found | None]
ContractCheck: TypeAlias = Callable[[Subject], Iterable[Found]]
OwnerCheck: TypeAlias = Callable[[Workspace, TeamSpec], Iterable[Found]]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """severity: for the audience `company`, and where there is no audience. inside: for `team`; outside: for `partner`
    and `public`; the same unless given, and None: nothing is said there.

    field, contract, owner: how it looks; a rule with none of them is evaluated elsewhere. always: cannot be off.
    """

    id: str
    reason: str
    page: Page
    severity: Severity
    inside: Severity | None
    outside: Severity
    field: FieldCheck | None = None
    contract: ContractCheck | None = None
    owner: OwnerCheck | None = None
    always: bool = False

    def severity_for(self, audience: Audience) -> Severity | None:
        if audience is Audience.TEAM:
            return self.inside
        return self.severity if audience is Audience.COMPANY else self.outside


def error(id: str, reason: str, page: Page, **how: Any) -> Rule:
    """A rule whose findings have to be mended, whatever the audience."""
    return Rule(
        **{**dict.fromkeys(("severity", "inside", "outside"), Severity.ERROR), **how}, id=id, reason=reason, page=page
    )


def warning(id: str, reason: str, page: Page, **how: Any) -> Rule:
    """A rule whose findings should be mended and fail nothing, unless `outside` says otherwise."""
    return Rule(
        **{**dict.fromkeys(("severity", "inside", "outside"), Severity.WARNING), **how}, id=id, reason=reason, page=page
    )
