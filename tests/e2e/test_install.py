"""What is built can be installed: a wheel with everything a user needs, and nothing of the project's own."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as pip builds it, without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    done = subprocess.run(
        [*command, "--wheel-dir", str(folder), str(ROOT)], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    return next(folder.glob("busline-*.whl"))


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        about = archive.read(next(n for n in names if n.endswith("entry_points.txt"))).decode()
    modules = {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src/busline").rglob("*.py")}
    assert modules <= set(names) and "busline/py.typed" in names
    own = {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src/busline/contract/own").rglob("*.*")}
    assert own <= set(names) and len(own) >= 9, "busline's own contracts are files"
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"busline"}
    assert "busline = busline.cli.main:main" in about and "busline = busline.testing.plugin" in about


def test_what_is_installed_runs_from_elsewhere(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    (tmp_path / "hello.py").write_text((ROOT / "examples/hello.py").read_text())
    code = (
        "import runpy, sys; sys.path.insert(0, 'site'); import busline;"
        "assert busline.__file__.startswith(sys.argv[1]), busline.__file__;"
        "runpy.run_path('hello.py', run_name='__main__')"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout == "hello world\n", done.stderr


def test_without_the_extra_kafka_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['aiokafka'] = None\n"
        "from busline.transport.resolve import resolve\n"
        "try: resolve('kafka://127.0.0.1:9092')\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("MissingExtra") and "busline[kafka]" in done.stdout, done.stdout + done.stderr
