"""Who may do what: one decision, which names its rule, its line, and whom to ask."""

import datetime as dt

from hypothesis import given, settings
from hypothesis import strategies as st

from busline.contract.access import Decision, decide, shows_pii
from busline.contract.model import (
    EVERYONE,
    Action,
    Audience,
    Contract,
    Deprecation,
    Grant,
    Publication,
    ServiceSpec,
    Source,
    Subscription,
    TeamSpec,
)
from busline.names import ContractName, Service, Team

NAME = ContractName("orders.order-placed")
OWNER = TeamSpec(name=Team("orders"), chat="#orders", mail="orders@acme.example")
FILE = Source(file="orders/order-placed/contract.yaml", line=4)


def contract(*grants: str, read_only: bool = False, audience: Audience = Audience.COMPANY) -> Contract:
    given = tuple(Grant(to=to, read_only=read_only, source=FILE) for to in grants)
    return Contract(name=NAME, key=("order_id",), grants=given, audience=audience, source=Source(file=FILE.file))


def subscriber(name: str) -> ServiceSpec:
    file = Source(file=f"{name}.service.yaml")
    line = Subscription(contract=NAME, version=1, source=Source(file=file.file, line=3))
    return ServiceSpec(name=Service(name), subscribes=(line,), source=file)


def subscribes(name: str, to: Contract, *, declared: bool = True) -> Decision:
    spec = subscriber(name) if declared else None
    return decide(service=Service(name), action=Action.SUBSCRIBE, contract=to, declared=spec, team=OWNER)


def test_the_narrowest_grant_decides() -> None:
    everything = contract(EVERYONE, "billing", "billing/invoicing")
    assert subscribes("billing/invoicing", everything).rule == "grant-service"
    assert subscribes("billing/dunning", everything).rule == "grant-team"
    assert subscribes("analytics/reports", everything).rule == "grant-everyone"
    assert subscribes("billing/invoicing", everything).source == FILE


def test_a_denial_names_the_file_the_reason_whom_to_ask_and_the_line_that_would_allow_it() -> None:
    denied = subscribes("billing/invoicing", contract("analytics"))
    assert (denied.allowed, denied.rule, denied.ask) == (False, "no-grant", "#orders")
    text = str(denied.error())
    assert text.startswith("[BL0300]")
    assert "Add billing/invoicing to access.subscribe in orders/order-placed/contract.yaml. Ask #orders." in text


def test_a_grant_without_a_declaration_is_not_enough() -> None:
    denied = subscribes("billing/invoicing", contract("billing"), declared=False)
    assert denied.rule == "not-declared"
    assert "busline declare" in denied.change
    assert denied.ask == "team billing"


def test_the_owners_services_need_no_grant_but_declare() -> None:
    assert subscribes("orders/archive", contract()).rule == "owner-declares"
    assert subscribes("orders/archive", contract(), declared=False).rule == "not-declared"


def test_only_the_owners_services_publish() -> None:
    def publish(name: str, *, declared: bool = True) -> Decision:
        line = Publication(contract=NAME, version=1, source=Source(file="x", line=2))
        spec = ServiceSpec(name=Service(name), publishes=(line,) if declared else ())
        return decide(service=spec.name, action=Action.PUBLISH, contract=contract(EVERYONE, name), declared=spec)

    assert publish("orders/checkout").rule == "owner-declares"
    assert str(publish("orders/checkout").source) == "x:2"
    assert publish("orders/checkout", declared=False).rule == "not-declared"
    assert publish("billing/invoicing").rule == "not-owner"
    assert publish("orders/people").rule == "people-read"


def test_people_read_without_a_declaration_and_never_subscribe() -> None:
    def read(name: str, *grants: str) -> str:
        return decide(service=Service(name), action=Action.READ, contract=contract(*grants), declared=None).rule

    assert read("marketing/people", "marketing/people") == "grant-service"
    assert read("marketing/people", "marketing") == "grant-team"
    assert read("marketing/people", "billing") == "no-grant"
    assert read("orders/people") == "owner-reads"
    assert subscribes("marketing/people", contract("marketing/people")).rule == "people-read"


def test_a_grant_to_read_allows_no_subscription() -> None:
    readers = contract("billing", read_only=True)
    spec = subscriber("billing/invoicing")
    assert subscribes("billing/invoicing", readers).rule == "no-grant"
    assert decide(service=spec.name, action=Action.READ, contract=readers, declared=spec).rule == "grant-team"


def test_nothing_of_a_retired_contract_is_allowed_and_its_replacement_is_named() -> None:
    gone = Contract(
        name=NAME,
        grants=(Grant(to=EVERYONE),),
        retired=dt.date(2026, 1, 1),
        deprecation=Deprecation(since=dt.date(2025, 1, 1), replacement=ContractName("orders.order-placed-v2")),
    )
    denied = subscribes("billing/invoicing", gone)
    assert denied.rule == "retired"
    assert "orders.order-placed-v2" in denied.change


def test_an_unknown_contract_is_denied_by_its_name() -> None:
    denied = decide(service=Service("a/b"), action=Action.READ, contract=NAME, declared=None)
    assert (bool(denied), denied.rule) == (False, "unknown")


SERVICES = ["orders/checkout", "orders/people", "billing/invoicing", "billing/people", "analytics/reports"]
GRANTS = st.lists(st.tuples(st.sampled_from([*SERVICES, "orders", "billing", "analytics", EVERYONE]), st.booleans()))


@settings(deadline=None)
@given(
    st.sampled_from(SERVICES),
    st.sampled_from(list(Action)),
    GRANTS,
    st.sets(st.sampled_from(["publishes", "subscribes", "reads"])),
    st.sampled_from([Audience.TEAM, Audience.COMPANY]),
    st.booleans(),
)
def test_the_decision_is_that_of_a_table(
    name: str, action: Action, grants: list[tuple[str, bool]], says: set[str], audience: Audience, retired: bool
) -> None:
    service = Service(name)
    spec = ServiceSpec(
        name=service,
        publishes=(Publication(contract=NAME, version=1),) if "publishes" in says else (),
        subscribes=(Subscription(contract=NAME, version=1),) if "subscribes" in says else (),
        reads=(NAME,) if "reads" in says else (),
    )
    stream = Contract(
        name=NAME,
        audience=audience,
        grants=tuple(Grant(to=to, read_only=read_only) for to, read_only in grants),
        retired=dt.date(2026, 1, 1) if retired else None,
    )
    own, people = name.startswith("orders/"), name.endswith("/people")
    team = name.split("/")[0]
    granted = any(to in (name, team, EVERYONE) and (action is Action.READ or not only) for to, only in grants)
    covered = own or (granted and audience is Audience.COMPANY)
    expected = {
        Action.PUBLISH: own and not people and "publishes" in says,
        Action.SUBSCRIBE: covered and not people and "subscribes" in says,
        Action.READ: covered and (people or bool(says & {"subscribes", "reads"})),
    }[action]
    decision = decide(service=service, action=action, contract=stream, declared=spec, team=OWNER)
    assert decision.allowed == (expected and not retired)
    assert decision.why and (decision.allowed or decision.ask)


def test_what_says_something_about_a_person_is_shown_to_the_owner_and_by_a_grant_that_says_so() -> None:
    grants = (Grant(to="billing"), Grant(to="marketing/people", read_only=True, pii=True), Grant(to="marketing"))
    granted = Contract(name=NAME, grants=grants)
    seeing = ["orders/checkout", "orders/people", "marketing/people"]
    blind = ["billing/people", "marketing/mailer", "hr/people"]
    assert [who for who in [*seeing, *blind] if shows_pii(Service(who), granted)] == seeing
    assert shows_pii(Service("hr/people"), Contract(name=NAME, grants=(Grant(to=EVERYONE, pii=True),)))
    answers = [
        decide(service=Service(f"{team}/people"), action=Action.READ, contract=granted, declared=None)
        for team in ("marketing", "billing", "hr")
    ]
    assert [(answer.allowed, answer.pii) for answer in answers] == [(True, True), (True, False), (False, False)]
