"""What is there, as a workspace's files, checked as a whole before anything is written; and what is left as it is."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from busline.contract.declaration import contract_path, service_path, version_path
from busline.contract.finding import Finding, Severity
from busline.contract.model import EVERYONE, Contract
from busline.contract.overlaid_folder import OverlaidFolder
from busline.contract.rules.catalogue import RULES
from busline.contract.workspace import Workspace, read
from busline.contract.yaml_edit import add_grant
from busline.errors import WorkspaceInvalid
from busline.governance.adopt.left import Left, Reason
from busline.governance.adopt.live import Live
from busline.governance.adopt.merging import added, merged
from busline.governance.adopt.naming import Names
from busline.governance.adopt.owners import Owners
from busline.governance.adopt.services import User, find_users, lone_groups, lone_quotas
from busline.governance.adopt.streams import Known, Stream, find_streams
from busline.governance.adopt.texts import Grants, contract_text, service_text, team_text, version_text
from busline.governance.gate.gate import Question, run_gate
from busline.governance.state.rights import wanted_access
from busline.names import ContractName

Wrong: TypeAlias = "dict[ContractName | str, Finding]"
"""By contract, or by the name of a user."""

_IDLE: Final = (Reason.NO_RIGHTS, True)
"""A user that a service file names, and which has no right yet."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """owners, keys: what people say that no cluster does. keys: fields by topic. today: the date that is written."""

    workspace: Workspace
    owners: Owners
    today: dt.date
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Adoption:
    """files: text by path in the workspace; the workspace with them is valid, and `check` finds no error in them."""

    files: Mapping[str, str] = field(default_factory=dict)
    streams: Mapping[ContractName, Stream] = field(default_factory=dict)
    users: tuple[User, ...] = ()
    left: tuple[Left, ...] = ()


def unowned(live: Live, asked: Asked) -> list[Left]:
    """Topics that could be contracts, if somebody were said to own them."""
    return [left for left in find_streams(live, _known(asked))[1] if left.reason is Reason.NO_OWNER]


def adopt(live: Live, asked: Asked) -> Adoption:
    """Raises WorkspaceInvalid where the workspace does not hold together, adopted or not."""
    found, left = find_streams(live, _known(asked))
    streams = dict(_named(found, asked.workspace))
    skipped: set[str] = set()
    while True:
        draft = _Draft(live, asked, streams, frozenset(skipped))
        wrong, texts, made = draft.checked()
        if not wrong:
            return draft.adoption(texts, made, left)
        for about, finding in wrong.items():
            if isinstance(about, ContractName):
                topic = streams.pop(about).topic.name
                left.append(Left(reason=Reason.INVALID, about=topic, why=f"{about}: {finding.what}"))
            else:
                skipped.add(about)
                left.append(Left(reason=Reason.INVALID_USER, about=about, why=finding.what))


def _known(asked: Asked) -> Known:
    return Known(
        owners=asked.owners,
        topics=frozenset(contract.topic for contract in asked.workspace.contracts.values()),
        keys=asked.keys,
        teams=frozenset(asked.workspace.teams),
    )


def _named(streams: Iterable[Stream], workspace: Workspace) -> Iterator[tuple[ContractName, Stream]]:
    names = Names(workspace.contracts)
    return ((names.contract(stream.owner, stream.topic.name), stream) for stream in streams)


@dataclass
class _Draft:
    """One try with these streams, and without the users that would not hold together."""

    live: Live
    asked: Asked
    streams: Mapping[ContractName, Stream]
    skipped: frozenset[str]
    users: list[User] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    services: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        services = self.asked.workspace.services
        topics = {stream.topic.name: name for name, stream in self.streams.items()}
        self.topics = topics | {contract.topic: name for name, contract in self.asked.workspace.contracts.items()}
        there = self.asked.workspace.contracts.items()
        self.versions = {name: len(contract.versions) for name, contract in there}
        self.versions |= {name: len(stream.schemas) for name, stream in self.streams.items()}
        known = {spec.user: spec.name for spec in services.values()}
        found, left = find_users(self.live, self.topics, self.asked.owners, Names(services), known)
        said = self._said()
        self.left = [one for one in left if one.about not in said and (one.reason, one.about in known) != _IDLE]
        for user in (user for user in found if user.name not in self.skipped):
            self._take(added(user, self.streams) if user.service in services else user)

    def _said(self) -> set[str]:
        """The ACLs that the workspace's contracts give already."""
        there = self.asked.workspace
        return {str(acl) for acl in wanted_access(there.contracts, there.services, there.teams, self.asked.today).acls}

    def _take(self, user: User) -> None:
        """The user with its service's file; a file that is there and people's own is left to them."""
        path = service_path(user.service)
        spec = self.asked.workspace.services.get(user.service)
        if spec is None:
            text: str | Left | None = service_text(user, self.versions)
        else:
            before = (self.asked.workspace.path / path).read_text(encoding="utf-8")
            text = merged(user, spec, before, self.versions)
        if isinstance(text, Left):
            self.left.append(text)
        elif text is not None:
            self.users.append(user)
            self.services[path] = text

    def checked(self) -> tuple[Wrong, dict[str, str], Workspace]:
        """What would not hold together with the first thing that is wrong of it; the texts of all files, and the
        workspace that they make."""
        folder = self.asked.workspace.path
        texts = self._texts({})
        wrong, made = self._read(folder, texts)
        if not wrong and (off := self._failing(made, texts)):
            texts = self._texts(off)
            wrong, made = self._read(folder, texts)
        return wrong, texts, made

    def _read(self, path: Path, texts: Mapping[str, str]) -> tuple[Wrong, Workspace]:
        folder = OverlaidFolder(path, texts=texts)
        users = {service_path(user.service): user.name for user in self.users}
        wrong: Wrong = {}
        others: list[Finding] = []
        for finding in read(folder):
            name = _contract_of(finding.file)
            about = name if name in self.streams else users.get(finding.file)
            wrong.setdefault(about, finding) if about else others.append(finding)
        if others and not wrong:
            raise WorkspaceInvalid("nothing was written: the workspace would not hold together", others)
        return wrong, Workspace.of(folder)

    def _failing(self, workspace: Workspace, texts: Mapping[str, str]) -> dict[str, set[str]]:
        """Rules that files which are written here fail as errors, by file."""
        off: dict[str, set[str]] = defaultdict(set)
        for finding in run_gate(Question(workspace=workspace, base=None, today=self.asked.today)):
            name = _contract_of(finding.file)
            file = contract_path(name) if name else finding.file
            rule = RULES.get(finding.rule)
            mine = file in texts and (name is None or name in self.streams)
            if finding.severity is Severity.ERROR and mine and rule is not None and not rule.always:
                off[file].add(finding.rule)
        return off

    def _texts(self, off: Mapping[str, set[str]]) -> dict[str, str]:
        why = f"adopted as it is on {self.asked.today}"
        grants = self._grants()
        texts: dict[str, str] = {}

        def said(file: str) -> dict[str, str]:
            return dict.fromkeys(sorted(off.get(file, ())), why)

        for team in sorted({name.team for name in self.streams} | {user.service.team for user in self.users}):
            if team not in self.asked.workspace.teams:
                path = f"{team}/team.yaml"
                texts[path] = team_text(team, said(path))
        for name, stream in self.streams.items():
            path = contract_path(name)
            texts[path] = contract_text(stream, grants.get(name, Grants()), said(path))
            for number, stored in enumerate(stream.subject.versions, 1):
                texts[version_path(name, number)] = version_text(stored.text)
        return texts | self.services | self._granted(grants)

    def _grants(self) -> dict[ContractName, Grants]:
        """By contract: the services of other teams."""
        subscribe: dict[ContractName, list[str]] = defaultdict(list)
        reads: dict[ContractName, list[str]] = defaultdict(list)
        for user in self.users:
            for uses, consumed in ((subscribe, user.subscribes), (reads, user.reads)):
                for name in consumed:
                    if name.team != user.service.team:
                        uses[name].append(str(user.service))
        used = subscribe.keys() | reads.keys()
        return {
            name: Grants(subscribe=tuple(sorted(subscribe[name])), read=tuple(sorted(reads[name]))) for name in used
        }

    def _granted(self, grants: Mapping[ContractName, Grants]) -> dict[str, str]:
        """Contracts that are there already, with the lines that their owners' old ACLs say."""
        texts = {}
        for name, given in sorted(grants.items()):
            contract = self.asked.workspace.contracts.get(name)
            if contract is None:
                continue
            path = self.asked.workspace.path / contract_path(name)
            before = text = path.read_text(encoding="utf-8")
            for key, services in (("subscribe", given.subscribe), ("read", given.read)):
                for service in services:
                    if not _grants_already(contract, service, read=key == "read"):
                        text = add_grant(text, key, service)
            if text != before:
                texts[contract_path(name)] = text
        return texts

    def adoption(self, texts: Mapping[str, str], made: Workspace, left: Iterable[Left]) -> Adoption:
        said = wanted_access(made.contracts, made.services, made.teams, self.asked.today).quotas
        others = [
            *lone_groups(self.live, self._all_groups(made), self.topics),
            *lone_quotas(self.live, said),
        ]
        return Adoption(
            files=dict(texts),
            streams=self.streams,
            users=tuple(self.users),
            left=tuple(sorted([*left, *self.left, *others], key=_order)),
        )

    @staticmethod
    def _all_groups(made: Workspace) -> set[str]:
        return {group for service in made.services.values() for group in service.kafka_groups}


def _order(left: Left) -> tuple[int, str, str]:
    return list(Reason).index(left.reason), left.about, left.why


def _grants_already(contract: Contract, service: str, *, read: bool) -> bool:
    covering = {service, service.partition("/")[0], EVERYONE}
    return any(grant.to in covering and (read or not grant.read_only) for grant in contract.grants)


def _contract_of(file: str) -> ContractName | None:
    parts = file.split("/")
    return ContractName(f"{parts[0]}.{parts[1]}") if len(parts) == 3 else None
