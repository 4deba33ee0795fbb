"""From a URL to a transport, without IO and without importing an engine that is not asked for."""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeAlias
from urllib.parse import SplitResult, parse_qs, urlsplit

from busline.errors import ConfigurationError, MissingExtra, UnknownTransport
from busline.transport.base import Transport

ENTRY_POINTS = "busline.transports"
"""Outside transports: an entry point named like the scheme, a callable `(url, security) -> Transport`."""

Factory: TypeAlias = Callable[[str, object | None], Transport]


def resolve(url: str, *, security: object | None = None) -> Transport:
    """The transport that `url` names, not yet started.

    memory://[name], sqlite:///relative, sqlite:////absolute, kafka://host:port,host:port, or an installed one's.
    memory and sqlite take `?ttl=seconds`. Raises UnknownTransport, MissingExtra, ConfigurationError.
    """
    scheme, separator, _ = url.partition("://")
    if not separator:
        raise _unknown(url)
    factory = _BUILT_IN.get(scheme) or _installed(scheme)
    if factory is None:
        raise _unknown(scheme)
    return factory(url, security)


def _unknown(scheme: str) -> UnknownTransport:
    known = sorted({*_BUILT_IN, *(entry.name for entry in entry_points(group=ENTRY_POINTS))})
    return UnknownTransport(
        f"no transport for {_without_secret(scheme)!r}",
        fix=f"Known are {', '.join(f'{name}://' for name in known)}; others are installed as packages.",
    )


def _without_secret(text: str) -> str:
    return text.rpartition("@")[2]


def _installed(scheme: str) -> Factory | None:
    found: tuple[EntryPoint, ...] = tuple(entry_points(group=ENTRY_POINTS, name=scheme))
    if not found:
        return None
    try:
        factory: Factory = found[0].load()
    except ImportError as error:
        raise MissingExtra(f"the transport {scheme}:// cannot be imported", why=str(error)) from error
    return factory


def _memory(url: str, security: object | None) -> Transport:
    from busline.transport.memory import MemoryTransport

    parts = urlsplit(url)
    return MemoryTransport(f"{parts.netloc}{parts.path}" or None, **_options(parts))


def _sqlite(url: str, security: object | None) -> Transport:
    from busline.transport.sqlite.engine import SqliteTransport

    parts = urlsplit(url)
    if parts.netloc or len(parts.path) < 2:
        raise ConfigurationError(
            f"{url!r} names no file", fix="Write sqlite:///relative/path.db or sqlite:////absolute/path.db."
        )
    return SqliteTransport(parts.path[1:], **_options(parts))


def _kafka(url: str, security: object | None) -> Transport:
    try:
        from busline.transport.kafka.engine import KafkaTransport
        from busline.transport.security import Security
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "busline":
            raise
        raise MissingExtra(
            "kafka:// needs packages that are not installed", why=str(error), fix="pip install 'busline[kafka]'"
        ) from error
    location = urlsplit(url).netloc
    if "@" in location:
        raise ConfigurationError(
            "a kafka:// URL holds no credentials", fix="Use Security(...), or BUSLINE_USER and BUSLINE_PASSWORD_FILE."
        )
    servers = [server for server in location.split(",") if server]
    if not servers:
        raise ConfigurationError("a kafka:// URL names its servers", fix="Write kafka://host:9092,host:9092.")
    if security is not None and not isinstance(security, Security):
        raise ConfigurationError(f"security is a {type(security).__name__}", fix="Pass a busline Security, or nothing.")
    return KafkaTransport(servers, security=security)


def _options(parts: SplitResult) -> dict[str, Any]:
    query = parse_qs(parts.query, keep_blank_values=True)
    if unknown := sorted(set(query) - {"ttl"}):
        raise ConfigurationError(f"{parts.scheme}:// has no option {unknown[0]!r}", fix="Its only option is ttl.")
    if not query:
        return {}
    try:
        ttl = float(query["ttl"][-1])
    except ValueError:
        ttl = math.nan
    if not 0 < ttl < math.inf:
        raise ConfigurationError(f"ttl={query['ttl'][-1]} is not a number of seconds", fix="Write ttl=10.")
    return {"ttl": ttl}


_BUILT_IN: dict[str, Factory] = {"memory": _memory, "sqlite": _sqlite, "kafka": _kafka}
