"""What every command has in common: exit codes, the shape of an error, two streams, a fast start."""

import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from busline import errors
from busline.cli import main as entry
from busline.cli.failures import UNEXPECTED_CODE, USAGE_CODE, Exit, describe, exit_of
from busline.cli.logs import CleanFormatter
from busline.cli.output import Output, clean, columns, to_json

ROOT = Path(__file__).parents[2]
SUMMARY = re.compile(r"^\| (BL\d{4}) \| (?:`(\w+)`|[^|]+) \| (yes|no) \| (\d) \|$", re.M)
SECTION = re.compile(r"^###? (BL\d{4}) .*\n\*\*Cause\.\*\* \S(?:.|\n)*?^\*\*Fix\.\*\* \S", re.M)


def every_error() -> list[type[errors.BuslineError]]:
    found = [errors.BuslineError]
    for kind in found:
        found += kind.__subclasses__()
    return [kind for kind in found if kind.__module__ == "busline.errors"]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """A command line whose only command raises what it is told to."""

    def run(error: BaseException, *args: str) -> int:
        @click.command()
        @click.option("--json", "as_json", is_flag=True)
        def command(as_json: bool) -> None:
            raise error

        monkeypatch.setattr(entry.LazyGroup, "get_command", lambda *_: command)
        return entry.run(["fail", *args])

    return run


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ContractUnknown("x"), 1),
        (errors.ConfigurationError("x"), 2),
        (errors.UnknownTransport("x"), 2),
        (errors.ContractStale("x"), 3),
        (errors.WorkspaceInvalid("x", ["a.yaml:1: bad"]), 4),
        (errors.AccessDenied("x"), 5),
        (errors.NotAuthorized("x"), 5),
        (errors.AuthenticationFailed("x"), 5),
        (errors.RegistryForbidden("x"), 5),
        (errors.Unreachable("x"), 6),
        (errors.RegistryUnreachable("x"), 6),
        (errors.NotPublished("x", cause=errors.AccessDenied("y")), 5),
        (errors.NotPublished("x", cause=errors.Unreachable("y")), 6),
        (errors.NotPublished("x"), 1),
        (KeyboardInterrupt(), 130),
        (RuntimeError("x"), 1),
        (click.UsageError("x"), 2),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_an_error_ends_the_command_with_its_exit_code(failing, error: BaseException, code: int) -> None:  # type: ignore[no-untyped-def]
    assert failing(error) == code
    assert failing(error, "--json") == code


def test_an_error_says_what_where_why_and_how_to_mend_it(failing, capsys) -> None:  # type: ignore[no-untyped-def]
    failing(errors.Unreachable("no answer", where="kafka://k1:9092", why="refused", fix="Start it."))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "error[BL0501]: no answer",
        "  where: kafka://k1:9092",
        "  why:   refused",
        "  fix:   Start it.",
    ]


def test_an_error_in_json_is_one_line_on_stderr(failing, capsys) -> None:  # type: ignore[no-untyped-def]
    failing(errors.Unreachable("no answer", where="kafka://k1:9092", why="refused", fix="Start it."), "--json")
    out, err = capsys.readouterr()
    assert out == ""
    assert json.loads(err) == {
        "error": {
            "code": "BL0501",
            "exit": 6,
            "what": "no answer",
            "where": "kafka://k1:9092",
            "why": "refused",
            "fix": "Start it.",
            "retryable": True,
            "details": [],
            "trace": None,
        }
    }


def test_every_finding_of_a_workspace_is_shown(failing, capsys) -> None:  # type: ignore[no-untyped-def]
    failing(errors.WorkspaceInvalid("2 findings", ["a.yaml:1: bad", "b.yaml:2: worse"]))
    assert capsys.readouterr().err.splitlines()[1:3] == ["  a.yaml:1: bad", "  b.yaml:2: worse"]


def test_an_unforeseen_error_is_short_and_says_how_to_get_the_traceback(failing, capsys, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.delenv("BUSLINE_DEBUG", raising=False)
    failing(ZeroDivisionError("by zero"))
    short = capsys.readouterr().err
    assert short.startswith(f"error[{UNEXPECTED_CODE}]: ZeroDivisionError: by zero\n")
    assert "BUSLINE_DEBUG=1" in short
    assert "Traceback" not in short
    monkeypatch.setenv("BUSLINE_DEBUG", "1")
    failing(ZeroDivisionError("by zero"))
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_no_input_drives_the_terminal(failing, capsys) -> None:  # type: ignore[no-untyped-def]
    failing(errors.ContractUnknown("no \x1b[2Jsuch\x9b contract\u202e"))
    assert "no \\x1b[2Jsuch\\x9b contract\\u202e" in capsys.readouterr().err
    assert clean("tab\tand\nline stay") == "tab\tand\nline stay"


def test_json_output_is_one_parseable_line_whatever_is_in_it() -> None:
    value = {"text": 'a\n\t"\x1b\x9b\u202eé', "bytes": b"\x00\xff", "set": {1}, "none": None}
    line = to_json(value)
    assert "\n" not in line
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in line)
    assert json.loads(line) == {"text": value["text"], "bytes": "\x00ÿ", "set": [1], "none": None}


def test_every_error_has_an_exit_code_and_a_description() -> None:
    for kind in every_error():
        error = kind.__new__(kind)
        errors.BuslineError.__init__(error, "x")
        error.__dict__ |= {"findings": (), "outcomes": (), "conflicts": (), "cause": None}
        assert exit_of(error) in set(Exit)
        assert describe(error).code == kind.code


def test_every_error_is_documented_with_cause_fix_and_exit_code() -> None:
    text = (ROOT / "docs/errors.md").read_text()
    rows = {code: (name, again, int(leave)) for code, name, again, leave in SUMMARY.findall(text)}
    expected = {UNEXPECTED_CODE: ("", "no", 1), USAGE_CODE: ("", "no", 2)}
    for kind in every_error():
        error = kind.__new__(kind)
        error.__dict__["cause"] = None
        expected[kind.code] = (kind.__name__, "yes" if kind.retryable else "no", int(exit_of(error)))
    assert rows == expected
    assert SECTION.findall(text) == sorted(expected)


def test_results_go_to_stdout_and_narration_to_stderr(capsys) -> None:  # type: ignore[no-untyped-def]
    for as_json, expected in ((False, ("table\n", "told\n")), (True, ('{"a": 1}\n', ""))):
        output = Output(as_json=as_json)
        output.note("told")
        output.result({"a": 1}, "table")
        assert tuple(capsys.readouterr()) == expected


def test_columns_align_words_left_and_numbers_right() -> None:
    assert (
        columns([("name", "lag"), ("a", "1000"), ("long-name", "7")])
        == "name        lag\na          1000\nlong-name     7"
    )


def busline(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "busline.cli.main", *args],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_help_imports_nothing_that_is_slow() -> None:
    code = (
        "import sys; from busline.cli.main import run; code = run(['--help']);"
        "print([m for m in ('pydantic', 'rich', 'httpx', 'aiokafka', 'asyncio', 'yaml', 'apsw') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_version_is_the_packages() -> None:
    assert re.fullmatch(r"busline \d+\.\d+\.\d+\S*\n", busline("--version").stdout)


def test_an_unknown_command_is_a_usage_error() -> None:
    done = busline("nope")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error[BL0002]: No such command 'nope'.\n  fix:   See `busline --help`.\n"


def test_a_misspelt_command_names_the_one_that_was_meant() -> None:
    assert "No such command 'reed'. Did you mean read?" in busline("reed").stderr


def test_a_reader_that_goes_away_ends_the_command_quietly() -> None:
    code = (
        "import busline.cli.main as m, click\n"
        "@click.command()\n"
        "def many():\n"
        "    for n in range(100_000): click.echo(f'line {n}')\n"
        "m.LazyGroup.get_command = lambda *_: many\n"
        "m.main(['many'])\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "line 0\n"
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait(30) == 141
    process.stderr.close()


def test_a_log_line_drives_no_terminal() -> None:
    record = logging.LogRecord("busline.bus", logging.ERROR, "", 0, "failed: %s", ("\x1b[31mred\nnext",), None)
    assert CleanFormatter("%(message)s").format(record) == "failed: \\x1b[31mred\nnext"
