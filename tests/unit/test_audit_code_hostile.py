"""Whatever lies in a service's folder, the audit ends, and says what it could not look at."""

import ast
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from busline.contract.finding import Severity
from busline.contract.holdings import Holdings, Store
from busline.contract.model import Environment
from busline.contract.workspace import Workspace
from busline.governance.audit_code.audit import CodeAudit, audit_code
from busline.governance.audit_code.endpoints import endpoints, masked
from busline.governance.audit_code.folder import MAX_FILE
from busline.names import Service, Team

ORDERS = Team("orders")
NAMES = (
    "a.py",
    "b.yaml",
    ".env",
    "c.json",
    "d.toml",
    "e.ini",
    "requirements.txt",
    "pyproject.toml",
    "Dockerfile",
    "f.sh",
)
WORKSPACE = Workspace(
    path=Path("/nowhere"),
    company="acme",
    environments={"prod": Environment(name="prod", url="kafka://kafka.acme.example:9092")},
    teams={},
    services={},
    contracts={},
    holdings={
        ORDERS: Holdings(
            team=ORDERS,
            stores=(Store(kind="postgres", host="orders-db.acme.example"), Store(kind="redis", prefix="orders:")),
            packages=("orders_service",),
            hosts=("orders.acme.example",),
            paths=("/srv/orders",),
        )
    },
)
FRAGMENTS = st.sampled_from(
    [*"()[]{}'\"\\\n\t :=,.@#$%&|<>-+*/", "import ", "from ", "def f(x):\n ", "class A:\n ", "kafka", "redis",
     "orders_service",
     "postgres://", "orders-db.acme.example", "orders.acme.example", "/srv/orders",
     "f'{", "${", "- ", "? ", "&a ", "*a ", "!!b ",
     "---\n", "x = ", "lambda: ", "self.", ".connect(", "os.environ[", "password=", "\x00", "é", "\ud800"]
)  # fmt: skip
TEXTS = st.lists(FRAGMENTS, max_size=40).map(lambda parts: "".join(parts).encode("utf-8", "surrogatepass"))


def audit(folder: Path) -> CodeAudit:
    import datetime as dt

    return audit_code(folder, Service("billing/invoicing"), WORKSPACE, dt.date(2026, 11, 24))


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(NAMES), data=st.one_of(st.binary(max_size=400), TEXTS))
def test_any_bytes_in_any_file_are_looked_at(name: str, data: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    assert audit(tmp_path).files == 1
    (tmp_path / name).unlink()


@settings(deadline=None, max_examples=300)
@given(st.one_of(st.text(max_size=300), TEXTS.map(lambda data: data.decode("utf-8", "replace"))))
def test_any_text_is_taken_apart_and_shown(text: str) -> None:
    assert all(one.host or one.path or one.name or one.kind or not one.host for one in endpoints(text))
    assert len(masked(text)) <= 160


HARD = {
    "deeply nested brackets": b"x = " + b"(" * 5_000 + b")" * 5_000,
    "a long chain of operators": b"x = " + b" + ".join([b"'a'"] * 20_000),
    "a long chain of attributes": b"x" + b".y" * 20_000 + b"('https://orders.acme.example')",
    "a long chain of calls": b"f" + b"('a')" * 3_000,
    "deeply nested lists": b"x = " + b"[" * 90 + b"]" * 90,
    "names that mean each other": b"a = b\nb = a + a\nimport redis\nredis.Redis(host=a)\n",
    "a name that grows": b"import redis\na = 'x'\n" + b"a += a\n" * 500 + b"redis.Redis(host=a)\n",
    "a function that calls itself": b"import redis\ndef f(x):\n    return f(f(x))\nredis.Redis(host=f('x'))\n",
    "classes of each other": b"class A:\n    b = B()\nclass B:\n    a = A()\nA().b.a.b.a.b.c()\n",
    "many values": b"import redis\n" + b"h = 'x'\n" * 5_000 + b"redis.Redis(host=f'{h}{h}{h}{h}{h}{h}')\n",
    "Python 2": b"print 'orders_service'\n",
    "tabs and spaces": b"if x:\n\ta\n        b\n",
    "NUL": b"import orders_service\x00\n",
    "an unknown encoding": b"# -*- coding: klingon -*-\nimport x\n",
    "bytes that are no UTF-8": b"x = '\xff\xfe'\n",
    "an enormous number": b"x = " + b"9" * 10_000,
}


@pytest.mark.parametrize("name", HARD)
def test_hard_source_is_looked_at_or_noted(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(HARD[name])
    (tmp_path / "b.py").write_text("import orders_service\n")
    found = audit(tmp_path)
    assert ("b.py", "foreign-package") in {(one.file, one.rule) for one in found.findings}
    try:
        ast.parse(HARD[name])
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        assert [one.rule for one in found.findings if one.file == "a.py"] == ["not-looked-at"]


def test_another_encoding_is_read_as_the_file_says(tmp_path: Path) -> None:
    text = "# coding: latin-1\n# é\nimport orders_service\n"
    (tmp_path / "a.py").write_bytes(text.encode("latin-1"))
    (tmp_path / "b.py").write_bytes(b"\xef\xbb\xbfimport orders_service\n")
    assert [(one.file, one.line) for one in audit(tmp_path).findings] == [("a.py", 3), ("b.py", 1)]


def test_a_large_file_is_noted_and_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"#" * (MAX_FILE + 1))
    [note] = audit(tmp_path).findings
    assert (note.rule, note.severity) == ("not-looked-at", Severity.NOTE)


def test_links_are_not_followed_and_one_to_another_teams_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/a.py").write_text("import orders_service\n")
    service = tmp_path / "service"
    service.mkdir()
    (service / "away").symlink_to(tmp_path / "outside")
    (service / "round").symlink_to(service)
    (service / "nothing").symlink_to(tmp_path / "nothing")
    (service / "theirs").symlink_to("/srv/orders/export")
    assert [(one.file, one.rule) for one in audit(service).findings] == [("theirs", "foreign-file")]


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "a.py")
    assert audit(tmp_path).files == 0
