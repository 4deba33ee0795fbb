"""From draft to retired: what was announced stays, and who uses what will go is told in time, then refused."""

import datetime as dt
import logging
from pathlib import Path

import pytest

from busline.bus.notices import Notices, seconds_to_midnight
from busline.contract.access import decide
from busline.contract.evolution.lifecycle import Stage, check_lifecycle, stage_of
from busline.contract.model import (
    Action,
    Contract,
    Deprecation,
    FieldDeprecation,
    FieldUse,
    Publication,
    ServiceSpec,
    Source,
    Subscription,
    TeamSpec,
    Version,
)
from busline.contract.schema import parse
from busline.contract.workspace import Workspace
from busline.names import ContractName, Service, Team

TODAY = dt.date(2026, 11, 24)
NAME, NEXT = ContractName("orders.order-placed"), ContractName("orders.order-placed-v2")
SCHEMA = parse({"type": "record", "name": "o.O", "fields": [{"name": "id", "type": "string"}]})


def day(shift: int) -> dt.date:
    return TODAY + dt.timedelta(days=shift)


def contract(since: int | None = None, sunset: int | None = None, retired: int | None = None) -> Contract:
    """Days from today; None: not said."""
    said = None
    if since is not None:
        said = Deprecation(since=day(since), sunset=None if sunset is None else day(sunset), replacement=NEXT)
    return Contract(
        name=NAME,
        versions=(Version(number=1, schema=SCHEMA),),
        deprecation=said,
        retired=None if retired is None else day(retired),
        source=Source(file="orders/order-placed/contract.yaml"),
    )


def reader(*fields: str) -> ServiceSpec:
    said = Subscription(
        contract=NAME, version=1, fields=tuple(FieldUse(name=f) for f in fields), source=Source(file="b.yaml", line=3)
    )
    return ServiceSpec(name=Service("billing/invoicing"), subscribes=(said,))


WRITER = ServiceSpec(name=Service("orders/checkout"), publishes=(Publication(contract=NAME, version=1),))


def workspace(one: Contract, *services: ServiceSpec) -> Workspace:
    return Workspace(
        path=Path("schemas"),
        company="acme",
        environments={},
        teams={Team("orders"): TeamSpec(name=Team("orders"), chat="#orders")},
        services={s.name: s for s in services},
        contracts={NAME: one},
    )


def rules(new: Workspace, base: Workspace | None) -> list[tuple[str, str]]:
    return [(f.rule, f.severity.value) for f in check_lifecycle(new, base, TODAY)]


@pytest.mark.parametrize(
    ("one", "stage"),
    [
        (Contract(name=NAME), Stage.DRAFT),
        (contract(), Stage.ACTIVE),
        (contract(since=1), Stage.ACTIVE),
        (contract(since=0), Stage.DEPRECATED),
        (contract(since=-9, sunset=1), Stage.DEPRECATED),
        (contract(since=-9, sunset=0), Stage.OVER),
        (contract(since=-9, sunset=-1, retired=0), Stage.RETIRED),
    ],
)
def test_a_contract_goes_from_draft_to_retired_by_its_dates(one: Contract, stage: Stage) -> None:
    assert stage_of(one, TODAY) is stage


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (contract(since=-5), contract(since=-6)),
        (contract(since=-5, sunset=20), contract(since=-5, sunset=19)),
        (contract(since=-5, retired=20), contract(since=-5, retired=19)),
        (contract(since=-5, sunset=20), contract(since=-5, sunset=20, retired=10)),
        (contract(), contract(since=-1, sunset=0)),
    ],
)
def test_announced_dates_never_get_earlier(before: Contract, after: Contract) -> None:
    assert rules(workspace(after), workspace(before)) == [("announced-earlier", "error")]
    assert rules(workspace(before), workspace(before)) == []


def test_announced_dates_may_get_later() -> None:
    before, after = contract(since=-5, sunset=20), contract(since=-5, sunset=40)
    assert rules(workspace(after), workspace(before)) == []
    assert rules(workspace(contract(since=-5)), workspace(before)) == []


def test_a_new_subscription_to_what_is_deprecated_is_refused_and_an_old_one_is_warned() -> None:
    one = contract(since=-5, sunset=20)
    assert rules(workspace(one, reader()), workspace(one)) == [("deprecated-subscription", "error")]
    assert rules(workspace(one, reader()), workspace(one, reader())) == [("deprecated-use", "warning")]
    assert rules(workspace(one, reader()), None) == [("deprecated-use", "warning")]
    finding = check_lifecycle(workspace(one, reader()), workspace(one), TODAY)[0]
    assert (finding.file, finding.line) == ("b.yaml", 3)
    assert str(day(20)) in finding.what and NEXT in finding.what
    assert finding.fix == "Ask #orders."


def test_what_is_announced_for_later_is_not_deprecated_yet() -> None:
    one = contract(since=5, sunset=20)
    assert rules(workspace(one, reader()), workspace(one)) == []


def test_after_the_sunset_nobody_publishes_or_subscribes() -> None:
    one = contract(since=-50, sunset=-1)
    base = workspace(one, reader(), WRITER)
    assert rules(base, base) == [("sunset-over", "error")] * 2


def test_access_ends_with_the_sunset_but_what_is_there_can_be_read() -> None:
    one = contract(since=-50, sunset=0)
    own = ServiceSpec(name=WRITER.name, publishes=WRITER.publishes, subscribes=reader().subscribes)

    def ask(action: Action, when: dt.date | None) -> str:
        return decide(service=own.name, action=action, contract=one, declared=own, today=when).rule

    assert ask(Action.PUBLISH, TODAY) == ask(Action.SUBSCRIBE, TODAY) == "sunset"
    assert ask(Action.READ, TODAY) == ask(Action.PUBLISH, day(-1)) == ask(Action.PUBLISH, None) == "owner-declares"
    error = decide(service=own.name, action=Action.PUBLISH, contract=one, declared=own, today=TODAY).error()
    assert str(TODAY) in str(error) and f"Use {NEXT}" in str(error)


def deprecated_field() -> Contract:
    return Contract(
        name=NAME,
        versions=(Version(number=1, schema=SCHEMA),),
        deprecated={"total": FieldDeprecation(since=day(-1), use="amount")},
    )


def test_who_reads_a_deprecated_field_is_told_and_who_does_not_is_not() -> None:
    one = deprecated_field()
    found = check_lifecycle(workspace(one, reader("id", "total")), None, TODAY)
    assert [(f.rule, f.severity.value) for f in found] == [("deprecated-field", "warning")]
    assert "Use amount" in found[0].what
    assert rules(workspace(one, reader("id")), None) == []


def test_who_names_no_fields_reads_each_of_them_and_is_told_of_a_deprecated_one() -> None:
    [found] = check_lifecycle(workspace(deprecated_field(), reader()), None, TODAY)
    assert found.rule == "deprecated-field" and "the field total" in found.what


def test_a_fields_date_never_gets_earlier() -> None:
    later = Contract(name=NAME, deprecated={"total": FieldDeprecation(since=day(3))})
    assert rules(workspace(deprecated_field()), workspace(later)) == [("announced-earlier", "error")]


# in a running service


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.WARNING, logger="busline.lifecycle")
    return caplog


@pytest.fixture
def _today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("busline.bus.notices.today", lambda: TODAY)


@pytest.mark.usefixtures("_today")
def test_a_service_is_told_at_its_first_use_and_once_a_day(log: pytest.LogCaptureFixture) -> None:
    one = contract(since=-5, sunset=20)
    notices = Notices(Service("billing/invoicing"), lambda name: one)
    for _ in range(3):
        notices.use(one)
    assert len(log.messages) == 1
    assert str(day(20)) in log.messages[0] and NEXT in log.messages[0]
    notices.new_day()
    assert len(log.messages) == 2


@pytest.mark.usefixtures("_today")
def test_a_day_tells_of_what_was_announced_meanwhile(log: pytest.LogCaptureFixture) -> None:
    applied = [contract()]
    notices = Notices(Service("billing/invoicing"), lambda name: applied[0])
    asked_again: list[bool] = []
    notices.each_day.append(lambda: asked_again.append(True))
    notices.use(applied[0])
    assert log.messages == []
    applied[0] = contract(since=0)
    notices.new_day()
    assert len(log.messages) == 1
    assert asked_again == [True]


@pytest.mark.usefixtures("_today")
def test_a_deprecated_field_is_told_to_who_reads_it(log: pytest.LogCaptureFixture) -> None:
    one = deprecated_field()
    notices = Notices(Service("billing/invoicing"), lambda name: one)
    notices.use(one, ["id"])
    assert log.messages == []
    notices.use(one, ["id", "total"])
    notices.use(one, ["total"])
    assert len(log.messages) == 1
    assert "total" in log.messages[0] and "amount" in log.messages[0]


def test_a_day_begins_at_midnight_in_utc() -> None:
    now = dt.datetime(2026, 11, 24, 23, 59, 30, tzinfo=dt.UTC)
    assert seconds_to_midnight(now) == 31
    assert seconds_to_midnight(dt.datetime(2026, 11, 24, tzinfo=dt.UTC)) == 86_401
