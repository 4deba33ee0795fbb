"""HTTP to a schema registry: retries, bounds and credentials. Nothing here knows schemas.

Bounds: each attempt has one deadline for all of it, a body is read up to MAX_BODY and never decompressed, a redirect
is followed only within the same scheme, host and port, so that credentials never reach another host.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import email.utils
import json
import os
import random
from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from busline.errors import ConfigurationError, MissingExtra, RegistryRefused, RegistryUnreachable

try:
    import httpx
except ImportError as error:  # pragma: no cover
    raise MissingExtra("a schema registry needs httpx", fix='Install it: pip install "busline[kafka]".') from error

MAX_BODY: Final = 8 * 1_048_576
MAX_REDIRECTS: Final = 3
RETRIED: Final = frozenset({429, 500, 502, 503, 504})
_ACCEPT: Final = "application/vnd.schemaregistry.v1+json, application/json;q=0.9"


@dataclass(frozen=True, kw_only=True)
class Patience:
    """attempts: tries in all. timeout: seconds for one try. first, longest: seconds of pause, doubled, with jitter."""

    attempts: int = 5
    timeout: float = 10.0
    first: float = 0.2
    longest: float = 20.0

    def pause(self, tries: int) -> float:
        """Full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter")."""
        return random.uniform(0.05, 1.0) * min(self.longest, self.first * 2.0 ** (tries - 1))


@dataclass(frozen=True, kw_only=True)
class Credentials(httpx.Auth):
    """User and password, or a bearer token. `password` and `token` are read anew for each request, and never shown."""

    user: str | None = None
    password: Callable[[], str] | None = field(default=None, repr=False)
    token: Callable[[], str] | None = field(default=None, repr=False)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self.token is not None:
            request.headers["Authorization"] = f"Bearer {self.token()}"
        elif self.user is not None:
            basic = httpx.BasicAuth(self.user, self.password() if self.password else "")
            yield from basic.auth_flow(request)
            return
        yield request


def credentials_from(environment: Mapping[str, str] = os.environ) -> Credentials | None:
    """BUSLINE_REGISTRY_TOKEN[_FILE], or BUSLINE_REGISTRY_USER with BUSLINE_REGISTRY_PASSWORD[_FILE]."""
    token = _secret("BUSLINE_REGISTRY_TOKEN", environment)
    user = environment.get("BUSLINE_REGISTRY_USER")
    if token is None and user is None:
        return None
    return Credentials(user=user, password=_secret("BUSLINE_REGISTRY_PASSWORD", environment), token=token)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A response's status and its JSON (None when the body is not JSON)."""

    status: int
    body: object

    @property
    def error_code(self) -> int:
        """Confluent's error code, e.g. 40401, else the HTTP status."""
        code = self.body.get("error_code") if isinstance(self.body, dict) else None
        return code if isinstance(code, int) else self.status

    @property
    def message(self) -> str:
        text = self.body.get("message") if isinstance(self.body, dict) else None
        return str(text)[:1000] if text else f"HTTP {self.status}"


Sleep = Callable[[float], Awaitable[None]]


class RegistryHttp:
    """One registry's HTTP. Safe to use from many tasks; every request of it may be repeated without harm."""

    def __init__(
        self,
        url: str,
        *,
        credentials: Credentials | None = None,
        patience: Patience | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._base, found = _address(url)
        self.shown = str(self._base).rstrip("/")
        self.has_credentials = bool(credentials or found)
        self.patience = patience or Patience()
        self._sleep = sleep
        self._client = httpx.AsyncClient(
            auth=credentials or found,
            timeout=self.patience.timeout,
            transport=transport,
            follow_redirects=False,
            headers={"Accept": _ACCEPT, "Accept-Encoding": "identity", "User-Agent": "busline"},
        )

    def __repr__(self) -> str:
        return f"RegistryHttp({self.shown!r})"

    @property
    def path(self) -> str:
        """The address's path, without a slash at its end."""
        return self._base.path.rstrip("/")

    async def aclose(self) -> None:
        await self._client.aclose()

    async def request(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: object = None
    ) -> Answer:
        """`path` is already quoted; with a slash in front, the server's, else below the registry's. Raises
        RegistryUnreachable after all tries, RegistryRefused when the answer is none of a registry (too large,
        compressed, a redirect to elsewhere)."""
        url = self._base.copy_with(path=path if path.startswith("/") else f"{self.path}/{path}", query=None)
        if query:
            url = url.copy_merge_params(query)
        tries = 0
        while True:
            tries += 1
            asked: float | None = None
            try:
                answer, asked = await self._follow(method, url, body)
            except (httpx.TransportError, TimeoutError) as error:
                if tries >= self.patience.attempts:
                    raise self._unreachable(_reason(error), tries) from None
            else:
                if answer.status not in RETRIED:
                    return answer
                if tries >= self.patience.attempts or (asked or 0) > self.patience.longest:
                    raise self._unreachable(f"HTTP {answer.status}: {answer.message}", tries)
            await self._sleep(self.patience.pause(tries) if asked is None else asked)

    async def _follow(self, method: str, url: httpx.URL, body: object) -> tuple[Answer, float | None]:
        for _ in range(MAX_REDIRECTS + 1):
            async with asyncio.timeout(self.patience.timeout):
                answer, headers = await self._once(method, url, body)
            if answer.status not in (301, 302, 307, 308) or "location" not in headers:
                return answer, _retry_after(headers)
            target = url.join(headers["location"])
            if (target.scheme, target.host, target.port) != (url.scheme, url.host, url.port):
                raise self._refused(
                    f"it redirects to {target.scheme}://{target.host}", "Name that address as registry."
                )
            url = target.copy_with(userinfo=b"")
        raise self._refused(f"more than {MAX_REDIRECTS} redirects", "Check the registry's address.")

    async def _once(self, method: str, url: httpx.URL, body: object) -> tuple[Answer, httpx.Headers]:
        async with self._client.stream(method, url, json=body) as response:
            if response.headers.get("content-encoding", "identity") != "identity":
                raise self._refused("it answers with a compressed body that was not asked for", "Check what is there.")
            data = bytearray()
            async for chunk in response.aiter_raw():
                data += chunk
                if len(data) > MAX_BODY:
                    raise self._refused(f"its answer has more than {MAX_BODY} bytes", "Check what is there.")
            return Answer(status=response.status_code, body=_json(bytes(data))), response.headers

    def _unreachable(self, why: str, tries: int) -> RegistryUnreachable:
        return RegistryUnreachable(
            f"no usable answer from the schema registry in {tries} tries",
            where=self.shown,
            why=why,
            fix="Check that it runs and that its address is right; running services do not need it.",
        )

    def _refused(self, why: str, fix: str) -> RegistryRefused:
        return RegistryRefused("this is not the answer of a schema registry", where=self.shown, why=why, fix=fix)


def _address(url: str) -> tuple[httpx.URL, Credentials | None]:
    """The URL without user and password, and these as credentials."""
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
        parsed = httpx.URL("")
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ConfigurationError(
            "the registry's address is not an http or https URL", fix="Write e.g. https://registry:8081."
        )
    bare = parsed.copy_with(userinfo=b"", query=None, fragment=None)
    if not parsed.userinfo:
        return bare, None
    password = parsed.password
    return bare, Credentials(user=parsed.username, password=lambda: password)


def _secret(name: str, environment: Mapping[str, str]) -> Callable[[], str] | None:
    path, value = environment.get(f"{name}_FILE"), environment.get(name)
    if path:
        return lambda: _read_secret(name, path)
    return None if value is None else lambda: value


def _read_secret(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"the file named by {name}_FILE cannot be read", where=path, why=type(error).__name__
        ) from None


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _json(data: bytes) -> object:
    try:
        return json.loads(data) if data else None
    except (ValueError, RecursionError):
        return None


def _retry_after(headers: httpx.Headers) -> float | None:
    """Seconds (RFC 9110, 10.2.3: a number, or a date), never negative."""
    text = headers.get("retry-after")
    if text is None:
        return None
    if text.strip().isdigit():
        return float(text)
    try:
        when = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=dt.UTC)
    return max(0.0, (when - dt.datetime.now(dt.UTC)).total_seconds())
