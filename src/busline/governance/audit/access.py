"""Rights, users and quotas that no grant explains, and granted rights that are not there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from busline.contract.finding import Finding, Severity
from busline.governance.audit.expected import Expected
from busline.governance.audit.findings import found, some
from busline.governance.audit.seen import Seen
from busline.governance.users.principals import PRINCIPALS
from busline.names import CONTRACT_LOG
from busline.transport.guard import ANY, Acl, Quota, QuotaEntity, Resource

ANYBODY: Final = "User:*"


def acls_unexplained(expected: Expected, seen: Seen) -> Iterator[Finding]:
    explained = {acl for state in expected.states for acl in state.access.acls} | expected.platform
    for acl in sorted(seen.acls - explained):
        service = expected.service_of_user(acl.user or "")
        fix = (
            "The next `busline apply` with enforce: deny deletes it."
            if service or expected.is_of_team(acl.user)
            else "apply never touches it: delete it with kafka-acls, or list its user under `known` in busline.yaml."
        )
        yield found(
            "acl-unexplained",
            f"{acl}: no grant explains it",
            fix,
            at=expected.place_of_user(acl.user),
            seen=_reach(acl, expected),
            ask=expected.owner_of_user(acl.user) if service else _owner_of_resource(acl, expected),
        )


def _reach(acl: Acl, expected: Expected) -> str:
    """What it opens, in words."""
    parts = []
    if acl.principal == ANYBODY:
        parts.append("it holds for everybody, the anonymous too")
    if not acl.allow:
        parts.append("a DENY, which busline never writes: it hides what contracts grant")
    if acl.name == ANY or acl.prefixed:
        parts.append("it holds for names that are yet to come, too")
    if acl.resource is Resource.TOPIC:
        reached = sorted(t for state in expected.states for t in {*state.by_topic, CONTRACT_LOG} if acl.is_over(t))
        owners = sorted({expected.owner_of_topic(topic) for topic in reached})
        if reached:
            parts.append(f"it reaches {some(dict.fromkeys(reached))}, owned by {some(owners)}")
    return "; ".join(parts)


def _owner_of_resource(acl: Acl, expected: Expected) -> str:
    topic = acl.resource is Resource.TOPIC and not acl.prefixed and acl.name != ANY
    return expected.owner_of_topic(acl.name) if topic else expected.owner_of_user(acl.user)


def rights_missing(expected: Expected, seen: Seen) -> Iterator[Finding]:
    """Of what is both merged and applied: what only one of them grants is apply's business."""
    both = expected.merged.access.acls.keys() & expected.applied.access.acls.keys()
    missing: defaultdict[str, list[Acl]] = defaultdict(list)
    for acl in sorted(both - seen.acls):
        missing[acl.user or acl.principal].append(acl)
    for user, acls in missing.items():
        yield found(
            "rights-missing",
            f"user {user} lacks rights that are granted and applied",
            "`busline apply` gives them back.",
            at=expected.place_of_user(user),
            seen=some(acls),
            ask=expected.owner_of_user(user),
        )


def users_unexplained(expected: Expected, seen: Seen) -> Iterator[Finding]:
    """One without any right is told as a warning, since a super user has none either."""
    explained = {user for state in expected.states for user in state.access.users} | PRINCIPALS.keys()
    for user, mechanisms in sorted(seen.users.items()):
        if user in explained:
            continue
        rights = sorted(acl for acl in seen.acls if acl.user == user)
        what = f"user {user} has a secret, and no service file names it"
        told = found(
            "user-unexplained",
            what,
            "Give it a service file (`kafka: {user: …}`), delete its secrets with kafka-configs, or list it under"
            " `known` in busline.yaml.",
            at=expected.place,
            seen=f"{', '.join(sorted(mechanisms))}; " + (some(rights) if rights else "no ACL: a super user, or unused"),
            ask=expected.owner_of_user(user),
        )
        yield told if rights else replace(told, severity=Severity.WARNING)


def second_secrets(expected: Expected, seen: Seen) -> Iterator[Finding]:
    """Of users that busline makes: they have one, but for a rotation. Users from before may have had two."""
    before = {spec.user for state in expected.states for spec in state.services.values() if spec.kafka_user}
    made = ({user for state in expected.states for user in state.access.users} | PRINCIPALS.keys()) - before
    for user in sorted(made & seen.users.keys()):
        rotation = expected.rotating.get(user)
        if len(seen.users[user]) < 2 or (rotation is not None and not rotation.is_overdue(expected.today)):
            continue
        told = found(
            "secret-unexplained",
            f"user {user} has two secrets, and "
            + ("no rotation is under way" if rotation is None else f"its rotation of {rotation.since} is not finished"),
            "Finish the rotation (`busline apply --rotate … --finish`)."
            if rotation
            else "Delete the one that its service does not use (kafka-configs --delete-config), and find who set it.",
            at=expected.place_of_user(user),
            seen=" and ".join(sorted(seen.users[user])),
            ask=expected.owner_of_user(user),
        )
        yield told if rotation is None else replace(told, severity=Severity.WARNING)


def quotas_unexplained(expected: Expected, seen: Seen) -> Iterator[Finding]:
    for entity, held in sorted(seen.quotas.items(), key=repr):
        whole = entity.user if entity.is_whole_user else None
        wanted = [_bounds(state.access.quotas.get(whole)) for state in expected.states if whole]
        if not held or dict(held) in wanted:
            continue
        service = expected.service_of_user(entity.user or "")
        should = next((bounds for bounds in wanted if bounds), {})
        yield found(
            "quota-unexplained",
            f"the quota of {_name(entity)} is {_said(held)}, the contracts say {_said(should) if should else 'none'}",
            "`busline apply` sets it." if service else "Delete it with kafka-configs, or list it under `known`.",
            at=expected.place_of_user(entity.user),
            ask=expected.owner_of_user(entity.user),
        )


def _bounds(quota: Quota | None) -> Mapping[str, float]:
    bounds = quota.bounds if quota else {}
    return {key: float(bound) for key, bound in bounds.items() if bound is not None}


def _name(entity: QuotaEntity) -> str:
    words = zip(("user", "client id", "address"), entity, strict=True)
    return ", ".join(f"{word} {value}" if value else f"every {word}" for word, value in words if value is not None)


def _said(held: Mapping[str, float]) -> str:
    return ", ".join(f"{key} {value:g}" for key, value in sorted(held.items()))
