"""What a service's models say, as the workspace's files: its service file, and its team's contracts and versions.

Pure: texts in, texts out. `start`, `accepts`, `reads` and pinned versions that still hold are kept from the file that
is there; a contract.yaml that is there is the owner's and stays as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml

from busline.contract.avro import schema_of
from busline.contract.event import Event
from busline.contract.finding import Finding
from busline.contract.model import Contract, Kind
from busline.contract.nodes import MISSING, Record
from busline.contract.render import render
from busline.contract.schema import Schema
from busline.contract.yaml_reader import parse_yaml
from busline.errors import ContractError, ContractMismatch, ContractUnknown, WorkspaceInvalid
from busline.names import ContractName, Service

_HEAD: Final = "# Written by `busline declare` from the code. `start` and `accepts` are yours.\n"


@dataclass(frozen=True, kw_only=True)
class Declared:
    """A service and the models that its code publishes and subscribes to."""

    service: Service
    publishes: Sequence[type[Event]] = ()
    subscribes: Sequence[type[Event]] = ()


def declare(
    declared: Declared, contracts: Mapping[ContractName, Contract], existing: Mapping[str, str]
) -> dict[str, str]:
    """Text by path in the workspace: the service file, and what is new of the team's own contracts.

    contracts: the workspace's. existing: the texts that are there, by path; only the service's own file is read.
    Raises ContractUnknown, and ContractMismatch where a model contradicts a contract that is there.
    """
    files: dict[str, str] = {}
    pinned: dict[ContractName, int] = {}
    path = service_path(declared.service)
    before = _load(existing.get(path, ""), path)
    for model in declared.publishes:
        name = model.__busline__.name
        contract = contracts.get(name)
        if contract is not None:
            _check_same_promise(model, contract)
        if name.team == declared.service.team:
            made, pinned[name] = _own(model, contract)
            files.update(made)
        else:
            pinned[name] = _foreign(model, contract, _part(before, "publishes").get(name))
    subscribed = {m.__busline__.name: _subscription(m, contracts, pinned, before) for m in declared.subscribes}
    files[path] = _service_text(pinned, subscribed, before, existing.get(path, ""))
    return files


def stale(files: Mapping[str, str], existing: Mapping[str, str]) -> list[str]:
    """The paths whose text is not there, or is another: what `--check` reports."""
    return [path for path, text in sorted(files.items()) if existing.get(path) != text]


def service_path(service: Service) -> str:
    return f"{service.team}/{service.name}.service.yaml"


def contract_path(name: ContractName) -> str:
    return f"{name.team}/{name.stream}/contract.yaml"


def version_path(name: ContractName, number: int) -> str:
    return f"{name.team}/{name.stream}/{number}.avsc"


def schema_text(schema: Schema) -> str:
    """A version's file: indented by 2, the same text for the same schema."""
    return json.dumps(render(schema.root), indent=2, ensure_ascii=False) + "\n"


def _own(model: type[Event], contract: Contract | None) -> tuple[dict[str, str], int]:
    """The new files of a contract of the team's own, and the version that the model is."""
    name = model.__busline__.name
    made = {} if contract else {contract_path(name): _contract_text(model)}
    current = contract.current if contract else None
    schema = schema_of(model, current.schema if current else None)
    same = [v.number for v in contract.versions if render(v.schema.root) == render(schema.root)] if contract else []
    if same:
        return made, same[-1]
    number = current.number + 1 if current else 1
    return made | {version_path(name, number): schema_text(schema)}, number


def _foreign(model: type[Event], contract: Contract | None, pinned: object) -> int:
    """The version of another team's contract that is written: as pinned while the model fills it, else the highest."""
    if contract is None:
        raise _unknown(model)
    filled = [v.number for v in contract.versions if _fills(model, v.schema)]
    if not filled:
        what = f"{model.__name__} fills no version of {contract.name}"
        raise ContractMismatch(what, fix="Add the fields without a default, or generate the model: busline codegen.")
    return pinned if isinstance(pinned, int) and pinned in filled else filled[-1]


def _subscription(
    model: type[Event],
    contracts: Mapping[ContractName, Contract],
    new: Mapping[ContractName, int],
    before: Mapping[str, Any],
) -> dict[str, Any]:
    name = model.__busline__.name
    contract = contracts.get(name)
    if contract is None and name not in new:
        raise _unknown(model)
    kept = _part(before, "subscribes").get(name)
    known = kept if isinstance(kept, dict) else {}
    readable = [v.number for v in contract.versions if _reads(model, v.schema)] if contract else []
    version = known.get("version")
    if version not in readable:
        version = readable[-1] if readable else new.get(name)
    if version is None:
        what = f"{model.__name__} reads fields that no version of {name} has"
        raise ContractMismatch(what, fix="Give them a default, take them away, or generate the model: busline codegen.")
    uses = [f.name if f.default is MISSING else f"{f.name}?" for f in _root(model.__busline__.schema).fields]
    return {"version": version, "fields": uses, "start": known.get("start", "earliest")}


def _check_same_promise(model: type[Event], contract: Contract) -> None:
    ours = model.__busline__
    if ours.key and ours.key != contract.key:
        why = f"the model's key is {', '.join(ours.key)}, the contract's {', '.join(contract.key) or 'none'}"
    elif ours.kind is not contract.kind:
        why = f"the model is a {ours.kind.value}, the contract a {contract.kind.value}"
    else:
        return
    fix = "Neither can change once published: correct the model, or make a new contract."
    raise ContractMismatch(
        f"{model.__name__} is not {contract.name}", where=str(contract.source or ""), why=why, fix=fix
    )


def _fills(model: type[Event], version: Schema) -> bool:
    ours = {f.name for f in _root(model.__busline__.schema).fields}
    return all(f.name in ours or f.default is not MISSING for f in _root(version).fields)


def _reads(model: type[Event], version: Schema) -> bool:
    theirs = {f.name for f in _root(version).fields}
    return all(
        f.default is not MISSING or theirs & {f.name, *f.aliases} for f in _root(model.__busline__.schema).fields
    )


def _root(schema: Schema) -> Record:
    if not isinstance(schema.root, Record):
        raise ContractMismatch("the contract's schema is no record", fix="Read it without a model.")
    return schema.root


def _contract_text(model: type[Event]) -> str:
    """A contract in three lines: what it is, its key, and nobody's access yet."""
    ours = model.__busline__
    doc = " ".join(_root(ours.schema).doc.split("\n\n")[0].split())
    lines = [_dump({"description": doc or f"{ours.name.stream.replace('-', ' ').capitalize()}."})]
    if ours.kind is not Kind.EVENT:
        lines.append(f"kind: {ours.kind.value}\n")
    if ours.key:
        lines.append(f"key: {ours.key[0] if len(ours.key) == 1 else _list(ours.key)}\n")
    return "".join([*lines, "access: {subscribe: []}\n"])


def _service_text(
    published: Mapping[ContractName, int], subscribed: Mapping[ContractName, Any], before: Mapping[str, Any], text: str
) -> str:
    """What people wrote (accepts, reads, a description) stays as they wrote it, comments and all."""
    publishes = "".join(f"  {name}: {published[name]}\n" for name in sorted(published))
    subscribes = "".join(f"  {name}: {_subscribed(subscribed[name])}\n" for name in sorted(subscribed))
    theirs = _sections(text)
    kept = [theirs.get(key) or _dump({key: before[key]}) for key in before if key not in ("publishes", "subscribes")]
    parts = [
        _HEAD,
        f"publishes:\n{publishes}" if publishes else "publishes: {}\n",
        f"subscribes:\n{subscribes}" if subscribes else "subscribes: {}\n",
        *kept,
        "" if "accepts" in before else "accepts: []\n",
    ]
    return "".join(parts)


def _sections(text: str) -> dict[str, str]:
    """The text of each top-level key in block style, with the comment lines right above it."""
    out: dict[str, str] = {}
    key, above = "", ""
    for line in text.splitlines():
        start = re.match(r"([a-z_]+)\s*:", line)
        if start is not None:
            key, out[start[1]], above = start[1], f"{above}{line}\n", ""
        elif line.startswith("#"):
            above += "" if line + "\n" == _HEAD else f"{line}\n"
        elif key and line.strip():
            out[key] += f"{above}{line}\n"
            above = ""
    return out


def _subscribed(use: Mapping[str, Any]) -> str:
    return f"{{version: {use['version']}, fields: {_list(use['fields'])}, start: {_quoted(str(use['start']))}}}"


def _list(names: Sequence[str]) -> str:
    return f"[{', '.join(names)}]"


def _quoted(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9]+", text) else json.dumps(text)


def _dump(value: Mapping[str, Any]) -> str:
    """Block style, what is innermost on one line."""
    flow = None if any(isinstance(v, list | dict) for v in value.values()) else False
    return yaml.safe_dump(value, default_flow_style=flow, sort_keys=False, width=10_000, allow_unicode=True)


def _load(text: str, path: str) -> dict[str, Any]:
    document = parse_yaml(text.encode(), path)
    if isinstance(document, Finding):
        raise WorkspaceInvalid("the service file is not YAML", [document])
    if not isinstance(document.value, dict | None):
        raise ContractError("the service file is no mapping", where=path, fix="Delete it: declare writes it anew.")
    return document.value or {}


def _part(before: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = before.get(key)
    return value if isinstance(value, dict) else {}


def _unknown(model: type[Event]) -> ContractUnknown:
    name = model.__busline__.name
    return ContractUnknown(f"{name} is not in the workspace", where=model.__name__, fix=f"Ask team {name.team}.")
