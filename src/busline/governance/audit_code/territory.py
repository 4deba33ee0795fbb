"""What belongs to other teams, as busline.yaml says it: does this host, name, package or path?"""

from __future__ import annotations

import os.path
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from busline.contract.holdings import Holdings, Store
from busline.contract.workspace import Workspace
from busline.governance.audit_code.endpoints import Endpoint, endpoints, kind_of
from busline.names import Service, Team

BUS: Final = "company-bus"
STORE: Final = "foreign-store"
HOST: Final = "foreign-host"
FILE: Final = "foreign-file"
PACKAGE: Final = "foreign-package"
_SQL: Final = frozenset(
    {"postgres", "mysql", "sqlite", "mssql", "oracle", "clickhouse", "redshift", "snowflake", "trino", "duckdb"}
)
_AWS: Final = frozenset({"s3", "dynamodb", "sqs", "sns", "kinesis"})
_FAMILIES: Final = {"sql": _SQL, "aws": _AWS}


@dataclass(frozen=True, order=True)
class Hit:
    """Something of another team, or the company's bus (no team). what: as exceptions name it."""

    rule: str
    team: str
    what: str


def fits(kind: str, other: str) -> bool:
    """Whether two kinds may be the same: an unknown one fits all, `sql` any database that speaks it."""
    if not kind or not other or kind == other or "any" in (kind, other):
        return True
    return kind in _FAMILIES.get(other, ()) or other in _FAMILIES.get(kind, ())


def normal(package: str) -> str:
    """PEP 503; dots too, so that the package acme.orders is the distribution acme-orders."""
    return re.sub(r"[-_.]+", "-", package).lower()


@dataclass
class Territory:
    """Of one service's surroundings. root: where relative paths begin."""

    own: Holdings
    others: list[Holdings]
    buses: list[tuple[str, Endpoint]]
    root: Path
    packages: dict[str, Team] = field(default_factory=dict)

    @classmethod
    def around(cls, service: Service, workspace: Workspace, root: Path) -> Territory:
        own = workspace.holdings.get(service.team) or Holdings(team=service.team)
        others = [held for team, held in sorted(workspace.holdings.items()) if team != service.team]
        buses = [(name, one) for name, env in workspace.environments.items() for one in endpoints(env.url)]
        mine = {normal(package) for package in own.packages}
        packages = {p: held.team for held in others for p in held.packages if normal(p) not in mine}
        return cls(own, others, buses, root, packages)

    def module(self, name: str) -> Hit | None:
        """An imported module: another team's package, or within it. The longest name wins."""
        fitting = [p for p in self.packages if f"{name}.".startswith(p.replace("-", "_") + ".")]
        best = max(fitting, key=len, default=None)
        return Hit(PACKAGE, self.packages[best], best) if best else None

    def distribution(self, name: str) -> Hit | None:
        """A requirement's name."""
        best = next((package for package in self.packages if normal(package) == normal(name)), None)
        return Hit(PACKAGE, self.packages[best], best) if best else None

    def bus(self, endpoint: Endpoint) -> Hit | None:
        for name, one in self.buses:
            same = one.host and one.host == endpoint.host and _port(one.port, endpoint.port or "9092")
            if same or (one.path and endpoint.path and self._real(one.path) == self._real(endpoint.path)):
                return Hit(BUS, "", f"environment {name}")
        return None

    def endpoint(self, endpoint: Endpoint, kind: str = "", names: Iterable[str] = ()) -> Iterator[Hit]:
        """Others' stores and hosts that it reaches. kind: of the client; names: of databases, said beside the host."""
        if endpoint.path and not endpoint.host and not endpoint.name:
            found = self.path(endpoint.path)
            return (yield from [found] if found else [])
        kind = _narrower(endpoint.kind, kind)
        said = {endpoint.name, *names} - {""}
        if any(_store_fits(store, endpoint, kind, said) for store in self.own.stores):
            return None
        if endpoint.host and any(_host_fits(host, endpoint) for host in self.own.hosts):
            return None
        for held in self.others:
            stores = [s for s in held.stores if _store_fits(s, endpoint, kind, said)]
            yield from (Hit(STORE, held.team, str(store)) for store in stores[:1])
            if endpoint.host and not stores:
                hosts = (host for host in held.hosts if _host_fits(host, endpoint))
                yield from (Hit(HOST, held.team, host) for host in hosts)
        return None

    def is_own(self, endpoint: Endpoint) -> bool:
        """A store or host of the service's own team."""
        stores = (s for s in self.own.stores if s.host)
        hosts = [*(s.host for s in stores), *self.own.hosts]
        return bool(endpoint.host) and any(_host_fits(host, endpoint) for host in hosts)

    def named(self, text: str, kind: str, exact: bool = True) -> Hit | None:
        """A bucket, table, topic, queue or key by its name alone, given to a client of this kind.

        exact: it may be a whole name, not only something that begins with a prefix.
        """
        if not kind or any(_name_fits(store, text, kind) for store in self.own.stores):
            return None
        for held in self.others:
            for store in held.stores:
                if (exact or store.prefix) and _name_fits(store, text, kind):
                    return Hit(STORE, held.team, str(store))
        return None

    def path(self, text: str, near: Path | None = None) -> Hit | None:
        """A path below another team's. near: where a relative one may begin, beside the root."""
        places = {self._real(text, base) for base in ((near, self.root) if near else (self.root,))}
        mine = [*self.own.paths, *(s.path for s in self.own.stores if s.path)]
        if any(_below(place, self._real(own)) for place in places for own in mine):
            return None
        for held in self.others:
            stores = [(s.path, STORE, str(s)) for s in held.stores if s.path and not s.host]
            for known, rule, what in [*stores, *((p, FILE, p) for p in held.paths)]:
                if any(_below(place, self._real(known)) for place in places):
                    return Hit(rule, held.team, what)
        return None

    def _real(self, text: str, base: Path | None = None) -> str:
        return os.path.normpath(os.path.join(base or self.root, os.path.expanduser(text)))


def _below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _narrower(one: str, other: str) -> str:
    return other if not one or one in ("http", "tcp") else one


def _port(one: str, other: str) -> bool:
    return not one or not other or one == other


def _host_fits(known: str, endpoint: Endpoint) -> bool:
    [one] = endpoints(known.removeprefix("*.")) or [Endpoint()]
    host = endpoint.host
    inside = host.endswith("." + one.host) if known.startswith("*.") else host == one.host
    return bool(one.host) and inside and _port(one.port, endpoint.port)


def _store_fits(store: Store, endpoint: Endpoint, kind: str, names: set[str]) -> bool:
    if store.prefix or store.path or not fits(kind_of(store.kind), kind):
        return False
    if not (endpoint.host and _host_fits(store.host, endpoint) if store.host else not endpoint.host):
        return False
    return not store.name or store.name.lower() in {name.lower() for name in names}


def _name_fits(store: Store, text: str, kind: str) -> bool:
    if not fits(kind_of(store.kind), kind) or (store.host and not store.prefix):
        return False
    if not store.prefix:
        within = store.kind == "s3" and text.startswith(f"{store.name}/")
        return bool(store.name) and (text == store.name or within)
    sql = rf"\b(?:from|join|into|update|table)\s+[\"`\[]?{re.escape(store.prefix)}"
    if kind in ("sql", *_SQL):
        return text.startswith(store.prefix) or re.search(sql, text[:65_536], re.I) is not None
    return text.startswith(store.prefix)
