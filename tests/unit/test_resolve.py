"""From a URL to a transport: without IO, without engines that nobody asked for, and with errors that help."""

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from busline.errors import ConfigurationError, MissingExtra, UnknownTransport
from busline.transport import resolve as module
from busline.transport.base import Admin, Groups, Seekable, Transactional
from busline.transport.memory import MemoryTransport
from busline.transport.resolve import resolve
from busline.transport.sqlite.engine import SqliteTransport


def install(monkeypatch: pytest.MonkeyPatch, *entries: EntryPoint) -> None:
    monkeypatch.setattr(
        module, "entry_points", lambda group, name=None: tuple(e for e in entries if name in (None, e.name))
    )


def factory(url: str, security: object | None) -> tuple[str, object | None]:
    return url, security


async def test_memory_with_a_name_is_shared_and_without_is_its_own() -> None:
    async def topics_seen_by_a_second(url: str) -> int:
        one, two = resolve(url), resolve(url)
        assert isinstance(one, MemoryTransport)
        assert isinstance(two, MemoryTransport)
        await one.start()
        await two.start()
        await one.create_topics([module_topic()])
        seen = len(await two.topics())
        await one.aclose()
        await two.aclose()
        return seen

    assert await topics_seen_by_a_second("memory://test-resolve") == 1
    assert await topics_seen_by_a_second("memory://") == 0


def module_topic():  # type: ignore[no-untyped-def]
    from busline.transport.base import TopicSpec

    return TopicSpec(name="orders.order-placed")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///bus.db", "bus.db"),
        ("sqlite:///.busline/local.db", ".busline/local.db"),
        ("sqlite:////var/lib/bus.db", "/var/lib/bus.db"),
        ("sqlite:///bus.db?ttl=2", "bus.db"),
    ],
)
def test_sqlite_has_three_slashes_for_relative_and_four_for_absolute(
    url: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []
    monkeypatch.setattr(SqliteTransport, "__init__", lambda self, path, **options: seen.append((path, options)))
    resolve(url)
    assert seen == [(path, {"ttl": 2.0} if "ttl" in url else {})]


@pytest.mark.parametrize("url", ["memory://", "sqlite:///never-opened.db", "kafka://127.0.0.1:1,127.0.0.1:2"])
def test_every_built_in_transport_has_every_power_and_needs_no_server_to_be_made(url: str) -> None:
    transport = resolve(url)
    for power in (Seekable, Groups, Admin, Transactional):
        assert isinstance(transport, power)


@pytest.mark.parametrize("url", ["nats://x", "no url", "", "redis://user:hush@host/0"])
def test_an_unknown_scheme_names_the_known_ones_and_no_secret(url: str) -> None:
    with pytest.raises(UnknownTransport, match=r"kafka://, memory://, sqlite://") as caught:
        resolve(url)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://bus.db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///bus.db?tll=2",
        "memory://x?ttl=soon",
        "memory://x?ttl=0",
        "memory://x?ttl=inf",
        "kafka://",
        "kafka://user:hush@host:9092",
    ],
)
def test_a_url_that_says_nothing_useful_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        resolve(url)
    assert caught.value.fix
    assert "hush" not in str(caught.value)


def test_kafka_takes_busline_security_and_nothing_else() -> None:
    with pytest.raises(ConfigurationError, match="security is a str"):
        resolve("kafka://host:9092", security="hush")


def test_an_installed_transport_is_found_by_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, EntryPoint("mine", f"{__name__}:factory", module.ENTRY_POINTS))
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or _this())
    assert resolve("mine://somewhere", security=7) == ("mine://somewhere", 7)
    with pytest.raises(UnknownTransport, match="mine://"):
        resolve("yours://somewhere")


def _this():  # type: ignore[no-untyped-def]
    import types

    own = types.ModuleType(__name__)
    own.factory = factory  # type: ignore[attr-defined]
    return own


def test_an_installed_transport_that_cannot_be_imported_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, EntryPoint("mine", "no_such_package_at_all:factory", module.ENTRY_POINTS))
    with pytest.raises(MissingExtra, match="no_such_package_at_all"):
        resolve("mine://somewhere")


def test_without_the_kafka_extra_the_error_says_how_to_get_it() -> None:
    code = """
import sys
sys.modules["aiokafka"] = None
from busline.transport.resolve import resolve
try:
    resolve("kafka://host:9092")
except Exception as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert "BL0102" in done.stdout
    assert "pip install 'busline[kafka]'" in done.stdout


def test_resolving_memory_imports_no_other_engine() -> None:
    code = "import sys; from busline.transport.resolve import resolve; resolve('memory://'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert not {"apsw", "aiokafka", "kafka", "httpx"} & set(done.stdout.split())
