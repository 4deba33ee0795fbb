"""Finding every subject of a registry: in pages, by Apicurio's own search, or saying that there may be more."""

import json

import httpx
import pytest

from busline.governance.registry.http import Patience, RegistryHttp
from busline.governance.registry.registry import Registry, Stored

NAMES = [f"s-{n:04}-value" for n in range(1_234)]


class Apicurio:
    """Answers GET /subjects with 1,000 names whatever is asked, and its own search in pages, where it has one."""

    def __init__(self, search: str | None = "/apis/registry/v2", key: str = "id", status: int = 404) -> None:
        self.search, self.key, self.status = search, key, status
        self.asked: list[httpx.URL] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url)
        query = request.url.params
        if request.url.path.endswith("/subjects"):
            body: object = NAMES[:1000]
        elif self.search and request.url.path.endswith(f"{self.search}/search/artifacts"):
            offset, limit = int(query["offset"]), int(query["limit"])
            body = {"artifacts": [{self.key: name} for name in NAMES[offset : offset + limit]], "count": len(NAMES)}
        else:
            return httpx.Response(self.status, stream=httpx.ByteStream(b"{}"))
        return httpx.Response(200, stream=httpx.ByteStream(json.dumps(body).encode()))

    def client(self, url: str = "http://registry/apis/ccompat/v7") -> Registry:
        return Registry(RegistryHttp(url, patience=Patience(attempts=1), transport=httpx.MockTransport(self)))


@pytest.mark.parametrize(("search", "key"), [("/apis/registry/v2", "id"), ("/apis/registry/v3", "artifactId")])
async def test_what_the_confluent_api_hides_is_found_by_the_registrys_own_search(search: str, key: str) -> None:
    server = Apicurio(search, key)
    async with server.client("https://proxy/kafka/apis/ccompat/v7/") as registry:
        found = await registry.subjects()
        some = await registry.subjects("s-12")
    assert found == (NAMES, True)
    assert some == ([name for name in NAMES if name.startswith("s-12")], True)
    searched = [url for url in server.asked if url.path.endswith(f"{search}/search/artifacts")]
    assert {url.path for url in searched} == {f"/kafka{search}/search/artifacts"}
    assert [url.params["offset"] for url in searched[:3]] == ["0", "500", "1000"]


@pytest.mark.parametrize("status", [403, 404])
async def test_without_that_search_it_is_said_that_there_may_be_more(status: int) -> None:
    async with Apicurio(None, status=status).client() as registry:
        assert await registry.subjects() == (NAMES[:1000], False)


async def test_another_registry_is_asked_nothing_of_the_kind() -> None:
    server = Apicurio()
    async with server.client("http://registry:8081") as registry:
        assert not (await registry.subjects()).complete
    assert all(url.path == "/subjects" for url in server.asked)


async def test_a_version_is_read_as_it_lies_there() -> None:
    answers = {
        "latest": {"subject": "a", "version": 7, "id": 3, "schema": '"int"'},
        "2": {"version": 2, "id": 1, "schema": "{}", "schemaType": "JSON", "references": [{"name": "b"}]},
    }

    def serve(request: httpx.Request) -> httpx.Response:
        number = request.url.path.rpartition("/")[2]
        body = answers.get(number, {"error_code": 40402})
        return httpx.Response(200 if number in answers else 404, stream=httpx.ByteStream(json.dumps(body).encode()))

    http = RegistryHttp("http://registry", patience=Patience(attempts=1), transport=httpx.MockTransport(serve))
    async with Registry(http) as registry:
        assert await registry.stored("a") == Stored(7, 3, '"int"')
        assert await registry.stored("a", 2) == Stored(2, 1, "{}", "JSON", True)
        assert await registry.stored("a", 9) is None
