"""What adopting makes of a cluster: never a right that is not there, never half a stream, never a broken workspace."""

import datetime as dt
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from busline.cli.declare import write_files
from busline.contract.duration import milliseconds
from busline.contract.model import Kind
from busline.contract.workspace import Workspace
from busline.errors import WorkspaceInvalid
from busline.governance.adopt.adoption import Adoption, Asked, adopt
from busline.governance.adopt.left import Reason
from busline.governance.adopt.live import Live, SubjectSeen
from busline.governance.adopt.owners import owners_of
from busline.governance.registry.registry import Stored
from busline.governance.state.rights import wanted_access
from busline.names import ContractName, Service
from busline.transport.base import TopicSpec
from busline.transport.guard import Acl, QuotaEntity, Resource

TODAY = dt.date(2026, 11, 24)
OWNERS = ["ord*=orders", "bill*=billing"]
SCHEMA = {"type": "record", "name": "Happened", "fields": [{"name": "id", "type": "string", "doc": "Its id."}]}


def subject(name: str, *schemas: Any, level: str = "NONE", **how: Any) -> SubjectSeen:
    texts = [schema if isinstance(schema, str) else json.dumps(schema) for schema in schemas or (SCHEMA,)]
    versions = tuple(Stored(2 * n + 1, 100 + n, text, **how) for n, text in enumerate(texts))
    return SubjectSeen(name=name, versions=versions, level=level)


def cluster(*topics: str | TopicSpec, subjects: tuple[SubjectSeen, ...] = (), **more: Any) -> Live:
    specs = [topic if isinstance(topic, TopicSpec) else TopicSpec(name=topic) for topic in topics]
    every = [*(subject(f"{spec.name}-value") for spec in specs), *subjects]
    return Live(topics={s.name: s for s in specs}, subjects={one.name: one for one in every}, **more)


def may(user: str, operation: str, name: str, resource: Resource = Resource.TOPIC) -> Acl:
    return Acl(f"User:{user}", resource, name, operation)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "busline.yaml").write_text("company: acme\n")
    return tmp_path


def adopted(folder: Path, live: Live, *owners: str, **more: Any) -> tuple[Adoption, Workspace]:
    workspace = Workspace.load(folder)
    asked = Asked(workspace=workspace, owners=owners_of(owners or OWNERS), today=TODAY, **more)
    made = adopt(live, asked)
    write_files(folder, made.files)
    return made, Workspace.load(folder)


def left(made: Adoption, reason: Reason) -> dict[str, str]:
    return {one.about: one.why for one in made.left if one.reason is reason}


def rights(workspace: Workspace) -> set[Acl]:
    return {*wanted_access(workspace.contracts, workspace.services, workspace.teams, TODAY).acls}


@pytest.mark.parametrize("retention", [1, 86_400_001, 9_223_372_036_854_775_807, None])
def test_a_topic_keeps_its_settings_to_the_last_digit(folder: Path, retention: int | None) -> None:
    spec = TopicSpec(name="ord", partitions=17, retention=retention, max_record=1_234_567, append_time=False)
    _, workspace = adopted(folder, cluster(spec))
    (contract,) = workspace.contracts.values()
    assert contract.storage.partitions == 17 and contract.storage.max_record == 1_234_567
    assert contract.storage.retention == retention
    assert (contract.topic, contract.subject, contract.append_time) == ("ord", "ord-value", False)


def test_no_file_says_a_retention_that_no_engine_has() -> None:
    assert milliseconds(f"{2**63 - 1}ms") == 2**63 - 1
    with pytest.raises(ValueError, match="write forever"):
        milliseconds("9999999999999999999d")


def test_versions_keep_their_order_whatever_their_numbers(folder: Path) -> None:
    more = {**SCHEMA, "fields": [*SCHEMA["fields"], {"name": "b", "type": "int", "default": 1}]}
    seen = subject("ord-value", SCHEMA, more, level="FULL_TRANSITIVE")
    _, workspace = adopted(folder, cluster("ord", subjects=(seen,)))
    contract = workspace.contracts[ContractName("orders.ord")]
    assert [json.loads(v.schema.text) for v in contract.versions] == [SCHEMA, more]
    assert contract.compatibility == "full-transitive"


def test_the_schemas_own_words_describe_the_contract(folder: Path) -> None:
    said = subject("ord-value", {**SCHEMA, "doc": 'An order:\n "paid" for. # Once.\u2028\x85'})
    _, workspace = adopted(folder, cluster("ord", "ord2", subjects=(said,)))
    assert workspace.contracts[ContractName("orders.ord")].description == 'An order: "paid" for. # Once.'
    assert "ord2" in workspace.contracts[ContractName("orders.ord2")].description


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (subject("ord-value", SCHEMA, "{", SCHEMA), Reason.SCHEMA),
        (subject("ord-value", SCHEMA, {**SCHEMA, "fields": [{"name": "a", "type": "lnog"}]}), Reason.SCHEMA),
        (subject("ord-value", SCHEMA, refers=True), Reason.SCHEMA),
        (subject("ord-value", '"string"'), Reason.SCHEMA),
        (subject("ord-value", "syntax = 'proto3';", kind="PROTOBUF"), Reason.NOT_AVRO),
        (subject("ord-value", SCHEMA, {**SCHEMA, "name": "Other"}), Reason.INVALID),
    ],
)
def test_a_stream_with_one_version_that_cannot_be_a_contracts_is_left(
    folder: Path, seen: SubjectSeen, reason: Reason
) -> None:
    made, workspace = adopted(folder, cluster("ord", "ord2", subjects=(seen,)))
    assert left(made, reason).keys() == {"ord"}
    assert workspace.contracts.keys() == {"orders.ord2"}
    assert not (folder / "orders" / "ord").exists()


def test_a_topic_that_no_contract_can_say_hinders_no_other(folder: Path) -> None:
    made, workspace = adopted(folder, cluster(TopicSpec(name="ord", partitions=1001), "ord2"))
    assert left(made, Reason.INVALID).keys() == {"ord"}
    assert workspace.contracts.keys() == {"orders.ord2"}


def test_a_topic_under_another_teams_name_is_left(folder: Path) -> None:
    made, workspace = adopted(folder, cluster("billing.orders", "ord"), "bill*=orders", "ord=billing")
    assert "team billing's" in left(made, Reason.PREFIX)["billing.orders"]
    assert workspace.contracts.keys() == {"billing.ord"}


def test_a_state_needs_a_key(folder: Path) -> None:
    spec = TopicSpec(name="ord", compacted=True)
    made, _ = adopted(folder, cluster(spec))
    assert left(made, Reason.KEY).keys() == {"ord"}
    _, workspace = adopted(folder, cluster(spec), keys={"ord": ("id",)})
    assert workspace.contracts[ContractName("orders.ord")].kind is Kind.STATE


def test_a_key_that_is_none_is_refused(folder: Path) -> None:
    made, workspace = adopted(folder, cluster("ord"), keys={"ord": ("idd",)})
    assert "idd cannot be its key" in left(made, Reason.KEY)["ord"] and not workspace.contracts


def test_rules_that_fail_as_errors_are_off_in_the_contracts_own_file(folder: Path) -> None:
    seen = subject("ord-value", {**SCHEMA, "fields": [{"name": "orderId", "type": "string"}]})
    _, workspace = adopted(folder, cluster("ord", "ord2", subjects=(seen,)))
    off = {one.rule: one.reason for one in workspace.contracts[ContractName("orders.ord")].off}
    assert off == dict.fromkeys(("field-docs", "field-naming"), "adopted as it is on 2026-11-24")
    assert not workspace.contracts[ContractName("orders.ord2")].off


def test_who_reads_in_a_group_subscribes_and_who_does_not_reads(folder: Path) -> None:
    acls = {may("bill", "read", "ord"), may("bill", "read", "ord2"), may("bill", "read", "g", Resource.GROUP)}
    live = cluster("ord", "ord2", acls=frozenset(acls), groups={"g": frozenset({"ord"})})
    _, workspace = adopted(folder, live)
    service = workspace.services[Service("billing/bill")]
    assert [use.contract for use in service.subscribes] == ["orders.ord"] and service.reads == ("orders.ord2",)
    assert rights(workspace) == acls


def test_a_group_without_positions_may_be_for_all_that_its_user_reads(folder: Path) -> None:
    acls = {may("bill", "read", "ord"), may("bill", "read", "g", Resource.GROUP)}
    _, workspace = adopted(folder, cluster("ord", acls=frozenset(acls)))
    assert rights(workspace) == acls


def test_only_the_owners_users_publish(folder: Path) -> None:
    acls = {may("bill", "write", "ord"), may("bill", "write", "bills"), may("ord-svc", "write", "ord")}
    made, workspace = adopted(folder, cluster("ord", "bills", acls=frozenset(acls)))
    assert "only orders's publish" in left(made, Reason.FOREIGN_WRITER)["bill"]
    assert rights(workspace) == acls - {may("bill", "write", "ord")}


def test_a_users_name_that_no_file_can_say_hinders_no_other(folder: Path) -> None:
    long = "bill" + "x" * 300
    made, workspace = adopted(
        folder, cluster("ord", acls=frozenset({may(long, "read", "ord"), may("bill", "read", "ord")}))
    )
    assert left(made, Reason.INVALID_USER).keys() == {long}
    assert [service.user for service in workspace.services.values()] == ["bill"]


def test_without_an_authorizer_there_are_contracts_and_no_services(folder: Path) -> None:
    made, workspace = adopted(folder, cluster("ord", guarded=False, groups={"g": frozenset({"ord"})}))
    assert workspace.contracts and not workspace.services
    assert left(made, Reason.GROUP) == {"g": "it reads orders.ord; no ACL names it"}


def test_quotas_are_listed(folder: Path) -> None:
    quotas = {
        QuotaEntity(user="bill"): {"consumer_byte_rate": 1e6},
        QuotaEntity(client=""): {"request_percentage": 5.0},
    }
    made, _ = adopted(folder, cluster("ord", quotas=quotas))
    assert left(made, Reason.QUOTA) == {
        "user bill": "consumer_byte_rate 1,000,000", "client default": "request_percentage 5",
    }  # fmt: skip


def test_what_is_applied_already_is_no_stream_to_adopt(folder: Path) -> None:
    made, _ = adopted(folder, cluster("ord", "ord2", applied=frozenset({"ord"})))
    assert made.streams.keys() == {"orders.ord2"}


def test_a_workspace_that_does_not_hold_together_stays_as_it_is(folder: Path) -> None:
    asked = Asked(workspace=Workspace.load(folder), owners=owners_of(OWNERS), today=TODAY)
    (folder / "nobody").mkdir()
    with pytest.raises(WorkspaceInvalid):
        adopt(cluster("ord"), asked)


def test_grants_join_a_contract_as_its_owner_wrote_it(folder: Path) -> None:
    adopted(folder, cluster("ord"))
    file = folder / "orders" / "ord" / "contract.yaml"
    file.write_text(file.read_text().replace("access:", "# as agreed\naccess:"))
    adopted(folder, cluster("ord", acls=frozenset({may("bill", "read", "ord")})))
    assert "# as agreed\naccess: {subscribe: [], read: [billing/bill]}" in file.read_text()


def test_what_apply_made_for_services_that_are_there_is_no_matter_for_adopting(folder: Path) -> None:
    adopted(folder, cluster("ord"))
    (folder / "orders" / "native.service.yaml").write_text("subscribes: {orders.ord: {version: 1, fields: []}}\n")
    (folder / "orders" / "team.yaml").write_text("contact: {}\n")
    workspace = Workspace.load(folder)
    made_by_apply = frozenset(rights(workspace))
    assert {acl.user for acl in made_by_apply} == {"orders/native", "orders/people"}
    users = frozenset({"orders/native", "orders/people"})
    made, _ = adopted(folder, cluster("ord", acls=made_by_apply, users=users), "ord*=orders", "*=orders")
    assert not made.files and not made.left


ACLS = st.builds(
    Acl,
    principal=st.sampled_from(["User:bill", "User:ord-a", "User:ord-b", "User:nobody", "User:*", "Group:x"]),
    resource=st.sampled_from([Resource.TOPIC, Resource.TOPIC, Resource.GROUP, *Resource]),
    name=st.sampled_from(["ord", "ord2", "bills", "g", "h", "*", "other"]),
    operation=st.sampled_from(["read", "read", "write", "write", "describe", "all"]),
    prefixed=st.sampled_from([False, False, False, True]),
    allow=st.sampled_from([True, True, True, False]),
    host=st.sampled_from(["*", "*", "*", "10.0.0.1"]),
)
GROUPS = st.dictionaries(st.sampled_from(["g", "h"]), st.frozensets(st.sampled_from(["ord", "bills", "gone"])))


@settings(deadline=None, max_examples=50)
@given(st.frozensets(ACLS, max_size=25), GROUPS)
def test_no_contract_gives_a_right_that_is_not_there(acls: frozenset[Acl], groups: dict[str, frozenset[str]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "busline.yaml").write_text("company: acme\n")
        made, workspace = adopted(folder, cluster("ord", "ord2", "bills", acls=acls, groups=groups))
    given_rights = rights(workspace)
    assert given_rights <= acls
    told = {str(acl) for acl in acls} & {one.about for one in made.left if one.reason in (Reason.ACL, Reason.ELSEWHERE)}
    whose = {one.about for one in made.left if one.reason in (Reason.USER, Reason.FOREIGN_WRITER)}
    for acl in acls - given_rights:
        assert str(acl) in told or acl.user in whose, f"passed over in silence: {acl}"


def test_a_right_to_a_group_alone_is_listed(folder: Path) -> None:
    acl = may("nobody", "read", "g", Resource.GROUP)
    made, _ = adopted(folder, cluster("ord", acls=frozenset({acl})))
    assert left(made, Reason.ACL).keys() == {str(acl)}
