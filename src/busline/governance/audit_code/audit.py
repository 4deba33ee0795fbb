"""The audit of one service's folder: every file read once, what it shows judged, each finding with whom to ask."""

from __future__ import annotations

import datetime as dt
import os.path
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Final

from busline.contract.finding import Finding, Severity
from busline.contract.rules.codeowners import repository_root
from busline.contract.workspace import Workspace
from busline.governance.audit_code.bound_names import Text
from busline.governance.audit_code.configuration import Setting, reader_of
from busline.governance.audit_code.configured import audit_settings
from busline.governance.audit_code.environment import Environment
from busline.governance.audit_code.folder import ServiceFolder
from busline.governance.audit_code.python_source import PythonAudit, parse
from busline.governance.audit_code.requirements import audit_requirements, is_requirements
from busline.governance.audit_code.scopes import Scope, read_module
from busline.governance.audit_code.sighting import UNREAD, Note, Sighting
from busline.governance.audit_code.territory import Territory
from busline.governance.audit_code.waived import EXPIRED, UNUSED, without_waived
from busline.governance.audit_code.wording import fix_of, what_of
from busline.names import Service

_TESTS: Final = re.compile(r"(^|/)(tests?/|conftest\.py$|test_[^/]*\.py$|[^/]*_test\.py$)")


@dataclass(frozen=True, kw_only=True)
class CodeAudit:
    """findings: files as from the folder, those of the workspace too. files: how many were looked at."""

    findings: tuple[Finding, ...]
    files: int


def audit_code(path: Path, service: Service, workspace: Workspace, today: dt.date) -> CodeAudit:
    """Look at a service's folder without running any of it. Reads files; no network. `path` is a folder."""
    return _Audit(path.resolve(), service, workspace).run(today)


class _Audit:
    def __init__(self, path: Path, service: Service, workspace: Workspace) -> None:
        self.folder = ServiceFolder(path)
        self.service = service
        self.workspace = workspace
        root = repository_root(path) or path
        self.territory = Territory.around(service, workspace, root)
        self.environment = Environment()
        self.settings: list[tuple[str, Path, list[Setting]]] = []
        self.sources: dict[str, Path] = {}
        self.inside: defaultdict[str, set[str]] = defaultdict(set)
        self.found: list[Sighting] = []
        self.scope_of_file = lru_cache(maxsize=256)(self._scope_of_file)

    def run(self, today: dt.date) -> CodeAudit:
        files = 0
        for shown, path in self.folder.files():
            files += 1
            self._take(shown, path)
        for shown, target in self.folder.links:
            if hit := self.territory.path(target):
                self.found.append(Sighting(shown, 1, f"a link to {target}", hit))
        for shown, here, settings in self.settings:
            self.found += audit_settings(settings, shown, here, (self.territory, self.environment))
        for shown, path in self.sources.items():
            self._python(shown, path)
        return CodeAudit(findings=tuple(self._findings(today)), files=files)

    def _take(self, shown: str, path: Path) -> None:
        if shown.endswith((".py", ".pyi", ".pyw")):
            self.sources[shown] = path
            self._known(shown)
        if is_requirements(shown) and (data := self.folder.read(shown, path)) is not None:
            for one in audit_requirements(data, shown, path.parent, self.territory):
                self._keep(one)
        reader = reader_of(shown)
        if reader is None or shown.rpartition("/")[2] == "Pipfile":
            return
        data = self.folder.read(shown, path)
        if data is None:
            return
        settings = []
        for setting in reader(data.decode("utf-8-sig", "replace"), shown):
            if isinstance(setting, Note):
                self.folder.notes.append(setting)
            else:
                settings.append(setting)
                self.environment.take(setting, shown)
        self.settings.append((shown, path.parent, settings))

    def _keep(self, one: Sighting | Note) -> None:
        if isinstance(one, Note):
            self.folder.notes.append(one)
        else:
            self.found.append(one)

    def _python(self, shown: str, path: Path) -> None:
        data = self.folder.read(shown, path)
        tree = parse(data, shown) if data is not None else None
        if isinstance(tree, Note):
            self.folder.notes.append(tree)
        elif tree is not None:
            outside = _Outside(self, shown)
            audit = PythonAudit(self.territory, outside, path.parent, outside.is_local)
            self.found += audit.audit(read_module(tree), shown)

    def _known(self, shown: str) -> None:
        """The names that may be imported from each folder."""
        parts = shown.rpartition(".")[0].split("/")
        for length in range(len(parts)):
            self.inside["/".join(parts[:length])].add(parts[length])

    def _scope_of_file(self, shown: str) -> Scope | None:
        data = self.folder.read(shown, self.sources[shown])
        tree = parse(data, shown) if data is not None else None
        return None if tree is None or isinstance(tree, Note) else read_module(tree).root

    def _findings(self, today: dt.date) -> Iterator[Finding]:
        found = [self._finding(one) for one in sorted(set(self.found))]
        for one in without_waived(found, self.workspace.waivers, self.service, today):
            yield self._from_here(one) if one.rule in (EXPIRED, UNUSED) else one
        for note in sorted(set(self.folder.notes)):
            yield Finding(
                file=note.file, line=note.line, what=note.what, rule=UNREAD, severity=Severity.NOTE, about=note.file
            )

    def _from_here(self, finding: Finding) -> Finding:
        place = os.path.relpath(self.workspace.path.resolve() / finding.file, self.folder.path)
        return replace(finding, file=place, about=place)

    def _finding(self, one: Sighting) -> Finding:
        in_tests = _TESTS.search(one.file) is not None and one.severity is Severity.ERROR
        return Finding(
            file=one.file,
            line=one.line,
            key=one.hit.what,
            what=what_of(one),
            fix=fix_of(one.hit, self.workspace),
            rule=one.hit.rule,
            severity=Severity.WARNING if in_tests else one.severity,
            about=one.file,
        )


class _Outside:
    """What a module sees beyond itself: the environment, and the service's other modules."""

    def __init__(self, audit: _Audit, shown: str) -> None:
        self._audit = audit
        self.file = str(audit.sources[shown])
        self._package = shown.split("/")[:-1]
        above = ["/".join(self._package[:length]) for length in range(len(self._package), -1, -1)]
        self._roots = [one for one in [*above, "src", "lib"] if one == "" or "__init__" not in audit.inside[one]]

    def variable(self, name: str) -> Iterable[Text]:
        return self._audit.environment.variable(name)

    def scope_of(self, module: str) -> Scope | None:
        """Of one of the service's own modules: from its package for a relative name, from any root for another."""
        dots = len(module) - len(module.lstrip("."))
        parts = [part for part in module.split(".") if part]
        if dots:
            return self._at([*self._package[: len(self._package) - dots + 1], *parts])
        if not parts or not self.is_local(parts[0]):
            return None
        tried = (self._at([*(part for part in root.split("/") if part), *parts]) for root in self._roots)
        return next((found for found in tried if found is not None), None)

    def is_local(self, module: str) -> bool:
        """Whether an absolute import finds the service's own module: below a root, not inside a package."""
        return any(module in self._audit.inside[root] for root in self._roots)

    def _at(self, parts: list[str]) -> Scope | None:
        shown = "/".join(parts)
        for name in (f"{shown}.py", f"{shown}/__init__.py"):
            if name in self._audit.sources:
                return self._audit.scope_of_file(name)
        return None
