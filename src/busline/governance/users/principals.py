"""busline's own users on a guarded engine: what each may do, and no more. None is a super user.

    busline/plan     sees everything but records, changes nothing: what a pull request's pipeline gets
    busline/apply    changes what contracts say, and reads no record but the contract log's
    busline/audit    sees everything, records too, and says what was refused
    busline/probe    may do nothing: audit tries with it what must be refused

They are made once, by an administrator; apply never touches them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from busline.bus.contract_log import TRANSACTION
from busline.names import CONTRACT_LOG
from busline.transport.guard import USER, Acl, Resource

PLAN: Final = "busline/plan"
APPLY: Final = "busline/apply"
AUDIT: Final = "busline/audit"
PROBE: Final = "busline/probe"
PRINCIPALS: Final = {
    PLAN: "sees everything but records, changes nothing",
    APPLY: "changes what contracts say",
    AUDIT: "sees everything, records too",
    PROBE: "may do nothing, and audit looks that it is so",
}
ACCESS_DENIED: Final = "busline.access-denied"
ANNOUNCED: Final = ("busline.contract-changed", "busline.access-changed")
"""Written by apply with the state; refusals are audit's to tell."""
_CLUSTER: Final = "kafka-cluster"
_ANY: Final = "*"


def platform_acls() -> dict[str, frozenset[Acl]]:
    """By user, all of them literal."""
    return {
        PLAN: _looking(PLAN),
        APPLY: _looking(APPLY) | _changing(),
        AUDIT: _looking(AUDIT) | _sampling(),
        PROBE: frozenset(),
    }


def _looking(user: str) -> frozenset[Acl]:
    return frozenset(
        [
            *_acls(user, Resource.CLUSTER, _CLUSTER, "describe", "describe-configs"),
            *_acls(user, Resource.TOPIC, _ANY, "describe", "describe-configs"),
            *_acls(user, Resource.GROUP, _ANY, "describe"),
            *_acls(user, Resource.TOPIC, CONTRACT_LOG, "read"),
        ]
    )


def _changing() -> frozenset[Acl]:
    """Users, rights and quotas are the cluster's: alter, alter-configs."""
    return frozenset(
        [
            *_acls(APPLY, Resource.CLUSTER, _CLUSTER, "alter", "alter-configs"),
            *_acls(APPLY, Resource.TOPIC, _ANY, "create", "alter", "alter-configs", "delete"),
            *_acls(APPLY, Resource.TRANSACTIONAL_ID, TRANSACTION, "write"),
            *(acl for topic in (CONTRACT_LOG, *ANNOUNCED) for acl in _acls(APPLY, Resource.TOPIC, topic, "write")),
        ]
    )


def _sampling() -> frozenset[Acl]:
    return frozenset(
        [*_acls(AUDIT, Resource.TOPIC, _ANY, "read"), *_acls(AUDIT, Resource.TOPIC, ACCESS_DENIED, "write")]
    )


def _acls(user: str, resource: Resource, name: str, *operations: str) -> Iterable[Acl]:
    return [Acl(USER + user, resource, name, operation) for operation in operations]
