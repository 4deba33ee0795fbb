"""The contract log's records, without the log: domain values to keys and JSON, and back, on demand.

    contract/<team>.<stream>        settings, grants, lifecycle, how many versions
    version/<team>.<stream>/<n>     one schema, and its registry id where there is one
    service/<team>/<name>           what a service publishes, subscribes to and reads
    team/<name>                     whom to ask

`v` is raised only when an older reader would misunderstand a record; a new field alone does not raise it, and readers
ignore fields that they don't know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, TypeVar

from pydantic import ValidationError

from busline.contract.entry_formats import (
    FORMAT,
    ContractEntry,
    DeprecationEntry,
    HeadEntry,
    PlaceEntry,
    ServiceEntry,
    TeamEntry,
    VersionEntry,
)
from busline.contract.entry_writing import contract_bytes, service_bytes, team_bytes, version_bytes
from busline.contract.model import (
    Acceptance,
    Contract,
    Deprecation,
    FieldDeprecation,
    FieldUse,
    Grant,
    Publication,
    ServiceSpec,
    Source,
    Storage,
    Subscription,
    TeamSpec,
    Version,
)
from busline.contract.schema import parse
from busline.errors import ContractError
from busline.names import ContractName, Service, Team

T = TypeVar("T")


def entries(
    contracts: Iterable[Contract],
    services: Iterable[ServiceSpec] = (),
    teams: Iterable[TeamSpec] = (),
    *,
    commit: str | None = None,
) -> list[tuple[bytes, bytes]]:
    """The records that hold these values, ordered by key; equal values give equal bytes."""
    made: list[tuple[bytes, bytes]] = []
    for contract in contracts:
        made.append((_key("contract", contract.name), contract_bytes(contract, commit)))
        made += [
            (_key("version", f"{contract.name}/{version.number}"), version_bytes(version, commit))
            for version in contract.versions
        ]
    made += [(_key("service", service.name), service_bytes(service, commit)) for service in services]
    made += [(_key("team", team.name), team_bytes(team, commit)) for team in teams]
    return sorted(made)


class Catalog:
    """What the contract log says, parsed only where it is asked for. Not safe across threads.

    A record that cannot be read spoils no other: it raises ContractError, naming its key, when it is asked for.
    """

    def __init__(self) -> None:
        self._raw: dict[bytes, bytes] = {}
        self._parsed: dict[bytes, object] = {}

    def apply(self, key: bytes, value: bytes | None) -> None:
        """Take one record of the log; None removes it."""
        if value is None:
            self._raw.pop(key, None)
        else:
            self._raw[key] = value
        self._parsed.pop(key, None)
        if key.startswith(b"version/"):
            self._parsed.pop(b"contract/" + key[8:].rpartition(b"/")[0], None)

    def contract(self, name: str) -> Contract | None:
        """None: no such contract here. Raises ContractError when its record or a version's cannot be read."""
        return self._get(_key("contract", name), lambda raw: self._contract(ContractName(name), raw))

    def service(self, name: str) -> ServiceSpec | None:
        return self._get(
            _key("service", name), lambda raw: _service(Service(name), ServiceEntry.model_validate_json(raw))
        )

    def team(self, name: str) -> TeamSpec | None:
        return self._get(_key("team", name), lambda raw: _team(Team(name), TeamEntry.model_validate_json(raw)))

    def recognise(self, values: Iterable[Contract | ServiceSpec | TeamSpec]) -> None:
        """Take these for what is here, without parsing it: the caller has compared their records."""
        for one in values:
            kind: Literal["contract", "service", "team"] = "contract"
            if not isinstance(one, Contract):
                kind = "service" if isinstance(one, ServiceSpec) else "team"
            self._parsed[_key(kind, one.name)] = one

    def names(self) -> list[ContractName]:
        """Of all contracts, sorted."""
        return [ContractName(name) for name in self._names(b"contract/", ContractName)]

    def services(self) -> list[Service]:
        return [Service(name) for name in self._names(b"service/", Service)]

    def teams(self) -> list[Team]:
        return [Team(name) for name in self._names(b"team/", Team)]

    def all_contracts(self) -> dict[ContractName, Contract]:
        """Parsed, each of them. Raises ContractError for a record that cannot be read; so do the two below."""
        return {name: found for name in self.names() if (found := self.contract(name)) is not None}

    def all_services(self) -> dict[Service, ServiceSpec]:
        return {name: found for name in self.services() if (found := self.service(name)) is not None}

    def all_teams(self) -> dict[Team, TeamSpec]:
        return {name: found for name in self.teams() if (found := self.team(name)) is not None}

    def __len__(self) -> int:
        return len(self._raw)

    def _names(self, prefix: bytes, kind: Callable[[str], object]) -> list[str]:
        found = (key.removeprefix(prefix).decode(errors="replace") for key in self._raw if key.startswith(prefix))
        return sorted(name for name in found if _is_name(kind, name))

    def _get(self, key: bytes, parsed: Callable[[bytes], T]) -> T | None:
        raw = self._raw.get(key)
        if raw is None:
            return None
        if key not in self._parsed:
            self._parsed[key] = _reading(key, raw, parsed)
        return self._parsed[key]  # type: ignore[return-value]  # this key is only ever parsed by one of the three above

    def _contract(self, name: ContractName, raw: bytes) -> Contract:
        entry = ContractEntry.model_validate_json(raw)
        return _contract(name, entry, tuple(self._version(name, n) for n in range(1, entry.versions + 1)))

    def _version(self, name: ContractName, number: int) -> Version:
        key = _key("version", f"{name}/{number}")
        raw = self._raw.get(key)
        if raw is None:
            raise ContractError(f"the contract log lacks {key.decode()!r}", fix="Run `busline apply` again.")
        return _reading(key, raw, lambda raw: _version(number, VersionEntry.model_validate_json(raw)))


def _key(kind: Literal["contract", "version", "service", "team"], name: str) -> bytes:
    return f"{kind}/{name}".encode()


def _is_name(kind: Callable[[str], object], text: str) -> bool:
    try:
        kind(text)
    except ContractError:
        return False
    return True


def _reading(key: bytes, raw: bytes, parsed: Callable[[bytes], T]) -> T:
    where = f"contract log, key {key.decode(errors='replace')!r}"
    try:
        head = HeadEntry.model_validate_json(raw)
        if head.v > FORMAT:
            raise ContractError(f"format {head.v} is newer than {FORMAT}", fix="Upgrade busline here.")
        return parsed(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        why = f"{place}: {first['msg']}" if place else first["msg"]
        raise ContractError("unreadable record", where=where, why=why, fix="Run `busline apply` again.") from None
    except ContractError as error:
        raise ContractError(
            error.what, where=f"{where}: {error.where}" if error.where else where, why=error.why, fix=error.fix
        ) from None


def _source(place: PlaceEntry | None) -> Source | None:
    return Source(file=place.file, line=place.line) if place else None


def _contract(name: ContractName, e: ContractEntry, versions: tuple[Version, ...]) -> Contract:
    return Contract(
        name=name,
        description=e.description,
        kind=e.kind,
        audience=e.audience,
        key=e.key,
        compatibility=e.compatibility,
        versions=versions,
        grants=tuple(Grant(to=g.to, read_only=g.read_only, pii=g.pii, source=_source(g.source)) for g in e.grants),
        storage=Storage(**dict(e.storage)),
        tags=e.tags,
        pii=frozenset(e.pii),
        deprecated={f: FieldDeprecation(since=e.deprecated_since.get(f), use=use) for f, use in e.deprecated.items()},
        quota=e.quota,
        deprecation=_deprecation(e.deprecation),
        retired=e.retired,
        topic=e.topic,
        subject=e.subject,
        append_time=e.append_time,
        example=e.example,
        source=_source(e.source),
    )


def _deprecation(e: DeprecationEntry | None) -> Deprecation | None:
    if e is None:
        return None
    replacement = ContractName(e.replacement) if e.replacement else None
    return Deprecation(since=e.since, sunset=e.sunset, replacement=replacement)


def _version(number: int, e: VersionEntry) -> Version:
    return Version(number=number, schema=parse(e.schema_), registry_id=e.registry_id, source=_source(e.source))


def _service(name: Service, e: ServiceEntry) -> ServiceSpec:
    return ServiceSpec(
        name=name,
        publishes=tuple(
            Publication(contract=ContractName(p.contract), version=p.version, source=_source(p.source))
            for p in e.publishes
        ),
        subscribes=tuple(
            Subscription(
                contract=ContractName(u.contract),
                version=u.version,
                fields=tuple(FieldUse(name=f.name, optional=f.optional) for f in u.fields),
                start=u.start,
                source=_source(u.source),
            )
            for u in e.subscribes
        ),
        reads=tuple(ContractName(name) for name in e.reads),
        groups=e.groups,
        transactional=e.transactional,
        accepts=tuple(
            Acceptance(contract=ContractName(a.contract), version=a.version, why=a.why, until=a.until)
            for a in e.accepts
        ),
        kafka_user=e.kafka_user,
        kafka_groups=e.kafka_groups,
        source=_source(e.source),
    )


def _team(name: Team, e: TeamEntry) -> TeamSpec:
    return TeamSpec(name=name, description=e.description, mail=e.mail, chat=e.chat, source=_source(e.source))
