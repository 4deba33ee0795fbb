"""README.md and docs/tutorial.md are run as they are written: files, commands, and what the terminal shows.

```python, ```yaml and ```toml with a title are files. In ```console a line after `$ ` is a command, what follows it is
shown by it (… stands for anything). A block titled `terminal 2` goes on in the background until `^C`.
"""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
DEADLINE = 40.0
KAFKA = "kafka://127.0.0.1:9092"
FENCE = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.M | re.S)


class Block(NamedTuple):
    language: str
    title: str
    text: str


def blocks(text: str) -> list[Block]:
    return [Block(*found.groups(default="")) for found in FENCE.finditer(text)]


class Step(NamedTuple):
    """One command and what it shows. command None: what the command before goes on to show; ^C: it is interrupted."""

    command: str | None
    shown: list[str]


def steps(text: str) -> list[Step]:
    found: list[Step] = []
    for line in text.splitlines():
        if line.startswith("$ ") or line == "^C":
            found.append(Step(line.removeprefix("$ ").partition("   #")[0].rstrip(), []))
        elif not found:
            found.append(Step(None, [line]))
        else:
            found[-1].shown.append(line)
    return found


def matches(shown: str, line: str) -> bool:
    return re.fullmatch(".*".join(re.escape(part) for part in shown.split("…")), line.rstrip()) is not None


class Background:
    """A process whose output, stderr with it, is read line by line as it comes."""

    def __init__(self, command: str, folder: Path, environ: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            shlex.split(command),
            cwd=folder,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line)
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def wait_for(self, shown: str) -> None:
        def there() -> bool:
            return any(matches(shown, line) for line in self.lines)

        with self._news:
            self._news.wait_for(lambda: there() or self._ended, DEADLINE)
        assert there(), f"{shown!r} never came:\n{''.join(self.lines)}"

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(DEADLINE) == 130, "".join(self.lines)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        if self.process.stdout is not None:
            self.process.stdout.close()


class Terminals:
    """A folder with a terminal in it, and a second one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("BUSLINE_", "PYTEST_"))}
        path = f"{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}"
        self.environ = {**clean, "PATH": path, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        self.second: Background | None = None

    def block(self, block: Block) -> None:
        if block.language == "console" and block.title:
            self.background(block.text)
        elif block.language == "console":
            for command, shown in steps(block.text):
                assert command is not None
                self.run(command, shown)
        else:
            file = self.folder / block.title
            file.write_text(block.text)

    def run(self, command: str, shown: list[str] | None = None) -> str:
        if command.startswith("cd "):
            self.folder /= command.removeprefix("cd ")
            return ""
        done = subprocess.run(
            command,
            shell=True,
            cwd=self.folder,
            env=self.environ,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=DEADLINE,
        )
        lines = done.stdout.splitlines()
        for line in shown or []:
            assert any(matches(line, found) for found in lines), f"$ {command}\nshows no {line!r}:\n{done.stdout}"
        told = any(line.startswith("error[") for line in shown or []) or "--dry-run" in command
        assert told or done.returncode == 0, f"$ {command}\n{done.stdout}"
        return done.stdout

    def background(self, text: str) -> None:
        for command, shown in steps(text):
            if command == "^C":
                assert self.second is not None
                self.second.interrupt()
            elif command is not None:
                self.end()
                self.second = Background(command, self.folder, self.environ)
            assert self.second is not None
            for line in shown:
                self.second.wait_for(line)

    def end(self) -> None:
        if self.second is not None:
            self.second.end()


@contextlib.contextmanager
def terminals(folder: Path) -> Iterator[Terminals]:
    both = Terminals(folder)
    try:
        yield both
    finally:
        both.end()


README, _, REST = (ROOT / "README.md").read_text().partition("\n## The second story\n")  # which has its own test
HELLO = next(block.text for block in blocks(README) if block.language == "python")
COMMANDS = [step.command for block in blocks(README) if block.language == "console" for step in steps(block.text)]
TUTORIAL, ON_KAFKA = re.split(r"(?=^## 7)", (ROOT / "docs/tutorial.md").read_text(), flags=re.M)


def renamed(text: str, names: dict[str, str]) -> str:
    """For a broker that other tests use: other teams, and where it is."""
    for old, new in names.items():
        text = re.sub(rf"(?<![\w-]){re.escape(old)}(?![\w-])", new, text)
    return text


def test_these_are_the_commands_of_the_readme() -> None:
    assert [
        "make demo",
        "make test",
        "busline run hello:bus",
        """echo '{"name": "you"}' | busline publish demo.hello --url sqlite:///bus.db""",
        "busline declare hello:bus",
        f"busline apply --env local --url {KAFKA}",
        f"BUSLINE_SERVICE=demo/hello busline run hello:bus --url {KAFKA}",
    ] == COMMANDS


def test_make_knows_what_the_readme_names() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
    assert set(re.findall(r"\bmake ([a-z-]+)", README + REST)) <= set(targets)


def test_the_readmes_hello_is_the_example() -> None:
    bare = re.sub(r"\s+", "", HELLO)
    assert re.sub(r"\s+", "", (ROOT / "examples/hello.py").read_text()) == bare


def test_the_readmes_hello_runs_and_then_in_two_terminals(tmp_path: Path) -> None:
    with terminals(tmp_path) as both:
        (both.folder / "hello.py").write_text(HELLO)
        assert "hello world\n" in both.run("python hello.py")
        both.background(f"$ {COMMANDS[2]}")
        both.run(str(COMMANDS[3]))
        both.background("hello you")


def test_the_readmes_hello_goes_to_kafka(tmp_path: Path, kafka: Any, unique: str) -> None:
    names = {"demo": unique, KAFKA: kafka.url}
    with terminals(tmp_path) as both:
        (both.folder / "hello.py").write_text(renamed(HELLO, names))
        declare, apply, run = (renamed(str(command), names) for command in COMMANDS[4:])
        both.run(declare)
        both.run(apply)
        environment, _, command = run.partition(" ")
        both.environ |= [environment.split("=")]
        both.background(f"$ {command}")
        publish = f"busline publish {unique}.hello --url {kafka.url} --as {unique}/hello"
        both.run(f"""echo '{{"name": "kafka"}}' | {publish}""")
        both.background("hello kafka\n^C\nstopped in order")


def test_the_tutorial_runs_as_it_is_written(tmp_path: Path) -> None:
    with terminals(tmp_path) as both:
        for block in blocks(TUTORIAL):
            both.block(block)


def test_the_tutorial_goes_on_to_kafka(tmp_path: Path, kafka: Any, unique: str) -> None:
    """What is made before, files and declarations, is taken over; what is run before, is not."""
    names = {"orders": f"{unique}o", "billing": f"{unique}b", KAFKA: kafka.url}
    made = ("busline init", "cd ", "busline declare")
    with terminals(tmp_path) as both:
        for block in blocks(renamed(TUTORIAL, names)):
            if block.language != "console":
                both.block(block)
            else:
                for command, shown in steps(block.text):
                    if command is not None and command.startswith(made):
                        both.run(command, shown)
        for block in blocks(renamed(ON_KAFKA, names)):
            both.block(block)


def test_every_fenced_block_of_the_tutorial_is_run() -> None:
    for block in blocks(TUTORIAL + ON_KAFKA):
        assert block.language in ("console", "python", "yaml", "toml"), block
        assert block.language == "console" or block.title, f"a file without a name: {block.text[:60]}"
    fences = len(re.findall(r"^```\w", TUTORIAL + ON_KAFKA, re.M))
    assert len(blocks(TUTORIAL + ON_KAFKA)) == fences
