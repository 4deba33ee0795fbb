"""Credentials: fit together or are refused, are read anew, and never show."""

import sys
from pathlib import Path

import pytest

from busline.errors import ConfigurationError
from busline.transport.security import Command, Security


def test_nothing_said_is_no_login_and_no_tls() -> None:
    security = Security.from_environment({})
    assert (security.sasl_mechanism, security.uses_tls, security.ssl_context()) == (None, False, None)


def test_the_environment_says_user_password_and_tls() -> None:
    security = Security.from_environment(
        {"BUSLINE_USER": "orders/checkout", "BUSLINE_PASSWORD": "s3cret", "BUSLINE_TLS": "1"}
    )
    assert (security.user, security.sasl_mechanism, security.uses_tls) == ("orders/checkout", "SCRAM-SHA-512", True)
    assert security.read_secret() == "s3cret"


def test_a_token_file_means_oauthbearer(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc\n")
    security = Security.from_environment({"BUSLINE_TOKEN_FILE": str(tmp_path / "token")})
    assert security.sasl_mechanism == "OAUTHBEARER"
    assert security.read_secret() == "abc"


def test_a_password_file_is_read_at_each_use(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("one\n")
    security = Security.from_environment({"BUSLINE_USER": "u", "BUSLINE_PASSWORD_FILE": str(file)})
    assert security.read_secret() == "one"
    file.write_text("two\r\n")
    assert security.read_secret() == "two"


def test_a_password_may_be_asked_for() -> None:
    answers = iter(["one", "two"])
    security = Security(user="u", password=lambda: next(answers))
    assert [security.read_secret(), security.read_secret()] == ["one", "two"]


def test_a_command_prints_the_secret_and_its_failure_does_not_show_it() -> None:
    assert Command((sys.executable, "-c", "print('from a program')"))() == "from a program"
    with pytest.raises(ConfigurationError) as caught:
        Command((sys.executable, "-c", "print('s3cret'); raise SystemExit(1)"))()
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "parts",
    [
        {"user": "u"},
        {"password": "p"},
        {"user": "u", "password": "p", "token": "t"},
        {"mechanism": "PLAIN"},
        {"mechanism": "GSSAPI", "user": "u", "password": "p"},
        {"mechanism": "OAUTHBEARER", "user": "u", "password": "p"},
        {"cert_file": "c"},
    ],
)
def test_parts_that_do_not_fit_together_are_refused(parts: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError):
        Security(**parts)  # type: ignore[arg-type]


def test_secrets_do_not_show() -> None:
    shown = repr(Security(user="u", password="s3cret")) + repr(Security(token="t0ken"))
    assert "u" in shown
    assert "s3cret" not in shown
    assert "t0ken" not in shown


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nowhere"):
        Security(user="u", password=tmp_path / "nowhere").read_secret()
    with pytest.raises(ConfigurationError, match="nowhere"):
        Security(ca_file=tmp_path / "nowhere").ssl_context()
