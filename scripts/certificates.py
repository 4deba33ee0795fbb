"""A throw-away certificate authority for the broker's TLS listeners and for clients that log in by certificate."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

PASSWORD = "changeit"  # of key stores that live as long as one run


@dataclass(frozen=True, kw_only=True)
class Certificates:
    """PEM files for clients, PKCS12 stores for the broker."""

    ca: Path
    client_cert: Path
    client_key: Path
    keystore: Path
    truststore: Path


def _run(*command: str, cwd: Path) -> None:
    subprocess.run(command, cwd=cwd, check=True, capture_output=True)


def _signed(name: str, subject: str, folder: Path) -> None:
    """`name`.pem and `name`.key, valid for 127.0.0.1 and localhost, signed by ca."""
    (folder / f"{name}.ext").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    _run("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj",
         subject, cwd=folder)  # fmt: skip
    _run("openssl", "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
         "-out", f"{name}.pem", "-days", "2", "-extfile", f"{name}.ext", cwd=folder)  # fmt: skip


def make(folder: Path, client_name: str) -> Certificates:
    """Make everything in `folder` (about a second). The client's principal is `User:CN=<client_name>`."""
    _run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days",
         "2", "-subj", "/CN=busline test authority", cwd=folder)  # fmt: skip
    _signed("broker", "/CN=127.0.0.1", folder)
    _signed("client", f"/CN={client_name}", folder)
    _run("openssl", "pkcs12", "-export", "-in", "broker.pem", "-inkey", "broker.key", "-certfile", "ca.pem", "-name",
         "broker", "-out", "broker.p12", "-passout", f"pass:{PASSWORD}", cwd=folder)  # fmt: skip
    _run("keytool", "-importcert", "-noprompt", "-alias", "ca", "-file", "ca.pem", "-keystore", "trust.p12",
         "-storetype", "PKCS12", "-storepass", PASSWORD, cwd=folder)  # fmt: skip
    return Certificates(
        ca=folder / "ca.pem",
        client_cert=folder / "client.pem",
        client_key=folder / "client.key",
        keystore=folder / "broker.p12",
        truststore=folder / "trust.p12",
    )
