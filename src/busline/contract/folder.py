"""The workspace's folder, read file by file into domain values. What cannot be read becomes a finding."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, TypeAlias, TypeVar, cast

from busline.contract.file_values import contract_of, environments, event_grants, rules_off, service_spec, team_spec
from busline.contract.files import BuslineFile, ContractFile, FileModel, ServiceFile, TeamFile
from busline.contract.finding import Finding
from busline.contract.holding_values import holdings
from busline.contract.holdings import Holdings, Waiver
from busline.contract.model import Contract, Environment, Grant, RuleOff, ServiceSpec, Source, TeamSpec, Version
from busline.contract.nodes import Record
from busline.contract.schema import parse
from busline.contract.schema_parser import Alike
from busline.contract.validation import validated
from busline.contract.yaml_reader import MAX_BYTES, Document, parse_yaml, read_bytes, why_not
from busline.errors import ContractError, SchemaInvalid
from busline.names import RESERVED_TEAM, ContractName, Service, Team

M = TypeVar("M", bound=FileModel)
N = TypeVar("N", Team, ContractName, Service)


class Entry(Protocol):
    """What is used of an os.DirEntry."""

    @property
    def name(self) -> str: ...
    @property
    def path(self) -> str: ...
    def is_dir(self) -> bool: ...
    def __fspath__(self) -> str: ...


Listed: TypeAlias = Mapping[str, "Entry | None"]
"""What is in a folder, by name. None: a link out of the workspace, of which a finding tells; nobody reads it."""
MAX_EXAMPLE: Final = 262_144
SERVICE_SUFFIX: Final = ".service.yaml"


@dataclass
class Folder:
    """What was read so far. `broken` are contracts and services that exist and cannot be used: no second finding.

    Paths are plain strings, and a folder is listed once: at 50,000 files each question to the system counts.
    """

    path: Path
    company: str = ""
    branch: str = "main"
    off: tuple[RuleOff, ...] = ()
    environments: dict[str, Environment] = field(default_factory=dict)
    events: dict[ContractName, tuple[Grant, ...]] = field(default_factory=dict)
    holdings: dict[Team, Holdings] = field(default_factory=dict)
    waivers: tuple[Waiver, ...] = ()
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
        if not self._is_there():
            return self.say(".", f"{self.path} is no folder", "Make a workspace with `busline init`.")
        listed = self._list(str(self.path), "")
        self._company(listed)
        for name, entry in listed.items():
            if entry is not None and entry.is_dir():
                self._team(entry)
            elif entry and (name.endswith((".yml", SERVICE_SUFFIX)) or name in ("team.yaml", "contract.yaml")):
                self.say(name, "does not belong here", "Here: busline.yaml and a folder a team.")
        return None

    def _is_there(self) -> bool:
        return self.path.is_dir()

    def _bytes(self, entry: Entry, shown: str, limit: int = MAX_BYTES) -> bytes | Finding:
        return read_bytes(entry, shown, limit)

    def _list(self, folder: str, shown: str) -> Listed:
        """By name, without hidden ones and linked folders. shown: what findings put before a name."""
        listed: dict[str, Entry | None] = {}
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            self.say(shown.rstrip("/") or ".", why_not(error), "Mend its permissions.")
            return listed
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if not entry.is_symlink():
                listed[entry.name] = entry
            elif not Path(entry.path).resolve().is_relative_to(self.path.resolve()):
                self.say(shown + entry.name, "a link out of the workspace", "Put the file itself here.")
                listed[entry.name] = None
            elif entry.is_dir():
                self.say(shown + entry.name, "a link to a folder", "Folders are not linked; move it here.")
            else:
                listed[entry.name] = entry
        return listed

    def _load(self, model: type[M], entry: Entry | None, shown: str) -> tuple[M, Document] | None:
        if entry is None:
            return None
        data = self._bytes(entry, shown)
        document = parse_yaml(data, shown) if isinstance(data, bytes) else data
        if isinstance(document, Finding):
            self.findings.append(document)
            return None
        found = validated(model, document)
        if isinstance(found, list):
            self.findings += found
            return None
        self.documents[document.file] = document
        return found, document

    def _company(self, listed: Listed) -> None:
        if "busline.yaml" not in listed:
            return self.say("busline.yaml", "missing", "Make a workspace with `busline init`, or write `company: …`.")
        loaded = self._load(BuslineFile, listed["busline.yaml"], "busline.yaml")
        if loaded is None:
            return None
        file, document = loaded
        self.company, self.branch, self.off = file.company, file.branch, rules_off(file.rules, document)
        self.environments |= environments(file, document)
        self.events |= event_grants(file, document)
        said = holdings(file, document)
        self.holdings, self.waivers, wrong = said.holdings, said.waivers, said.wrong
        self.findings += wrong
        return None

    def _named(self, kind: type[N], text: str, shown: str) -> N | None:
        try:
            return kind(text)
        except ContractError as error:
            self.say(shown, error.what, error.fix or "")
            return None

    def _team(self, folder: Entry) -> None:
        team = self._named(Team, folder.name, folder.name)
        if team is None:
            return None
        if team == RESERVED_TEAM:
            return self.say(team, f"the team {team!r} is busline's own", "Choose another name.")
        listed = self._list(folder.path, f"{team}/")
        self.teams[team] = self._team_spec(team, listed)
        for name, entry in listed.items():
            if entry is None:
                continue
            if entry.is_dir():
                self._contract(team, entry)
            elif name.endswith(SERVICE_SUFFIX):
                self._service(team, entry)
            elif name != "team.yaml" and name.endswith((".yaml", ".yml", ".avsc")):
                fix = "Here: team.yaml, <name>.service.yaml, a folder a contract."
                self.say(f"{team}/{name}", "not a file of a team", fix)
        return None

    def _team_spec(self, team: Team, listed: Listed) -> TeamSpec:
        shown = f"{team}/team.yaml"
        if "team.yaml" not in listed:
            self.say(shown, "missing", "Write `contact: {mail: …}`, so that others know whom to ask.")
            return TeamSpec(name=team)
        loaded = self._load(TeamFile, listed["team.yaml"], shown)
        return TeamSpec(name=team) if loaded is None else team_spec(team, *loaded)

    def _service(self, team: Team, entry: Entry) -> None:
        shown = f"{team}/{entry.name}"
        name = self._named(Service, shown.removesuffix(SERVICE_SUFFIX), shown)
        if name is None:
            return None
        if name.is_people:
            return self.say(shown, "`people` is every team's persons and declares nothing", "Rename it.")
        loaded = self._load(ServiceFile, entry, shown)
        if loaded is None:
            self.broken.add(name)
        else:
            self.services[name] = service_spec(name, *loaded)
        return None

    def _contract(self, team: Team, folder: Entry) -> None:
        name = self._named(ContractName, f"{team}.{folder.name}", f"{team}/{folder.name}")
        if name is None:
            return None
        shown, before = f"{team}/{folder.name}/", len(self.findings)
        listed = self._list(folder.path, shown)
        if "contract.yaml" not in listed:
            self.broken.add(name)
            return self.say(f"{shown}contract.yaml", "missing", "Write a description and a key; or remove the folder.")
        loaded = self._load(ContractFile, listed["contract.yaml"], f"{shown}contract.yaml")
        versions = self._versions(listed, shown)
        example = self._example(listed.get("example.json"), f"{shown}example.json")
        if loaded is None or len(self.findings) > before:
            self.broken.add(name)
        if loaded is not None:
            self.contracts[name] = contract_of(name, *loaded, versions, example)
        return None

    def _versions(self, listed: Listed, shown: str) -> tuple[Version, ...]:
        files: dict[int, Entry] = {}
        for name, entry in listed.items():
            stem, dot, suffix = name.partition(".")
            if entry is None:
                continue
            if suffix == "avsc" and stem.isascii() and stem.isdigit() and stem[0] != "0" and len(stem) < 6:
                files[int(stem)] = entry
            elif suffix == "avsc" or (dot and suffix in ("yaml", "yml") and name != "contract.yaml"):
                self.say(shown + name, "not a file of a contract", "Here: contract.yaml, 1.avsc, 2.avsc, example.json.")
        whole = next(n for n in range(len(files) + 1) if n + 1 not in files)
        if whole < len(files):
            self.say(f"{shown}{whole + 1}.avsc", "missing", "Versions are numbered from 1 without gaps.")
        alike = Alike() if whole > 1 else None
        read = (self._version(files[n], f"{shown}{n}.avsc", n, alike) for n in range(1, whole + 1))
        return tuple(version for version in read if version is not None)

    def _version(self, entry: Entry, shown: str, number: int, alike: Alike | None) -> Version | None:
        data = self._bytes(entry, shown)
        if isinstance(data, Finding):
            self.findings.append(data)
            return None
        try:
            schema = parse(data, alike=alike)
            if isinstance(schema.root, Record):
                return Version(number=number, schema=schema, source=Source(file=shown))
            self.say(shown, "the root is not a record", 'Begin with {"type": "record", …}.')
        except SchemaInvalid as error:
            line = _json_line(error.why)
            self.say(shown, f"{error.what}: {error.why or ''}", error.fix or "", line=line, key=error.where or "")
        except UnicodeDecodeError:
            self.say(shown, "not UTF-8", "Save the file as UTF-8.")
        return None

    def _example(self, entry: Entry | None, shown: str) -> dict[str, object] | None:
        if entry is None:
            return None
        data = self._bytes(entry, shown, MAX_EXAMPLE)
        if isinstance(data, Finding):
            self.findings.append(data)
            return None
        try:
            value = json.loads(data)
        except (ValueError, RecursionError) as error:
            self.say(shown, f"not JSON: {error}", "Mend it.", line=_json_line(str(error)))
            return None
        if isinstance(value, dict):
            return cast("dict[str, object]", value)
        self.say(shown, "not an object", "Write one event: {field: value}.")
        return None


def _json_line(why: str | None) -> int:
    """json's errors say `line 3 column 5`."""
    _, found, rest = (why or "").partition("line ")
    number = rest.split(" ")[0]
    return int(number) if found and number.isdigit() else 1
