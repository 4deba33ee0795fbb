"""What busline.yaml lets be: known users, topics, groups and subjects, each with a reason, until a day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace

from busline.contract.finding import Finding
from busline.contract.model import Environment
from busline.governance.audit.expected import PLATFORM
from busline.governance.audit.findings import found, place_of
from busline.governance.audit.seen import Seen


def is_known(environment: Environment, kind: str, name: str | None, today: dt.date) -> bool:
    """What is over explains nothing any more."""
    return name is not None and any(one.until >= today and one.covers(kind, name) for one in environment.known)


def without_known(seen: Seen, environment: Environment, today: dt.date) -> Seen:
    """What is left to be explained. A user is known with its rights and its quotas."""

    def known(kind: str, name: str | None) -> bool:
        return is_known(environment, kind, name, today)

    return replace(
        seen,
        topics={name: spec for name, spec in seen.topics.items() if not known("topic", name)},
        acls=frozenset(acl for acl in seen.acls if not known("user", acl.user)),
        users={user: secrets for user, secrets in seen.users.items() if not known("user", user)},
        quotas={entity: held for entity, held in seen.quotas.items() if not known("user", entity.user)},
        groups={name: group for name, group in seen.groups.items() if not known("group", name)},
        committed={name: at for name, at in seen.committed.items() if not known("group", name)},
    )


def known_over(environment: Environment, today: dt.date, place: tuple[str, int]) -> Iterator[Finding]:
    for one in environment.known:
        if one.until < today:
            yield found(
                "known-over",
                f"{one.kind} {one.name} was known until {one.until}",
                "Remove it there and here, or write a later day.",
                at=place_of(one.source, place),
                seen=f"the reason was: {one.why}",
                ask=PLATFORM,
            )
