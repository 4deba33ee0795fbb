"""The rights that contracts give: exactly these, literal, one service at a time."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from busline.contract.model import (
    Audience,
    Contract,
    Deprecation,
    Grant,
    Publication,
    ServiceSpec,
    Source,
    Subscription,
    TeamSpec,
    Version,
)
from busline.contract.schema import parse
from busline.governance.state.rights import Access, wanted_access
from busline.names import ContractName, Service, Team
from busline.transport.guard import Acl, Quota, Resource

ORDERS, USERS = ContractName("orders.order-placed"), ContractName("orders.user")
CHECKOUT, INVOICING = Service("orders/checkout"), Service("billing/invoicing")
SCHEMA = parse({"type": "record", "name": "Order", "fields": [{"name": "id", "type": "string"}]})
TODAY = dt.date(2026, 11, 24)
TEAMS = {Team(name): TeamSpec(name=Team(name), people=False) for name in ("orders", "billing", "partners")}


def contract(name: ContractName = ORDERS, *to: str, **changes: Any) -> Contract:
    grants = tuple(Grant(to=one, source=Source(file="c.yaml", line=4)) for one in to)
    return replace(Contract(name=name, versions=(Version(number=1, schema=SCHEMA),), grants=grants), **changes)


def subscribing(*names: ContractName, **changes: Any) -> ServiceSpec:
    uses = tuple(Subscription(contract=name, version=1) for name in names)
    return replace(ServiceSpec(name=INVOICING, subscribes=uses), **changes)


PUBLISHER = ServiceSpec(name=CHECKOUT, publishes=(Publication(contract=ORDERS, version=1),))


def access(contracts: Sequence[Contract], *services: ServiceSpec, **teams: TeamSpec) -> Access:
    known = {**TEAMS, **{Team(name): team for name, team in teams.items()}}
    return wanted_access({c.name: c for c in contracts}, {s.name: s for s in services}, known, TODAY)


def said(found: Access, user: str) -> set[str]:
    return {str(acl).removeprefix(f"User:{user} may ") for acl in found.acls if acl.user == user}


def test_who_publishes_may_write_its_topic_and_learn_the_contracts() -> None:
    found = access([contract()], PUBLISHER)
    assert said(found, "orders/checkout") == {"write topic orders.order-placed", "read topic busline.contracts"}
    assert found.users == {"orders/checkout": CHECKOUT}


def test_who_subscribes_may_read_the_topic_join_its_own_groups_and_keep_its_dead_letters() -> None:
    found = access([contract(ORDERS, "billing/invoicing")], subscribing(ORDERS))
    assert said(found, "billing/invoicing") == {
        "read topic orders.order-placed",
        "read topic busline.contracts",
        "read group billing/invoicing",
        "read group billing/invoicing/*",
        "write topic busline.dlq.billing.invoicing",
        "read topic busline.dlq.billing.invoicing",
    }
    acl = Acl("User:billing/invoicing", Resource.TOPIC, ORDERS, "read")
    assert found.acls[acl] == ("orders.order-placed", "billing/invoicing subscribes", "c.yaml:4")


def test_who_only_reads_joins_no_group_and_may_only_say_so() -> None:
    reads = ServiceSpec(name=INVOICING, reads=(ORDERS,))
    found = access([contract(ORDERS, "billing")], reads)
    assert said(found, "billing/invoicing") == {
        "read topic orders.order-placed",
        "read topic busline.contracts",
        "read group billing/invoicing/~read",
    }


def test_transactions_only_where_the_service_says_so() -> None:
    found = access([contract()], replace(PUBLISHER, transactional=True))
    assert "write transactional-id orders/checkout/*" in said(found, "orders/checkout")


def test_nothing_by_a_grant_that_nobody_declares_or_a_declaration_that_nobody_grants() -> None:
    assert access([contract(ORDERS, "billing/invoicing")]).acls == {}
    assert said(access([contract()], subscribing(ORDERS)), "billing/invoicing") == set()


def test_everyone_is_each_service_that_declares_it_and_never_every_user() -> None:
    readers = [subscribing(ORDERS, name=Service(name)) for name in ("billing/invoicing", "partners/feed")]
    found = access([contract(ORDERS, "everyone")], *readers)
    assert {acl.user for acl in found.acls} == {"billing/invoicing", "partners/feed"}
    assert all(acl.allow and acl.host == "*" and acl.name != "*" for acl in found.acls)
    assert all(not acl.prefixed or acl.name == f"{acl.user}/" for acl in found.acls)


def test_an_audience_of_the_team_stands_above_its_grants() -> None:
    found = access([contract(ORDERS, "everyone", audience=Audience.TEAM)], subscribing(ORDERS))
    assert said(found, "billing/invoicing") == set()


def test_after_the_sunset_nobody_publishes_and_after_retirement_nobody_reads() -> None:
    over = Deprecation(since=TODAY - dt.timedelta(days=9), sunset=TODAY)
    found = access([contract(ORDERS, "billing", deprecation=over)], PUBLISHER, subscribing(ORDERS))
    assert "write topic orders.order-placed" not in said(found, "orders/checkout")
    assert "read group billing/invoicing" not in said(found, "billing/invoicing")
    gone = access([contract(ORDERS, "billing", retired=TODAY)], PUBLISHER, subscribing(ORDERS))
    assert gone.acls == {}


def test_persons_read_what_their_team_owns_and_what_is_granted_to_them() -> None:
    people = {name: TeamSpec(name=Team(name)) for name in ("orders", "billing")}
    found = access([contract(ORDERS, "billing/people"), contract(USERS)], **people)
    assert said(found, "orders/people") == {
        "read topic orders.order-placed",
        "read topic orders.user",
        "read topic busline.contracts",
    }
    assert said(found, "billing/people") == {"read topic orders.order-placed", "read topic busline.contracts"}
    assert "orders/people" not in access([contract()]).users, "a team that says people: false has none"


def test_a_user_from_before_has_the_rights_of_its_topics_and_groups_and_no_other() -> None:
    legacy = subscribing(ORDERS, kafka_user="Billing_Invoicer", kafka_groups=("invoicer-prod",))
    found = access([contract(ORDERS, "billing", topic="ord.v1")], legacy)
    assert said(found, "Billing_Invoicer") == {"read topic ord.v1", "read group invoicer-prod"}


def test_a_users_quota_is_the_sum_where_each_contract_has_one() -> None:
    both = [
        contract(ORDERS, "billing", quota={"subscribe": 1000}),
        contract(USERS, "billing", quota={"subscribe": 500}),
    ]
    assert access(both, subscribing(ORDERS, USERS)).quotas == {"billing/invoicing": Quota(subscribe=1500)}
    one = [both[0], contract(USERS, "billing")]
    found = access(one, subscribing(ORDERS, USERS))
    assert found.quotas == {}
    assert found.unbounded == ("billing/invoicing: no subscribe quota holds for it, as orders.user has none",)
