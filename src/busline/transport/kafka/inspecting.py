"""What a Kafka cluster says of itself: settings of brokers and topics, groups with their members."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any, Final

from busline.errors import NotAuthorized
from busline.transport.base import Committed
from busline.transport.inspect import GroupDetail, Member
from busline.transport.kafka.admin_client import (
    NO_COORDINATOR_YET,
    AdminClient,
    ConsumerProtocolAssignment,
    ask,
    check,
    errors,
    portions,
    protocol,
)
from busline.transport.kafka.failures import WHAT, from_code
from busline.transport.kafka.groups import positions_in
from busline.transport.kafka.topics import described, settings_of

BROKER: Final = 4
GROUP_REFUSED: Final = 30
CLASSIC: Final = "classic"
CONSUMER: Final = "consumer"
NO_SUCH_GROUP: Final = 69
GONE: Final = "Dead"


class KafkaInspection(AdminClient):
    """Power Inspectable."""

    async def broker_settings(self) -> dict[int, dict[str, str]]:
        """Needs DESCRIBE_CONFIGS on the cluster. Passwords are never told."""

        def work(client: Any) -> dict[int, dict[str, str]]:
            return {broker: _broker_settings(client, broker) for broker in _brokers(client)}

        return await self._run(work)

    async def topic_settings(self) -> dict[str, dict[str, str]]:
        """Needs DESCRIBE_CONFIGS on each topic that we may describe."""

        def work(client: Any) -> dict[str, dict[str, str]]:
            return settings_of(client, [topic.name for topic in described(client)], None)

        return await self._run(work)

    async def group_details(self) -> list[GroupDetail]:
        """Of the groups that we may describe. Members of groups of the newer protocol (KIP-848) are not told."""

        def work(client: Any) -> list[GroupDetail]:
            listed = client.list_groups()
            classic = [one["group_id"] for one in listed if (one.get("group_type") or CLASSIC).lower() == CLASSIC]
            details = _describe(client, classic)
            newer = {one["group_id"]: one for one in listed if one["group_id"] not in {*classic}}
            details += [GroupDetail(name, one.get("group_state") or "", ()) for name, one in newer.items()]
            return sorted(details)

        return await self._run(work)

    async def group_positions(self, groups: Sequence[str]) -> dict[str, dict[tuple[str, int], Committed]]:
        """By the newer request that takes many groups (KIP-709, Kafka 3.0). Needs DESCRIBE on each."""

        def work(client: Any) -> dict[str, dict[tuple[str, int], Committed]]:
            found: dict[str, Any] = {}
            for some in portions(groups):
                found |= client.list_group_offsets(some)
            return {group: positions_in(offsets) for group, offsets in found.items()}

        return await self._run(work) if groups else {}


def _brokers(client: Any) -> list[int]:
    return sorted(one["broker_id"] for one in client.describe_cluster()["brokers"] if not one.get("is_fenced"))


def _broker_settings(client: Any, broker: int) -> dict[str, str]:
    request = protocol.DescribeConfigsRequest(resources=[(BROKER, str(broker), None)], include_synonyms=False)
    (result,) = ask(client, request, broker).results
    check(result, f"broker {broker}", "DESCRIBE_CONFIGS")
    return {one.name: one.value for one in result.configs if one.value is not None}


def _describe(client: Any, names: Collection[str]) -> list[GroupDetail]:
    found: list[GroupDetail] = []
    for some in portions(list(names)):
        by_coordinator: dict[int, list[str]] = defaultdict(list)
        for name, coordinator in client._manager.run(client._find_coordinator_ids, some).items():
            by_coordinator[coordinator].append(name)
        for coordinator, those in by_coordinator.items():
            request = protocol.DescribeGroupsRequest(groups=those, include_authorized_operations=False)
            answered = ask(client, request, coordinator).groups
            found += [_detail(group) for group in answered if group.error_code != NO_SUCH_GROUP]
    return [one for one in found if one.state != GONE]


def _detail(group: Any) -> GroupDetail:
    if group.error_code in NO_COORDINATOR_YET:
        raise errors.for_code(group.error_code)(group.group_id)
    if group.error_code == GROUP_REFUSED:
        raise NotAuthorized(WHAT[NotAuthorized], where=group.group_id, why="it needs DESCRIBE on the group")
    if group.error_code:
        raise from_code(group.error_code, where=group.group_id)
    consumers = group.protocol_type == CONSUMER
    members = tuple(
        Member(one.client_id, one.client_host.lstrip("/"), _topics(one, consumers)) for one in group.members
    )
    return GroupDetail(group.group_id, group.group_state, members)


def _topics(member: Any, consumers: bool) -> tuple[str, ...]:
    """Those that it has partitions of. What a member's own assignor wrote may be anything."""
    if not consumers or not member.member_assignment:
        return ()
    try:
        assignment = ConsumerProtocolAssignment.decode(member.member_assignment)
    except Exception:
        return ()
    return tuple(sorted(part.topic for part in assignment.assigned_partitions))
