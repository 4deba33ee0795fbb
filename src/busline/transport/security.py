"""Who a transport says it is, and whom it believes: users, tokens, certificates. Secrets are read anew at each use.

From arguments, or from the environment:

    BUSLINE_USER, BUSLINE_PASSWORD or BUSLINE_PASSWORD_FILE    a SCRAM or PLAIN user
    BUSLINE_TOKEN_FILE                                         a bearer token (SASL OAUTHBEARER, RFC 7628)
    BUSLINE_SASL_MECHANISM      PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 (with a user, the default), OAUTHBEARER
    BUSLINE_TLS=1               TLS with the system's certificate authorities
    BUSLINE_TLS_CA              TLS with the authorities of this PEM file
    BUSLINE_TLS_CERT, BUSLINE_TLS_KEY                          the client's own certificate (mutual TLS)
"""

from __future__ import annotations

import os
import ssl
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from busline.errors import AuthenticationFailed, ConfigurationError

Mechanism: TypeAlias = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]
Secret: TypeAlias = str | Path | Callable[[], str]
"""The text itself, a file that holds it, or a function that is asked for it (in a thread: it may block)."""

COMMAND_TIMEOUT = 30.0


@dataclass(frozen=True)
class Command:
    """A secret that a program prints: `Command(("vault", "read", "…"))`."""

    arguments: tuple[str, ...]

    def __call__(self) -> str:
        try:
            done = subprocess.run(self.arguments, capture_output=True, check=True, text=True, timeout=COMMAND_TIMEOUT)
        except (OSError, subprocess.SubprocessError) as error:
            # what the program printed may be the secret: say only how it ended
            raise ConfigurationError(
                f"the command {self.arguments[0]!r} gave no secret", why=type(error).__name__
            ) from None
        return done.stdout.rstrip("\r\n")


@dataclass(frozen=True, kw_only=True)
class Security:
    """Credentials and trust. Raises ConfigurationError when its parts do not fit together.

    user and password: SASL by `mechanism` (SCRAM-SHA-512 unless said otherwise). token: SASL OAUTHBEARER.
    ca_file, or tls=True for the system's authorities: TLS, host names verified. cert_file and key_file: mutual TLS.
    """

    user: str | None = None
    password: Secret | None = field(default=None, repr=False)
    token: Secret | None = field(default=None, repr=False)
    mechanism: Mechanism | None = None
    tls: bool = False
    ca_file: Path | str | None = None
    cert_file: Path | str | None = None
    key_file: Path | str | None = None

    def __post_init__(self) -> None:
        if self.mechanism is not None and self.mechanism not in get_args(Mechanism):
            raise ConfigurationError(
                f"{self.mechanism!r} is not a SASL mechanism", fix=f"Use one of {', '.join(get_args(Mechanism))}."
            )
        if (self.user is None) != (self.password is None):
            raise ConfigurationError("a user and a password go together", fix="Give both, or neither.")
        if self.user is not None and self.token is not None:
            raise ConfigurationError("a user and a token exclude each other", fix="Give one of them.")
        if (self.mechanism == "OAUTHBEARER") != (self.token is not None) and self.mechanism is not None:
            raise ConfigurationError("OAUTHBEARER and a token go together", fix="Give both, or neither.")
        if self.mechanism is not None and self.user is None and self.token is None:
            raise ConfigurationError(f"{self.mechanism} needs a user and a password")
        if (self.cert_file is None) != (self.key_file is None):
            raise ConfigurationError("a client certificate and its key go together", fix="Give both, or neither.")

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Security:
        """What the environment says; no credentials and no TLS when it says nothing."""
        env = {name: value for name, value in (os.environ if environ is None else environ).items() if value}
        password: Secret | None = env.get("BUSLINE_PASSWORD")
        if password is None and (file := env.get("BUSLINE_PASSWORD_FILE")):
            password = Path(file)
        token = env.get("BUSLINE_TOKEN_FILE")
        return cls(
            user=env.get("BUSLINE_USER"),
            password=password,
            token=Path(token) if token else None,
            mechanism=env.get("BUSLINE_SASL_MECHANISM"),  # type: ignore[arg-type]  # checked in __post_init__
            tls=env.get("BUSLINE_TLS", "") not in ("", "0"),
            ca_file=env.get("BUSLINE_TLS_CA"),
            cert_file=env.get("BUSLINE_TLS_CERT"),
            key_file=env.get("BUSLINE_TLS_KEY"),
        )

    @property
    def sasl_mechanism(self) -> Mechanism | None:
        """The mechanism to log in by; None: no login, or by certificate."""
        if self.token is not None:
            return "OAUTHBEARER"
        return (self.mechanism or "SCRAM-SHA-512") if self.user is not None else None

    @property
    def uses_tls(self) -> bool:
        return self.tls or self.ca_file is not None or self.cert_file is not None

    def read_secret(self) -> str:
        """The password or token as it is now. Blocking. Raises ConfigurationError, without the secret."""
        secret = self.token if self.token is not None else self.password
        if secret is None:
            return ""
        if isinstance(secret, str):
            return secret
        if isinstance(secret, Path):
            try:
                return secret.read_text().rstrip("\r\n")
            except (OSError, UnicodeError) as error:
                raise ConfigurationError(
                    "a secret cannot be read", where=str(secret), why=type(error).__name__
                ) from None
        return secret()

    def ssl_context(self) -> ssl.SSLContext | None:
        """TLS as configured, host names verified; None without TLS. Raises ConfigurationError."""
        if not self.uses_tls:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.cert_file is not None:
                context.load_cert_chain(self.cert_file, self.key_file)
        except (OSError, ssl.SSLError) as error:
            places = ", ".join(str(one) for one in (self.ca_file, self.cert_file, self.key_file) if one)
            raise ConfigurationError("TLS cannot be set up", where=places, why=str(error)) from error
        return context

    def refusal(self, server: str, why: str) -> AuthenticationFailed:
        """The error for a server that does not take these credentials."""
        who = self.user or ("the bearer of the token" if self.token is not None else "the client")
        return AuthenticationFailed(
            f"{server} refuses {who}",
            why=why,
            fix="Check the user and its password (BUSLINE_USER, BUSLINE_PASSWORD_FILE), and the SASL mechanism.",
        )
