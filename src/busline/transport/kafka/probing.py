"""Does a listener let somebody in who should be refused? Asked with bare requests, and never taken for refused unless
the broker said so: a network that does not answer is another thing.

Source: the Kafka protocol guide (ApiVersions v0, Metadata v4, DescribeAcls v1: all that Kafka 2.0 to 4.3 take).
"""

from __future__ import annotations

import asyncio
import ssl
import struct
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from aiokafka.conn import create_conn
from aiokafka.protocol.admin import DescribeAclsRequest

from busline.errors import AuthenticationFailed, BuslineError
from busline.transport.kafka.connection import Connection
from busline.transport.kafka.failures import FOREIGN, translate
from busline.transport.security import Security

PATIENCE: Final = 5.0
"""Seconds for one listener."""
MAX_HEAD: Final = 65_536
API_VERSIONS, METADATA, DESCRIBE_ACLS = 18, 3, 29
_CLIENT: Final = b"busline-probe"
_NO_TOPICS: Final = struct.pack(">i?", 0, False)
_EVERY_ACL: Final = struct.pack(">bhbhhbb", 1, -1, 1, -1, -1, 1, 1)
_EVERY: Any = (1, None, 1, None, None, 1, 1)  # aiokafka says that none of it is None
_SAYS_NO: Final = ("certificate", "handshake failure", "access denied", "alert")


class Outcome(StrEnum):
    """refused: the broker itself said no. unknown: nobody said anything that can be relied on."""

    ALLOWED = "allowed"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Probed:
    """outcome: of what was tried. why: in words. powerful: it may even list the ACLs."""

    outcome: Outcome
    why: str = ""
    powerful: bool = False


async def probe_anonymous(host: str, port: int, *, tls: bool, controller: bool = False) -> Probed:
    """Ask for metadata without saying who we are. The server's certificate is not looked at: nothing is told to it.

    controller: it has no metadata to give, and is asked for the ACLs alone (KIP-919).
    """
    try:
        async with asyncio.timeout(PATIENCE):
            return await _anonymous(host, port, tls=tls, controller=controller)
    except (OSError, TimeoutError, EOFError) as error:
        if isinstance(error, ssl.SSLError) and any(word in str(error).lower() for word in _SAYS_NO):
            return Probed(outcome=Outcome.REFUSED, why="it asks for a certificate")
        return Probed(outcome=Outcome.UNKNOWN, why=_reason(error))


async def _anonymous(host: str, port: int, *, tls: bool, controller: bool) -> Probed:
    reader, writer = await asyncio.open_connection(host, port, ssl=_unverified() if tls else None)
    try:
        await _ask(reader, writer, API_VERSIONS, 0, b"")
        refused = Probed(outcome=Outcome.REFUSED, why="it hangs up on who has not logged in")
        try:
            if not controller:
                await _ask(reader, writer, METADATA, 4, _NO_TOPICS)
        except (EOFError, ConnectionError):
            return refused
        try:
            answer = await _ask(reader, writer, DESCRIBE_ACLS, 1, _EVERY_ACL)
        except (EOFError, ConnectionError):
            return refused if controller else Probed(outcome=Outcome.ALLOWED)
        return Probed(outcome=Outcome.ALLOWED, powerful=_code(answer) == 0)
    finally:
        writer.close()


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, api: int, version: int, body: bytes
) -> bytes:
    """The beginning of the answer's body, at most MAX_HEAD bytes. Raises EOFError, OSError."""
    head = struct.pack(">hhih", api, version, api, len(_CLIENT)) + _CLIENT
    writer.write(struct.pack(">i", len(head) + len(body)) + head + body)
    await writer.drain()
    length, correlation = struct.unpack(">ii", await reader.readexactly(8))
    if correlation != api or length < 4:
        raise EOFError("the answer is none of a Kafka broker")
    left = length - 4
    answer = await reader.readexactly(min(left, MAX_HEAD))
    left -= len(answer)
    while left > 0:
        some = await reader.read(min(left, MAX_HEAD))
        if not some:
            raise EOFError
        left -= len(some)
    return answer


def _code(answer: bytes) -> int:
    """Behind the throttle time."""
    code: int = struct.unpack_from(">ih", answer)[1]
    return code


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def probe_user(host: str, port: int, security: Security) -> Probed:
    """Log in by SCRAM, and ask for the ACLs; allowed: the broker tells them. A login that is refused is `unknown`: it
    says nothing of what the user may do.

    The server's certificate is not looked at, as whoever audits need not have its authority: SCRAM proves to both that
    the other knows the secret, and shows it to nobody (RFC 5802).
    """
    server = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    connection = Connection([server], security)
    try:
        async with asyncio.timeout(PATIENCE):
            options = await connection.options()
            if security.uses_tls:
                options["ssl_context"] = _unverified()
            conn: Any = await create_conn(host, port, **options)
            try:
                answer = await conn.send(DescribeAclsRequest(*_EVERY))
            finally:
                await _closed(conn)
    except FOREIGN as error:
        failure = error if isinstance(error, BuslineError) else translate(error, where=server)
        login = isinstance(failure, AuthenticationFailed)
        return Probed(outcome=Outcome.UNKNOWN, why=f"its login is refused: {failure.why}" if login else _reason(error))
    if answer.error_code == 0:
        return Probed(outcome=Outcome.ALLOWED, powerful=True)
    return Probed(outcome=Outcome.REFUSED, why=f"error code {answer.error_code}")


async def _closed(conn: Any) -> None:
    if (closing := conn.close()) is not None:
        await closing


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {PATIENCE:g} s"
    return str(error) or type(error).__name__
