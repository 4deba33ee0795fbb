"""A workspace is read whole; all that is wrong is said at once: file, line, key, what, how to mend it."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from busline.contract.model import Kind
from busline.contract.workspace import Workspace
from busline.errors import WorkspaceInvalid

EXAMPLE = Path(__file__).parents[2] / "schemas"
Write = Callable[[str, str], None]
ORDER = "orders/order-placed/contract.yaml"
INVOICING = "billing/invoicing.service.yaml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EXAMPLE, tmp_path / "schemas"))


@pytest.fixture
def edit(folder: Path) -> Callable[[str, str, str], None]:
    def change(file: str, old: str, new: str) -> None:
        text = (folder / file).read_text()
        assert old in text
        (folder / file).write_text(text.replace(old, new))

    return change


def said(folder: Path) -> str:
    return "\n".join(map(str, Workspace.findings(folder)))


def test_the_example_workspace_has_no_findings() -> None:
    workspace = Workspace.load(EXAMPLE)
    assert workspace.company == "acme"
    assert list(workspace.contracts) == ["billing.invoice-sent", "marketing.user-statistics", "orders.order-placed"]
    placed = workspace.contracts["orders.order-placed"]  # type: ignore[index]
    assert [v.number for v in placed.versions] == [1, 2]
    assert placed.pii == {"user_id"}
    assert workspace.contracts["marketing.user-statistics"].kind is Kind.STATE  # type: ignore[index]
    assert workspace.environments["prod"].replicas == 3


def test_every_part_knows_its_file_and_line() -> None:
    workspace = Workspace.load(EXAMPLE)
    grant = workspace.contracts["orders.order-placed"].grants[0]  # type: ignore[index]
    assert (grant.to, str(grant.source)) == ("billing/invoicing", f"{ORDER}:4")
    subscription = workspace.services["billing/invoicing"].subscribes[0]  # type: ignore[index]
    assert str(subscription.source) == f"{INVOICING}:3"


def test_all_findings_come_in_one_go_and_in_order(folder: Path, edit: Callable[[str, str, str], None]) -> None:
    edit(ORDER, "description:", "descripton:")
    edit(INVOICING, "total", "totl")
    (folder / "orders" / "team.yaml").unlink()
    with pytest.raises(WorkspaceInvalid) as caught:
        Workspace.load(folder)
    files = [finding.file for finding in caught.value.findings]  # type: ignore[attr-defined]
    assert files == sorted(files)
    assert set(files) == {ORDER, "orders/team.yaml"}, "what depends on a broken file is not said twice"
    assert "[BL0201]" in str(caught.value)


def test_an_unknown_key_is_named_with_what_was_meant(folder: Path, edit: Callable[[str, str, str], None]) -> None:
    edit(ORDER, "tags:", "tgas:")
    assert f"{ORDER}:5: tgas: unknown key. Did you mean 'tags'?" in said(folder)


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        (ORDER, "key: user_id", "key: order_di", "version 1 has no field 'order_di'. Did you mean 'order_id'?"),
        (ORDER, "key: user_id", "key: lines", "'lines' cannot be a key in version 1"),
        (ORDER, "key: user_id", "key: [order_id, coupon]", "'coupon' cannot be a key in version 2"),
        (ORDER, "key: user_id", "key: [order_id, order_id]", "a field stands twice in the key"),
        (ORDER, "user_id: {pii: true}", "usr_id: {pii: true}", "no version has such a field. Did you mean 'user_id'?"),
        (ORDER, "billing/invoicing,", "billing/invocing,", "there is no service 'billing/invocing'. Did you mean"),
        (ORDER, "analytics,", "analitics,", "there is no team 'analitics'. Did you mean 'analytics'?"),
        (ORDER, "analytics,", "analytics, analytics,", "'analytics' stands more than once"),
        (ORDER, "analytics,", "Analytics,", "'Analytics' is not a team name"),
        (ORDER, "tags:", "audience: team\ntags:", "outside the audience `team`"),
        (ORDER, "billing/invoicing, ", "", "no grant covers it. Add billing/invoicing to access.subscribe in"),
        (ORDER, "tags:", "deprecation: {since: 2026-02-01, sunset: 2026-01-01}\ntags:", "not after since"),
        (
            ORDER,
            "tags:",
            "deprecation: {since: 2026-02-01, replacement: orders.none}\ntags:",
            "no contract 'orders.none'",
        ),
        (ORDER, "tags:", "retired: 2026-02-01\ntags:", "it was retired on 2026-02-01"),
        (ORDER, "tags:", "storage: {retention: 7}\ntags:", "write a duration with its unit"),
        (ORDER, "tags:", "storage: {partitions: 1.5}\ntags:", "storage.partitions"),
        (ORDER, "tags:", "kafka: {topic: billing.theirs}\ntags:", "lies under the prefix of 'billing'"),
        (ORDER, "tags:", "kafka: {topic: billing_invoice-sent}\ntags:", "One topic belongs to one contract"),
        (ORDER, "tags:", "kafka: {topic: __consumer_offsets}\ntags:", "is Kafka's own"),
        (ORDER, "tags:", "kafka: {topic: busline_contracts}\ntags:", "lies under the prefix of 'busline'"),
        (ORDER, "tags:", "kafka: {subject: billing.invoice-sent-value}\ntags:", "under the prefix of 'billing'"),
        (INVOICING, "publishes:", 'kafka: {user: "*"}\npublishes:', "'*' is everybody"),
        (INVOICING, "publishes:", "kafka: {user: ANONYMOUS}\npublishes:", "'ANONYMOUS' is everybody"),
        (INVOICING, "publishes:", "kafka: {user: busline/apply}\npublishes:", "is the platform team's"),
        (INVOICING, "publishes:", "kafka: {user: orders/people}\npublishes:", "'orders/people' is of orders"),
        (INVOICING, "publishes:", "kafka: {user: billing/people}\npublishes:", "'billing/people' is of billing"),
        (INVOICING, "publishes:", "kafka: {groups: [orders/checkout]}\npublishes:", "is another service's"),
        ("marketing/user-statistics/contract.yaml", "key: user_id", "", "a state contract needs a key"),
        ("marketing/user-statistics/contract.yaml", "company", "team", "everyone is more than the audience"),
        (INVOICING, "orders.order-placed:", "orders.order-plced:", "there is no contract 'orders.order-plced'"),
        (INVOICING, "version: 2", "version: 3", "orders.order-placed has no version 3. The highest is 2"),
        (INVOICING, "total,", "totl,", "version 2 has no field 'totl'. Did you mean 'total'?"),
        (INVOICING, "total,", "total, total,", "the field 'total' stands twice"),
        (INVOICING, "total,", "total.net,", "; total says all that is within it"),
        (INVOICING, "earliest", "yesterday", "'yesterday' is not a start"),
        (INVOICING, "earliest", '"2026-01-31T00:00:00"', "has no offset from UTC"),
        (INVOICING, "billing.invoice-sent", "orders.order-placed", "only the owner's services publish"),
        ("busline.yaml", "sqlite:///.busline/local.db", "kafka://me:secret@host:1", "a password in a file"),
        ("busline.yaml", "enforce: deny", "enforce: perhaps", "environments.prod.enforce"),
        ("orders/team.yaml", "orders@acme.example", "orders", "contact.mail"),
        ("orders/order-placed/2.avsc", '"doc"', "doc", "not JSON"),
        ("orders/order-placed/2.avsc", '"OrderPlaced"', '"Order"', "the record is 'orders.Order'"),
        ("orders/order-placed/example.json", '"PAID"', '"FREE"', "'FREE' is none of PAID, ON_ACCOUNT"),
    ],
)
def test_a_fault_is_found_in_its_place_with_a_fix(
    folder: Path, edit: Callable[[str, str, str], None], file: str, old: str, new: str, expected: str
) -> None:
    edit(file, old, new)
    assert expected in said(folder)
    assert "secret" not in said(folder)


def test_two_services_name_no_user_and_two_teams_no_group_of_each_other(folder: Path) -> None:
    old = "kafka: {user: legacy, groups: [reports]}\n"
    (folder / "orders/first.service.yaml").write_text(old)
    (folder / "billing/second.service.yaml").write_text(old)
    assert "the user 'legacy' is also billing/second's" in said(folder)
    assert "the group 'reports' is also billing/second's" in said(folder)


@pytest.mark.parametrize("name", ["0rders", "order-s", "Orders", "busline", "order_s", "a" * 41])
def test_a_team_name_that_misleads_is_refused(folder: Path, name: str) -> None:
    (folder / name).mkdir()
    (folder / name / "team.yaml").write_text("description: x\n")
    assert name in said(folder)


def test_a_team_may_begin_as_another_does(folder: Path) -> None:
    """`orders.` covers no topic of `orders-eu.`: the separator is part of the prefix."""
    (folder / "orders-eu").mkdir()
    (folder / "orders-eu" / "team.yaml").write_text("description: x\n")
    assert Workspace.findings(folder) == []


def test_versions_are_numbered_without_gaps(folder: Path) -> None:
    (folder / "orders/order-placed/2.avsc").rename(folder / "orders/order-placed/3.avsc")
    assert "orders/order-placed/2.avsc:1: missing. Versions are numbered from 1 without gaps" in said(folder)


def test_a_key_keeps_its_type_and_has_no_default(folder: Path) -> None:
    path = folder / "orders/order-placed/2.avsc"
    schema = json.loads(path.read_text())
    schema["fields"][1]["type"] = "long"
    schema["fields"][1]["default"] = 0
    path.write_text(json.dumps(schema))
    assert "'user_id' is long in version 2, and string before" in said(folder)
    assert "'user_id' has a default in version 2" in said(folder)


def test_a_link_out_of_the_workspace_is_not_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text("password: hunter2\n")
    (folder / "orders/spy.service.yaml").symlink_to(tmp_path / "secret.yaml")
    assert "orders/spy.service.yaml:1: a link out of the workspace" in said(folder)
    assert "hunter2" not in said(folder)


@pytest.mark.parametrize("file", [ORDER, "orders/team.yaml", "busline.yaml", "orders/order-placed/example.json"])
def test_nor_is_one_in_the_place_of_a_known_file(folder: Path, tmp_path: Path, file: str) -> None:
    (tmp_path / "secret").write_text("hunter2: hunter2\n")
    (folder / file).unlink()
    (folder / file).symlink_to(tmp_path / "secret")
    assert f"{file}:1: a link out of the workspace" in said(folder)
    assert "hunter2" not in said(folder)


def test_a_pipe_is_never_opened(folder: Path) -> None:
    os.mkfifo(folder / "orders/pipe.service.yaml")
    assert "orders/pipe.service.yaml:1: not a regular file" in said(folder)


def test_a_hundred_megabytes_are_refused_by_their_size(folder: Path) -> None:
    with (folder / ORDER).open("wb") as file:
        file.truncate(100_000_000)
    assert f"{ORDER}:1: 100000000 bytes are more than" in said(folder)


def test_where_there_is_no_workspace_the_way_on_is_said(tmp_path: Path) -> None:
    assert "busline init" in said(tmp_path)
    assert "busline init" in said(tmp_path / "none")


def test_credentials_do_not_show(folder: Path) -> None:
    assert "pass" not in repr(Workspace.load(folder).environments["prod"])


def test_the_commit_is_read_from_git(folder: Path) -> None:
    assert Workspace.load(folder).commit is None
    git = folder.parent / ".git"
    (git / "refs/heads").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    assert Workspace.load(folder).commit is None
    (git / "packed-refs").write_text(f"# pack-refs\n{'b' * 40} refs/heads/main\n")
    assert Workspace.load(folder).commit == "b" * 40
    (git / "refs/heads/main").write_text("a" * 40 + "\n")
    assert Workspace.load(folder).commit == "a" * 40
