"""JUnit XML, as CI servers read it: a test case for each contract, service or team with findings; errors fail it."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import groupby
from typing import Final

from busline.cli.output import clean
from busline.cli.report.report import Report, message, said, subject_of
from busline.contract.finding import Finding, Severity

_NOT_XML: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 takes in no form, section 2.2."""


def junit(report: Report) -> str:
    suite = ET.Element("testsuite", name=f"busline {report.title}")
    ordered = sorted(report.findings, key=lambda finding: (subject_of(finding), finding))
    for subject, findings in groupby(ordered, key=subject_of):
        _case(suite, report, subject, list(findings))
    if not report.findings:
        ET.SubElement(suite, "testcase", classname="busline", name=report.title)
    failures = sum(case.find("failure") is not None for case in suite)
    suite.attrib |= {"tests": str(len(suite)), "failures": str(failures), "errors": "0", "skipped": "0"}
    suites = ET.Element("testsuites", name=f"busline {report.title}", tests=str(len(suite)), failures=str(failures))
    suites.append(suite)
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=False)


def _case(suite: ET.Element, report: Report, subject: str, findings: list[Finding]) -> None:
    case = ET.SubElement(
        suite, "testcase", classname="busline", name=_xml(subject), file=_xml(report.path(findings[0]))
    )
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    if errors:
        failure = ET.SubElement(case, "failure", type=errors[0].rule, message=_xml(said(errors[0])))
        failure.text = _xml(
            "\n".join([*(_line(report, one) for one in errors), report.recipes.get(subject, "")]).rstrip()
        )
    others = [finding for finding in findings if finding.severity is not Severity.ERROR]
    if others:
        ET.SubElement(case, "system-out").text = _xml("\n".join(_line(report, one) for one in others))


def _line(report: Report, finding: Finding) -> str:
    return f"{report.path(finding)}:{finding.line}: {finding.severity.value}: {message(finding)} [{finding.rule}]"


def _xml(text: str) -> str:
    return _NOT_XML.sub("?", clean(text))
