"""The rules over a workspace, or over some of its contracts."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Final

from busline.contract.finding import Finding, Severity
from busline.contract.model import Audience, Contract
from busline.contract.rules.catalogue import RULES
from busline.contract.rules.rule import Found, Rule
from busline.contract.rules.subject import Subject
from busline.contract.workspace import Workspace
from busline.names import ContractName, Team

_OF_FIELDS: Final = tuple(rule for rule in RULES.values() if rule.field)
_OF_CONTRACTS: Final = tuple(rule for rule in RULES.values() if rule.contract)
_OF_OWNERS: Final = tuple(rule for rule in RULES.values() if rule.owner)


def check_rules(
    workspace: Workspace, contracts: Collection[ContractName] | None = None, teams: Collection[Team] | None = None
) -> Iterator[Finding]:
    """What the rules find, in no order; what is off is still among it. None: all of them."""
    names = workspace.contracts.keys() if contracts is None else contracts
    for name in names:
        yield from check_contract(workspace, workspace.contracts[name])
    for team in workspace.teams.keys() if teams is None else teams:
        yield from _check_team(workspace, team)


def check_contract(workspace: Workspace, contract: Contract, audience: Audience | None = None) -> Iterator[Finding]:
    """audience: as if it were for that one."""
    contract = replace(contract, audience=audience) if audience else contract
    if contract.retired:
        return
    subject = Subject.of(contract, workspace.teams.get(contract.owner))
    for rule in _OF_CONTRACTS:
        severity = rule.severity_for(contract.audience)
        if severity and rule.contract:
            for found in rule.contract(subject):
                yield _finding(rule, severity, contract, found)
    held = [(rule, rule.field, rule.severity_for(contract.audience)) for rule in _OF_FIELDS]
    checks = [(rule, check, severity) for rule, check, severity in held if severity and check]
    for site in subject.sites:
        for rule, check, severity in checks:
            if (one := check(subject, site)) is not None:
                yield _finding(rule, severity, contract, one)


def _check_team(workspace: Workspace, team: Team) -> Iterator[Finding]:
    spec = workspace.teams[team]
    for rule in _OF_OWNERS:
        if rule.owner:
            for found in rule.owner(workspace, spec):
                what, fix, key, _ = found
                yield Finding(
                    file=f"{team}/team.yaml", key=key, what=what, fix=fix, rule=rule.id, severity=rule.severity
                )


def _finding(rule: Rule, severity: Severity, contract: Contract, found: Found) -> Finding:
    source = None if found.in_contract or contract.current is None else contract.current.source
    source = source or contract.source
    file = source.file if source else f"{contract.owner}/{contract.name.stream}/contract.yaml"
    return Finding(file=file, key=found.key, what=found.what, fix=found.fix, rule=rule.id, severity=severity)
