"""A Kafka client that obeys nothing: one connection to one broker; any request can be sent, the answer is as it came.

For tests of what the broker itself refuses. The protocol's schemas and SCRAM's arithmetic are kafka-python's; there is
no retry, no metadata, no check before sending.
"""

from __future__ import annotations

import itertools
import socket
import ssl
import struct
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

with warnings.catch_warnings():
    # kafka-python 3.0 reads its schemas by a call that Python 3.11 and 3.12 deprecate (and 3.13 takes back)
    warnings.filterwarnings("ignore", "(read_text|open_text|contents) is deprecated", DeprecationWarning)
    import kafka.protocol.admin
    import kafka.protocol.consumer
    import kafka.protocol.metadata
    import kafka.protocol.producer
    import kafka.protocol.sasl
    from kafka.net.sasl.scram import ScramClient

PATIENCE = 20.0
"""Seconds for an answer."""
MODULES = (
    kafka.protocol.admin, kafka.protocol.consumer, kafka.protocol.metadata, kafka.protocol.producer,
    kafka.protocol.sasl,
)  # fmt: skip
VERSIONS = {
    "AddPartitionsToTxn": 3, "CreateAcls": 3, "DeleteAcls": 3, "DescribeAcls": 3, "DescribeConfigs": 4, "Fetch": 11,
    "JoinGroup": 4, "Metadata": 9, "OffsetCommit": 8, "OffsetFetch": 8, "Produce": 9, "DeleteTopics": 5,
    "ListOffsets": 7,
}  # fmt: skip
"""Of each request; else the highest that both sides have. These name topics by their names, not by ids."""


class Refused(Exception):
    """The broker did not let us in: its error code and message, or 0 where it only hung up."""

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(f"{code} {message}")
        self.code = code


@dataclass(frozen=True, kw_only=True)
class Login:
    """Who a connection says it is. Nothing given: nobody."""

    user: str | None = None
    password: str = ""
    mechanism: str = "SCRAM-SHA-512"
    tls: ssl.SSLContext | None = None


class RawKafka:
    """An open connection. Not for several threads. Raises ConnectionError when the broker hangs up."""

    def __init__(self, server: str, login: Login, *, client_id: str = "raw") -> None:
        self.client_id, self.lifetime = client_id, 0
        self._numbers = itertools.count()
        host, _, port = server.rpartition(":")
        plain = socket.create_connection((host, int(port)), PATIENCE)
        try:
            self._socket = login.tls.wrap_socket(plain, server_hostname=host) if login.tls else plain
            self._versions = {one["api_key"]: one for one in self.ask("ApiVersions", version=0)["api_keys"]}
            if login.user is not None:
                self.authenticate(login)
        except BaseException as error:
            self.close() if hasattr(self, "_socket") else plain.close()
            if isinstance(error, OSError) and not isinstance(error, TimeoutError):
                raise Refused(0, str(error)) from error
            raise

    def authenticate(self, login: Login) -> None:
        """SCRAM (RFC 5802); again on an open connection is a re-authentication (KIP-368). Sets `lifetime`: the
        milliseconds that the broker gives this login, 0 for ever. Raises Refused."""
        self._well("SaslHandshake", version=1, mechanism=login.mechanism)
        scram = ScramClient(login.user, login.password, login.mechanism)
        first = self._well("SaslAuthenticate", version=1, auth_bytes=scram.first_message())
        scram.process_server_first_message(first["auth_bytes"])
        last = self._well("SaslAuthenticate", version=1, auth_bytes=scram.final_message())
        scram.process_server_final_message(last["auth_bytes"])
        self.lifetime = last["session_lifetime_ms"]

    def _well(self, api: str, *, version: int, **body: Any) -> dict[str, Any]:
        answer = self.ask(api, version=version, **body)
        if answer["error_code"]:
            raise Refused(answer["error_code"], answer.get("error_message") or "")
        return answer

    def __enter__(self) -> RawKafka:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    @property
    def apis(self) -> set[int]:
        """Keys of the requests that this listener takes, as the broker says."""
        return set(self._versions)

    @staticmethod
    def key(api: str) -> int:
        """A request's key in the protocol, by its name."""
        return int(_message(f"{api}Request").API_KEY)

    def ask(self, api: str, *, version: int | None = None, **body: Any) -> dict[str, Any]:
        """One request by its name in the protocol; fields in snake_case, nested ones as mappings. So is the answer."""
        request, response = _message(f"{api}Request"), _message(f"{api}Response")
        if version is None:
            there = self._versions[request.API_KEY]["max_version"]
            version = VERSIONS.get(api) or min(request.max_version, there)
        sent = _filled(request, body, version)
        sent.with_header(correlation_id=next(self._numbers), client_id=self.client_id)
        self._send(sent.encode(framed=True, header=True))
        if not sent.expect_response():
            return {}
        answer: dict[str, Any] = response.decode(self._frame(), version=version, header=True).to_dict(json=False)
        return answer

    def ask_bytes(self, api_key: int, version: int, body: bytes) -> bytes:
        """A request that kafka-python has no schema for: a flexible version (KIP-482), encoded by the caller."""
        name = self.client_id.encode()
        number = next(self._numbers)
        head = struct.pack(">hhih", api_key, version, number, len(name)) + name + b"\0"
        self._send(struct.pack(">i", len(head) + len(body)) + head + body)
        answer = self._frame()
        assert answer[:4] == struct.pack(">i", number)
        return answer[5:]

    def _send(self, frame: bytes) -> None:
        self._socket.sendall(frame)

    def _frame(self) -> bytes:
        (size,) = struct.unpack(">i", self._exactly(4))
        return self._exactly(size)

    def _exactly(self, size: int) -> bytes:
        got = b""
        while len(got) < size:
            some = self._socket.recv(size - len(got))
            if not some:
                raise ConnectionResetError("the broker hung up")
            got += some
        return got


def batch(
    *values: bytes, producer: tuple[int, int] = (-1, -1), sequence: int = -1, transactional: bool = False
) -> bytes:
    """Records as a Produce request takes them. producer: id and epoch."""
    made = DefaultRecordBatchBuilder(2, 0, transactional, *producer, sequence, 1 << 20)
    for number, value in enumerate(values):
        made.append(number, 0, b"key", value, [])
    return bytes(made.build())


def records(data: bytes | None) -> Iterator[bytes | None]:
    """The values of a fetched partition, whole batches only."""
    all_of_it = MemoryRecords(bytes(data or b""))
    while (one := all_of_it.next_batch()) is not None:
        if not one.is_control_batch:
            yield from (record.value for record in one)


def codes(answer: Any) -> set[int]:
    """Every error code in an answer, 0 among them."""
    if isinstance(answer, Mapping):
        own = {value for name, value in answer.items() if name.endswith("error_code")}
        return own.union(*(codes(value) for value in answer.values()))
    if isinstance(answer, Sequence) and not isinstance(answer, str | bytes | memoryview):
        return set().union(*(codes(one) for one in answer))
    return set()


def _message(name: str) -> Any:
    return next(getattr(module, name) for module in MODULES if hasattr(module, name))


def _filled(kind: Any, body: Mapping[str, Any], version: int) -> Any:
    values = {}
    for name, value in body.items():
        field = kind._struct.fields[name]
        if field.is_struct_array() and value is not None:
            value = [_filled(field.data_class, one, version) for one in value]
        elif field.is_struct() and value is not None:
            value = _filled(field.data_class, value, version)
        values[name] = value
    return kind(version=version, **values)
