"""The ACLs of a Kafka cluster (KIP-11, KIP-290), and when every broker goes by them.

Requests are sent as they are: kafka-python's own calls lose the broker's messages.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from busline.errors import TransportError
from busline.transport.guard import USER, Acl, Resource
from busline.transport.kafka.admin_client import AdminClient, ask, check, check_all, portions, protocol
from busline.transport.kafka.in_force import wait_until_in_force

ANY: Final = 1
NOBODY: Final = f"{USER}nobody"
LITERAL: Final = 3
PREFIXED: Final = 4
DENY: Final = 2
ALLOW: Final = 3
SECURITY_DISABLED: Final = 54
RESOURCES: Final = {
    Resource.TOPIC: 2,
    Resource.GROUP: 3,
    Resource.CLUSTER: 4,
    Resource.TRANSACTIONAL_ID: 5,
    Resource.DELEGATION_TOKEN: 6,
    Resource.USER: 7,
}
OPERATIONS: Final = {
    "all": 2, "read": 3, "write": 4, "create": 5, "delete": 6, "alter": 7, "describe": 8, "cluster-action": 9,
    "describe-configs": 10, "alter-configs": 11, "idempotent-write": 12, "create-tokens": 13, "describe-tokens": 14,
    "two-phase-commit": 15,
}  # fmt: skip
_RESOURCE_OF: Final = {code: resource for resource, code in RESOURCES.items()}
_OPERATION_OF: Final = {code: name for name, code in OPERATIONS.items()}


class KafkaGuard(AdminClient):
    """Power Guarded, the part about ACLs."""

    async def guards(self) -> bool:
        """Whether the cluster has an authorizer: nobody's ACLs tell it as well as everybody's."""
        answer = await self._run(lambda client: ask(client, everything(NOBODY)))
        return bool(answer.error_code != SECURITY_DISABLED)

    async def acls(self) -> frozenset[Acl]:
        """Asked at one broker. Needs DESCRIBE on the cluster."""
        where = self._connection.name
        return acls_in(await self._run(lambda client: ask(client, everything())), where=where)

    async def create_acls(self, acls: Collection[Acl]) -> None:
        """Needs ALTER on the cluster."""

        def work(client: Any) -> list[tuple[Acl, Any]]:
            answers: list[tuple[Acl, Any]] = []
            for some in portions(list(acls)):
                request = protocol.CreateAclsRequest(creations=[_creation(acl) for acl in some], min_version=1)
                answers += zip(some, ask(client, request).results, strict=True)
            return answers

        check_all(await self._run(work), "ALTER")

    async def delete_acls(self, acls: Collection[Acl]) -> None:
        """By filters that match one ACL each. Needs ALTER on the cluster."""

        def work(client: Any) -> list[tuple[Acl, Any]]:
            answers: list[tuple[Acl, Any]] = []
            for some in portions(list(acls)):
                request = protocol.DeleteAclsRequest(filters=[_exactly(acl) for acl in some], min_version=1)
                for acl, result in zip(some, ask(client, request).filter_results, strict=True):
                    answers += [(acl, one) for one in (result, *result.matching_acls)]
            return answers

        check_all(await self._run(work), "ALTER")

    async def settled(
        self, *, present: Collection[Acl] = (), absent: Collection[Acl] = (), within: float = 10.0
    ) -> None:
        """Every unfenced broker is asked itself. Raises NotInForce."""
        wanted, unwanted = frozenset(present), frozenset(absent)

        def conflict(answer: Any, broker: int) -> str | None:
            there = acls_in(answer, where=f"broker {broker}")
            if left := min(unwanted & there, default=None):
                return f"broker {broker} still has: {left}"
            if missing := min(wanted - there, default=None):
                return f"broker {broker} lacks: {missing}"
            return None

        await self._run(lambda client: wait_until_in_force(client, everything, conflict, within))


def everything(principal: str | None = None) -> Any:
    """A request for all ACLs, or those of one principal."""
    return protocol.DescribeAclsRequest(
        resource_type_filter=ANY, resource_name_filter=None, pattern_type_filter=ANY, principal_filter=principal,
        host_filter=None, operation=ANY, permission_type=ANY, min_version=1,
    )  # fmt: skip


def acls_in(answer: Any, *, where: str) -> frozenset[Acl]:
    """Of a DescribeAclsResponse. Raises what its code says."""
    check(answer, where, "DESCRIBE")
    found = []
    for resource in answer.resources:
        kind = _resource(resource.resource_type, where)
        prefixed = resource.pattern_type == PREFIXED
        for acl in resource.acls:
            operation = _OPERATION_OF.get(acl.operation, f"operation-{acl.operation}")
            allow = acl.permission_type != DENY
            found.append(Acl(acl.principal, kind, resource.resource_name, operation, prefixed, allow, acl.host))
    return frozenset(found)


def _resource(code: int, where: str) -> Resource:
    if code not in _RESOURCE_OF:
        raise TransportError(f"Kafka has ACLs about a kind of resource that busline does not know: {code}", where=where)
    return _RESOURCE_OF[code]


def _operation(name: str) -> int:
    return OPERATIONS[name] if name in OPERATIONS else int(name.removeprefix("operation-"))


def _creation(acl: Acl) -> Any:
    return protocol.CreateAclsRequest.AclCreation(
        resource_type=RESOURCES[acl.resource],
        resource_name=acl.name,
        resource_pattern_type=PREFIXED if acl.prefixed else LITERAL,
        principal=acl.principal,
        host=acl.host,
        operation=_operation(acl.operation),
        permission_type=ALLOW if acl.allow else DENY,
    )


def _exactly(acl: Acl) -> Any:
    return protocol.DeleteAclsRequest.DeleteAclsFilter(
        resource_type_filter=RESOURCES[acl.resource],
        resource_name_filter=acl.name,
        pattern_type_filter=PREFIXED if acl.prefixed else LITERAL,
        principal_filter=acl.principal,
        host_filter=acl.host,
        operation=_operation(acl.operation),
        permission_type=ALLOW if acl.allow else DENY,
    )
