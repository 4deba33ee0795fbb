"""Who may connect at all: nobody without credentials, and with old ones no longer than a login lasts."""

import ssl
import time
from typing import Any

import pytest

from scripts.raw_kafka import Login, RawKafka, Refused, codes

pytestmark = pytest.mark.kafka

TOPIC, AUTHENTICATION, UNSUPPORTED_MECHANISM = 29, 58, 33
SERVICE = "growth/stats"
BOTH = ("SCRAM-SHA-512", "SCRAM-SHA-256")
SHORT_LIVED = "SCRAM-SHA-256"
"""By this mechanism a login of the test cluster lasts 2 s (connections.max.reauth.ms)."""
ASKED = {"topics": None, "allow_auto_topic_creation": False}


def listener(company: Any, certificate: Any, name: str) -> tuple[str, ssl.SSLContext | None]:
    """Where it is, and TLS as a client without a certificate of its own would speak it."""
    tls = certificate(company.broker, own=False) if name in ("tls", "mtls") else None
    return f"127.0.0.1:{company.broker.ports[name]}", tls


def visits(raw: RawKafka) -> set[int]:
    """The codes of a fetch from a topic of the service's own."""
    return codes(raw.ask("Fetch", max_wait_ms=0, min_bytes=0, max_bytes=1 << 20, isolation_level=0, topics=[
        {"topic": "growth.visit", "partitions": [{"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1 << 20}]}
    ]))  # fmt: skip


@pytest.mark.parametrize("name", ["sasl", "tls", "mtls", "internal", "controller"])
def test_no_listener_lets_in_who_has_no_credentials(company: Any, certificate: Any, name: str) -> None:
    server, tls = listener(company, certificate, name)
    for api, version, asked in (("Metadata", 9, ASKED), ("DescribeCluster", 0, {})):
        with pytest.raises((Refused, OSError)), RawKafka(server, Login(tls=tls)) as raw:
            raw.ask(api, version=version, **asked)


@pytest.mark.parametrize("name", ["sasl", "tls", "internal", "controller"])
@pytest.mark.parametrize("mechanism", ["ANONYMOUS", "EXTERNAL", "GSSAPI", "OAUTHBEARER", "PLAIN"])
def test_no_other_way_to_log_in(company: Any, certificate: Any, name: str, mechanism: str) -> None:
    server, tls = listener(company, certificate, name)
    with RawKafka(server, Login(tls=tls)) as raw:
        asked = raw.ask("SaslHandshake", version=1, mechanism=mechanism)
        if mechanism == "PLAIN" and name in ("internal", "controller"):
            asked = raw.ask("SaslAuthenticate", version=1, auth_bytes=b"\0broker\0guessed")
            assert codes(asked) == {AUTHENTICATION}
        else:
            assert codes(asked) == {UNSUPPORTED_MECHANISM}


@pytest.mark.parametrize("user", ["growth/stats", "growth/nobody", "admin", "broker", "ANONYMOUS", "busline/apply", ""])
@pytest.mark.parametrize("mechanism", BOTH)
@pytest.mark.parametrize("name", ["sasl", "tls"])
def test_a_wrong_password_is_refused(company: Any, certificate: Any, name: str, mechanism: str, user: str) -> None:
    server, tls = listener(company, certificate, name)
    with pytest.raises(Refused) as caught:
        RawKafka(server, Login(user=user, password="guessed", mechanism=mechanism, tls=tls))
    assert caught.value.code == AUTHENTICATION


def test_a_service_logs_in_by_scram_over_tls(company: Any, certificate: Any) -> None:
    server, tls = listener(company, certificate, "tls")
    login = company.login(SERVICE)
    with RawKafka(server, Login(user=SERVICE, password=login.password, tls=tls)) as raw:
        assert visits(raw) == {0}


def test_plain_text_is_not_spoken_where_tls_is(company: Any) -> None:
    for name in ("tls", "mtls"):
        with pytest.raises((Refused, OSError)):
            RawKafka(f"127.0.0.1:{company.broker.ports[name]}", company.login(SERVICE))


def test_a_certificate_that_no_authority_vouches_for_is_refused(company: Any, certificate: Any, tmp_path: Any) -> None:
    from scripts import certificates

    strangers = certificates.make(tmp_path, company.broker.certificate_user.removeprefix("CN="))
    tls = certificate(company.broker, own=False)
    tls.load_cert_chain(strangers.client_cert, strangers.client_key)
    with pytest.raises((Refused, OSError)), RawKafka(company.broker.mtls_bootstrap, Login(tls=tls)) as raw:
        raw.ask("Metadata", **ASKED)


def test_a_certificate_without_a_grant_gets_nothing(company: Any, certificate: Any) -> None:
    tls = certificate(company.broker, own=True)
    with RawKafka(company.broker.mtls_bootstrap, Login(tls=tls)) as raw:
        assert raw.ask("Metadata", **ASKED)["topics"] == []
        assert visits(raw) == {0, TOPIC}
        assert raw.ask("ListGroups")["groups"] == []
    company.assert_unchanged()


def test_a_login_lasts_as_long_as_the_broker_says(company: Any, unique: str) -> None:
    with company.raw(SERVICE) as raw:
        assert 0 < raw.lifetime <= 3_600_000
    with RawKafka(company.broker.secure_bootstrap, another(company, unique)) as raw:
        assert 0 < raw.lifetime <= 2_000


def outlive(raw: RawKafka) -> None:
    """Go on asking until the broker hangs up, and so for ten lifetimes at most."""
    end = time.monotonic() + 10 * raw.lifetime / 1000
    while time.monotonic() < end:
        raw.ask("ApiVersions", version=0)
        raw.ask("Metadata", **ASKED)
        time.sleep(0.02)
    pytest.fail("an expired login still works")


def another(company: Any, name: str, password: str = "one") -> Login:
    """A service of growth that is there for this test alone."""
    company.broker.add_user(f"growth/{name}", password)
    return Login(user=f"growth/{name}", password=password, mechanism=SHORT_LIVED)


def test_who_does_not_log_in_again_is_cut_off(company: Any, unique: str) -> None:
    login = another(company, unique)
    with RawKafka(company.broker.secure_bootstrap, login) as raw, pytest.raises((OSError, Refused)):
        outlive(raw)


@pytest.mark.parametrize("change", ["deleted", "rotated"])
def test_old_credentials_end_with_the_login(company: Any, unique: str, change: str) -> None:
    login = another(company, unique)
    with RawKafka(company.broker.secure_bootstrap, login) as raw:
        again(raw, login)
        if change == "deleted":
            company.broker.drop_user(login.user)
        else:
            another(company, unique, "two")
        with pytest.raises(Refused) as caught:
            until_refused(raw, login)
        assert caught.value.code == AUTHENTICATION
    with pytest.raises(Refused) as caught:
        RawKafka(company.broker.secure_bootstrap, login)
    assert caught.value.code == AUTHENTICATION


def again(raw: RawKafka, login: Login) -> None:
    """As every client does before its login ends; a broker takes it once a second at most (KIP-368)."""
    time.sleep(1.05)
    raw.authenticate(login)


def until_refused(raw: RawKafka, login: Login) -> None:
    """A changed secret is known to the broker a moment after the controller said so."""
    for _ in range(20):
        again(raw, login)
    pytest.fail("old credentials still work")


def test_nobody_becomes_another_on_an_open_connection(company: Any, unique: str) -> None:
    mine, other = another(company, unique), another(company, f"{unique}-2")
    with RawKafka(company.broker.secure_bootstrap, mine) as raw:
        with pytest.raises((Refused, OSError)):
            again(raw, other)
        with pytest.raises(OSError):
            raw.ask("Metadata", **ASKED)


@pytest.mark.parametrize(
    ("header", "more"),
    [(b"n,a=orders/checkout,", b""), (b"n,a=admin,", b""), (b"n,,", b",tokenauth=true")],
    ids=["as a service", "as the administrator", "by a token"],
)
def test_own_credentials_say_who_one_is_and_nothing_else_does(company: Any, header: bytes, more: bytes) -> None:
    """SCRAM lets a client ask to act as another (RFC 5802, 5.1), and Kafka's to log in by a delegation token."""
    server = f"127.0.0.1:{company.broker.ports['sasl']}"
    with RawKafka(server, Login()) as raw:
        assert codes(raw.ask("SaslHandshake", version=1, mechanism="SCRAM-SHA-512")) == {0}
        first = header + b"n=growth/stats,r=nonce" + more
        assert codes(raw.ask("SaslAuthenticate", version=1, auth_bytes=first)) == {AUTHENTICATION}


@pytest.mark.parametrize("user", ["orders/checkout", "growth/stats ", "GROWTH/STATS", "growth//stats", "admin"])
def test_a_password_is_for_its_own_user_alone(company: Any, user: str) -> None:
    with pytest.raises(Refused) as caught:
        RawKafka(company.broker.secure_bootstrap, Login(user=user, password=company.password(SERVICE)))
    assert caught.value.code == AUTHENTICATION
