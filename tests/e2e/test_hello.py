"""The hello world, as written in the README, as processes: one, two over one file, killed, stopped, under uvicorn."""

import asyncio
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = re.findall(r"```python\n(from busline import Bus, Event\n.*?)```", (ROOT / "README.md").read_text(), re.S)[0]
DEADLINE = 40.0


def start(folder: Path, *arguments: str, **environ: str) -> subprocess.Popen[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("BUSLINE_")}
    return subprocess.Popen(
        [sys.executable, "-W", "error", *arguments],
        cwd=folder,
        env={**clean, "PYTHONUNBUFFERED": "1", **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextlib.contextmanager
def running(folder: Path, *arguments: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
    process = start(folder, *arguments, **environ)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=DEADLINE)
    return process.returncode, out, err


def until(process: subprocess.Popen[str], text: str) -> None:
    """Read the process's stdout until a line holds the text."""
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f"{text!r} never came: {process.stderr.read() if process.stderr else ''}")


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def wait_for(file: Path, count: int) -> None:
    end = time.monotonic() + DEADLINE
    while len(lines(file)) < count:
        assert time.monotonic() < end, f"{file} has {len(lines(file))} lines, not {count}"
        time.sleep(0.02)


def test_hello_runs_as_it_is_written_and_ends(tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text(README)
    code, out, err = finish(start(tmp_path, "hello.py"))
    assert (code, out) == (0, "hello world\n"), err
    assert err.count("\n") == 1 and "local/hello" in err


def test_hello_runs_on_memory_too(tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text(README.replace("sqlite:///bus.db", "memory://"))
    code, out, err = finish(start(tmp_path, "hello.py"))
    assert (code, out) == (0, "hello world\n"), err


SERVE = """
from hello import bus
bus.run()
"""

PUBLISH = """
import asyncio, sys
from busline import Bus
from hello import Hello
async def main():
    async with Bus("sqlite:///bus.db") as bus:
        await bus.publish(*(Hello(name=name) for name in sys.argv[1:]))
asyncio.run(main())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hello.py").write_text(
        README.replace("def greet", "def greet").replace('print("hello", hello.name)', GREET)
    )
    (tmp_path / "serve.py").write_text(SERVE)
    (tmp_path / "publish.py").write_text(PUBLISH)
    return tmp_path


GREET = """
    with open("greeted", "a") as file:
        print(hello.name, file=file, flush=True)
    print("hello", hello.name, flush=True)
""".strip()


def publish(folder: Path, *names: str) -> None:
    code, _, err = finish(start(folder, "publish.py", *names))
    assert code == 0, err


def test_two_processes_say_hello_over_one_file(folder: Path) -> None:
    with running(folder, "serve.py") as server:
        publish(folder, "you", "them")
        until(server, "hello")
        wait_for(folder / "greeted", 2)
        server.send_signal(signal.SIGTERM)
        assert finish(server)[0] == 0
    assert sorted(lines(folder / "greeted")) == ["them", "you"]


def test_a_killed_process_loses_nothing(folder: Path) -> None:
    names = [f"n{n}" for n in range(300)]
    publish(folder, *names)
    for enough in (20, 120):
        with running(folder, "serve.py") as server:
            wait_for(folder / "greeted", enough)
            server.kill()
            server.wait(DEADLINE)
    publish(folder, "last")
    with running(folder, "serve.py"):
        end = time.monotonic() + DEADLINE
        while set(lines(folder / "greeted")) != {*names, "last"}:
            assert time.monotonic() < end, "something was lost"
            time.sleep(0.05)


SLOW = """
import asyncio
from busline import Bus, Event
class Hello(Event, contract="demo.hello", key="name"):
    name: str
bus = Bus("sqlite:///bus.db")
@bus.subscribe(Hello)
async def greet(hello: Hello) -> None:
    print("begun", flush=True)
    await asyncio.sleep({seconds})
    print("finished", flush=True)
async def main() -> None:
    await bus.publish(Hello(name="world"))
    await asyncio.Event().wait()
bus.run(main)
"""


def test_a_signal_lets_what_is_in_hand_finish(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW.format(seconds=1))
    with running(tmp_path, "slow.py") as process:
        until(process, "begun")
        process.send_signal(signal.SIGTERM)
        code, out, err = finish(process)
    assert (code, out) == (0, "finished\n"), err


def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW.format(seconds=1000))
    with running(tmp_path, "slow.py") as process:
        until(process, "begun")
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        process.send_signal(signal.SIGINT)
        code, out, _ = finish(process)
    assert (code, out) == (128 + signal.SIGINT, "")


WEB = """
import functools
from fastapi import FastAPI
from busline import Bus, Event
class Hello(Event, contract="demo.hello", key="name"):
    name: str
bus = Bus("sqlite:///bus.db")
@bus.subscribe(Hello)
async def greet(hello: Hello) -> None:
    print("hello", hello.name, flush=True)
app = FastAPI(lifespan=bus.lifespan)
@app.post("/hello/{name}")
async def say(name: str) -> dict:
    return {"offset": (await bus.publish(Hello(name=name))).offset}
@app.post("/break")
async def break_it() -> None:
    bus._running().failed.set_result(RuntimeError("cannot go on"))
@app.get("/failure")
async def failure() -> dict:
    return {"failure": str(bus.failure)}
quiet = FastAPI(lifespan=functools.partial(bus.lifespan, exit_on_failure=False), routes=app.routes)
"""


@pytest.fixture
def web(tmp_path: Path) -> Path:
    (tmp_path / "web.py").write_text(WEB)
    return tmp_path


@contextlib.contextmanager
def serving(folder: Path, app: str = "web:app") -> Iterator[tuple[subprocess.Popen[str], int]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["-W", "default", "-m", "uvicorn", app, "--port", str(port), "--log-level", "warning"]
    with running(folder, *command) as process:
        end = time.monotonic() + DEADLINE
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.05)
        yield process, port


def post(port: int, path: str, method: str = "POST") -> str:
    import urllib.request

    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
    with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
        return str(answer.read().decode())


def test_under_uvicorn_a_service_publishes_and_handles_and_stops_in_order(web: Path) -> None:
    with serving(web) as (process, port):
        assert post(port, "/hello/you") == '{"offset":0}'
        until(process, "hello you")
        process.send_signal(signal.SIGTERM)
        code, _, err = finish(process)
    assert code in (0, -signal.SIGTERM) and "Traceback" not in err


def test_under_uvicorn_a_subscription_that_cannot_go_on_ends_the_process(web: Path) -> None:
    with serving(web) as (process, port):
        post(port, "/break")
        code, _, err = finish(process)
    assert code != 0 and "cannot go on" in err


def test_under_uvicorn_the_process_stays_where_that_is_wanted(web: Path) -> None:
    with serving(web, "web:quiet") as (process, port):
        post(port, "/break")
        assert post(port, "/failure", "GET") == '{"failure":"cannot go on"}'
        assert process.poll() is None


async def test_a_bus_lives_inside_a_loop_that_runs_already(tmp_path: Path) -> None:
    from busline import Bus, Event
    from busline.errors import ConfigurationError

    class Hello(Event, contract="demo.hello", key="name"):
        name: str

    bus = Bus(f"sqlite:///{tmp_path}/bus.db")
    seen: list[str] = []

    @bus.subscribe(Hello)
    async def greet(hello: Hello) -> None:
        seen.append(hello.name)

    async def main() -> None:
        await bus.publish(Hello(name="world"))
        await bus.caught_up()

    with pytest.raises(ConfigurationError):
        bus.run(main)
    assert await asyncio.wait_for(bus.serve(main), DEADLINE) is None
    assert seen == ["world"]


def test_importing_busline_imports_no_engine() -> None:
    code = "import sys, busline; print([m for m in ('pydantic', 'apsw', 'aiokafka', 'asyncio') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
