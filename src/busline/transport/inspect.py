"""Power Inspectable: what an engine says of itself beyond what busline needs to run, for audits and for adopting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from busline.transport.base import Committed


class Member(NamedTuple):
    """One member of a group, as it says of itself. topics: of which it has partitions."""

    client_id: str
    host: str
    topics: tuple[str, ...]


class GroupDetail(NamedTuple):
    """A consumer group as the engine sees it."""

    name: str
    state: str
    members: tuple[Member, ...]


@runtime_checkable
class Inspectable(Protocol):
    """Raises NotAuthorized, Unreachable, AuthenticationFailed, TransportError."""

    async def broker_settings(self) -> dict[int, dict[str, str]]:
        """Each broker's settings as they hold now, by its number; what the engine hides is left out."""
        ...

    async def topic_settings(self) -> dict[str, dict[str, str]]:
        """All settings of each topic, without the engine's own topics."""
        ...

    async def group_details(self) -> list[GroupDetail]: ...

    async def group_positions(self, groups: Sequence[str]) -> dict[str, dict[tuple[str, int], Committed]]:
        """As `Groups.committed`, of many groups at once; one that is gone has none."""
        ...
