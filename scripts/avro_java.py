"""Avro's Java library as the judge of compatibility: pairs of schemas in, its verdicts out, in one Java process."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterable
from typing import Any

from scripts.processes import CACHE, ROOT, ServerUnavailable, maven

VERSION = "1.12.2"
LIBS = CACHE / "avro" / VERSION / "libs"
POM = ROOT / "tests" / "java" / "pom.xml"
PROGRAM = POM.with_name("Compatibility.java")
PATIENCE = 600.0


def verdicts(pairs: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """Java's answer for each (reader, writer): verdict, breaks (type, location), strict, error.

    Raises ServerUnavailable where Java or Maven is not here.
    """
    lines = "".join(json.dumps({"reader": reader, "writer": writer}) + "\n" for reader, writer in pairs)
    command = ["java", "-Xss64m", "-cp", f"{libraries()}/*", str(PROGRAM)]
    done = subprocess.run(command, input=lines, capture_output=True, encoding="utf-8", check=False, timeout=PATIENCE)
    if done.returncode:
        raise ServerUnavailable(f"Avro's checker ended with status {done.returncode}: {done.stderr[-2000:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def libraries() -> str:
    """The folder of Avro's jars, brought by Maven once. Raises ServerUnavailable."""
    if not (shutil.which("java") and shutil.which("mvn")):
        raise ServerUnavailable("there is neither Java nor Maven; install a JDK from 17 on and Maven.")
    if not (LIBS / ".complete").exists():
        maven(["-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={LIBS}", "-DincludeScope=runtime"],
              CACHE / "avro" / "maven.log")  # fmt: skip
        (LIBS / ".complete").touch()
    return str(LIBS)
