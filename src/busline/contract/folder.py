"""The workspace's folder, read file by file into domain values. What cannot be read becomes a finding."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, cast

from busline.contract.files import BuslineFile, ContractFile, FileModel, RuleFiles, ServiceFile, TeamFile
from busline.contract.finding import Finding
from busline.contract.model import (
    Acceptance,
    Contract,
    Deprecation,
    Environment,
    FieldDeprecation,
    Grant,
    Kind,
    Publication,
    RuleOff,
    ServiceSpec,
    Source,
    Storage,
    Subscription,
    TeamSpec,
    Version,
)
from busline.contract.schema import parse
from busline.contract.validation import validated
from busline.contract.yaml_reader import Document, read_bytes, read_yaml
from busline.errors import ContractError, SchemaInvalid
from busline.names import RESERVED_TEAM, ContractName, Service, Team

M = TypeVar("M", bound=FileModel)
N = TypeVar("N", Team, ContractName, Service)
MAX_EXAMPLE = 262_144
SERVICE_SUFFIX = ".service.yaml"


@dataclass
class Folder:
    """What was read so far. `broken` are contracts and services that exist and cannot be used: no second finding."""

    path: Path
    company: str = ""
    branch: str = "main"
    off: tuple[RuleOff, ...] = ()
    environments: dict[str, Environment] = field(default_factory=dict)
    teams: dict[Team, TeamSpec] = field(default_factory=dict)
    services: dict[Service, ServiceSpec] = field(default_factory=dict)
    contracts: dict[ContractName, Contract] = field(default_factory=dict)
    documents: dict[str, Document] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)

    def say(self, file: str, what: str, fix: str = "", *, line: int = 1, key: str = "") -> None:
        self.findings.append(Finding(file=file, line=line, key=key, what=what, fix=fix))

    def read(self) -> None:
        """Everything, in the order of names."""
        if not self.path.is_dir():
            return self.say(".", f"{self.path} is no folder", "Make a workspace with `busline init`.")
        self._company()
        for entry in self._entries(self.path):
            if entry.is_dir():
                self._team(Path(entry.path))
            elif entry.name.endswith((".yml", SERVICE_SUFFIX)) or entry.name in ("team.yaml", "contract.yaml"):
                self.say(entry.name, "does not belong here", "Here: busline.yaml and a folder a team.")
        return None

    def _entries(self, folder: Path) -> Iterator[os.DirEntry[str]]:
        """By name, without hidden ones and without links out of the workspace."""
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if self._leads_out(entry.path):
                self.say(self._shown(entry.path), "a link out of the workspace", "Put the file itself here.")
            elif entry.is_symlink() and entry.is_dir():
                self.say(self._shown(entry.path), "a link to a folder", "Folders are not linked; move it here.")
            else:
                yield entry

    def _leads_out(self, path: Path | str) -> bool:
        return os.path.islink(path) and not Path(path).resolve().is_relative_to(self.path.resolve())

    def _shown(self, path: Path | str) -> str:
        return os.path.relpath(path, self.path)

    def _load(self, model: type[M], path: Path) -> tuple[M, Document] | None:
        if self._leads_out(path):  # said where the folder is listed
            return None
        document = read_yaml(path, self._shown(path))
        if isinstance(document, Finding):
            self.findings.append(document)
            return None
        found = validated(model, document)
        if isinstance(found, list):
            self.findings += found
            return None
        self.documents[document.file] = document
        return found, document

    def _company(self) -> None:
        path = self.path / "busline.yaml"
        if not path.exists():
            return self.say("busline.yaml", "missing", "Make a workspace with `busline init`, or write `company: …`.")
        loaded = self._load(BuslineFile, path)
        if loaded is None:
            return None
        file, document = loaded
        self.company, self.branch, self.off = file.company, file.branch, _off(file.rules, document)
        for name, given in file.environments.items():
            self.environments[name] = Environment(
                name=name,
                url=given.url,
                registry=given.registry,
                replicas=given.storage.replicas,
                enforce=given.enforce,
                credentials=given.credentials.command if given.credentials else (),
                source=Source(file=document.file, line=document.line(("environments", name))),
            )
        return None

    def _named(self, kind: type[N], text: str, path: Path) -> N | None:
        try:
            return kind(text)
        except ContractError as error:
            self.say(self._shown(path), error.what, error.fix or "")
            return None

    def _team(self, folder: Path) -> None:
        team = self._named(Team, folder.name, folder)
        if team is None:
            return None
        if team == RESERVED_TEAM:
            return self.say(team, f"the team {team!r} is busline's own", "Choose another name.")
        self.teams[team] = self._team_spec(team, folder / "team.yaml")
        for entry in self._entries(folder):
            path = Path(entry.path)
            if entry.is_dir():
                self._contract(team, path)
            elif entry.name.endswith(SERVICE_SUFFIX):
                self._service(team, path)
            elif entry.name != "team.yaml" and entry.name.endswith((".yaml", ".yml", ".avsc")):
                self.say(
                    self._shown(path),
                    "not a file of a team",
                    "Here: team.yaml, <name>.service.yaml, a folder a contract.",
                )
        return None

    def _team_spec(self, team: Team, path: Path) -> TeamSpec:
        if not path.exists():
            self.say(self._shown(path), "missing", "Write `contact: {mail: …}`, so that others know whom to ask.")
            return TeamSpec(name=team)
        loaded = self._load(TeamFile, path)
        if loaded is None:
            return TeamSpec(name=team)
        file, document = loaded
        return TeamSpec(
            name=team,
            description=file.description,
            mail=file.contact.mail,
            chat=file.contact.chat,
            codeowners=file.codeowners,
            off=_off(file.rules, document),
            source=Source(file=document.file),
        )

    def _service(self, team: Team, path: Path) -> None:
        name = self._named(Service, f"{team}/{path.name.removesuffix(SERVICE_SUFFIX)}", path)
        if name is None:
            return None
        if name.is_people:
            return self.say(self._shown(path), "`people` is every team's persons and declares nothing", "Rename it.")
        loaded = self._load(ServiceFile, path)
        if loaded is None:
            self.broken.add(name)
        else:
            self.services[name] = _service(name, *loaded)
        return None

    def _contract(self, team: Team, folder: Path) -> None:
        name = self._named(ContractName, f"{team}.{folder.name}", folder)
        if name is None:
            return None
        path = folder / "contract.yaml"
        if not path.exists():
            self.broken.add(name)
            return self.say(self._shown(path), "missing", "Write a description and a key; or remove the folder.")
        before = len(self.findings)
        loaded = self._load(ContractFile, path)
        versions = self._versions(folder)
        example = self._example(folder / "example.json")
        if loaded is None or len(self.findings) > before:
            self.broken.add(name)
        if loaded is not None:
            self.contracts[name] = _contract(name, *loaded, versions, example)
        return None

    def _versions(self, folder: Path) -> tuple[Version, ...]:
        numbers = []
        for entry in self._entries(folder):
            stem, dot, suffix = entry.name.partition(".")
            if suffix == "avsc" and stem.isascii() and stem.isdigit() and stem[0] != "0" and len(stem) < 6:
                numbers.append(int(stem))
            elif suffix == "avsc" or (dot and suffix in ("yaml", "yml") and entry.name != "contract.yaml"):
                self.say(
                    self._shown(entry.path),
                    "not a file of a contract",
                    "Here: contract.yaml, 1.avsc, 2.avsc, example.json.",
                )
        numbers.sort()
        gap = next((i for i, number in enumerate(numbers, 1) if i != number), None)
        if gap is not None:
            self.say(self._shown(folder / f"{gap}.avsc"), "missing", "Versions are numbered from 1 without gaps.")
            numbers = numbers[: gap - 1]
        return tuple(v for v in (self._version(folder / f"{n}.avsc", n) for n in numbers) if v is not None)

    def _version(self, path: Path, number: int) -> Version | None:
        shown = self._shown(path)
        data = read_bytes(path, shown)
        if isinstance(data, Finding):
            self.findings.append(data)
            return None
        try:
            return Version(number=number, schema=parse(data), source=Source(file=shown))
        except SchemaInvalid as error:
            line = _json_line(error.why)
            self.say(shown, f"{error.what}: {error.why or ''}", error.fix or "", line=line, key=error.where or "")
        except UnicodeDecodeError:
            self.say(shown, "not UTF-8", "Save the file as UTF-8.")
        return None

    def _example(self, path: Path) -> dict[str, object] | None:
        if self._leads_out(path) or not path.exists():
            return None
        data = read_bytes(path, self._shown(path), MAX_EXAMPLE)
        if isinstance(data, Finding):
            self.findings.append(data)
            return None
        try:
            value = json.loads(data)
        except (ValueError, RecursionError) as error:
            self.say(self._shown(path), f"not JSON: {error}", "Mend it.", line=_json_line(str(error)))
            return None
        if isinstance(value, dict):
            return cast("dict[str, object]", value)
        self.say(self._shown(path), "not an object", "Write one event: {field: value}.")
        return None


def _json_line(why: str | None) -> int:
    """json's errors say `line 3 column 5`."""
    _, found, rest = (why or "").partition("line ")
    number = rest.split(" ")[0]
    return int(number) if found and number.isdigit() else 1


def _service(name: Service, file: ServiceFile, document: Document) -> ServiceSpec:
    def at(*path: str | int) -> Source:
        return Source(file=document.file, line=document.line(path))

    return ServiceSpec(
        name=name,
        publishes=tuple(
            Publication(contract=ContractName(c), version=v, source=at("publishes", c))
            for c, v in sorted(file.publishes.items())
        ),
        subscribes=tuple(
            Subscription(
                contract=ContractName(c), version=s.version, fields=s.fields, start=s.start, source=at("subscribes", c)
            )
            for c, s in sorted(file.subscribes.items())
        ),
        reads=tuple(ContractName(c) for c in file.reads),
        groups=file.groups,
        transactional=file.transactional,
        accepts=tuple(
            Acceptance(
                contract=ContractName(a.contract), version=a.version, why=a.why, until=a.until, source=at("accepts", i)
            )
            for i, a in enumerate(file.accepts)
        ),
        off=_off(file.rules, document),
        source=Source(file=document.file),
    )


def _contract(
    name: ContractName,
    file: ContractFile,
    document: Document,
    versions: tuple[Version, ...],
    example: dict[str, object] | None,
) -> Contract:
    retention = file.storage.retention
    if file.kind is Kind.STATE and ("storage", "retention") not in document.lines:
        retention = None
    d = file.deprecation
    return Contract(
        name=name,
        description=file.description.strip(),
        kind=file.kind,
        audience=file.audience,
        key=file.key,
        compatibility=file.compatibility,
        versions=versions,
        grants=tuple(_grants(file, document)),
        storage=Storage(partitions=file.storage.partitions, retention=retention, max_record=file.storage.max_record),
        tags=file.tags,
        pii=frozenset(f for f, said in file.fields.items() if said.pii),
        deprecated={
            f: FieldDeprecation(since=gone.since, use=gone.use)
            for f, said in file.fields.items()
            if (gone := said.deprecated)
        },
        quota={k: v for k, v in file.quota.model_dump().items() if v is not None},
        deprecation=Deprecation(
            since=d.since,
            sunset=d.sunset,
            replacement=ContractName(d.replacement) if d.replacement else None,
            source=Source(file=document.file, line=document.line(("deprecation",))),
        )
        if d
        else None,
        retired=file.retired,
        topic=file.kafka.topic or "",
        subject=file.kafka.subject or "",
        example=example,
        off=_off(file.rules, document),
        source=Source(file=document.file),
    )


def _off(rules: RuleFiles, document: Document) -> tuple[RuleOff, ...]:
    return tuple(
        RuleOff(
            rule=rule,
            reason=said.off,
            fields=said.fields,
            source=Source(file=document.file, line=document.line(("rules", rule))),
        )
        for rule, said in rules.items()
    )


def _grants(file: ContractFile, document: Document) -> Iterator[Grant]:
    for action, given in (("subscribe", file.access.subscribe), ("read", file.access.read)):
        for index, one in enumerate(given):
            source = Source(file=document.file, line=document.line(("access", action, index)))
            yield Grant(to=one.to, read_only=action == "read", pii=one.pii, source=source)
