"""Rules that are off: in the file that they are off for, with the reason. What is off and need not be is told."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Final

from busline.contract.finding import Finding, Severity
from busline.contract.model import RuleOff
from busline.contract.rules.rule import Rule
from busline.contract.validation import suggestion
from busline.contract.workspace import Workspace

UNKNOWN: Final = "unknown-rule"
UNNEEDED: Final = "unneeded-off"


class SwitchedOff:
    """Which findings a workspace's files keep silent. rules: those that exist, by id."""

    def __init__(self, workspace: Workspace, rules: dict[str, Rule]) -> None:
        self._rules = rules
        self._scopes: dict[str, tuple[RuleOff, ...]] = {"": workspace.off} if workspace.off else {}
        self._scopes |= {f"{team}/": spec.off for team, spec in workspace.teams.items() if spec.off}
        self._scopes |= {f"{name.team}/{name.stream}/": c.off for name, c in workspace.contracts.items() if c.off}
        self._scopes |= {f"{name}.service.yaml": s.off for name, s in workspace.services.items() if s.off}
        self._used: set[int] = set()

    def kept(self, findings: Iterable[Finding]) -> list[Finding]:
        """Those that nothing keeps silent. The narrowest scope is asked first."""
        return [finding for finding in findings if not self._silent(finding)]

    def wrong(self) -> Iterator[Finding]:
        """Rules that do not exist, and such as cannot be off."""
        for off in self._all():
            rule = self._rules.get(off.rule)
            if rule is None:
                fix = suggestion(off.rule, list(self._rules)) or "`busline explain` lists them all."
                yield _finding(off, UNKNOWN, Severity.ERROR, f"there is no rule {off.rule!r}", fix)
            elif rule.always:
                yield _finding(off, UNKNOWN, Severity.ERROR, f"the rule {off.rule!r} cannot be off", "Remove the line.")

    def unneeded(self, ran: Collection[str]) -> Iterator[Finding]:
        """Of the rules that ran over everything: what silenced nothing."""
        for off in self._all():
            if off.rule in ran and id(off) not in self._used and not self._rules[off.rule].always:
                what = f"the rule {off.rule!r} is off and finds nothing here"
                yield _finding(off, UNNEEDED, Severity.NOTE, what, "Remove the line.")

    def _all(self) -> Iterator[RuleOff]:
        return (off for offs in self._scopes.values() for off in offs)

    def _silent(self, finding: Finding) -> bool:
        rule = self._rules.get(finding.rule)
        if not self._scopes or rule is None or rule.always:
            return False
        for scope in _scopes(finding.file):
            for off in self._scopes.get(scope, ()):
                if off.rule == finding.rule and _covers(off, finding.key):
                    self._used.add(id(off))
                    return True
        return False


def _scopes(file: str) -> Iterator[str]:
    """`orders/order-placed/1.avsc`: its contract, its team, all."""
    if file.endswith(".service.yaml"):
        yield file
    parts = file.split("/")
    for depth in range(len(parts) - 1, 0, -1):
        yield "/".join(parts[:depth]) + "/"
    yield ""


def _covers(off: RuleOff, key: str) -> bool:
    """A field's path covers what is in it, and the same field's lines in contract.yaml."""
    path = key.removeprefix("fields.")
    return not off.fields or any(path == field or path.startswith(f"{field}.") for field in off.fields)


def _finding(off: RuleOff, rule: str, severity: Severity, what: str, fix: str) -> Finding:
    file, line = (off.source.file, off.source.line) if off.source else ("busline.yaml", 1)
    return Finding(file=file, line=line, key=f"rules.{off.rule}", what=what, fix=fix, rule=rule, severity=severity)
