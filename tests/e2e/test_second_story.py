"""The README's second story and docs/find-and-read.md are run as they are written, each in a copy of the example.

In ```console a line after `$ ` is a command, the lines behind it are shown by it, in any order (… stands for anything).
`   # exit N` behind a command is its exit code, else it is 0.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = {
    "README": (ROOT / "README.md").read_text().partition("\n## The second story\n")[2].partition("\n## ")[0],
    "find-and-read": (ROOT / "docs/find-and-read.md").read_text(),
}


def steps(text: str) -> list[tuple[str, int, list[str]]]:
    """(command, exit code, what it shows)."""
    found: list[tuple[str, int, list[str]]] = []
    for block in re.findall(r"^```console\n(.*?)^```$", text, re.M | re.S):
        for line in block.splitlines():
            if line.startswith("$ "):
                command, _, code = line[2:].partition("   # exit ")
                found.append((command, int(code or 0), []))
            else:
                found[-1][2].append(line)
    return found


def squeezed(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("page", PAGES)
def test_the_page_runs_as_it_is_written(page: str, tmp_path: Path) -> None:
    folder = tmp_path / "story"
    shutil.copytree(ROOT / "examples/second_story", folder)
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("BUSLINE_", "PYTEST_", "GIT_"))}
    who = {f"GIT_{role}_{what}": "x@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environ = kept | who | {"NO_COLOR": "1", "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"}
    done_steps = 0
    for command, code, shown in steps(PAGES[page]):
        done = subprocess.run(
            command,
            shell=True,
            cwd=folder,
            env=environ,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
        )
        assert done.returncode == code, f"$ {command}\n{done.stdout}"
        lines = [squeezed(line) for line in done.stdout.splitlines()]
        for line in shown:
            wanted = ".*".join(re.escape(part) for part in squeezed(line).split("…"))
            assert any(re.fullmatch(wanted, one) for one in lines), f"$ {command}\nno {line!r} in\n{done.stdout}"
        done_steps += 1
    assert done_steps > 10
