"""What no single file can say alone: names against each other, owners, grants, keys, versions, fields."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from busline.contract.access import decide
from busline.contract.brought_names import check_brought_names
from busline.contract.example import mismatches
from busline.contract.finding import Finding
from busline.contract.folder import Folder
from busline.contract.model import (
    EVERYONE,
    Action,
    Audience,
    Contract,
    Grant,
    Kind,
    ServiceSpec,
    Source,
    Subscription,
    Version,
)
from busline.contract.nodes import MISSING, Enum, Fixed, Node, Primitive, Record
from busline.contract.own_contracts import OWNER, own_contracts
from busline.contract.validation import suggestion
from busline.errors import ContractError
from busline.names import RESERVED_TEAM, ContractName, Service, Team

_ABOVE: Final = "grant-audience"
NOT_GRANTED: Final = "not-granted"
_KEYLESS: Final = ("null", "float", "double", "bytes")


def check(folder: Folder) -> None:
    """Adds what it finds to the folder's findings."""
    _look_alikes(folder)
    check_brought_names(folder)
    _company(folder)
    for contract in folder.contracts.values():
        _contract(folder, contract)
    for own in own_contracts(folder.events).values():
        for grant in own.grants:
            _grant(folder, own, grant)
    for service in folder.services.values():
        _service(folder, service)


def _company(folder: Folder) -> None:
    """Teams that busline.yaml names are there; a service need not be declared yet."""
    for team in folder.holdings.keys() - folder.teams.keys():
        fix = suggestion(team, list(folder.teams))
        key = f"teams.{team}"
        line = folder.documents["busline.yaml"].line(("teams", team))
        folder.say("busline.yaml", f"there is no team {team!r}", fix, line=line, key=key)
    for waiver in folder.waivers:
        if waiver.service.team not in folder.teams:
            fix = suggestion(waiver.service.team, list(folder.teams))
            line = waiver.source.line
            folder.say("busline.yaml", f"there is no team {waiver.service.team!r}", fix, line=line, key="exceptions")


def look(text: str) -> str:
    """Equal for names that people mix up: hyphens apart, 1 and l, 0 and o."""
    return text.replace("-", "").replace("1", "l").replace("0", "o")


def _look_alikes(folder: Folder) -> None:
    streams = [*folder.contracts, *(b for b in folder.broken if "." in b and b not in folder.contracts)]
    _alike(folder, folder.teams, lambda name: name)
    _alike(folder, streams, lambda name: name.replace(".", "/"))
    _alike(folder, folder.services, lambda name: f"{name}.service.yaml")


def _alike(folder: Folder, names: Iterable[str], file: Callable[[str], str]) -> None:
    seen: dict[str, str] = {}
    for name in sorted(names):
        first = seen.setdefault(look(name), name)
        if first != name:
            folder.say(file(name), f"{name!r} looks like {first!r}", "Choose names that nobody mixes up.")


def _contract(folder: Folder, contract: Contract) -> None:
    for grant in contract.grants:
        _grant(folder, contract, grant)
    _key(folder, contract)
    _fields(folder, contract)
    _lifecycle(folder, contract)
    _example(folder, contract)


def _say(folder: Folder, contract: Contract, key: str, what: str, fix: str) -> None:
    document = folder.documents[contract.source.file] if contract.source else None
    if document:
        folder.say(document.file, what, fix, line=document.line(tuple(key.split("."))), key=key)


def _grant(folder: Folder, contract: Contract, grant: Grant) -> None:
    source = grant.source or Source(file="?")
    under = f"events.{contract.name.stream}" if contract.owner == RESERVED_TEAM else "access"
    key = f"{under}.{'read' if grant.read_only else 'subscribe'}"

    def say(what: str, fix: str, rule: str = "invalid") -> None:
        folder.findings.append(Finding(file=source.file, line=source.line, key=key, what=what, fix=fix, rule=rule))

    if sum(other.to == grant.to and other.read_only == grant.read_only for other in contract.grants) > 1:
        say(f"{grant.to!r} stands more than once", "Keep one of them.")
    if grant.to == EVERYONE:
        if contract.audience is Audience.TEAM:
            say("everyone is more than the audience `team`", "Remove it, or widen the audience.", _ABOVE)
        return None
    try:
        to: Team | Service = Service(grant.to) if "/" in grant.to else Team(grant.to)
    except ContractError as error:
        return say(error.what, "Write a team, a service (team/name), or everyone.")
    team = to.team if isinstance(to, Service) else to
    if team not in folder.teams:
        say(f"there is no team {team!r}", suggestion(team, list(folder.teams)))
    elif isinstance(to, Service) and not _exists(folder, to):
        fix = suggestion(to, [*folder.services]) or "Declare it first: `busline declare`."
        say(f"there is no service {to!r}", fix)
    elif contract.audience is Audience.TEAM and team != contract.owner:
        say(f"{grant.to!r} is outside the audience `team`", "Remove it, or widen the audience.", _ABOVE)
    return None


def _exists(folder: Folder, service: Service) -> bool:
    return service.is_people or service in folder.services or service in folder.broken


def _key(folder: Folder, contract: Contract) -> None:
    if contract.kind is Kind.STATE and not contract.key:
        _say(folder, contract, "key", "a state contract needs a key", "Write `key: <field>`.")
    if len(set(contract.key)) != len(contract.key):
        _say(folder, contract, "key", "a field stands twice in the key", "Keep one of them.")
    first: dict[str, str] = {}
    for version in contract.versions:
        root = version.schema.root
        if isinstance(root, Record):
            _root_name(folder, contract, version, root)
            for name in contract.key:
                _key_field(folder, contract, version, (root, name, first))


def _root_name(folder: Folder, contract: Contract, version: Version, root: Record) -> None:
    """Readers match a record by its name: it may not change between versions."""
    before = contract.versions[0].schema.root
    if isinstance(before, Record) and before.name != root.name and version.source:
        what = f"the record is {root.name!r}, and {before.name!r} in version 1"
        folder.say(version.source.file, what, "Keep the name; field by field it may change.", key="name")


def _key_field(folder: Folder, contract: Contract, version: Version, at: tuple[Record, str, dict[str, str]]) -> None:
    root, name, first = at
    found = next((f for f in root.fields if f.name == name), None)
    number = version.number
    if found is None:
        fix = suggestion(name, [f.name for f in root.fields])
        return _say(folder, contract, "key", f"version {number} has no field {name!r}", fix)
    shown = key_type(found.type)
    if shown is None:
        what = f"{name!r} cannot be a key in version {number}: its type has no one text"
        return _say(folder, contract, "key", what, "Keys are required strings, ints, enums, uuids, dates or fixed.")
    if found.default is not MISSING:
        what = f"{name!r} has a default in version {number}"
        _say(folder, contract, "key", what, "A key field is required: remove the default.")
    before = first.setdefault(name, shown)
    if before != shown:
        what = f"{name!r} is {shown} in version {number}, and {before} before"
        _say(folder, contract, "key", what, "A key keeps its type; a redesign is a new contract.")
    return None


def key_type(node: Node) -> str | None:
    match node:
        case Primitive() if node.logical:
            return f"{node.type} ({node.logical.name})"
        case Primitive() if node.type not in _KEYLESS:
            return node.type
        case Enum():
            return "enum"
        case Fixed():
            return f"fixed({node.size})"
    return None


def _names(contract: Contract) -> list[str]:
    root = contract.current.schema.root if contract.current else None
    return [f.name for f in root.fields] if isinstance(root, Record) else []


def _fields(folder: Folder, contract: Contract) -> None:
    if contract.current is None:
        return
    known = _names(contract)
    ever = {f.name for v in contract.versions if isinstance(v.schema.root, Record) for f in v.schema.root.fields}
    for name in sorted(contract.pii - ever):
        _say(folder, contract, f"fields.{name}", "no version has such a field", suggestion(name, known))
    for name in sorted(contract.deprecated.keys() - (contract.pii - ever) - {*known}):
        _say(folder, contract, f"fields.{name}", "the current version has no such field", suggestion(name, known))
    for name, said in contract.deprecated.items():
        if (use := said.use) and use not in known:
            key = f"fields.{name}.deprecated.use"
            _say(folder, contract, key, f"the current version has no field {use!r}", suggestion(use, known))


def _lifecycle(folder: Folder, contract: Contract) -> None:
    d = contract.deprecation
    if d is None:
        return
    if d.sunset and d.sunset <= d.since:
        _say(folder, contract, "deprecation.sunset", f"not after since ({d.since})", "Give readers time to move.")
    if contract.retired and contract.retired < d.since:
        _say(folder, contract, "retired", f"before the deprecation ({d.since})", "Deprecate first, retire later.")
    if d.replacement == contract.name:
        _say(folder, contract, "deprecation.replacement", "a contract cannot replace itself", "Name another.")
    elif d.replacement and d.replacement not in folder.contracts and d.replacement not in folder.broken:
        fix = suggestion(d.replacement, list(folder.contracts))
        _say(folder, contract, "deprecation.replacement", f"there is no contract {d.replacement!r}", fix)


def _example(folder: Folder, contract: Contract) -> None:
    if contract.example is None or contract.current is None or contract.source is None:
        return
    file = contract.source.file.removesuffix("contract.yaml") + "example.json"
    for place, why in mismatches(contract.current.schema, contract.example):
        folder.say(file, why, f"It must be an event of version {contract.current.number}.", key=place)


def _service(folder: Folder, service: ServiceSpec) -> None:
    file = service.source.file if service.source else ""
    for publication in service.publishes:
        _use(folder, service, Action.PUBLISH, publication.contract, publication.source)
        _version(folder, publication.contract, publication.version, publication.source, "publishes")
    for subscription in service.subscribes:
        _use(folder, service, Action.SUBSCRIBE, subscription.contract, subscription.source)
        _version(folder, subscription.contract, subscription.version, subscription.source, "subscribes")
        _read_fields(folder, subscription)
    for name in service.reads:
        _use(folder, service, Action.READ, name, service.source)
    for accepted in service.accepts:
        if service.subscription(accepted.contract) is None:
            what = f"{service.name} does not subscribe to {accepted.contract}"
            folder.say(file, what, "Accept breaks only of what is subscribed.", key="accepts")


def _find(folder: Folder, name: ContractName) -> Contract | None:
    """A contract of the workspace, or one of busline's own."""
    return own_contracts(folder.events).get(name) if name.team == RESERVED_TEAM else folder.contracts.get(name)


def _use(folder: Folder, service: ServiceSpec, action: Action, name: ContractName, source: Source | None) -> None:
    """Exists, and allowed: the same decision that the bus and the broker make."""
    at = source or Source(file="?")
    key = {Action.PUBLISH: "publishes", Action.SUBSCRIBE: "subscribes", Action.READ: "reads"}[action]
    contract = _find(folder, name)
    if contract is None:
        if name not in folder.broken:
            own = own_contracts() if name.team == RESERVED_TEAM else ()
            fix = suggestion(name, [*own] or [*folder.contracts])
            folder.say(at.file, f"there is no contract {name!r}", fix, line=at.line, key=key)
        return
    team = OWNER if contract.owner == RESERVED_TEAM else folder.teams.get(contract.owner)
    decision = decide(service=service.name, action=action, contract=contract, declared=service, team=team)
    if not decision:
        fix = f"{decision.change} Ask {decision.ask}.".strip()
        rule = NOT_GRANTED if decision.rule == "no-grant" else "invalid"
        what = f"not allowed: {decision.why}"
        folder.findings.append(Finding(file=at.file, line=at.line, key=key, what=what, fix=fix, rule=rule))


def _version(folder: Folder, name: ContractName, number: int, source: Source | None, key: str) -> None:
    contract = _find(folder, name)
    if contract is None or name in folder.broken or source is None or contract.version(number) is not None:
        return
    count = len(contract.versions)
    fix = f"The highest is {count}." if count else "It has none: a draft's first is written by `busline declare`."
    folder.say(source.file, f"{name} has no version {number}", fix, line=source.line, key=f"{key}.{name}")


def _read_fields(folder: Folder, subscription: Subscription) -> None:
    contract = _find(folder, subscription.contract)
    version = contract.version(subscription.version) if contract else None
    root = version.schema.root if version else None
    source = subscription.source
    if not isinstance(root, Record) or source is None:
        return
    known = [f.name for f in root.fields]
    key = f"subscribes.{subscription.contract}.fields"
    names = [use.name for use in subscription.fields]
    for use in subscription.fields:
        if use.name not in known and not use.optional:
            what = f"version {subscription.version} has no field {use.name!r}"
            folder.say(source.file, what, suggestion(use.name, known), line=source.line, key=key)
        if names.count(use.name) > 1:
            folder.say(source.file, f"the field {use.name!r} stands twice", "Keep one.", line=source.line, key=key)
