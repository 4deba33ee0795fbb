"""A service that is there, and what adopting more streams adds to it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from busline.contract.model import ServiceSpec
from busline.governance.adopt.left import Left, Reason
from busline.governance.adopt.services import User
from busline.governance.adopt.texts import service_text
from busline.names import ContractName


def added(user: User, streams: Collection[ContractName]) -> User:
    """What the user has of these streams alone: of others, people have said since what they want."""
    return replace(
        user,
        publishes=tuple(name for name in user.publishes if name in streams),
        subscribes=tuple(name for name in user.subscribes if name in streams),
        reads=tuple(name for name in user.reads if name in streams),
    )


def merged(user: User, spec: ServiceSpec, text: str, versions: Mapping[ContractName, int]) -> str | Left | None:
    """The service's file with what is new in `user`. None: nothing is. Left: people have changed the file, so that it
    is theirs to change."""
    if not (user.publishes or user.consumes):
        return None
    before = _as_user(spec)
    pinned = {p.contract: p.version for p in spec.publishes} | {s.contract: s.version for s in spec.subscribes}
    if text != service_text(before, pinned):
        lacks = [f"publishes {name}" for name in user.publishes] + [f"reads {name}" for name in user.consumes]
        why = f"it also {', '.join(lacks)}, and its file is not as adopt wrote it"
        return Left(reason=Reason.SERVICE, about=str(spec.name), why=why, fix="Add it there.")
    whole = replace(
        before,
        publishes=_both(before.publishes, user.publishes),
        subscribes=_both(before.subscribes, user.subscribes),
        reads=_both(before.reads, user.reads),
        groups=tuple(sorted({*before.groups, *user.groups})),
    )
    return service_text(whole, {**versions, **pinned})


def _as_user(spec: ServiceSpec) -> User:
    return User(
        name=spec.user,
        service=spec.name,
        publishes=tuple(p.contract for p in spec.publishes),
        subscribes=tuple(s.contract for s in spec.subscribes),
        reads=spec.reads,
        groups=spec.kafka_groups,
    )


def _both(one: Collection[ContractName], other: Collection[ContractName]) -> tuple[ContractName, ...]:
    return tuple(sorted({*one, *other}))
