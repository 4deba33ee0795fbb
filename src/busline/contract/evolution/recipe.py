"""The way to the same end that hurts no one: which merges, in which order, with the deployments between them.

The general form is add, move, drop: what is new stands beside what is old until nobody reads the old any more. A
reader is never asked to move before there is something to move to, and nothing is dropped while somebody reads it.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from busline.contract.evolution.hurt import Case as Hurting
from busline.contract.evolution.hurt import cases, lacking, new_versions
from busline.contract.evolution.readers import RECORD, Hurt
from busline.contract.evolution.replacement import Case, Change, change_of, field_at
from busline.contract.model import Audience, Contract, Version
from busline.contract.nodes import MISSING, Record
from busline.names import ContractName, Service

if TYPE_CHECKING:
    from busline.contract.workspace import Workspace


_OUTSIDE: Final = (Audience.PARTNER, Audience.PUBLIC)
"""Nobody knows all their readers: what one fails without can never be dropped there."""
_NAME: Final = "readers match a type by its name, whatever changes in it"
_KEY: Final = "it stays what it is in every version; another key is another contract"


class Merge(NamedTuple):
    """short: a few words for a summary. who: the team whose files it is in. then: what happens before the next one."""

    short: str
    who: str
    what: tuple[str, ...]
    then: str


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What replaces a version that hurts. changes: what it does to fields; merges: in order."""

    contract: ContractName
    version: int
    changes: tuple[Change, ...]
    merges: tuple[Merge, ...]

    @property
    def summary(self) -> str:
        count = len(self.merges)
        return f"{count} merge{'s' * (count > 1)}: {'; '.join(merge.short for merge in self.merges)}"

    @property
    def lines(self) -> tuple[str, ...]:
        """For people: the summary, then each merge with what is to be done, and the deployments after it."""
        lines = [f"{self.contract}, instead of version {self.version}, hurting no one: {self.summary}"]
        for number, merge in enumerate(self.merges, 1):
            lines += [f"  {number}. {merge.who}: {merge.what[0]}", *(f"     {more}" for more in merge.what[1:])]
            lines.append(f"     then {merge.then}")
        return tuple(lines)


def recipes(workspace: Workspace, base: Workspace | None, today: dt.date) -> list[Recipe]:
    """One for each version that hurts somebody who has not agreed, or that a publisher could not fill."""
    hurting: defaultdict[tuple[ContractName, int], list[Hurting]] = defaultdict(list)
    for case in cases(workspace, base, today):
        if case.hurts:
            hurting[case.contract.name, case.version.number].append(case)
    found = [recipe_of(workspace, group, today) for group in hurting.values()]
    for name, publishers in _publishers(workspace).items():
        contract = workspace.contracts.get(name)
        for version in new_versions(contract, base) if contract else ():
            if contract and (name, version.number) not in hurting:
                found += _filling(contract, version, publishers)
    return sorted(found, key=lambda recipe: (recipe.contract, recipe.version))


def recipe_of(workspace: Workspace, group: Sequence[Hurting], today: dt.date) -> Recipe:
    """group: the readers that one version hurts, at least one."""
    kitchen = _Kitchen(workspace, group, today)
    return Recipe(
        contract=kitchen.contract.name,
        version=kitchen.version.number,
        changes=tuple(kitchen.changes),
        merges=tuple(kitchen.merges()),
    )


class _Kitchen:
    """One version and those that it hurts."""

    def __init__(self, workspace: Workspace, group: Sequence[Hurting], today: dt.date) -> None:
        self.contract, self.version = group[0].contract, group[0].version
        self.workspace, self.today = workspace, today
        self.owner = str(self.contract.owner)
        self.changes: dict[Change, set[Service]] = defaultdict(set)
        self.old = self.contract.version(self.version.number - 1) or self.version
        for case in group:
            old = self.contract.version(case.reader.version or 0) or self.version
            for hurt in sorted(case.consent.left):
                self.changes[change_of(self.contract, old, self.version, hurt)].add(case.reader.service)
        fails = any(hurt is not Hurt.BLIND for case in group for _, hurt in case.consent.left)
        self.must_stay = fails and self.contract.audience in _OUTSIDE
        keys = [change.path for change in self.changes if change.path in self.contract.key]
        types = [change.path for change in self.changes if change.case is Case.RENAMED_TYPE]
        kept = ((keys, "keep the key", _KEY), (types, "keep the type's name at", _NAME))
        self.kept = {f"{keep} {_joined(paths)}": why for paths, keep, why in kept if paths}
        self.moved = {c: who for c, who in self.changes.items() if c.path not in [*keys, *types]}

    def merges(self) -> Iterator[Merge]:
        if any(change.path == RECORD for change in self.changes):
            name = self._kept_name()
            yield from [self._keep({f"keep the record's name {name}": _NAME})] if name else self._redesign()
        elif self.moved:
            yield from self._redesign() if self.must_stay else self._add_move_drop()
        else:
            yield self._keep(self.kept)

    def _add_move_drop(self) -> Iterator[Merge]:
        adds, drops = tuple(self._add(change) for change in self.moved), _joined(map(_drop, self.moved))
        then = f"busline apply, and deploy {self._publishers()}"
        adds += tuple(f"{keep}: {why}" for keep, why in self.kept.items())
        short = f"{_joined([*map(_add_short, self.moved), *self.kept])} ({self.owner})"
        number = self.version.number
        if all(change.case is Case.REMOVED for change in self.moved):
            yield Merge(short, self.owner, adds, "busline apply")
        else:
            yield Merge(short, self.owner, (f"version {number}: {adds[0]}", *adds[1:]), then)
            number += 1
        yield from self._moves()
        until = f"when `busline can-i-deploy --contract {self.contract.name} --env ENV` says yes"
        marks = [c.path for c in self.moved if c.case is not Case.SYMBOLS and "." not in c.path]
        more = (f"take {_joined(marks)} out of `fields`",) if marks else ()
        yield Merge(f"{drops} ({self.owner})", self.owner, (f"version {number}: {drops}, {until}", *more), then)

    def _moves(self) -> Iterator[Merge]:
        """One a team: consent, and the code, are theirs."""
        for team in sorted({service.team for services in self.moved.values() for service in services}):
            own = {c: sorted(s for s in found if s.team == team) for c, found in self.moved.items()}
            mine = {change: services for change, services in own.items() if services}
            what = tuple(f"{_move(change)} in {_joined(services)}" for change, services in mine.items())
            services = _joined(sorted({service for found in mine.values() for service in found}))
            short = f"{team} {_joined(_moves(change) for change in mine)}"
            yield Merge(short, team, (*what, "run `busline declare`"), f"busline apply, and deploy {services}")

    def _add(self, change: Change) -> str:
        """The first merge: nothing is taken away yet."""
        if change.case is Case.SYMBOLS:
            return f"give the enum of {change.path} a default, one of its symbols, and no new symbol yet"
        use = f", use: {change.use}" if change.use else ""
        said = f"fields: {{{change.path}: {{deprecated: {{since: {self.today}{use}}}}}}}"
        mark = f"mark it ({said})" if "." not in change.path else "say in its doc that it will go"
        if not change.use:
            return f"keep {change.path}, and {mark}"
        default = field_at(self.version.schema, change.use)
        with_default = "" if default and default.default is not MISSING else " with a default"
        return f"keep {change.path}, add {change.use} beside it{with_default}, fill both, and {mark}"

    def _publishers(self) -> str:
        found = sorted(s.name for s in self.workspace.services.values() if s.publication(self.contract.name))
        return _joined(found) or "who publishes it"

    def _kept_name(self) -> str:
        """The record's name before, where the fields are still there: then its name is all that is in the way."""
        new, old = self.version.schema.root, self.old.schema.root
        if not isinstance(new, Record) or not isinstance(old, Record):
            return ""
        return old.name if {field.name for field in old.fields} <= {field.name for field in new.fields} else ""

    def _keep(self, kept: Mapping[str, str]) -> Merge:
        first, *more = (f"{keep}: {why}" for keep, why in kept.items())
        what = (f"version {self.version.number}: {first}", *more)
        return Merge(f"{_joined(kept)} ({self.owner})", self.owner, what, "busline apply")

    def _redesign(self) -> Iterator[Merge]:
        old, new = self.contract.name, f"{self.contract.name}-v2"
        moving = sorted({service for services in self.changes.values() for service in services})
        detail = f"a contract {new} with this schema; publish to both; deprecation: {{…, replacement: {new}}} in {old}"
        then = f"busline apply, and deploy {self._publishers()}"
        yield Merge(f"add {new} and deprecate {old} ({self.owner})", self.owner, (detail,), then)
        for team in sorted({service.team for service in moving}):
            own = _joined(service for service in moving if service.team == team)
            what = (f"subscribe to {new} instead of {old} in {own}", "run `busline declare`")
            yield Merge(f"{team} moves to {new}", team, what, f"busline apply, and deploy {own}")
        detail = f"`retired: DATE` in {old}, when nobody reads it"
        yield Merge(f"retire {old} ({self.owner})", self.owner, (detail,), "busline apply")


def _add_short(change: Change) -> str:
    if change.case is Case.SYMBOLS:
        return f"give {change.path} a default symbol"
    return f"add {change.use} and deprecate {change.path}" if change.use else f"deprecate {change.path}"


def _move(change: Change) -> str:
    if change.case is Case.SYMBOLS:
        return f"take the version whose {change.path} has a default symbol"
    return f"read {change.use} instead of {change.path}" if change.use else f"stop reading {change.path}"


def _moves(change: Change) -> str:
    """As `_move`, behind a team's name."""
    if change.case is Case.SYMBOLS:
        return f"takes the default of {change.path}"
    return f"reads {change.use}" if change.use else f"stops reading {change.path}"


def _drop(change: Change) -> str:
    return f"add the symbols to {change.path}" if change.case is Case.SYMBOLS else f"drop {change.path}"


def _publishers(workspace: Workspace) -> dict[ContractName, dict[Service, int]]:
    """The version that each service writes, by contract: one pass for all."""
    found: defaultdict[ContractName, dict[Service, int]] = defaultdict(dict)
    for service in workspace.services.values():
        for said in service.publishes:
            found[said.contract][service.name] = said.version
    return found


def _filling(contract: Contract, version: Version, publishers: Mapping[Service, int]) -> Iterator[Recipe]:
    """A required field that a publisher's version lacks: with a default first, without one only when all fill it."""
    behind = {
        service: without
        for service, written in publishers.items()
        if written < version.number and (without := lacking(contract, version, written))
    }
    if not behind:
        return
    names = _joined(sorted({name for without in behind.values() for name in without}))
    owner = str(contract.owner)
    detail = f"version {version.number}: give {names} a default: older events can be read, publishers move later"
    merges = [Merge(f"add {names} with a default ({owner})", owner, (detail,), "busline apply")]
    for team in sorted({service.team for service in behind}):
        own = _joined(sorted(service for service in behind if service.team == team))
        what = (f"fill {names} in {own}", "run `busline declare`")
        merges.append(Merge(f"{team} fills {names}", team, what, f"busline apply, and deploy {own}"))
    yield Recipe(contract=contract.name, version=version.number, changes=(), merges=tuple(merges))


def _joined(parts: Iterable[str]) -> str:
    """`a, b and c`, each once."""
    *first, last = dict.fromkeys(parts) or [""]
    return f"{', '.join(first)} and {last}" if first else last
