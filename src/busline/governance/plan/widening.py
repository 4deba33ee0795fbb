"""What a plan opens: who gets at what that they had not, as lines for a block of their own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from busline.contract.model import EVERYONE, Audience, Contract
from busline.governance.plan.access_plan import AccessPlan, rights_text
from busline.governance.state.applied import Applied

_WIDTH = list(Audience)


def widened(changed: Iterable[Contract], applied: Applied, access: AccessPlan) -> Iterator[str]:
    """changed: contracts whose record in the contract log is written. One line a contract and kind of opening."""
    for contract in changed:
        yield from _opened(contract, applied.catalog.contract(contract.name))
    by_contract: dict[str, set[str]] = defaultdict(set)
    for why in access.grant.values():
        if "/" not in why.about:  # the rest is what a service needs for itself
            by_contract[why.about].add(why.what)
    for about, who in sorted(by_contract.items()):
        yield f"{about}: {', '.join(sorted(who))}"
    for acl in sorted(access.lift):
        yield f"{acl.user} is no longer refused: {rights_text([acl])}"


def _opened(contract: Contract, there: Contract | None) -> Iterator[str]:
    if there and _WIDTH.index(contract.audience) > _WIDTH.index(there.audience):
        yield f"{contract.name}: its audience is {contract.audience}, and was {there.audience} ({contract.source})"
    had = {(grant.to, grant.pii) for grant in there.grants} if there else set()
    for grant in contract.grants:
        if (grant.to, grant.pii) in had:
            continue
        if grant.to == EVERYONE:
            yield f"{contract.name}: everyone in the {contract.audience} may have it ({grant.source})"
        if grant.pii:
            yield f"{contract.name}: {grant.to} reads what is said about persons ({grant.source})"
