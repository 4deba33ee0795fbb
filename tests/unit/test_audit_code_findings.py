"""What a finding of `busline audit code` says, what is let be, and how the command ends."""

import datetime as dt
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from busline.cli.audit_code import code
from busline.contract.finding import Severity
from busline.contract.rules.catalogue import AUDIT_RULES
from busline.contract.workspace import Workspace
from busline.errors import WorkspaceInvalid
from busline.governance.audit_code.audit import audit_code
from busline.names import Service

PAGE = (Path(__file__).parents[2] / "docs" / "audit-code.md").read_text()
TODAY = dt.date(2026, 11, 24)
COMPANY = """\
company: acme
environments:
  prod: {url: "kafka://kafka.acme.example:9092"}
teams:
  orders:
    stores: [{kind: postgres, host: orders-db.acme.example}]
    hosts: [orders.acme.example]
"""
SECRET = "gehe1m-gehe1m"
CALL = 'import requests\nrequests.get("https://orders.acme.example/x")\n'


@pytest.fixture
def service(tmp_path: Path) -> Path:
    folder = tmp_path / "service"
    folder.mkdir()
    return folder


@pytest.fixture
def schemas(tmp_path: Path) -> Path:
    folder = tmp_path / "schemas"
    for team in ("orders", "billing"):
        (folder / team).mkdir(parents=True)
        (folder / team / "team.yaml").write_text(f"contact: {{chat: '#{team}-help'}}\n")
    (folder / "busline.yaml").write_text(COMPANY)
    return folder


def publishes(schemas: Path, stream: str) -> None:
    folder = schemas / "orders" / stream
    folder.mkdir()
    (folder / "contract.yaml").write_text("description: An order.\n")
    schema = {"type": "record", "name": "orders.X", "fields": [{"name": "id", "type": "string"}]}
    (folder / "1.avsc").write_text(json.dumps(schema))


def found(schemas: Path, service: Path) -> list[tuple[str, int, str, Severity]]:
    audit = audit_code(service, Service("billing/invoicing"), Workspace.load(schemas), TODAY)
    return [(one.file, one.line, one.rule, one.severity) for one in audit.findings]


def exception(until: str, rule: str = "foreign-host", what: str = "orders.acme.example") -> str:
    said = f'{{service: billing/invoicing, rule: {rule}, what: {what}, why: "agreed", until: {until}}}'
    return f"{COMPANY}exceptions:\n  - {said}\n"


SHOWN = {
    "a URL": f'import psycopg\npsycopg.connect("postgresql://me:{SECRET}@orders-db.acme.example/x")\n',
    "a secret with signs": f'import psycopg\npsycopg.connect("postgresql://me:a@{SECRET}/b@orders-db.acme.example/x")\n',
    "a DSN": f'import psycopg\npsycopg.connect("host=orders-db.acme.example password={SECRET}")\n',
    "a DSN in quotes": f"import psycopg\npsycopg.connect(\"host=orders-db.acme.example password='{SECRET} x'\")\n",
    "a query": f'import requests\nrequests.get("https://orders.acme.example/x?api_key={SECRET}&token={SECRET}")\n',
    "a setting": f'DSN = "postgresql://me:{SECRET}@orders-db.acme.example/x"\n',
    "basic": f'import requests\nrequests.get("https://{SECRET}@orders.acme.example/x")\n',
}


@pytest.mark.parametrize("name", SHOWN)
def test_a_secret_is_shown_nowhere(name: str, schemas: Path, service: Path) -> None:
    (service / "a.py").write_text(SHOWN[name])
    (service / ".env").write_text(f"URL=postgresql://me:{SECRET}@orders-db.acme.example/x\nPASSWORD={SECRET}\n")
    for form in ("text", "json", "github", "gitlab", "junit", "sarif"):
        done = CliRunner().invoke(
            code, [str(service), "--service", "billing/x", "--workspace", str(schemas), "--format", form]
        )
        assert "acme.example" in done.output and SECRET not in done.output


def test_a_finding_says_whom_to_ask_and_what_the_owner_publishes(schemas: Path, service: Path) -> None:
    (service / "a.py").write_text(CALL)
    workspace = Workspace.load(schemas)
    [before] = audit_code(service, Service("billing/invoicing"), workspace, TODAY).findings
    assert before.fix == "Ask #orders-help (team orders) for a contract that publishes what you need."
    publishes(schemas, "order-placed")
    [after] = audit_code(service, Service("billing/invoicing"), Workspace.load(schemas), TODAY).findings
    assert "orders.order-placed" in after.fix and "busline find orders" in after.fix and "#orders-help" in after.fix


def test_an_exception_lets_be_what_it_names_until_its_day(schemas: Path, service: Path) -> None:
    (service / "a.py").write_text(CALL)
    (schemas / "busline.yaml").write_text(exception("2026-11-24"))
    assert found(schemas, service) == []
    for other in (exception("2027-01-01", rule="foreign-store"), exception("2027-01-01", what="other.example")):
        (schemas / "busline.yaml").write_text(other)
        assert [rule for _, _, rule, _ in found(schemas, service)] == ["foreign-host", "exception-unused"]


def test_an_exception_that_has_run_out_is_a_finding_beside_what_it_let_be(schemas: Path, service: Path) -> None:
    (service / "a.py").write_text(CALL)
    (schemas / "busline.yaml").write_text(exception("2026-11-23"))
    assert found(schemas, service) == [
        ("a.py", 2, "foreign-host", Severity.ERROR),
        ("../schemas/busline.yaml", 9, "exception-expired", Severity.ERROR),
    ]


def test_an_exception_of_another_service_counts_for_nothing(schemas: Path, service: Path) -> None:
    (service / "a.py").write_text(CALL)
    (schemas / "busline.yaml").write_text(exception("2027-01-01").replace("billing/invoicing", "billing/other"))
    assert [rule for _, _, rule, _ in found(schemas, service)] == ["foreign-host"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a team that is not there", "teams: {ordrs: {hosts: [a.example]}}\n"),
        ("a store that is nowhere", "teams: {orders: {stores: [{kind: redis}]}}\n"),
        ("a host that is a URL", 'teams: {orders: {hosts: ["https://a.example"]}}\n'),
        ("an exception without a reason", "exceptions: [{service: billing/x, rule: r, what: a, until: 2027-01-01}]\n"),
        ("an exception without a day", "exceptions: [{service: billing/x, rule: foreign-host, what: a, why: b}]\n"),
        ("an exception of no team", "exceptions: [{service: a/x, rule: r, what: a, why: b, until: 2027-01-01}]\n"),
    ],
)  # fmt: skip
def test_what_busline_yaml_says_of_it_is_checked(name: str, text: str, schemas: Path) -> None:
    (schemas / "busline.yaml").write_text(f"company: acme\n{text}")
    with pytest.raises(WorkspaceInvalid):
        Workspace.load(schemas)


@pytest.mark.parametrize(
    ("text", "exit_code"),
    [(CALL, 4), ("import aiokafka\naiokafka.AIOKafkaProducer()\n", 4), ("print 1\n", 0), ("x = 1\n", 0)],
)
def test_errors_and_warnings_end_with_4_and_notes_do_not(
    text: str, exit_code: int, schemas: Path, service: Path
) -> None:
    (service / "a.py").write_text(text)
    arguments = [str(service), "--service", "billing/invoicing", "--workspace", str(schemas)]
    done = CliRunner().invoke(code, arguments, standalone_mode=False)
    assert done.return_value == exit_code
    lines = [json.loads(line) for line in CliRunner().invoke(code, [*arguments, "--json"]).stdout.splitlines()]
    assert lines[-1]["summary"]["files"] == 1
    assert all(line["what"] and line["file"].endswith("service/a.py") for line in lines[:-1])


def test_the_page_names_every_rule_with_its_severity() -> None:
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| (\w+) \|", PAGE, re.M))
    notes = {"exception-unused", "not-looked-at"}
    assert notes < rows.keys() < AUDIT_RULES.keys()
    assert {name: said for name, said in rows.items() if name not in notes} == {
        name: AUDIT_RULES[name].severity.value for name in rows.keys() - notes
    }
