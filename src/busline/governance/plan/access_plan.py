"""Wanted rights, users and quotas against those that an engine has: what comes, what goes, what stays for now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from busline.governance.state.change import Change, Mark
from busline.governance.state.goal import Goal
from busline.governance.state.live import Live
from busline.governance.state.ownership import Ownership
from busline.governance.state.rights import Access, Why
from busline.names import Service
from busline.transport.guard import ANY, Acl, Mechanism, Quota

ALL: Final = "all"


@dataclass(frozen=True, kw_only=True)
class AccessPlan:
    """revoke: rights that go. lift: DENYs that go, after them, as without one a user may do more. grant: rights that
    come; narrow: those that a wider one gives already, which stays for now. gone_users, with a secret for each of these
    mechanisms, and quotas (None bounds: removed) by user. held: rights and users that `observe` leaves.
    """

    revoke: frozenset[Acl] = frozenset()
    lift: frozenset[Acl] = frozenset()
    grant: dict[Acl, Why] = field(default_factory=dict)
    narrow: dict[Acl, Why] = field(default_factory=dict)
    new_users: Mapping[str, Service] = field(default_factory=dict)
    gone_users: Mapping[str, frozenset[Mechanism]] = field(default_factory=dict)
    quotas: Mapping[str, Quota] = field(default_factory=dict)
    held: frozenset[Acl] = frozenset()
    held_users: frozenset[str] = frozenset()
    wanted: Access = field(default_factory=Access)
    live: Live = field(default_factory=Live)
    notes: tuple[str, ...] = ()

    @property
    def creates(self) -> dict[Acl, Why]:
        return self.grant | self.narrow


def compare_access(wanted: Access, live: Live, ownership: Ownership, goal: Goal) -> AccessPlan:
    """live: what busline owns of it. What no contract gives is taken away where the environment says `deny`."""
    denies = goal.enforce == "deny"
    extra = live.acls - wanted.acls.keys()
    lacks = {acl: why for acl, why in wanted.acls.items() if acl not in live.acls}
    idle = {user: kinds for user, kinds in live.users.items() if user not in wanted.users}
    gone = {user: kinds for user, kinds in idle.items() if ownership.is_made(user) or user in goal.allow_delete}
    stay = frozenset() if denies else extra
    narrow = _implied(lacks, stay)
    return AccessPlan(
        revoke=frozenset(acl for acl in extra if acl.allow) if denies else frozenset(),
        lift=frozenset(acl for acl in extra if not acl.allow) if denies else frozenset(),
        grant={acl: why for acl, why in lacks.items() if acl not in narrow},
        narrow=narrow,
        new_users={u: s for u, s in wanted.users.items() if u not in live.users and u not in ownership.adopted},
        gone_users=gone if denies else {},
        quotas=_quotas(wanted, live, ownership, frozenset() if denies else frozenset(gone)),
        held=stay,
        held_users=frozenset() if denies else frozenset(gone),
        wanted=wanted,
        live=live,
        notes=tuple(_notes(wanted, live, ownership, idle.keys() - gone.keys())),
    )


def _notes(wanted: Access, live: Live, ownership: Ownership, idle: Collection[str]) -> Iterator[str]:
    yield from wanted.unbounded
    reach = {acl.user for acl in live.acls}
    for user in sorted(ownership.adopted & wanted.users.keys()):
        if user not in live.users and user not in reach:
            yield f"user {user} of {wanted.users[user]} has neither a secret nor a right here: is `kafka.user` right?"
    for user in sorted(idle):
        yield f"user {user} was there before busline; no service has it any more. To delete it: --allow-delete {user}"
    for user in sorted(live.narrower):
        yield f"user {user} has other quotas for single client ids, which hold instead of its own; apply leaves them"


def _implied(lacks: Mapping[Acl, Why], stay: Collection[Acl]) -> dict[Acl, Why]:
    """Rights that their user has already by a wider one that stays."""
    wide: dict[str, list[Acl]] = defaultdict(list)
    for acl in stay:
        wide[acl.principal].append(acl)
    return {acl: why for acl, why in lacks.items() if is_implied(acl, wide.get(acl.principal, ()))}


def is_implied(acl: Acl, by: Collection[Acl]) -> bool:
    """Whether its user has that right already by a wider one."""
    return any(_covers(wide, acl) for wide in by)


def _covers(wide: Acl, acl: Acl) -> bool:
    if not (wide.allow and wide.principal == acl.principal and wide.resource == acl.resource and wide.host == ANY):
        return False
    if wide.operation not in (ALL, acl.operation):
        return False
    return wide.is_over(acl.name) and (wide.prefixed or wide.name == ANY or not acl.prefixed)


def _quotas(wanted: Access, live: Live, ownership: Ownership, stay: Collection[str]) -> dict[str, Quota]:
    """What a user from before had is taken away only where a contract says another bound."""
    changed = {user: quota for user, quota in wanted.quotas.items() if live.quotas.get(user, Quota()) != quota}
    for user, quota in live.quotas.items():
        if user not in wanted.quotas and quota != Quota() and ownership.is_made(user) and user not in stay:
            changed[user] = Quota()
    return changed


def access_lines(plan: AccessPlan, topics: Mapping[str, str], sources: Mapping[str, str]) -> Iterator[Change]:
    """One line for what one user gets or loses of one contract. topics: contracts by topic; sources: file:line."""
    come: dict[tuple[str, str], list[Acl]] = defaultdict(list)
    go: dict[tuple[str, str], list[Acl]] = defaultdict(list)
    for acl, why in plan.grant.items():
        come[why.about, acl.user or ""].append(acl)
    for acl in plan.revoke | plan.lift:
        go[_about(acl, topics), acl.user or ""].append(acl)
    for about, user in sorted(come.keys() | go.keys()):
        gets, loses = come.get((about, user), ()), go.get((about, user), ())
        source = next((plan.grant[acl].source for acl in gets), "") or sources.get(about, "")
        mark: Mark = "±" if gets and loses else "+" if gets else "-"
        yield Change(about, mark, f"rights of {user}", rights_text(loses), rights_text(gets), source)
    for user, service in sorted(plan.new_users.items()):
        yield Change(str(service), "+", f"user {user}", new=user, why=sources.get(str(service), ""))
    for user in sorted(plan.gone_users):
        yield Change(user, "-", f"user {user}", old=user)
    for user, quota in sorted(plan.quotas.items()):
        yield _quota_line(user, plan, quota, sources)


def held_lines(plan: AccessPlan, topics: Mapping[str, str]) -> Iterator[Change]:
    """What would go if the environment said `enforce: deny`."""
    by_user: dict[tuple[str, str], list[Acl]] = defaultdict(list)
    for acl in plan.held:
        by_user[_about(acl, topics), acl.user or ""].append(acl)
    for (about, user), acls in sorted(by_user.items()):
        yield Change(about, "-", f"rights of {user}", rights_text(acls))
    for user in sorted(plan.held_users):
        yield Change(user, "-", f"user {user}", old=user)


def rights_text(acls: Iterable[Acl]) -> str:
    """`read, write topic orders.order-placed; read group billing/invoicing`."""
    by_what: dict[str, set[str]] = defaultdict(set)
    for acl in acls:
        name = f"{acl.name}*" if acl.prefixed else acl.name
        host = "" if acl.host == ANY else f" from {acl.host}"
        by_what[f"{acl.resource} {name}{host}"].add(acl.operation if acl.allow else f"not {acl.operation}")
    return "; ".join(f"{', '.join(sorted(operations))} {what}" for what, operations in sorted(by_what.items()))


def _about(acl: Acl, topics: Mapping[str, str]) -> str:
    return topics.get(acl.name, acl.user or "") if acl.resource == "topic" else acl.user or ""


def _quota_line(user: str, plan: AccessPlan, quota: Quota, sources: Mapping[str, str]) -> Change:
    old = plan.live.quotas.get(user, Quota())
    mark: Mark = "+" if old == Quota() else "-" if quota == Quota() else "~"
    about = str(plan.wanted.users.get(user, user))
    return Change(about, mark, f"quota of {user}", quota_text(old), quota_text(quota), sources.get(about, ""))


def quota_text(quota: Quota) -> str:
    """`publish 1,000 B/s, subscribe 2,000 B/s`; nothing for no bound."""
    bounds = {"publish": quota.publish, "subscribe": quota.subscribe}
    return ", ".join(f"{what} {bound:,} B/s" for what, bound in bounds.items() if bound is not None)
