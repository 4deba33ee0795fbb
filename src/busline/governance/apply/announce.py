"""What an apply changed and whom a broker refused, as events on busline's own contracts.

Changes are records of the transaction that makes them so: who subscribes sees neither one that did not happen nor none
of one that did. Refusals come from the brokers' own log, by audit: a service could forge what it tells of itself.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from busline.bus.outlets import outlet_of
from busline.contract.entries import Catalog
from busline.contract.entry_changes import about_of
from busline.contract.event import Event
from busline.contract.model import Contract
from busline.errors import ContractUnknown
from busline.governance.plan.plan import Plan
from busline.governance.state.goal import with_ids
from busline.governance.state.subjects import Ids
from busline.governance.users.principals import APPLY, AUDIT
from busline.names import ContractName, Service
from busline.platform import AccessChange, AccessChanged, AccessDenied, ContractChange, ContractChanged
from busline.record import Record
from busline.transport.guard import Acl, Resource

_DENIALS: Final = uuid.UUID("0d3f2f9c-6f5b-5e0c-9d0b-4d6f8b1f6a11")
_SETTINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "description": ("description",),
    "key": ("key",),
    "audience": ("audience",),
    "compatibility": ("compatibility",),
    "tags": ("tags",),
    "storage": ("storage",),
    "fields": ("pii", "deprecated"),
    "quota": ("quota",),
    "kafka": ("topic", "subject", "append_time"),
}
"""The keys of contract.yaml, by what they are in a Contract; access, deprecation and retired are looked at apart."""


@dataclass(frozen=True, kw_only=True)
class Announcer:
    """Tells what an apply changed. environment: its name in busline.yaml; by: the engine's user who applies."""

    environment: str
    by: str

    def records(self, plan: Plan, ids: Ids, changed: Iterable[bytes]) -> list[Record]:
        """For apply's last transaction; none where busline's own contracts are not part of what is applied.

        ids: the registry's, of all that is published now. changed: keys of the contract log that this apply writes.
        """
        stamp: dict[str, Any] = {
            "commit": plan.goal.commit,
            "applied_by": self.by,
            "environment": self.environment,
            "plan": plan.fingerprint,
            "applied_at": dt.datetime.now(dt.UTC),
        }
        made: list[Record] = []
        for model, events in (
            (ContractChanged, contract_changes(plan, changed, stamp)),
            (AccessChanged, access_changes(plan, stamp)),
        ):
            contract = _in_force(model.__busline__.name, plan, ids)
            if contract is not None:
                outlet = outlet_of(Service(APPLY), model, contract)
                made += [outlet.record(event) for event in events]
        return made


def _in_force(name: ContractName, plan: Plan, ids: Ids) -> Contract | None:
    """As it is when this apply has ended; the one that is applied, where the plan is of some teams only."""
    contract = plan.goal.planned_contracts.get(name)
    return with_ids(contract, ids) if contract else plan.applied.catalog.contract(name)


def denials(denied: Iterable[AccessDenied], catalog: Catalog) -> list[Record]:
    """For audit, which publishes them. The same refusals, told again, have the same ids. Raises ContractUnknown."""
    name = AccessDenied.__busline__.name
    contract = catalog.contract(name)
    if contract is None:
        raise ContractUnknown(f"{name} is not applied", fix="Run: busline apply --env …")
    outlet = outlet_of(Service(AUDIT), AccessDenied, contract)
    return [outlet.record_at(one, _denial_id(one), one.last_refused_at, ()) for one in denied]


def _denial_id(one: AccessDenied) -> bytes:
    said = (one.environment, one.principal, one.operation, one.resource_kind, one.resource_name, one.request, one.host)
    told = "\n".join((*said, str(one.refusals), one.first_refused_at.isoformat(), one.last_refused_at.isoformat()))
    return str(uuid.uuid5(_DENIALS, told)).encode()


def contract_changes(plan: Plan, changed: Iterable[bytes], stamp: Mapping[str, Any]) -> Iterator[Event]:
    """By contract, in the order of names."""
    catalog, published = plan.applied.catalog, plan.goal.published
    for name in sorted({about_of(key) for key in changed if key.startswith((b"contract/", b"version/"))}):
        before, now = catalog.contract(name), published.get(ContractName(name))
        if now is None:
            yield ContractChanged(contract=name, change=ContractChange.REMOVED, **stamp)
        elif before is None:
            number = now.current.number if now.current else None
            yield ContractChanged(contract=name, change=ContractChange.CREATED, version=number, **stamp)
        else:
            for change, more in _differences(before, now):
                yield ContractChanged(contract=name, change=change, **more, **stamp)


def _differences(before: Contract, now: Contract) -> Iterator[tuple[ContractChange, dict[str, Any]]]:
    for version in now.versions[len(before.versions) :]:
        yield ContractChange.VERSION_ADDED, {"version": version.number}
    settings = [key for key, parts in _SETTINGS.items() if any(getattr(before, p) != getattr(now, p) for p in parts)]
    if _grants(before) != _grants(now):
        settings.append("access")
    if _deprecation(before) != _deprecation(now):
        if now.deprecation is None:
            settings.append("deprecation")
        else:
            yield ContractChange.DEPRECATED, {}
    if before.retired != now.retired:
        if now.retired is None:
            settings.append("retired")
        else:
            yield ContractChange.RETIRED, {}
    if settings:
        yield ContractChange.SETTINGS_CHANGED, {"settings": tuple(sorted(settings))}


def _grants(contract: Contract) -> set[tuple[str, bool, bool]]:
    return {(grant.to, grant.read_only, grant.pii) for grant in contract.grants}


def _deprecation(contract: Contract) -> object:
    """Without the line where it stands."""
    return replace(contract.deprecation, source=None) if contract.deprecation else None


def access_changes(plan: Plan, stamp: Mapping[str, Any]) -> Iterator[Event]:
    """In the order in which they are made, with what an apply that was stopped had done and could not tell."""
    access = plan.access
    names = {contract.topic: str(contract.name) for contract in (*_gone(plan), *plan.goal.published.values())}
    lifted = {**stamp, "why": "what denied it is gone"}
    yield from (_right(acl, AccessChange.REVOKED, names, stamp) for acl in sorted(plan.taken))
    yield from (_login(user, AccessChange.REVOKED, stamp) for user in sorted(_gone_users(plan)))
    yield from (_login(user, AccessChange.GRANTED, stamp) for user in sorted(_new_users(plan)))
    yield from (_right(acl, AccessChange.GRANTED, names, lifted) for acl in sorted(access.lift))
    for acl, why in sorted(plan.given.items()):
        yield _right(acl, AccessChange.GRANTED, names, {**stamp, "why": why.what, "source": why.source or None})


def _gone(plan: Plan) -> list[Contract]:
    """Applied, and not in the workspace any more: only these are parsed, as there may be thousands of others."""
    catalog, published = plan.applied.catalog, plan.goal.published
    applied = (catalog.contract(name) for name in catalog.names() if name not in published)
    return [contract for contract in applied if contract is not None]


def _gone_users(plan: Plan) -> set[str]:
    """Also those of a stopped apply: who lost rights, and is neither there nor wanted."""
    lost = {acl.user for acl in plan.taken if acl.user} if plan.left else set()
    return {*plan.access.gone_users, *(lost - plan.access.live.users.keys() - plan.access.wanted.users.keys())}


def _new_users(plan: Plan) -> set[str]:
    """Also those of a stopped apply: who is there, and had no right before."""
    wanted = plan.access.wanted.acls.keys() if plan.left else ()
    had = {acl.user for acl in wanted if acl not in plan.given}
    came = {acl.user for acl in wanted if acl.user in plan.access.live.users and acl.user} - had
    return {*plan.access.new_users, *(user for user in came if user and user not in plan.ownership.adopted)}


def _right(acl: Acl, change: AccessChange, names: Mapping[str, str], said: Mapping[str, Any]) -> Event:
    return AccessChanged(
        service=acl.user or acl.principal,
        change=change,
        operation=_kafka(acl.operation),
        resource_kind=_kafka(acl.resource),
        resource_name=acl.name,
        prefixed=acl.prefixed,
        contract=names.get(acl.name) if acl.resource is Resource.TOPIC and not acl.prefixed else None,
        **said,
    )


def _login(user: str, change: AccessChange, stamp: Mapping[str, Any]) -> Event:
    return AccessChanged(
        service=user, change=change, operation="LOGIN", resource_kind="CLUSTER", resource_name="kafka-cluster", **stamp
    )


def _kafka(word: str) -> str:
    """As Kafka writes it: transactional-id is TRANSACTIONAL_ID."""
    return word.upper().replace("-", "_")
