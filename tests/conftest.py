"""What every test may ask for.

Servers, started at first use, once a run, ended by their process id; `-m "not kafka and not registry"` starts nothing:

- `kafka`: a `scripts.kafka_server.KafkaServer`, one real node. `.url` (kafka://127.0.0.1:port) and `.bootstrap`: no
  login, everyone is a super user. `.secure_bootstrap` (SASL: SCRAM-SHA-512, SCRAM-SHA-256 with re-authentication every
  2 s, PLAIN, OAUTHBEARER with unsecured tokens), `.tls_bootstrap` (SCRAM-SHA-512 over TLS; `.ca`), `.mtls_bootstrap`
  (`.ca`, `.client_cert`, `.client_key`; principal `.certificate_user`). `.admin`, `.plain_user`: (name, password).
  `.add_user`, `.drop_user`, `.grant(user, ["READ"], name=topic)`, `.revoke`; `.client` is kafka-python's admin client.
  The node is shared: use topic, group and user names of your own (fixture `unique`). With BUSLINE_TEST_KAFKA_NODES=3
  it is a cluster, and `.bootstrap` and the like are its first node.
- `kafka_cluster`: three nodes of the asking module alone, to `.kill(number)` and `.revive(number)`; `.servers` are all.
- `kafka_enforcing`: one node of the asking module alone, with the settings of docker/compose.yaml: no listener where
  anonymous is anybody, and every broker and controller port asks for a password. `.secure_url`, `.secure_bootstrap`
  (SCRAM-SHA-512, re-authentication within the hour; SCRAM-SHA-256, every 2 s), `.tls_bootstrap`, `.mtls_bootstrap`;
  `.admin` (name, password) is the one super user, `.login` the options by which kafka-python and aiokafka are it;
  `.client`, `.add_user`, `.grant` as above. `.authorizer_log`: the file of who was refused what, and allowed (DEBUG).
  `.ports["internal"]` and `.ports["controller"]` are the brokers' own. A module that needs other settings or nodes:
  `scripts.kafka_server.start(nodes, enforcing=True, tied=True, settings={"auto.create.topics.enable": "true"})`.
- `registry`: the URL of a real, empty, shared schema registry's Confluent API.
- `avro_java`: a function, pairs of schemas in, the verdicts of Avro's Java library out (needs Java and Maven).

Mark such tests `kafka` or `registry`; a test that asks for the fixture is marked by itself. Where neither Java with
Maven nor Docker is here they are skipped with one line at the end; BUSLINE_TEST_KAFKA=required makes that a failure.

Every async test is also watched: it fails if it leaves a task or a socket of its event loop behind.
"""

import asyncio
import os
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

REQUIRED = os.environ.get("BUSLINE_TEST_KAFKA", "") == "required"
SETTLE = 2.0
_missing: dict[str, str] = {}


def pytest_configure(config: pytest.Config) -> None:
    # kafka-python 3.0 reads its schemas by a call that Python 3.11 and 3.12 deprecate (and 3.13 takes back)
    config.addinivalue_line("filterwarnings", "ignore:(read_text|open_text|contents) is deprecated:DeprecationWarning")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        asked = set(getattr(item, "fixturenames", ()))
        for name in {"kafka", "registry"} & (asked | ({"kafka"} if "kafka_enforcing" in asked else set())):
            item.add_marker(getattr(pytest.mark, name))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if _missing and not REQUIRED:
        skipped = len(terminalreporter.stats.get("skipped", ()))
        what = " and ".join(sorted(_missing))
        terminalreporter.section("NOT TESTED ON A REAL SERVER", red=True, bold=True)
        terminalreporter.line(
            f"{what}: {skipped} tests skipped, since {next(iter(_missing.values()))}"
            " BUSLINE_TEST_KAFKA=required makes this a failure.",
            red=True,
            bold=True,
        )


def _had(name: str, start: Callable[[], Any]) -> Any:
    """What start gives, or skip (fail, when required) every test that asks for it."""
    from scripts.processes import ServerUnavailable

    try:
        return start()
    except ServerUnavailable as error:
        _missing[name] = str(error)
        if REQUIRED:
            pytest.fail(f"BUSLINE_TEST_KAFKA=required: {error}", pytrace=False)
        pytest.skip(str(error))


def _server(name: str, **how: Any) -> Iterator[Any]:
    from scripts import kafka_server, registry_server

    server = _had(name, lambda: {"kafka": kafka_server, "registry": registry_server}[name].start(tied=True, **how))
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def kafka() -> Iterator[Any]:
    yield from _server("kafka", nodes=int(os.environ.get("BUSLINE_TEST_KAFKA_NODES", "1")))


@pytest.fixture(scope="module")
def kafka_cluster() -> Iterator[Any]:
    from scripts.processes import have_java

    if not have_java():
        pytest.skip("several nodes are started as processes only: install Java and Maven")
    yield from _server("kafka", nodes=3)


@pytest.fixture(scope="module")
def kafka_enforcing() -> Iterator[Any]:
    yield from _server("kafka", enforcing=True)


@pytest.fixture(scope="session")
def kafka_secure(kafka: Any) -> Any:
    """The same node; says that the test is about credentials or ACLs."""
    return kafka


@pytest.fixture(scope="session")
def _registry_server() -> Iterator[Any]:
    yield from _server("registry")


@pytest.fixture(scope="session")
def registry(_registry_server: Any) -> str:
    return str(_registry_server.url)


@pytest.fixture(scope="session")
def avro_java() -> Callable[..., list[dict[str, Any]]]:
    from scripts import avro_java

    _had("avro_java", avro_java.libraries)
    return avro_java.verdicts


@pytest.fixture
def unique() -> str:
    """A word that no other test has: for topics, groups and users."""
    return f"t{uuid.uuid4().hex[:12]}"


def _sockets(loop: asyncio.AbstractEventLoop) -> int:
    selector = getattr(loop, "_selector", None)
    return len(selector.get_map()) if selector is not None else 0


@pytest.fixture
async def _left_behind() -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    tasks, sockets = asyncio.all_tasks(), _sockets(loop)
    yield
    own = asyncio.current_task()
    end = loop.time() + SETTLE
    while loop.time() < end:
        orphans = asyncio.all_tasks() - tasks - {own}
        if not orphans and _sockets(loop) <= sockets:
            return
        await asyncio.sleep(0.01)
    names = ", ".join(str(task.get_coro()) for task in orphans)
    pytest.fail(f"left behind: tasks [{names}], {_sockets(loop) - sockets} sockets", pytrace=False)


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> None:
    """Fails an async test that leaves tasks or sockets behind. Set up first, so checked after all other fixtures."""
    if asyncio.iscoroutinefunction(getattr(request.node, "obj", None)):
        request.getfixturevalue("_left_behind")
