"""A report in every format: what each kind of reader of it needs, with hostile text kept harmless."""

import json
import re
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from busline.cli.error_pages import ERROR_PAGES
from busline.cli.main import run
from busline.cli.report.formats import FORMATS
from busline.cli.report.report import Report
from busline.contract.finding import Finding, Severity
from busline.contract.rules.catalogue import ALL_RULES
from busline.errors import ConfigurationError
from busline.governance.gate.baseline import FILE, Baseline, baseline_text, fingerprint, read_baseline

ROOT = Path(__file__).parents[2]
ERROR = Finding(
    file="orders/order-placed/2.avsc", line=7, key="total", what="100% a\nb: <c>\x1b[31m", fix="Mend, it.", rule="units"
)
WARNING = Finding(file="orders/team.yaml", what="nobody", rule="codeowners", severity=Severity.WARNING)
NOTE = Finding(file="billing/invoicing.service.yaml", what="behind", rule="publisher-behind", severity=Severity.NOTE)
REPORT = Report(
    findings=(ERROR, WARNING, NOTE),
    folder=Path("schemas"),
    in_repository=Path("shop/schemas"),
    looked_at=3,
    known=4,
    gone=("orders/x: gone [units]",),
    notes=("not in a git repository",),
    recipes={"orders.order-placed": "2 merges: a; b\n  1. a\n::error::no"},
)
EMPTY = replace(REPORT, findings=(), known=0, gone=(), notes=(), recipes={})


@pytest.mark.parametrize("name", FORMATS)
def test_no_format_lets_control_characters_through(name: str) -> None:
    assert "\x1b" not in re.sub(r"\x1b\[\d*m(?=[a-z ])", "", FORMATS[name](REPORT)).replace("\x1b[0m", "")


def test_text_is_grouped_and_ends_with_totals_and_the_next_step() -> None:
    lines = re.sub(r"\x1b\[\d*m", "", FORMATS["text"](REPORT)).splitlines()
    assert lines[0] == "billing/invoicing" and "team orders" in lines
    assert "          schemas/orders/order-placed/2.avsc:7" in lines
    assert "  2 merges: a; b" in lines
    assert lines[-2:] == [
        "1 error, 1 warning, 1 note in 3 contracts; 4 findings of the baseline left out",
        "next: busline explain units",
    ]
    assert "  orders/x: gone [units]" in lines and "note: not in a git repository" in lines
    assert FORMATS["text"](EMPTY) == "no findings in 3 contracts"


def test_text_fits_a_terminal_and_is_left_as_it_is_for_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    long = replace(ERROR, what=" ".join(["`total` is gone"] * 9), fix="Ask #billing. " * 9)
    report = replace(REPORT, findings=(long,), recipes={"orders.order-placed": f"head\n  1. orders: {'keep it ' * 20}"})
    piped = FORMATS["text"](report)
    assert long.what in piped and long.fix in piped
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    shown = re.sub(r"\x1b\[\d*m", "", FORMATS["text"](report))
    assert max(len(line) for line in shown.splitlines()) <= 60
    assert shown.split() == re.sub(r"\x1b\[\d*m", "", piped).split(), "no word is cut"
    assert "\n               #billing." in shown or "\n               Ask" in shown, (
        "a fix goes on below its first word"
    )
    assert "\n       keep" in shown or "\n       it" in shown, "a step goes on below its first word"


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "json"])
def test_what_does_not_hold_together_is_said_with_its_key(name: str) -> None:
    unknown = replace(ERROR, key="access.subscrib", what="unknown key", rule="invalid")
    assert "access.subscrib: unknown key" in FORMATS[name](replace(REPORT, findings=(unknown,))).replace("%3A", ":")
    said = replace(ERROR, key="fields.total", what="no field 'total'", rule="invalid")
    assert "fields.total: no" not in FORMATS[name](replace(REPORT, findings=(said,)))


def test_json_has_a_line_a_finding_and_one_of_totals() -> None:
    *findings, totals = [json.loads(line) for line in FORMATS["json"](REPORT).splitlines()]
    assert [(one["about"], one["severity"]) for one in findings] == [
        ("orders.order-placed", "error"),
        ("team orders", "warning"),
        ("billing/invoicing", "note"),
    ]
    assert findings[0] | {"what": ""} == {
        "about": "orders.order-placed",
        "file": "schemas/orders/order-placed/2.avsc",
        "line": 7,
        "key": "total",
        "rule": "units",
        "severity": "error",
        "what": "",
        "fix": "Mend, it.",
    }
    assert totals["summary"]["errors"] == 1 and totals["summary"]["baseline"] == 4


def test_github_annotations_are_one_escaped_line_each() -> None:
    lines = FORMATS["github"](REPORT).splitlines()
    assert lines[0] == (
        "::error file=shop/schemas/orders/order-placed/2.avsc,line=7,title=orders.order-placed%3A units"
        "::100%25 a%0Ab: <c>\\x1b[31m. Mend, it."
    )
    assert [line.partition(" ")[0] for line in lines[:3]] == ["::error", "::warning", "::notice"]
    assert [line for line in lines[3:] if line.startswith("::")] == []


def test_gitlab_has_the_keys_of_code_quality() -> None:
    issues = json.loads(FORMATS["gitlab"](REPORT))
    assert [issue["severity"] for issue in issues] == ["critical", "minor", "info"]
    for issue in issues:
        assert set(issue) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert issue["location"]["path"].startswith("shop/schemas/") and issue["location"]["lines"]["begin"] >= 1
    assert len({issue["fingerprint"] for issue in issues}) == 3
    assert json.loads(FORMATS["gitlab"](EMPTY)) == []


def test_junit_fails_what_has_errors_and_only_that() -> None:
    suites = ET.fromstring(FORMATS["junit"](REPORT))
    cases = {case.get("name"): case for case in suites.iter("testcase")}
    assert {name: case.find("failure") is not None for name, case in cases.items()} == {
        "billing/invoicing": False,
        "orders.order-placed": True,
        "team orders": False,
    }
    [suite] = suites
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")
    assert "2 merges" in (cases["orders.order-placed"].findtext("failure") or "")
    assert "nobody" in (cases["team orders"].findtext("system-out") or "")
    assert [case.get("name") for case in ET.fromstring(FORMATS["junit"](EMPTY)).iter("testcase")] == ["check"]


def test_sarif_has_what_the_standard_requires() -> None:
    log = json.loads(FORMATS["sarif"](REPORT))
    assert log["version"] == "2.1.0" and log["$schema"].endswith("sarif-schema-2.1.0.json")
    [found] = log["runs"]
    rules = found["tool"]["driver"]["rules"]
    assert found["tool"]["driver"]["name"] == "busline"
    assert [result["level"] for result in found["results"]] == ["error", "warning", "note"]
    for result in found["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        [location] = result["locations"]
        place = location["physicalLocation"]
        assert place["artifactLocation"]["uri"].startswith("shop/schemas/") and place["region"]["startLine"] >= 1
        assert result["message"]["text"]
    assert all(rule["help"]["text"] and rule["shortDescription"]["text"] for rule in rules)


def test_a_finding_is_known_again_where_its_line_moved_and_in_the_next_version() -> None:
    assert fingerprint(ERROR) == fingerprint(replace(ERROR, line=90))
    assert fingerprint(ERROR) == fingerprint(replace(ERROR, file="orders/order-placed/3.avsc"))
    others = [replace(ERROR, key="sum"), replace(ERROR, rule="field-docs"), replace(ERROR, file="orders/other/2.avsc")]
    assert fingerprint(ERROR) not in {fingerprint(other) for other in others}


def test_a_baseline_lets_old_findings_be_and_lists_what_is_gone(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(baseline_text([ERROR, WARNING, NOTE]))
    baseline = read_baseline(tmp_path)
    new = replace(ERROR, key="other")
    assert baseline.new([replace(ERROR, line=1), new]) == [new]
    assert baseline.gone([ERROR]) == ("orders/team.yaml: : nobody [codeowners]",)
    assert len(baseline.known) == 2, "notes are told each time"
    assert baseline_text([WARNING, ERROR]) == baseline_text([ERROR, WARNING])


def test_a_baseline_that_cannot_be_read_is_refused_and_none_is_empty(tmp_path: Path) -> None:
    assert read_baseline(tmp_path) == Baseline()
    for text in ("[]", "{", '{"format": 9, "findings": []}', '{"format": 1}', '{"format": 1, "findings": [1]}'):
        (tmp_path / FILE).write_text(text)
        with pytest.raises(ConfigurationError, match="baseline"):
            read_baseline(tmp_path)


def test_every_error_code_has_a_page_and_the_docs_say_the_same() -> None:
    text = (ROOT / "docs/errors.md").read_text()
    section = re.compile(
        r"^###? (BL\d{4}) (.*)\n\*\*Cause\.\*\* ((?:.|\n)*?)^\*\*Fix\.\*\* ((?:.|\n)*?)(?=^#|\Z)", re.M
    )
    documented = {
        found[1]: (found[2], " ".join(found[3].split()), " ".join(found[4].split())) for found in section.finditer(text)
    }
    assert documented == {code: tuple(page) for code, page in ERROR_PAGES.items()}


@pytest.mark.parametrize("name", ["BL0204", "bl0204", *ALL_RULES])
def test_explain_tells_of_every_code_and_rule(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", name]) == 0
    text = capsys.readouterr().out
    assert name.lower() in text.lower() and len(text) > 100
    assert run(["explain", name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)


def test_explain_lists_all_and_helps_with_a_slip(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain"]) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in [*ALL_RULES, *ERROR_PAGES])
    assert run(["explain", "money-not-flaot"]) == 2
    assert "money-not-float" in capsys.readouterr().err
