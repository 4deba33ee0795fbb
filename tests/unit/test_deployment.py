"""May it be deployed, may it be applied: what stands in the way, and what has to go first."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from busline.contract.entries import Catalog, entries
from busline.contract.evolution.readers import Origin, Reader
from busline.contract.model import (
    Acceptance,
    Contract,
    Deprecation,
    FieldUse,
    Grant,
    Publication,
    ServiceSpec,
    Subscription,
    TeamSpec,
    Version,
)
from busline.contract.schema import parse
from busline.errors import ConfigurationError
from busline.governance.readers.deployment import Obstacle, Place, contract_obstacles, service_obstacles
from busline.governance.readers.running import Deployed, parse_group
from busline.governance.readers.survey import Merged, Survey, conflicts
from busline.names import ContractName, Group, Service, Team

TODAY = dt.date(2026, 11, 24)
NAME = ContractName("orders.order-placed")
CHECKOUT, INVOICING, FOREIGN = Service("orders/checkout"), Service("billing/invoicing"), Service("abroad/reporting")
APPLY = "busline apply --env prod"


def schema(*fields: str) -> Any:
    return parse({"type": "record", "name": "o.O", "fields": [{"name": f, "type": "string"} for f in fields]})


def contract(*schemas: str, **more: Any) -> Contract:
    versions = tuple(Version(number=n, schema=schema(*s.split())) for n, s in enumerate(schemas, 1))
    given: dict[str, Any] = {"name": NAME, "versions": versions, "grants": (Grant(to="billing"),), **more}
    return Contract(**given)


def uses(fields: str) -> tuple[FieldUse, ...]:
    return tuple(FieldUse(name=f) for f in fields.split())


def reads(service: Service, fields: str, version: int = 1, accepts: int | None = None) -> ServiceSpec:
    agreed = (Acceptance(contract=NAME, version=accepts, why="w", until=TODAY),) if accepts else ()
    said = Subscription(contract=NAME, version=version, fields=uses(fields))
    return ServiceSpec(name=service, subscribes=(said,), accepts=agreed)


def writes(version: int) -> ServiceSpec:
    return ServiceSpec(name=CHECKOUT, publishes=(Publication(contract=NAME, version=version),))


def runs(fields: str, version: int = 1, release: str = "r41", service: Service = INVOICING) -> Reader:
    return Reader(
        service=service,
        group=Group.of(service),
        contract=NAME,
        version=version,
        fields=uses(fields),
        origin=Origin.RUNNING,
        release=release,
    )


def teams(*names: str) -> dict[Team, TeamSpec]:
    return {Team(n): TeamSpec(name=Team(n), chat=f"#{n}") for n in names}


def merged(one: Contract | None, *services: ServiceSpec) -> Merged:
    return Merged(
        contracts={one.name: one} if one else {},
        services={s.name: s for s in services},
        teams=teams("orders", "billing"),
    )


def deployed(one: Contract | None, *services: ServiceSpec, running: tuple[Reader, ...] = ()) -> Deployed:
    catalog = Catalog()
    for key, value in entries([one] if one else [], services, teams("orders", "billing").values()):
        catalog.apply(key, value)
    return Deployed(catalog=catalog, running=running)


def place(files: Merged, there: Deployed) -> Place:
    return Place(name="prod", merged=files, deployed=there, today=TODAY)


ONE, TWO = contract("id total"), contract("id total", "id")


# a service


def test_a_service_that_is_applied_as_it_is_merged_may_go() -> None:
    files = merged(ONE, writes(1), reads(INVOICING, "id total"))
    there = deployed(ONE, writes(1), reads(INVOICING, "id total"))
    assert service_obstacles(place(files, there), INVOICING) == []
    assert service_obstacles(place(files, there), CHECKOUT) == []


def test_a_contract_that_is_not_applied_goes_first() -> None:
    files = merged(ONE, reads(INVOICING, "id"))
    assert service_obstacles(place(files, deployed(None)), INVOICING) == [
        Obstacle(NAME, "it is not applied in prod", APPLY)
    ]


def test_a_version_that_is_not_applied_goes_first() -> None:
    files, there = merged(TWO, reads(INVOICING, "id", 2)), deployed(ONE, reads(INVOICING, "id", 1))
    assert service_obstacles(place(files, there), INVOICING) == [
        Obstacle(NAME, "version 2 is not applied in prod (1 is)", APPLY)
    ]


def test_a_grant_that_is_merged_has_only_to_be_applied_and_one_that_is_not_is_asked_for() -> None:
    spec = reads(INVOICING, "id")
    ungranted = contract("id total", grants=())
    [obstacle] = service_obstacles(place(merged(ONE, spec), deployed(ungranted, spec)), INVOICING)
    assert obstacle.first == APPLY
    [obstacle] = service_obstacles(place(merged(ungranted, spec), deployed(ungranted, spec)), INVOICING)
    assert "Add billing/invoicing to access.subscribe" in obstacle.first
    assert "#orders" in obstacle.first


def test_a_service_file_that_is_not_applied_goes_first() -> None:
    [obstacle] = service_obstacles(place(merged(ONE, reads(INVOICING, "id")), deployed(ONE)), INVOICING)
    assert obstacle.first == APPLY
    assert "billing/invoicing" in obstacle.what


def test_it_has_to_read_every_version_that_is_applied() -> None:
    wider = contract("id", "id tax")
    spec = reads(INVOICING, "id tax", 2)
    [obstacle] = service_obstacles(place(merged(wider, spec), deployed(wider, spec)), INVOICING)
    assert "fails on version 1" in obstacle.what
    assert "`tax` is not there yet" in obstacle.what
    agreed = reads(INVOICING, "id tax", 2, accepts=1)
    assert service_obstacles(place(merged(wider, agreed), deployed(wider, agreed)), INVOICING) == []


def test_what_a_service_publishes_must_not_hurt_who_runs_there() -> None:
    files = merged(TWO, writes(2), reads(INVOICING, "id"))
    there = deployed(TWO, writes(2), reads(INVOICING, "id"), running=(runs("id total"), runs("id", release="r42")))
    [obstacle] = service_obstacles(place(files, there), CHECKOUT)
    assert "billing/invoicing, running (release r41), fails on version 2" in obstacle.what
    assert obstacle.first == "deploy billing/invoicing as it is merged: release r41 still runs"


def test_after_its_sunset_a_contract_is_no_place_to_deploy_to() -> None:
    said = Deprecation(since=TODAY - dt.timedelta(days=9), sunset=TODAY)
    over = contract("id total", deprecation=said)
    spec = reads(INVOICING, "id")
    [obstacle] = service_obstacles(place(merged(over, spec), deployed(over, spec)), INVOICING)
    assert f"its sunset was {TODAY}" in obstacle.what


def test_a_service_that_nobody_declared_is_wrong_usage() -> None:
    with pytest.raises(ConfigurationError, match="no service file here"):
        service_obstacles(place(merged(ONE), deployed(ONE)), INVOICING)


# a contract


def test_a_version_that_hurts_nobody_may_be_applied() -> None:
    files = merged(TWO, reads(INVOICING, "id"))
    assert contract_obstacles(place(files, deployed(ONE, reads(INVOICING, "id"), running=(runs("id"),))), NAME) == []


def test_a_merged_reader_has_to_move_or_to_agree() -> None:
    there = deployed(ONE, reads(INVOICING, "id total"))
    [obstacle] = contract_obstacles(place(merged(TWO, reads(INVOICING, "id total")), there), NAME)
    assert obstacle.first == "#billing: billing/invoicing has to move, or to agree under `accepts`"
    agreed = merged(TWO, reads(INVOICING, "id total", accepts=2))
    assert contract_obstacles(place(agreed, there), NAME) == []


def test_a_release_that_still_runs_is_named_and_goes_first() -> None:
    there = deployed(ONE, reads(INVOICING, "id total"), running=(runs("id total"), runs("id", release="r42")))
    [obstacle] = contract_obstacles(place(merged(TWO, reads(INVOICING, "id")), there), NAME)
    assert "running (release r41)" in obstacle.what
    assert obstacle.first == "deploy billing/invoicing as it is merged: release r41 still runs"


def test_an_applied_subscription_that_this_apply_replaces_is_in_nobodys_way() -> None:
    there = deployed(ONE, reads(INVOICING, "id total"))
    assert contract_obstacles(place(merged(TWO, reads(INVOICING, "id")), there), NAME) == []


def test_an_applied_reader_of_another_workspace_counts_with_its_own_consent() -> None:
    there = deployed(ONE, reads(FOREIGN, "id total"))
    [obstacle] = contract_obstacles(place(merged(TWO), there), NAME)
    assert "abroad/reporting, as applied, fails on version 2" in obstacle.what
    assert contract_obstacles(place(merged(TWO), deployed(ONE, reads(FOREIGN, "id total", accepts=2))), NAME) == []


def test_one_version_of_several_may_be_asked_for() -> None:
    three = contract("id total", "id total tax", "id")
    files, there = merged(three, reads(INVOICING, "id total")), deployed(ONE)
    assert contract_obstacles(place(files, there), NAME, 2) == []
    [obstacle] = contract_obstacles(place(files, there), NAME, 3)
    assert "fails on version 3" in obstacle.what
    with pytest.raises(ConfigurationError, match="no version 4"):
        contract_obstacles(place(files, there), NAME, 4)


def test_an_applied_version_that_was_changed_is_in_the_way() -> None:
    [obstacle] = contract_obstacles(place(merged(contract("id")), deployed(ONE)), NAME)
    assert obstacle.first == "restore it: a published version never changes"


def test_a_draft_and_an_unknown_contract_are_told_apart() -> None:
    assert contract_obstacles(place(merged(contract()), deployed(None)), NAME)[0].first == "busline declare"
    with pytest.raises(ConfigurationError, match="no contract here"):
        contract_obstacles(place(merged(None), deployed(None)), NAME)


def test_retirement_needs_no_living_reader() -> None:
    retired = contract("id total", retired=TODAY)
    [obstacle] = contract_obstacles(place(merged(retired), deployed(ONE, running=(runs("id"),))), NAME)
    assert "running (release r41), still reads orders.order-placed" in obstacle.what
    assert contract_obstacles(place(merged(retired), deployed(ONE)), NAME) == []


# an apply


def lines(files: Merged, there: Deployed) -> list[str]:
    return list(conflicts(Survey(merged=files, deployed=there, today=TODAY)))


def test_an_apply_names_who_it_would_hurt_and_what_goes_first() -> None:
    there = deployed(ONE, running=(runs("id total"),))
    assert lines(merged(TWO, reads(INVOICING, "id")), there) == [
        "billing/invoicing, running (release r41), fails on version 2 of orders.order-placed: `total` is gone, and the"
        " reader has no default for it. First: deploy billing/invoicing as it is merged: release r41 still runs."
    ]


def test_an_apply_is_not_refused_for_what_is_applied_already_or_new_there() -> None:
    files = merged(TWO, reads(INVOICING, "id total"))
    assert lines(files, deployed(TWO, running=(runs("id total"),))) == []
    assert lines(files, deployed(None)) == []


def test_an_apply_does_not_retire_what_runs_on() -> None:
    retired = replace(ONE, retired=TODAY)
    assert len(lines(merged(retired), deployed(ONE, running=(runs("id"),)))) == 1
    assert lines(merged(retired), deployed(retired, running=(runs("id"),))) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("billing/invoicing", ("billing/invoicing", "billing/invoicing")),
        ("billing/invoicing/fast", ("billing/invoicing", "billing/invoicing/fast")),
        ("billing/invoicing/~read", ("billing/invoicing", "billing/invoicing/~read")),
        ("console-consumer-1", None),
        ("busline/~contracts", None),
        ("a/b/c/d", None),
        ("a/b/", None),
        ("A/b", None),
    ],
)
def test_a_group_belongs_to_a_service_or_to_nobody_here(name: str, expected: tuple[str, str] | None) -> None:
    assert parse_group(name) == expected
