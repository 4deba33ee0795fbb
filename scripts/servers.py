"""Start and stop the servers that busline is tested against, by hand:

    python scripts/servers.py up kafka          prints the URL and how to end it; the server stays
    python scripts/servers.py up registry
    python scripts/servers.py down [kafka|registry]

The tests start servers of their own (tests/conftest.py) by the same modules.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from scripts import kafka_server, registry_server
from scripts.processes import CACHE, ServerUnavailable, stop_pid

STATE = CACHE / "servers"


def up(name: str) -> None:
    if (STATE / f"{name}.json").exists():
        url = json.loads((STATE / f"{name}.json").read_text())["url"]
        raise ServerUnavailable(f"{name} is up already: {url}; end it by: python scripts/servers.py down {name}")
    server = kafka_server.start() if name == "kafka" else registry_server.start()
    STATE.mkdir(parents=True, exist_ok=True)
    folder = str(server.folder) if isinstance(server, kafka_server.KafkaServer) else None
    state = {"url": server.url, "pid": server.pid, "folder": folder}
    (STATE / f"{name}.json").write_text(json.dumps(state))
    print(server.url)
    print(f"process {server.pid}; end it by: python scripts/servers.py down {name}", file=sys.stderr)


def down(name: str) -> None:
    file = STATE / f"{name}.json"
    if not file.exists():
        print(f"{name} was not up", file=sys.stderr)
        return
    state = json.loads(file.read_text())
    if state["pid"]:
        stop_pid(state["pid"])
    if state["folder"]:
        shutil.rmtree(state["folder"], ignore_errors=True)
    file.unlink()


def main(arguments: list[str]) -> int:
    match arguments:
        case ["up", ("kafka" | "registry") as name]:
            up(name)
        case ["down", ("kafka" | "registry") as name]:
            down(name)
        case ["down"]:
            for name in ("kafka", "registry"):
                down(name)
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ServerUnavailable as error:
        sys.exit(f"servers: {error}")
