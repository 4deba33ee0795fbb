"""The registry client: what it retries, what it refuses, and what it never gives away."""

import json
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from busline.contract.schema import parse
from busline.errors import (
    BuslineError,
    ConfigurationError,
    RegistryForbidden,
    RegistryRefused,
    RegistryUnreachable,
)
from busline.governance.registry.http import MAX_BODY, Patience, RegistryHttp, credentials_from
from busline.governance.registry.registry import Registered, Registry

SCHEMA = parse({"type": "record", "name": "A", "fields": [{"name": "a", "type": "string"}]})
Handler = Callable[[httpx.Request], httpx.Response]


class Server:
    """Answers in turn; keeps every request, and every pause between tries."""

    def __init__(self, *answers: httpx.Response | Exception | Handler) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.pauses: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        made = answer if isinstance(answer, httpx.Response) else answer(request)
        if not made.is_stream_consumed:
            return made
        return httpx.Response(made.status_code, headers=made.headers, stream=httpx.ByteStream(made.content))

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def client(self, url: str = "http://registry:8081", environment: dict[str, str] | None = None) -> Registry:
        return Registry(
            RegistryHttp(
                url,
                credentials=credentials_from(environment or {}),
                patience=Patience(attempts=4, timeout=2.0),
                transport=httpx.MockTransport(self),
                sleep=self.sleep,
            )
        )


def answer(status: int, body: object, **headers: str) -> httpx.Response:
    return httpx.Response(status, json=body, headers={k.replace("_", "-"): v for k, v in headers.items()})


async def test_register_and_lookup_normalize_so_that_spaces_make_no_version() -> None:
    server = Server(answer(200, {"id": 7}), answer(200, {"id": 7, "version": 3}))
    async with server.client("http://registry:8081/apis/ccompat/v7/") as registry:
        assert await registry.register("orders.a-value", SCHEMA) == 7
        assert await registry.lookup("orders.a-value", SCHEMA) == Registered(7, 3)
    assert [str(r.url) for r in server.requests] == [
        "http://registry:8081/apis/ccompat/v7/subjects/orders.a-value/versions?normalize=true",
        "http://registry:8081/apis/ccompat/v7/subjects/orders.a-value?normalize=true",
    ]
    assert json.loads(server.requests[0].content) == {"schema": SCHEMA.text}


async def test_what_is_not_there_is_none_and_not_an_error() -> None:
    server = Server(answer(404, {"error_code": 40401, "message": "Subject not found."}))
    async with server.client() as registry:
        assert await registry.lookup("a-value", SCHEMA) is None
        assert await registry.versions("a-value") == []
        assert await registry.level("a-value") is None
        assert await registry.schema(12) is None


async def test_a_subject_is_quoted_in_the_path() -> None:
    server = Server(answer(200, [1]))
    async with server.client() as registry:
        await registry.versions("../config?x=#1")
    assert server.requests[0].url.raw_path == b"/subjects/..%2Fconfig%3Fx%3D%231/versions"


async def test_subjects_are_asked_in_pages() -> None:
    names = [f"t.s{i:04}-value" for i in range(1203)]

    def page(request: httpx.Request) -> httpx.Response:
        offset, limit = int(request.url.params["offset"]), int(request.url.params["limit"])
        return answer(200, names[offset : offset + limit])

    async with Server(page).client() as registry:
        assert await registry.subjects("t.") == (names, True)


async def test_a_registry_that_stops_at_1000_subjects_is_not_believed_to_be_complete() -> None:
    names = [f"t.s{i:04}-value" for i in range(1000)]
    async with Server(answer(200, names)).client() as registry:
        found = await registry.subjects()
    assert found.names == names
    assert not found.complete


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_a_passing_failure_is_tried_again(status: int) -> None:
    server = Server(answer(status, {}), httpx.ConnectError("refused"), answer(200, {"id": 1}))
    async with server.client() as registry:
        assert await registry.register("a-value", SCHEMA) == 1
    assert len(server.pauses) == 2
    assert all(0 < pause <= 20 for pause in server.pauses)


async def test_the_pause_that_the_registry_asks_for_is_kept() -> None:
    server = Server(answer(503, {}, retry_after="7"), answer(200, {"id": 1}))
    async with server.client() as registry:
        await registry.register("a-value", SCHEMA)
    assert server.pauses == [7.0]


async def test_a_registry_that_asks_for_an_hour_is_unreachable_now() -> None:
    server = Server(answer(503, {"message": "closed"}, retry_after="3600"))
    async with server.client() as registry:
        with pytest.raises(RegistryUnreachable, match="closed"):
            await registry.versions("a-value")
    assert server.pauses == []


async def test_tries_end_and_say_why() -> None:
    server = Server(httpx.ConnectError("nobody there"))
    async with server.client() as registry:
        with pytest.raises(RegistryUnreachable, match="nobody there") as caught:
            await registry.versions("a-value")
    assert len(server.requests) == 4
    assert caught.value.retryable


async def test_a_refusal_is_not_tried_again() -> None:
    server = Server(answer(409, {"error_code": 409, "message": "reader field 'b' has no default"}))
    async with server.client() as registry:
        with pytest.raises(RegistryRefused, match="reader field 'b' has no default"):
            await registry.register("a-value", SCHEMA)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [401, 403])
async def test_refused_credentials_are_told_apart(status: int) -> None:
    async with Server(answer(status, {"message": "no"})).client() as registry:
        with pytest.raises(RegistryForbidden, match="BUSLINE_REGISTRY_TOKEN"):
            await registry.versions("a-value")


async def test_a_redirect_to_another_host_is_refused_before_anything_is_sent_there() -> None:
    for elsewhere in ("http://evil.example/subjects", "http://registry:9999/x", "//evil.example/x"):
        server = Server(httpx.Response(307, headers={"location": elsewhere}))
        async with server.client(environment={"BUSLINE_REGISTRY_TOKEN": "s3cret"}) as registry:
            with pytest.raises(RegistryRefused, match="redirects"):
                await registry.versions("a-value")
        assert [r.url.host for r in server.requests] == ["registry"]


async def test_an_upgrade_to_another_scheme_is_refused_with_the_address_to_write() -> None:
    server = Server(httpx.Response(308, headers={"location": "https://registry/subjects"}))
    async with server.client() as registry:
        with pytest.raises(RegistryRefused, match="https://registry"):
            await registry.versions("a-value")


async def test_a_redirect_on_the_same_host_is_followed_and_a_loop_of_them_ends() -> None:
    moved = httpx.Response(307, headers={"location": "/v2/subjects/a-value/versions"})
    async with Server(moved, answer(200, [1, 2])).client() as registry:
        assert await registry.versions("a-value") == [1, 2]
    async with Server(moved).client() as registry:
        with pytest.raises(RegistryRefused, match="more than 3 redirects"):
            await registry.versions("a-value")


async def test_an_endless_body_is_cut_off() -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 65_536
            yield bytes(65_536)

    async with Server(lambda _: httpx.Response(200, content=endless())).client() as registry:
        with pytest.raises(RegistryRefused, match="more than"):
            await registry.versions("a-value")
    assert sent <= MAX_BODY + 2 * 65_536


async def test_a_compressed_body_is_never_unpacked() -> None:
    bomb = httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(b"\x1f\x8b"))
    async with Server(bomb).client() as registry:
        with pytest.raises(RegistryRefused, match="compressed"):
            await registry.versions("a-value")


@pytest.mark.parametrize(
    "body", [b"<html>hello</html>", b"[" * 100_000, b"null", b'{"id": "seven"}', b'{"id": true}', b""]
)
async def test_an_answer_of_something_else_is_refused(body: bytes) -> None:
    async with Server(httpx.Response(200, content=body)).client() as registry:
        with pytest.raises(RegistryRefused, match="not what a schema registry says"):
            await registry.register("a-value", SCHEMA)


async def test_basic_and_bearer_credentials_go_out_with_every_request() -> None:
    for environment, header in (
        ({"BUSLINE_REGISTRY_USER": "ann", "BUSLINE_REGISTRY_PASSWORD": "pw"}, "Basic YW5uOnB3"),
        ({"BUSLINE_REGISTRY_TOKEN": "t0k"}, "Bearer t0k"),
    ):
        server = Server(answer(200, [1]))
        async with server.client(environment=environment) as registry:
            await registry.versions("a-value")
        assert server.requests[0].headers["authorization"] == header


async def test_a_secret_in_a_file_is_read_anew_for_each_request(tmp_path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "token"
    file.write_text("old\n")
    server = Server(answer(200, [1]))
    async with server.client(environment={"BUSLINE_REGISTRY_TOKEN_FILE": str(file)}) as registry:
        await registry.versions("a-value")
        file.write_text("new\n")
        await registry.versions("a-value")
        file.unlink()
        with pytest.raises(ConfigurationError, match="BUSLINE_REGISTRY_TOKEN_FILE"):
            await registry.versions("a-value")
    assert [r.headers["authorization"] for r in server.requests] == ["Bearer old", "Bearer new"]


async def test_no_secret_is_in_a_repr_or_an_error() -> None:
    server = Server(httpx.ConnectError("refused"))
    registry = server.client("http://ann:s3cret@registry:8081/?token=s3cret")
    with pytest.raises(BuslineError) as caught:
        await registry.versions("a-value")
    shown = f"{caught.value} {caught.value!r} {registry!r} {registry.url} {registry._http!r}"
    assert "s3cret" not in shown
    assert "ann" not in shown
    assert server.requests[0].headers["authorization"] == "Basic YW5uOnMzY3JldA=="
    assert "s3cret" not in repr(credentials_from({"BUSLINE_REGISTRY_USER": "a", "BUSLINE_REGISTRY_PASSWORD": "s3cret"}))
    await registry.aclose()


@pytest.mark.parametrize("url", ["", "registry:8081", "ftp://x", "http://", "file:///etc/passwd"])
def test_an_address_that_is_none_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError, match="http or https"):
        RegistryHttp(url)


def _leaves(kind: type[Exception]) -> list[type[Exception]]:
    below = kind.__subclasses__()
    return [leaf for child in below for leaf in _leaves(child)] or [kind]


@pytest.mark.parametrize("kind", _leaves(httpx.TransportError), ids=lambda k: k.__name__)
async def test_every_failure_of_the_http_library_becomes_one_of_ours(kind: type[Exception]) -> None:
    async with Server(kind("x")).client() as registry:
        with pytest.raises(RegistryUnreachable):
            await registry.versions("a-value")


async def test_a_level_is_set_per_subject_and_an_unknown_one_is_a_mistake_in_the_program() -> None:
    server = Server(answer(200, {"compatibility": "FULL"}))
    async with server.client() as registry:
        await registry.set_level("a-value", "FULL")
        with pytest.raises(ValueError, match="none of"):
            await registry.set_level("a-value", "full")
    assert (server.requests[0].method, server.requests[0].url.path) == ("PUT", "/config/a-value")
    assert json.loads(server.requests[0].content) == {"compatibility": "FULL"}
