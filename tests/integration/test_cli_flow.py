"""The README's flow and the tools' promises, as a user runs them: each command a process of its own."""

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest

ROOT = Path(__file__).parents[2]
Busline = Callable[..., subprocess.CompletedProcess[str]]
COMMAND = [sys.executable, "-m", "busline.cli.main"]


def clean_environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BUSLINE_")}
    return kept | {"NO_COLOR": "1"} | more


@pytest.fixture
def busline(tmp_path: Path) -> Busline:
    def run_apart(*args: str, given: str | bytes = "", cwd: Path | None = None, **environment: str) -> Any:
        done = subprocess.run(
            [*COMMAND, *args],
            input=given.encode() if isinstance(given, str) else given,
            capture_output=True,
            cwd=cwd or tmp_path,
            env=clean_environment(**environment),
            timeout=60,
        )
        return subprocess.CompletedProcess(args, done.returncode, done.stdout.decode(), done.stderr.decode())

    return run_apart


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """hello.py, declared and applied."""
    folder = tmp_path_factory.mktemp("hello")
    (folder / "hello.py").write_text((ROOT / "examples/hello.py").read_text())
    for args in (["declare", "hello:bus"], ["apply", "--env", "local"]):
        subprocess.run([*COMMAND, *args], cwd=folder, env=clean_environment(), check=True, capture_output=True)
    return folder


@pytest.fixture
def hello(prepared: Path, tmp_path: Path) -> Path:
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def here(hello: Path, in_process: Busline, monkeypatch: pytest.MonkeyPatch) -> Iterator[Busline]:
    """As `busline`, in this process: for what needs no other, quickly."""
    monkeypatch.chdir(hello)
    path = list(sys.path)
    yield in_process
    sys.path[:] = path
    sys.modules.pop("hello", None)


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def wait_for(stream: IO[str], text: str) -> list[str]:
    lines: list[str] = []
    while text not in (lines[-1] if lines else ""):
        line = stream.readline()
        assert line, f"ended before {text!r}: {lines}"
        lines.append(line)
    return lines


def test_hello_is_declared_and_applied_and_then_nothing_is_left_to_do(tmp_path: Path, busline: Busline) -> None:
    (tmp_path / "hello.py").write_text((ROOT / "examples/hello.py").read_text())
    declared = busline("declare", "hello:bus")
    assert (declared.returncode, declared.stdout.splitlines()) == (
        0,
        [
            "wrote schemas/busline.yaml",
            "wrote schemas/demo/hello.service.yaml",
            "wrote schemas/demo/hello/1.avsc",
            "wrote schemas/demo/hello/contract.yaml",
            "wrote schemas/demo/team.yaml",
        ],
    )
    assert busline("declare", "hello:bus", "--check").returncode == 0
    pending = busline("apply", "--env", "local", "--dry-run")
    assert pending.returncode == 3
    assert "  + new      topic demo.hello: 6 partitions" in pending.stdout
    assert busline("apply", "--env", "local").returncode == 0
    again = busline("apply", "--env", "local", "--dry-run")
    assert (again.returncode, again.stdout) == (0, "no changes\n")


def test_an_engine_that_was_begun_without_a_workspace_takes_one_later(tmp_path: Path, busline: Busline) -> None:
    (tmp_path / "hello.py").write_text((ROOT / "examples/hello.py").read_text())

    def hello() -> str:
        command = [sys.executable, "hello.py"]
        environment = clean_environment()
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60).stdout

    assert hello() == "hello world\n"
    assert busline("declare", "hello:bus").returncode == 0
    assert busline("apply", "--env", "local").returncode == 0
    assert hello() == "hello world\n"
    assert len(objects(busline("read", "demo.hello", "--json").stdout)) == 2


def test_check_says_what_is_stale_and_writes_nothing(hello: Path, busline: Busline) -> None:
    source = hello / "hello.py"
    source.write_text(source.read_text().replace("    name: str\n", "    name: str\n    mood: str = 'fine'\n"))
    before = sorted(p for p in hello.rglob("*") if "schemas" in str(p))
    done = busline("declare", "hello:bus", "--check")
    assert done.returncode == 3
    assert "schemas/demo/hello/2.avsc" in done.stderr
    assert sorted(p for p in hello.rglob("*") if "schemas" in str(p)) == before
    assert busline("declare", "hello:bus").stdout.splitlines() == [
        "wrote schemas/demo/hello.service.yaml",
        "wrote schemas/demo/hello/2.avsc",
    ]
    changes = objects(busline("apply", "--env", "local", "--json").stdout)[0]["changes"]
    assert ("demo.hello", "+", "version 2") in [(one["about"], one["mark"], one["what"]) for one in changes]


def test_a_second_service_that_only_hears_is_not_declared_a_publisher(hello: Path, busline: Busline) -> None:
    source = (hello / "hello.py").read_text()
    (hello / "greeter.py").write_text(source)
    declared = objects(busline("declare", "greeter:bus", "--service", "demo/greeter", "--json").stdout)[0]
    assert (declared["publishes"], declared["subscribes"]) == ([], ["demo.hello"])
    assert busline("declare", "greeter:bus", "--service", "demo/greeter", "--check").returncode == 0


def test_what_is_published_is_read(hello: Path, busline: Busline) -> None:
    published = busline("publish", "demo.hello", "--json", given='{"name": "ann"}\n{"name": "bob"}\n')
    assert published.returncode == 0
    assert [line["line"] for line in objects(published.stdout)] == [1, 2]
    events = objects(busline("read", "demo.hello", "--json").stdout)
    assert sorted(event["event"]["name"] for event in events) == ["ann", "bob"]
    assert set(events[0]) == {"contract", "partition", "offset", "log_time", "id", "time", "key", "event"}
    assert len(objects(busline("read", "demo.hello", "--json", "--limit", "1").stdout)) == 1


def test_what_read_writes_publish_takes(hello: Path, busline: Busline) -> None:
    busline("publish", "demo.hello", "--fake", "5", "--seed", "7")
    first = [event["event"] for event in objects(busline("read", "demo.hello", "--json").stdout)]
    again = busline("publish", "demo.hello", given=json.dumps(first))
    assert again.returncode == 0, again.stderr
    both = [event["event"]["name"] for event in objects(busline("read", "demo.hello", "--json").stdout)]
    assert sorted(both) == sorted([event["name"] for event in first] * 2)


def test_the_same_seed_makes_the_same_events(hello: Path, busline: Busline) -> None:
    for _ in range(2):
        busline("publish", "demo.hello", "--fake", "4", "--seed", "3")
    names = sorted(event["event"]["name"] for event in objects(busline("read", "demo.hello", "--json").stdout))
    assert names[::2] == names[1::2]


def test_a_dry_run_checks_and_publishes_nothing(hello: Path, busline: Busline) -> None:
    assert busline("publish", "demo.hello", "--dry-run", given='{"name": "ann"}').returncode == 0
    assert busline("publish", "demo.hello", "--dry-run", given='{"name": 7}').returncode == 1
    assert busline("read", "demo.hello", "--json").stdout == ""


def test_made_up_events_are_shown_by_a_dry_run_and_fit(hello: Path, busline: Busline) -> None:
    shown = busline("publish", "demo.hello", "--fake", "3", "--dry-run")
    assert shown.returncode == 0
    assert [set(event) for event in objects(shown.stdout)] == [{"name"}] * 3
    assert busline("publish", "demo.hello", given=shown.stdout).returncode == 0
    assert len(objects(busline("read", "demo.hello", "--json").stdout)) == 3


def test_reading_as_a_service_does_not_make_it_late(hello: Path, busline: Busline) -> None:
    busline("publish", "demo.hello", "--fake", "2")
    busline("read", "demo.hello", "--as", "demo/hello", "--limit", "1")
    assert busline("lag", "demo/hello", "--json").stdout == ""


def test_a_service_that_never_ran_is_not_late(here: Busline) -> None:
    done = here("lag", "demo/hello")
    assert (done.returncode, done.stdout) == (0, "")
    assert "no group of demo/hello has committed anything here" in done.stderr


def test_who_asks_makes_no_file(tmp_path: Path, busline: Busline) -> None:
    for args in (["read", "demo.hello"], ["lag", "demo/hello"], ["dlq", "list", "demo/hello"]):
        done = busline(*args, "--url", "sqlite:///slip/bus.db")
        assert done.returncode == 1
        assert "there is no file slip/bus.db" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_closed_stdin_is_said(hello: Path) -> None:
    command = " ".join([*COMMAND, "publish", "demo.hello", "<&-"])
    done = subprocess.run(
        command, shell=True, cwd=hello, env=clean_environment(), capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, "stdin is closed" in done.stderr) == (2, True)


def test_a_service_that_is_none_in_the_environment_is_wrong_usage(
    here: Busline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUSLINE_SERVICE", "demo")
    monkeypatch.setenv("BUSLINE_URL", "sqlite:///.busline/local.db")
    for wrong in (here("publish", "demo.hello"), here("run", "hello:bus")):
        assert (wrong.returncode, "not a service name" in wrong.stderr) == (2, True)


def test_a_publish_that_is_interrupted_says_how_far_it_came(hello: Path, busline: Busline) -> None:
    command = [*COMMAND, "publish", "demo.hello"]
    with subprocess.Popen(
        command, cwd=hello, env=clean_environment(), stdin=subprocess.PIPE, stderr=subprocess.PIPE
    ) as publishing:
        assert publishing.stdin and publishing.stderr
        publishing.stdin.write(b'{"name": "ann"}\n')
        publishing.stdin.flush()
        deadline = time.monotonic() + 30
        while busline("read", "demo.hello", "--json").stdout == "" and time.monotonic() < deadline:
            pass
        publishing.send_signal(signal.SIGINT)
        publishing.stdin.close()
        assert "1 published to demo.hello" in publishing.stderr.read().decode()
    assert publishing.returncode == 130


def test_a_name_that_is_there_twice_is_refused(here: Busline) -> None:
    done = here("publish", "demo.hello", given=b'{"name": "ann", "name": "bob"}\n')
    assert done.returncode == 1
    assert "'name' is there twice" in done.stderr


def test_a_bad_line_ends_it_and_the_lines_before_it_are_published(hello: Path, busline: Busline) -> None:
    done = busline("publish", "demo.hello", given='{"name": "ann"}\n\n{"nam": "bob"}\n{"name": "cid"}\n')
    assert done.returncode == 1
    assert "where: line 3" in done.stderr
    events = objects(busline("read", "demo.hello", "--json").stdout)
    assert [event["event"]["name"] for event in events] == ["ann"]


def test_keep_going_publishes_the_others_and_fails_at_the_end(hello: Path, busline: Busline) -> None:
    done = busline(
        "publish", "demo.hello", "--keep-going", "--json", given='{"name": "ann"}\nnonsense\n{"name": "cid"}\n'
    )
    assert done.returncode == 1
    lines = objects(done.stdout)
    assert [line["line"] for line in lines if "error" in line] == [2]
    assert [line["line"] for line in lines if "offset" in line] == [1, 3]


@pytest.mark.parametrize(
    "hostile",
    [
        b"\xff\xfe\x00",
        b"[" * 200_000,
        b'{"name": NaN}',
        b'{"name": "\\ud800"}',
        b'{"name": 1e999}',
        b'{"name": "a", "name": "b", "x": 1}',
        b"null",
        b'"text"',
        b"[1, 2]",
        b"\x00" * 100_000,
        b'{"name": "' + b"x" * 2_000_000 + b'"}',
    ],
    ids=lambda value: repr(value[:12]),
)
def test_hostile_input_is_an_error_with_its_line_and_nothing_is_published(here: Busline, hostile: bytes) -> None:
    done = here("publish", "demo.hello", given=hostile + b"\n")
    assert done.returncode == 1
    assert "error[BL04" in done.stderr or "error[BL06" in done.stderr or "error[BL05" in done.stderr
    assert "line 1" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr) < 3000
    assert here("read", "demo.hello", "--json").stdout == ""


def test_one_document_of_several_lines_is_taken_whole(hello: Path, busline: Busline) -> None:
    assert busline("publish", "demo.hello", given='{\n  "name": "ann"\n}\n').returncode == 0
    assert busline("publish", "demo.hello", given='\ufeff {\n  "name": "dan"\n}\n'.encode()).returncode == 0
    assert busline("publish", "demo.hello", given='[\n  {"name": "bob"},\n  {"name": "cid"}\n]\n').returncode == 0
    names = [event["event"]["name"] for event in objects(busline("read", "demo.hello", "--json").stdout)]
    assert sorted(names) == ["ann", "bob", "cid", "dan"]


def test_a_changed_version_is_refused_and_nothing_is_written(hello: Path, busline: Busline) -> None:
    schema = hello / "schemas/demo/hello/1.avsc"
    schema.write_text(schema.read_text().replace('"fields"', '"doc": "other", "fields"'))
    done = busline("apply", "--env", "local")
    assert done.returncode == 1
    assert "error[BL0900]" in done.stderr
    assert "demo.hello version 1" in done.stderr
    assert "2.avsc" in done.stderr


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["read", "demo.nope"], 1, "BL0204"),
        (["read", "Demo.Nope"], 2, "not a team name"),
        (["read", "demo.hello", "--as", "demo"], 2, "not a service name"),
        (["read", "demo.hello", "--start", "0:0,9:1"], 2, "no partition 9"),
        (["read", "demo.hello", "--url", ""], 2, "empty"),
        (["read", "demo.hello", "--env", ""], 2, "empty"),
        (["read", "demo.hello", "--start", "yesterday"], 2, "BL0100"),
        (["read", "demo.hello", "--start", "0:x"], 2, "BL0100"),
        (["read", "demo.hello", "--env", "nope"], 2, "There are: local"),
        (["read", "demo.hello", "--url", "nats://x"], 2, "BL0101"),
        (["read", "demo.hello", "--limit", "0"], 2, "BL0002"),
        (["apply"], 2, "--env"),
        (["run", "hello"], 2, "module:name"),
        (["run", "hello.py:bus"], 2, "Write the module: hello:bus"),
        (["run", "nope:bus"], 2, "no module 'nope'"),
        (["run", "hello:nope"], 2, "There is hello:bus"),
        (["lag", "hello"], 2, "not a service name"),
        (["lag", "demo/helo"], 2, "Did you mean demo/hello?"),
        (["lag", "nobody/knows"], 2, "neither the workspace, the contract log nor a consumer group knows it"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_a_wrong_command_line_says_what_is_right(here: Busline, args: list[str], code: int, says: str) -> None:
    for json_option in ([], ["--json"]):
        done = here(*args, *json_option)
        assert (done.returncode, done.stdout) == (code, "")
        assert says in done.stderr
    assert json.loads(done.stderr)["error"]["exit"] == code


def test_the_demo_removes_nobodys_file(busline: Busline, tmp_path: Path) -> None:
    for name in ("mine", "mine.py"):
        (tmp_path / name).write_text("precious")
    kept = busline("demo", "--keep", str(tmp_path / "mine"), cwd=ROOT)
    assert kept.returncode == 2
    assert "is there already" in kept.stderr
    assert [(tmp_path / name).read_text() for name in ("mine", "mine.py")] == ["precious"] * 2


@pytest.mark.parametrize("args", [["--orders", "0"], ["--swap", "billing/invoicing"]])
def test_a_demo_that_cannot_be_is_wrong_usage(busline: Busline, args: list[str]) -> None:
    assert busline("demo", *args, "--keep", "never.db", cwd=ROOT).returncode == 2


@pytest.mark.parametrize(("environment", "coloured"), [({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False)])
def test_errors_are_coloured_on_a_terminal_and_not_with_no_color(
    tmp_path: Path, environment: dict[str, str], coloured: bool
) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", 0) as terminal:
        subprocess.run([*COMMAND, "lag", "x"], stderr=theirs, cwd=tmp_path, env=clean_environment(**environment))
        os.close(theirs)
        shown = terminal.read(4000)
    assert b"not a service name" in shown
    assert (b"\x1b[" in shown) is coloured


def test_the_bare_command_shows_the_help_and_no_error(here: Busline) -> None:
    done = here()
    assert done.returncode == 2
    assert done.stderr.startswith("Usage: busline")


def test_a_program_that_may_not_shows_its_own_frames_alone(hello: Path, busline: Busline) -> None:
    program = (
        "from hello import Hello, bus\n\nasync def main():\n    await bus.publish(Hello(name='x'))\n\nbus.run(main)\n"
    )
    (hello / "program.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=hello,
        env=clean_environment(BUSLINE_SERVICE="other/sneaky", BUSLINE_WORKSPACE="schemas"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "AccessDenied: [BL0300]" in done.stderr
    assert done.stderr.count('File "') <= 3, done.stderr


def test_an_engine_that_is_not_there_exits_6(busline: Busline) -> None:
    done = busline("read", "demo.hello", "--url", "kafka://127.0.0.1:1", "--as", "demo/people")
    assert (done.returncode, done.stdout) == (6, "")
    assert "error[BL0501]" in done.stderr
    assert "127.0.0.1:1" in done.stderr


def test_a_workspace_with_findings_exits_4_and_lists_them(hello: Path, busline: Busline) -> None:
    (hello / "schemas/demo/hello/contract.yaml").write_text("descripton: Hello.\nkey: nme\n")
    done = busline("apply", "--env", "local")
    assert done.returncode == 4
    assert done.stderr.count("contract.yaml:") >= 2


def test_without_a_workspace_the_way_on_is_named(tmp_path: Path, busline: Busline) -> None:
    done = busline("apply", "--env", "local")
    assert done.returncode == 2
    assert "busline init" in done.stderr


def test_an_application_that_fails_shows_its_own_traceback(tmp_path: Path, busline: Busline) -> None:
    (tmp_path / "broken.py").write_text("def f():\n    return 1 / 0\n\nf()\n")
    done = busline("run", "broken:bus")
    assert done.returncode == 2
    assert "broken.py" in done.stderr
    assert "ZeroDivisionError: division by zero" in done.stderr
    assert "importlib" not in done.stderr
    assert "busline/cli" not in done.stderr


def test_init_makes_what_its_own_declare_and_apply_agree_with(tmp_path: Path, busline: Busline) -> None:
    for number, service in enumerate(["orders/checkout", "big-shop/order-desk"]):
        folder = tmp_path / f"shop{number}"
        assert busline("init", folder.name, "--service", service).returncode == 0
        module = service.partition("/")[2].replace("-", "_")
        assert busline("declare", f"{module}:bus", "--check", cwd=folder).returncode == 0
        assert busline("apply", "--env", "local", cwd=folder).returncode == 0


def test_init_overwrites_nothing(tmp_path: Path, busline: Busline) -> None:
    (tmp_path / "checkout.py").write_text("mine")
    done = busline("init")
    assert done.returncode == 2
    assert "checkout.py" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["checkout.py"]


def publish_once_up(busline: Busline, *publish: str, given: str | None = None) -> None:
    """As soon as the service has brought its engine up."""
    while busline(*publish, given=given).returncode != 0:
        time.sleep(0.1)


def test_a_service_runs_handles_and_is_then_not_behind(tmp_path: Path, busline: Busline) -> None:
    assert busline("init").returncode == 0
    service = subprocess.Popen(
        [*COMMAND, "run", "checkout:bus"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
        env=clean_environment(),
        text=True,
    )
    try:
        publish_once_up(busline, "publish", "orders.order-placed", "--fake", "1")
        assert service.stdout is not None
        assert wait_for(service.stdout, "order ")
        service.send_signal(signal.SIGTERM)
        assert service.wait(30) == 0
    finally:
        service.kill()
        service.wait()
        service.stdout.close() if service.stdout else None
    behind = objects(busline("lag", "orders/checkout", "--json").stdout)
    assert [(row["group"], row["topic"], row["lag"]) for row in behind] == [
        ("orders/checkout", "orders.order-placed", 0)
    ]


PRINTER = """
from busline import Bus, Event, Retry

class Hello(Event, contract="demo.hello", key="name"):
    name: str

bus = Bus("sqlite:///bus.db", service="demo/hello")

@bus.subscribe(Hello, retry=Retry(attempts=1))
async def greet(hello: Hello) -> None:
    print("hello", hello.name, flush=True)
"""


def test_a_service_whose_stdout_is_gone_ends_in_order_and_blames_no_event(tmp_path: Path, busline: Busline) -> None:
    (tmp_path / "printer.py").write_text(PRINTER)
    environment = clean_environment(BUSLINE_URL="sqlite:///bus.db")
    service = subprocess.Popen(
        [*COMMAND, "run", "printer:bus"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env=environment,
        text=True,
    )
    assert service.stdout is not None and service.stderr is not None
    try:
        publish = ["publish", "demo.hello", "--url", "sqlite:///bus.db"]
        publish_once_up(busline, *publish, given='{"name": "first"}\n')
        assert wait_for(service.stdout, "hello first")
        service.stdout.close()  # as `| head -1` does
        assert busline(*publish, given='{"name": "second"}\n').returncode == 0
        assert service.wait(30) == 141
        assert "Traceback" not in service.stderr.read()
    finally:
        service.kill()
        service.wait()
        service.stderr.close()
    assert busline("dlq", "list", "demo/hello", "--url", "sqlite:///bus.db", "--json").stdout == ""
    again = subprocess.Popen(
        [*COMMAND, "run", "printer:bus"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
        env=environment,
        text=True,
    )
    try:
        assert again.stdout is not None
        wait_for(again.stdout, "hello second")
        again.send_signal(signal.SIGTERM)
        assert again.wait(30) == 0
    finally:
        again.kill()
        again.wait()
        again.stdout.close() if again.stdout else None


def test_tail_shows_what_comes_and_ctrl_c_ends_it_with_130(hello: Path, busline: Busline) -> None:
    tail = subprocess.Popen(
        [*COMMAND, "tail", "demo.hello"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=hello,
        env=clean_environment(),
        text=True,
    )
    assert tail.stdout is not None and tail.stderr is not None
    try:
        wait_for(tail.stderr, "following demo.hello")
        shown = ""
        while "ann" not in shown:
            busline("publish", "demo.hello", given='{"name": "ann"}')
            shown = tail.stdout.readline()
        tail.send_signal(signal.SIGINT)
        assert tail.wait(30) == 130
        assert "Traceback" not in tail.stderr.read()
    finally:
        tail.kill()
        tail.wait()
        tail.stdout.close()
        tail.stderr.close()


@pytest.mark.parametrize(("answer", "code"), [(b"n\n", 3), (b"\n", 3), (b"y\n", 0)])
def test_a_person_is_asked_before_access_widens(
    inside: Any, monkeypatch: pytest.MonkeyPatch, answer: bytes, code: int
) -> None:
    monkeypatch.setattr("busline.cli.apply.somebody_is_there", lambda output: True)
    done = inside("apply", "--env", "local", given=answer)
    assert done.returncode == code
    assert "everyone in the company may have it" in done.stdout
    assert "Apply this to local (sqlite:///" in done.stderr
    assert inside("plan", "--env", "local", "--exit-code").returncode == (3 if code else 0)


def test_a_pipeline_and_who_says_yes_are_not_asked(inside: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert inside("apply", "--env", "local").returncode == 0
    monkeypatch.setattr("busline.cli.apply.somebody_is_there", lambda output: True)
    again = inside("apply", "--env", "local", "--yes")
    assert (again.returncode, again.stdout) == (0, "no changes\n")
