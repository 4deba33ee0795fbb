"""Where a text points to: URLs, DSNs, host lists and paths, taken apart; and the same text without its secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

HOLE: Final = "\0"
"""Stands in a text for a part that is not known before the code runs; it fits no name."""
MAX_TEXT: Final = 8_192
_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,40}):(?://|(?=/))([^\s'\"<>`|\\]*)")
_HOST: Final = r"(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,250}[A-Za-z0-9_])?|\[[0-9a-fA-F:.]+\])\.?"
_BARE: Final = re.compile(rf"(?:{_HOST}(?::[0-9]{{1,5}})?)(?:[,;]\s*{_HOST}(?::[0-9]{{1,5}})?){{0,31}}")
_DSN_HOST: Final = re.compile(
    r"(?:^|[\s;?&])(?:host|hostaddr|server|data source|addr|address|bootstrap\.servers)\s*=\s*'?(?:tcp:)?([^\s;'&]+)",
    re.I,
)
_DSN_NAME: Final = re.compile(r"(?:^|[\s;?&])(?:dbname|database|initial catalog)\s*=\s*'?([^\s;'&]+)", re.I)
_SECRET: Final = re.compile(
    r"(?i)((?:pass(?:word|wd)?|pwd|secret|token|api[_-]?key|access[_-]?key|sas|sig(?:nature)?|auth\w*)[\"']?\s*[=:]\s*)"
    r"(?:\"[^\"]*\"|'[^']*'|[^\s;&,'\")}]+)"
)
_USERINFO: Final = re.compile(r"(?<=//)([^/\s:@]*)(:[^\s@]*(?:@(?=[^\s/]*@)[^\s@]*)*)?@")
_BY_NAME: Final = frozenset({"s3", "s3a", "s3n", "gs", "gcs", "dynamodb"})
_BY_PATH: Final = frozenset({"file", "sqlite", "duckdb"})
_IN_PATH: Final = frozenset({"dns", "ipv4", "ipv6", "xds"})
_SCHEMES: Final = {
    "cassandra": "scylla",
    "elasticsearch": "opensearch",
    "gcs": "gs",
    "grpc": "grpcs",
    "http": "https ws wss",
    "kafka": "confluent",
    "mongodb": "mongo",
    "mssql": "sqlserver",
    "mysql": "mariadb aiomysql pymysql",
    "nats": "tls",
    "postgres": "postgresql pgsql cockroachdb asyncpg psycopg psycopg2",
    "rabbitmq": "amqp amqps pyamqp",
    "redis": "rediss valkey valkeys unix",
    "s3": "s3a s3n",
}
_ALIASES: Final = {alias: kind for kind, aliases in _SCHEMES.items() for alias in aliases.split()}


@dataclass(frozen=True)
class Endpoint:
    """kind: from the URL's scheme; empty: unknown. name: database, bucket. bare: nothing but a host was written."""

    kind: str = ""
    host: str = ""
    port: str = ""
    name: str = ""
    path: str = ""
    bare: bool = False


def kind_of(word: str) -> str:
    """One name for what has several: postgresql+asyncpg, postgresql and postgres are postgres."""
    base = word.lower().partition("+")[0]
    return _ALIASES.get(base, base)


def endpoints(text: str) -> list[Endpoint]:
    """All that the text names. Linear in its length; longer texts are cut."""
    text = text[:MAX_TEXT].strip()
    found = [endpoint for match in _URL.finditer(text) for endpoint in _of_url(match[1], match[2])]
    if not found and "=" in text:
        found = list(_of_dsn(text))
    if not found and _BARE.fullmatch(text):
        found = [Endpoint(host=h, port=p, bare=True) for h, p in map(_split, re.split(r"[,;]\s*", text))]
    if text.startswith(("/", "~", "./", "../")) and "://" not in text:
        found.append(Endpoint(path=text))
    return found


def _of_url(scheme: str, rest: str) -> Iterator[Endpoint]:
    kind = kind_of(scheme.rpartition(":")[2])
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in rest and "@" not in authority and HOLE not in authority:
        user, _, after = rest.rpartition("@")  # a secret with a slash in it
        if ":" in user and "?" not in user:
            return (yield from _of_url(scheme, after))
    path = rest[len(authority) :]
    if kind in _BY_PATH:
        place = re.split(r"[?#]", path if kind == "file" else path.removeprefix("/"), maxsplit=1)[0]
        return (yield Endpoint(kind=kind, path=place))
    hosts = authority.rpartition("@")[2]
    if kind in _BY_NAME:
        return (yield Endpoint(kind=kind, name=hosts, path=path))
    if not hosts and kind in _IN_PATH:
        hosts, path = path.strip("/"), ""
    if not hosts and (said := _DSN_HOST.search(rest)):
        hosts = said[1]
    name = re.split(r"[/?#;]", path.removeprefix("/"), maxsplit=1)[0]
    for host in hosts.split(","):
        yield Endpoint(kind, *_split(host), name=name)
    return None


def _of_dsn(text: str) -> Iterator[Endpoint]:
    name = _DSN_NAME.search(text)
    for match in _DSN_HOST.finditer(text):
        for host in (
            match[1].split(",")
            if ":" in match[1] or not match[1].rpartition(",")[2].isdigit()
            else (match[1].partition(",")[0],)
        ):
            yield Endpoint("", *_split(host), name=name[1] if name else "")


def _split(host: str) -> tuple[str, str]:
    """Host in lower case, and port."""
    host = host.strip().lower()
    if host.startswith("["):
        return host.partition("]")[0][1:], host.rpartition("]:")[2] if "]:" in host else ""
    name, _, port = host.partition(":")
    name = name.rstrip(".").removesuffix(".cluster.local").removesuffix(".svc")
    return name, port


def masked(text: str, limit: int = 160) -> str:
    """As it may be shown: no passwords, tokens or keys; what is not known is `{}`."""
    shown = text[:MAX_TEXT].replace(HOLE, "{}")
    shown = _USERINFO.sub(lambda m: f"{m[1]}:***@" if m[2] else "***@", shown)
    shown = _SECRET.sub(r"\1***", shown)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"
