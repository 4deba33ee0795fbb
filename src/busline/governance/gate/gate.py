"""The gate of `busline check`: every part that looks at a workspace, composed, and its findings in one list.

Where every reader is known, they decide: a level (`backward`, …) only guesses at readers, so that what they all can
read is told as a note. Readers of a partner or public contract are outsiders, whom no file here names: there the level
stands.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from busline.contract.evolution.hurt import BLIND, FAILS, check_readers, new_versions
from busline.contract.evolution.levels import check_levels
from busline.contract.evolution.lifecycle import check_lifecycle
from busline.contract.evolution.traps import FIELD_DEFAULT, SYMBOL_ADDED, find_traps
from busline.contract.finding import Finding, Severity
from busline.contract.folder import SERVICE_SUFFIX
from busline.contract.model import Audience, Contract
from busline.contract.rules import ownership
from busline.contract.rules.catalogue import RULES
from busline.contract.rules.codeowners import repository_root
from busline.contract.rules.environments import check_environments
from busline.contract.rules.evaluate import check_rules
from busline.contract.rules.switched_off import SwitchedOff
from busline.contract.workspace import Workspace
from busline.governance.gate.comparison_base import Base
from busline.governance.gate.examples import check_examples
from busline.governance.gate.immutable import check_immutable
from busline.names import ContractName, Service, Team


class Part(StrEnum):
    """What `--only` may name."""

    VALIDITY = "validity"
    RULES = "rules"
    VERSIONS = "versions"
    LEVELS = "levels"
    READERS = "readers"
    LIFECYCLE = "lifecycle"
    FRESH = "fresh"


ALL: Final = frozenset(Part)
_KNOWN_READERS: Final = (Audience.TEAM, Audience.COMPANY)
_READERS_KNOW: Final = (SYMBOL_ADDED, FIELD_DEFAULT)
"""Traps that spring in a reader without the enum's default: each is asked."""
_EVALUATED: Final = frozenset(rule.id for rule in RULES.values() if rule.field or rule.contract or rule.owner)


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What is looked at, where that is less than everything."""

    contracts: frozenset[ContractName]
    services: frozenset[Service]
    teams: frozenset[Team]

    def has(self, finding: Finding) -> bool:
        """Of a file that belongs to it, or of a service's use of such a contract (`publishes.orders.order-placed`)."""
        parts = finding.file.split("/")
        if len(parts) == 3:
            return f"{parts[0]}.{parts[1]}" in self.contracts
        if finding.file.endswith(SERVICE_SUFFIX):
            used = finding.key.partition(".")[2]
            return finding.file.removesuffix(SERVICE_SUFFIX) in self.services or used in self.contracts
        return len(parts) != 2 or parts[0] in self.teams


@dataclass(frozen=True, kw_only=True)
class Question:
    """base None: nothing is published, or it is not known."""

    workspace: Workspace
    base: Base | None
    today: dt.date
    only: Collection[Part] = ALL
    scope: Scope | None = None

    @property
    def before(self) -> Workspace | None:
        return self.base.workspace if self.base else None

    @property
    def contracts(self) -> Collection[ContractName]:
        return self.scope.contracts if self.scope else self.workspace.contracts.keys()


def run_gate(question: Question, more: Iterable[Finding] = ()) -> list[Finding]:
    """What is wrong with a workspace that could be read, and `more` that was found elsewhere.

    Whatever a file switches off is left out. In no order; lines are looked up by `busline.contract.locate`.
    """
    off = SwitchedOff(question.workspace, RULES)
    found = off.kept([*_found(question), *more])
    if Part.RULES in question.only:
        found += off.wrong()
        if question.scope is None:
            found += off.unneeded(_evaluated(question.workspace))
    return list(dict.fromkeys(found))


def as_if_for(workspace: Workspace, audience: Audience) -> Question:
    """What would be missing if every contract were for that audience: rules and levels, over all versions."""
    contracts = {name: replace(contract, audience=audience) for name, contract in workspace.contracts.items()}
    shown = replace(workspace, contracts=contracts)
    return Question(workspace=shown, base=None, today=dt.date.max, only=frozenset({Part.RULES, Part.LEVELS}))


def _evaluated(workspace: Workspace) -> frozenset[str]:
    """Outside a repository nobody can say whether a folder is guarded."""
    return _EVALUATED if repository_root(workspace.path) else _EVALUATED - {ownership.GUARDED.id}


def _found(question: Question) -> Iterator[Finding]:
    workspace = question.workspace
    if Part.VALIDITY in question.only:
        yield from check_examples(workspace, question.contracts)
    if Part.RULES in question.only:
        yield from check_rules(workspace, *((s.contracts, s.teams) if (s := question.scope) else (None, None)))
        if question.scope is None:
            yield from check_environments(workspace.environments.values(), question.today)
    if Part.VERSIONS in question.only and question.base:
        yield from check_immutable(workspace, question.base)
    found = [*_evolution(question), *_lifecycle(question)]
    yield from (finding for finding in found if question.scope is None or question.scope.has(finding))


def _lifecycle(question: Question) -> list[Finding]:
    if Part.LIFECYCLE not in question.only:
        return []
    return check_lifecycle(question.workspace, question.before, question.today)


def _evolution(question: Question) -> Iterator[Finding]:
    """What new versions do: to the readers that there are, to the level; and what passes levels and still hurts."""
    if not {Part.READERS, Part.LEVELS} & set(question.only):
        return
    readers = check_readers(question.workspace, question.before, question.today)
    if Part.READERS in question.only:
        yield from readers
    if Part.LEVELS in question.only:
        hurt = {finding.file for finding in readers if finding.rule in (FAILS, BLIND)}
        for name in question.contracts:
            yield from _levels(question.workspace.contracts[name], question.before, hurt)


def _levels(contract: Contract, before: Workspace | None, hurt: Collection[str]) -> Iterator[Finding]:
    """hurt: files of versions that hurt a reader which has not agreed."""
    new = None if before is None else {version.number for version in new_versions(contract, before)}
    if len(contract.versions) < 2 or new == set():
        return

    def is_allowed(finding: Finding) -> bool:
        return contract.audience in _KNOWN_READERS and finding.file not in hurt

    for finding in find_traps(contract, new):
        yield _as_note(finding) if finding.rule in _READERS_KNOW and is_allowed(finding) else finding
    for finding in check_levels(contract, new):
        yield _as_note(finding) if is_allowed(finding) else finding


def _as_note(finding: Finding) -> Finding:
    what = f"{finding.what}; no reader that there is would be hurt without having agreed"
    return replace(finding, what=what, severity=Severity.NOTE)
