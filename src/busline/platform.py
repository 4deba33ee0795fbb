"""busline's own contracts, as models: who was refused, which contracts changed, which rights changed.

    from busline.platform import AccessDenied

    @bus.subscribe(AccessDenied)
    async def look(denied: AccessDenied) -> None: ...

They are contracts like any other, of the team `busline`; `events` in busline.yaml says who may have them. Changes are
written by apply, in the transaction that makes them so; refusals by audit, from the brokers' own authorizer log.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, Field

from busline.contract.event import Event
from busline.contract.types import Fallback


class AccessDenied(Event, contract="busline.access-denied", key="principal"):
    """The broker refused somebody something, once or many times in a row."""

    principal: str = Field(description="Who was refused, as the broker names it: User:orders/checkout, User:ANONYMOUS.")
    service: str | None = Field(
        None, description="The service whose user it is, team/name; null where the workspace has none such."
    )
    operation: str = Field(description="What was refused, as Kafka names it: READ, WRITE, DESCRIBE, ALTER.")
    resource_kind: str = Field(description="Of what: TOPIC, GROUP, CLUSTER, TRANSACTIONAL_ID, as Kafka names it.")
    resource_name: str = Field(description="Which one: the topic, the group, the transactional id.")
    contract: str | None = Field(None, description="The contract whose topic it is; null where there is none.")
    request: str = Field(description="The request in which it was asked for, as Kafka names it: Fetch, Produce.")
    host: str = Field(description="The network address that it came from.")
    refusals: int = Field(description="How often, from the first to the last: the number of refused requests.")
    first_refused_at: AwareDatetime = Field(description="When the first was refused, by the broker's clock.")
    last_refused_at: AwareDatetime = Field(description="When the last was refused, by the broker's clock.")
    environment: str = Field(description="Where: the environment's name in busline.yaml.")


class ContractChange(StrEnum):
    """What happened to a contract."""

    UNKNOWN = "UNKNOWN"
    CREATED = "CREATED"
    VERSION_ADDED = "VERSION_ADDED"
    SETTINGS_CHANGED = "SETTINGS_CHANGED"
    DEPRECATED = "DEPRECATED"
    RETIRED = "RETIRED"
    REMOVED = "REMOVED"


class ContractChanged(Event, contract="busline.contract-changed", key="contract"):
    """A contract in force is another one than before. An apply that changes several things of it says each."""

    contract: str = Field(description="The contract's name: orders.order-placed.")
    change: Annotated[ContractChange, Fallback("UNKNOWN")] = Field(description="What happened to it.")
    version: int | None = Field(
        None, description="The number of the version that was added, or is current; null where there is none."
    )
    settings: tuple[str, ...] = Field((), description="What was set otherwise, by its key in contract.yaml.")
    commit: str | None = Field(None, description="The workspace's commit; null outside a repository.")
    applied_by: str = Field(description="Who applied it: the user of the engine, busline/apply.")
    environment: str = Field(description="Where: the environment's name in busline.yaml.")
    plan: str = Field(description="The fingerprint of the plan that was applied: equal for all that it changed.")
    applied_at: AwareDatetime = Field(description="When it was applied, by the clock of who applied it.")


class AccessChange(StrEnum):
    """Whether a right was given or taken away."""

    UNKNOWN = "UNKNOWN"
    GRANTED = "GRANTED"
    REVOKED = "REVOKED"


class AccessChanged(Event, contract="busline.access-changed", key="service"):
    """A service has a right that it did not have, or has lost one, on every broker."""

    service: str = Field(description="Whose right: the engine's user, team/name.")
    change: Annotated[AccessChange, Fallback("UNKNOWN")] = Field(description="Given or taken away.")
    operation: str = Field(description="To do what, as Kafka names it: READ, WRITE; LOGIN for the user itself.")
    resource_kind: str = Field(description="With what: TOPIC, GROUP, TRANSACTIONAL_ID; CLUSTER for LOGIN.")
    resource_name: str = Field(description="With which one: the topic, the group, the transactional id.")
    prefixed: bool = Field(False, description="True: with everything whose name begins so.")
    contract: str | None = Field(None, description="The contract that it comes from; null for a service's own groups.")
    why: str = Field("", description="Why, in words; empty where a right went that no contract explains.")
    source: str | None = Field(None, description="The line of the workspace that asks for it, file:line.")
    commit: str | None = Field(None, description="The workspace's commit; null outside a repository.")
    applied_by: str = Field(description="Who applied it: the user of the engine, busline/apply.")
    environment: str = Field(description="Where: the environment's name in busline.yaml.")
    plan: str = Field(description="The fingerprint of the plan that was applied: equal for all that it changed.")
    applied_at: AwareDatetime = Field(description="When it was applied, by the clock of who applied it.")
