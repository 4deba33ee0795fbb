"""The gate of `busline check`: every part that looks at a workspace, composed, and its findings in one list."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from busline.contract.finding import Finding
from busline.contract.rules.catalogue import RULES
from busline.contract.rules.evaluate import check_rules
from busline.contract.rules.switched_off import SwitchedOff
from busline.contract.workspace import Workspace
from busline.names import ContractName, Service, Team


class Part(StrEnum):
    """What `--only` may name."""

    VALIDITY = "validity"
    RULES = "rules"


ALL: Final = frozenset(Part)


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What is looked at, where that is less than everything."""

    contracts: frozenset[ContractName]
    services: frozenset[Service]
    teams: frozenset[Team]


def run_gate(
    workspace: Workspace,
    base: Workspace | None,
    today: dt.date,
    *,
    only: Collection[Part] = ALL,
    scope: Scope | None = None,
) -> list[Finding]:
    """What is wrong with a workspace that could be read. base: what is published; None: nothing is, or it is not known.

    Whatever a file switches off is left out. In no order; lines are looked up by `busline.contract.locate`.
    """
    off = SwitchedOff(workspace, RULES)
    found = off.kept(_found(workspace, scope, only))
    if Part.RULES in only:
        found += off.wrong()
        if scope is None:
            found += off.unneeded(_EVALUATED)
    return list(dict.fromkeys(found))


_EVALUATED: Final = frozenset(rule.id for rule in RULES.values() if rule.field or rule.contract or rule.owner)


def _found(workspace: Workspace, scope: Scope | None, only: Collection[Part]) -> Iterable[Finding]:
    if Part.RULES in only:
        yield from check_rules(workspace, *((scope.contracts, scope.teams) if scope else (None, None)))
