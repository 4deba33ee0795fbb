"""Start and stop the servers that busline is tested against, by hand:

    python scripts/servers.py up kafka              prints the URL and how to end it; the server stays
    python scripts/servers.py up kafka --nodes 3    a cluster: three replicas, of which one may die (about 1.2 GB)
    python scripts/servers.py up kafka --enforcing  what docker/compose.yaml starts: nobody is anybody without a
                                                    password; says where the administrator's is (with --nodes too)
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

try:
    from scripts import kafka_server, registry_server
    from scripts.processes import CACHE, ServerUnavailable, stop_pid
except ModuleNotFoundError as missing:
    here = Path(__file__).resolve().parents[1]
    sys.exit(
        f"servers: this Python ({sys.executable}) has no {missing.name}. Run `make setup` once, then\n"
        f"    {here}/.venv/bin/python scripts/servers.py {' '.join(sys.argv[1:])}"
    )

STATE = CACHE / "servers"


def up(name: str, nodes: int = 1, *, enforcing: bool = False) -> None:
    if (STATE / f"{name}.json").exists():
        url = json.loads((STATE / f"{name}.json").read_text())["url"]
        raise ServerUnavailable(f"{name} is up already: {url}; end it by: python scripts/servers.py down {name}")
    if name == "kafka":
        kafka = kafka_server.start(nodes, enforcing=enforcing)
        url, pids, folder = kafka.url, kafka.pids, str(kafka.folder)
        if enforcing:
            print(f"the administrator is {kafka.admin[0]}, by the password in {kafka.admin_secret};", file=sys.stderr)
            print(f"who is refused what: {', '.join(map(str, kafka.authorizer_logs))}", file=sys.stderr)
    else:
        registry = registry_server.start()
        url, pids, folder = registry.url, [registry.pid] if registry.pid else [], None
    STATE.mkdir(parents=True, exist_ok=True)
    (STATE / f"{name}.json").write_text(json.dumps({"url": url, "pids": pids, "folder": folder}))
    print(url)
    shown = f"process{'es' if len(pids) > 1 else ''} {', '.join(map(str, pids))}" if pids else "a container"
    print(f"{shown}; end it by: python scripts/servers.py down {name}", file=sys.stderr)


def down(name: str) -> None:
    file = STATE / f"{name}.json"
    if not file.exists():
        print(f"{name} was not up", file=sys.stderr)
        return
    state = json.loads(file.read_text())
    for pid in state["pids"]:
        stop_pid(pid)
    if state["folder"]:
        shutil.rmtree(state["folder"], ignore_errors=True)
    file.unlink()


def _nodes(how: list[str]) -> int | None:
    """How many; None: no such command line."""
    match [word for word in how if word != "--enforcing"]:
        case []:
            return 1
        case ["--nodes", count] if count.isdigit() and int(count) > 0:
            return int(count)
    return None


def main(arguments: list[str]) -> int:
    match arguments:
        case ["up", "registry"]:
            up("registry")
        case ["up", "kafka", *how] if (nodes := _nodes(how)) is not None:
            up("kafka", nodes, enforcing="--enforcing" in how)
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
