"""docker/compose.yaml: what it says is looked at, and its broker's files are run as they are, without a container."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from busline.errors import AuthenticationFailed
from busline.transport.kafka.engine import KafkaTransport
from busline.transport.security import Security

DOCKER = Path(__file__).parents[2] / "docker"
SECRETS = {"admin": "administrators-own", "broker": "brokers-own"}
PORTS = {"9092": "clients", "19092": "network", "19093": "internal", "9093": "controller"}


@pytest.fixture
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((DOCKER / "compose.yaml").read_text()))


def properties(name: str) -> dict[str, str]:
    """Of a file of Java's kind."""
    text = (DOCKER / "kafka" / name).read_text().replace("\\\n", "")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_nothing_is_published_but_to_this_machine(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", ())]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports)


def test_the_compose_file_holds_no_secret(compose: dict[str, Any]) -> None:
    assert compose["services"]["kafka"]["secrets"] == ["admin", "broker"]
    assert {name: one["file"] for name, one in compose["secrets"].items()} == {
        "admin": "./secrets/admin",
        "broker": "./secrets/broker",
    }
    assert "docker/secrets/" in (DOCKER.parent / ".gitignore").read_text().splitlines()
    for file in (DOCKER / "kafka").iterdir():
        assert "password=" not in file.read_text().replace('password="${secret:', "").replace("password=$(cat", "")


def test_what_it_mounts_and_starts_is_there(compose: dict[str, Any]) -> None:
    kafka = compose["services"]["kafka"]
    held = dict(volume.split(":")[:2] for volume in kafka["volumes"])
    assert held["./kafka"] == "/etc/busline"
    for path in (kafka["command"][1], kafka["healthcheck"]["test"].split()[-1]):
        assert (DOCKER / "kafka" / Path(path).relative_to("/etc/busline")).is_file()
    data = properties("node.properties")["log.dirs"]
    assert data.startswith(next(inside for name, inside in held.items() if name == "kafka-data"))


def test_the_broker_enforces() -> None:
    settings = properties("enforcing.properties") | properties("node.properties")
    assert settings["authorizer.class.name"].endswith("StandardAuthorizer")
    assert settings["allow.everyone.if.no.acl.found"] == "false"
    assert "ANONYMOUS" not in settings["super.users"]
    assert settings["auto.create.topics.enable"] == "false"
    assert 0 < int(settings["connections.max.reauth.ms"]) <= 3_600_000
    assert int(settings["offsets.retention.minutes"]) >= 90 * 24 * 60
    protocols = dict(one.split(":") for one in settings["listener.security.protocol.map"].split(","))
    assert "PLAINTEXT" not in protocols.values()
    assert {one.split("://")[0] for one in settings["listeners"].split(",")} <= protocols.keys()


def test_the_open_broker_is_another_file_and_on_this_machine_only() -> None:
    compose = yaml.safe_load((DOCKER / "compose.open.yaml").read_text())
    assert compose["services"]["kafka"]["ports"] == ["127.0.0.1:9092:9092"]


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed")
@pytest.mark.parametrize("file", ["compose.yaml", "compose.open.yaml"])
def test_compose_itself_takes_the_file(file: str) -> None:
    done = subprocess.run(
        ["docker-compose", "-f", str(DOCKER / file), "config", "-q"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The broker of the compose file: its own start.sh, node.properties and logging, at other ports and folders."""
    from scripts.kafka_node import LIBS, download
    from scripts.processes import Process, accepts, free_ports, have_java

    if not have_java():
        pytest.skip("started as a process: install Java and Maven")
    download()
    folder = tmp_path_factory.mktemp("compose")
    mine = dict(zip(PORTS.values(), free_ports(len(PORTS)), strict=True))
    text = (DOCKER / "kafka" / "node.properties").read_text()
    for theirs, name in sorted(PORTS.items(), key=lambda one: -len(one[0])):
        text = text.replace(f":{theirs}", f":{mine[name]}")
    text = text.replace("://:", "://127.0.0.1:").replace("/var/lib/kafka/data", str(folder / "data"))
    (folder / "node.properties").write_text(text)
    (folder / "secrets").mkdir(mode=0o700)
    for name, secret in SECRETS.items():
        (folder / "secrets" / name).write_text(secret)
    (folder / "bin").mkdir()
    logging = f"-Dlog4j2.configurationFile={DOCKER}/kafka/enforcing-log4j2.properties"
    logging += f" -Dauthorizer.log={folder}/authorizer.log"
    for program, main in (
        ("kafka-storage.sh", "kafka.tools.StorageTool"),
        ("kafka-server-start.sh", "kafka.Kafka"),
    ):
        made = folder / "bin" / program
        made.write_text(f"#!/bin/sh\nexec java -Xmx384m -XX:+UseSerialGC {logging} -cp '{LIBS}/*' {main} \"$@\"\n")
        made.chmod(0o700)
    environment = {
        "BUSLINE_SECRETS": str(folder / "secrets"),
        "BUSLINE_NODE": str(folder / "node.properties"),
        "BUSLINE_WORK": str(folder / "work"),
        "KAFKA_HOME": str(folder),
    }
    process = Process(
        ["sh", str(DOCKER / "kafka" / "start.sh")], folder / "broker.log", tied=True, environment=environment
    )
    try:
        process.wait_until(lambda: accepts(mine["clients"]), "Kafka")
        yield {"folder": folder, "url": f"127.0.0.1:{mine['clients']}"}
    finally:
        process.stop()


@pytest.mark.kafka
async def test_the_files_start_a_broker_that_the_administrator_alone_gets_into(node: dict[str, Any]) -> None:
    admin = KafkaTransport([node["url"]], security=Security(user="admin", password=SECRETS["admin"]))
    try:
        await admin.start()
        assert await admin.guards()
        assert await admin.acls() == frozenset()
    finally:
        await admin.aclose()
    for name, password in (("admin", "guessed"), ("broker", SECRETS["broker"])):
        stranger = KafkaTransport([node["url"]], security=Security(user=name, password=password))
        with pytest.raises(AuthenticationFailed):
            await stranger.start()
        await stranger.aclose()
    assert (node["folder"] / "authorizer.log").is_file()


@pytest.mark.kafka
def test_kafkas_own_tools_log_in_as_the_administrator(node: dict[str, Any], tmp_path: Path) -> None:
    """As the health check does, by admin.properties, which names the secret's file and does not hold it."""
    from scripts.kafka_node import LIBS

    login = tmp_path / "admin.properties"
    text = (DOCKER / "kafka" / "admin.properties").read_text()
    login.write_text(text.replace("/run/secrets", str(node["folder"] / "secrets")))
    done = subprocess.run(
        ["java", "-Xmx128m", "-cp", f"{LIBS}/*", "kafka.admin.ConfigCommand", "--bootstrap-server", node["url"],
         "--command-config", str(login), "--describe", "--entity-type", "users"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "'admin'" in done.stdout


def test_secrets_with_a_newline_are_refused_before_anything_starts(tmp_path: Path) -> None:
    for name in SECRETS:
        (tmp_path / name).write_text("secret\n")
    done = subprocess.run(
        ["sh", str(DOCKER / "kafka" / "start.sh")],
        env={**os.environ, "BUSLINE_SECRETS": str(tmp_path), "BUSLINE_WORK": str(tmp_path / "work")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "without a newline" in done.stderr
    assert not (tmp_path / "work").exists()
