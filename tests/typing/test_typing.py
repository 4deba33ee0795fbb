"""User code passes the type checkers, its mistakes are reported, and so do the models that codegen makes."""

import datetime as dt
import json
import subprocess
import sys
from pathlib import Path

import pytest

from busline.contract.codegen import generate
from busline.contract.model import Contract, FieldDeprecation, Version
from busline.contract.schema import parse
from busline.names import ContractName

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BIN = Path(sys.executable).parent
NAMES = ["class", "copy", "model_config", "_private", "event_id", "str", "list", "Field", "Thing", "id"]
TYPES = [
    *("null", "boolean", "int", "long", "float", "double", "bytes", "string"),
    {"type": "string", "logicalType": "uuid"},
    {"type": "int", "logicalType": "date"},
    {"type": "int", "logicalType": "time-millis"},
    {"type": "long", "logicalType": "time-micros"},
    *({"type": "long", "logicalType": f"timestamp-{unit}"} for unit in ("millis", "micros", "nanos")),
    *({"type": "long", "logicalType": f"local-timestamp-{unit}"} for unit in ("millis", "micros", "nanos")),
    {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2},
    {"type": "fixed", "name": "Amount", "size": 8, "logicalType": "decimal", "precision": 12, "scale": 2},
    {"type": "fixed", "name": "Id", "size": 16, "logicalType": "uuid"},
    {"type": "fixed", "name": "Span", "size": 12, "logicalType": "duration"},
    {"type": "enum", "name": "Kind", "symbols": ["mro", "name", "None", "title"], "default": "mro"},
    ["null", "string", {"type": "array", "items": {"type": "map", "values": "demo.Thing"}}],
]
DEFAULTS = {"long": 1, "string": "x", "bytes": "\u00ff", "double": 0.5, "null": None}


def every_type() -> str:
    """A module generated from a schema with every type and with names that need care."""
    fields = [{"name": f"f{i}", "type": t, "doc": "Why."} for i, t in enumerate(TYPES)]
    fields += [{"name": f"d{i}", "type": t, "default": value} for i, (t, value) in enumerate(DEFAULTS.items())]
    fields += [{"name": name, "type": ["null", "long"], "default": None} for name in NAMES]
    either = ["null", "Kind", "string", "long", "Id", "Amount", {"type": "int", "logicalType": "date"}, "double"]
    fields += [{"name": "a_union_that_is_longer_than_a_line", "type": either, "default": None, "doc": "Why."}]
    fields += [{"name": "kinds", "type": {"type": "array", "items": "Kind"}, "default": ["title", "mro"]}]
    schema = parse({"type": "record", "name": "demo.Thing", "doc": "Everything.", "fields": fields})
    contract = Contract(
        name=ContractName("demo.thing"),
        key=("f7",),
        versions=(Version(number=1, schema=schema),),
        deprecated={"f1": FieldDeprecation(since=dt.date(2026, 11, 1), use="f2"), "d0": FieldDeprecation()},
    )
    return generate([contract])


def mypy(*paths: Path, plugin: bool, config: Path) -> dict[tuple[str, int], str]:
    config.write_text("[mypy]\nstrict = True\n" + ("plugins = pydantic.mypy\n" if plugin else ""))
    cache = ROOT / ".mypy_cache" / f"typing{int(plugin)}"
    done = subprocess.run(
        [BIN / "mypy", f"--config-file={config}", f"--cache-dir={cache}", "--output=json", *paths],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {(Path(f["file"]).name, f["line"]): f["message"] for f in found if f["severity"] == "error"}


def pyright(*paths: Path) -> dict[tuple[str, int], str]:
    done = subprocess.run(
        [BIN / "pyright", "--outputjson", *paths], capture_output=True, text=True, cwd=ROOT, timeout=300
    )
    found = json.loads(done.stdout)["generalDiagnostics"]
    errors = [f for f in found if f["severity"] == "error"]
    return {(Path(f["file"]).name, f["range"]["start"]["line"] + 1): f["message"] for f in errors}


def wrong_lines(path: Path) -> set[tuple[str, int]]:
    lines = path.read_text().splitlines()
    return {(path.name, number) for number, line in enumerate(lines, 1) if line.endswith("# wrong")}


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("checker", ["mypy --strict", "mypy --strict with pydantic's plugin", "pyright"])
def test_user_code_and_generated_models_pass_and_mistakes_are_reported(checker: str, tmp_path: Path) -> None:
    generated = tmp_path / "generated.py"
    generated.write_text(every_type())
    paths = (HERE / "service.py", HERE / "mistakes.py", generated)
    if checker == "pyright":
        found = pyright(*paths)
    else:
        found = mypy(*paths, plugin="plugin" in checker, config=tmp_path / "mypy.ini")
    assert {place: text for place, text in found.items() if place[0] != "mistakes.py"} == {}
    assert {place for place in found if place[0] == "mistakes.py"} == wrong_lines(HERE / "mistakes.py")
