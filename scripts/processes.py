"""Server processes of this project's own: free ports, Maven downloads, start, readiness, end by process id."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache"
PATIENCE = 90.0
GRACE = 10.0


class ServerUnavailable(RuntimeError):
    """A server cannot be had on this machine; the message says how to get it."""


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody holds, all different; taken together so that none is handed out twice."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def have_java() -> bool:
    return bool(shutil.which("java") and shutil.which("mvn") and shutil.which("keytool"))


def maven(goal: Sequence[str], log: Path) -> None:
    """Run Maven in batch mode, once more if the first try fails (a cut download); the log stays when both do."""
    log.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(2):
        with log.open("wb") as out:
            done = subprocess.run(["mvn", "-q", "-B", *goal], stdout=out, stderr=subprocess.STDOUT, check=False)
        if done.returncode == 0:
            log.unlink()
            return
    raise ServerUnavailable(f"Maven could not resolve {' '.join(goal)}; see {log}")


class Process:
    """One server process in a session of its own, so that Ctrl-C reaches it only through us.

    tied: the kernel ends it when this process dies, however (Linux, by util-linux's setpriv).
    """

    def __init__(self, command: Sequence[str], log: Path, *, tied: bool,
                 environment: Mapping[str, str] | None = None) -> None:  # fmt: skip
        """environment: added to this process's own."""
        self.log = log
        env = {**os.environ, **(environment or {})}
        if tied and shutil.which("setpriv"):
            command = ["setpriv", "--pdeathsig", "TERM", *command]
        with log.open("wb") as out:
            self._popen = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=log.parent, env=env,
                start_new_session=True,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        return self._popen.pid

    def wait_until(self, ready: Callable[[], bool], name: str) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self._popen.poll() is not None:
                raise ServerUnavailable(f"{name} ended with status {self._popen.returncode}; see {self.log}")
            if ready():
                return
            time.sleep(0.1)
        self.stop()
        raise ServerUnavailable(f"{name} was not up after {PATIENCE:.0f} s; see {self.log}")

    def kill(self) -> None:
        """End it without a chance to tidy up."""
        self._popen.kill()
        self._popen.wait()

    def stop(self) -> None:
        if self._popen.poll() is None:
            self._popen.terminate()
            try:
                self._popen.wait(GRACE)
            except subprocess.TimeoutExpired:
                self._popen.kill()
                self._popen.wait()


def accepts(port: int) -> bool:
    """Whether something listens on the port of 127.0.0.1."""
    with socket.socket() as one:
        one.settimeout(0.5)
        return one.connect_ex(("127.0.0.1", port)) == 0


def stop_pid(pid: int) -> None:
    """End a process that an earlier run of ours started, and wait until it is gone."""
    for sign, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, GRACE)):
        try:
            os.kill(pid, sign)
        except ProcessLookupError:
            return
        end = time.monotonic() + patience
        while time.monotonic() < end and Path(f"/proc/{pid}").exists():
            time.sleep(0.05)
