"""The registry client against a real registry: the traps that apply relies on being avoided."""

import uuid
from collections.abc import AsyncIterator

import pytest

from busline.contract.schema import Schema, parse
from busline.errors import RegistryRefused, RegistryUnreachable
from busline.governance.registry.http import Patience, RegistryHttp
from busline.governance.registry.registry import Registry

pytestmark = pytest.mark.registry


def schema(*fields: str) -> Schema:
    return parse({"type": "record", "name": "Order", "fields": [{"name": f, "type": "string"} for f in fields]})


@pytest.fixture
def subject() -> str:
    return f"orders.order-{uuid.uuid4().hex}-value"


@pytest.fixture
async def client(registry: str) -> AsyncIterator[Registry]:
    async with Registry.at(registry) as client:
        yield client


async def test_registering_again_and_with_other_spaces_gives_the_same_id(client: Registry, subject: str) -> None:
    spaced = parse('{ "type" : "record",\n "name": "Order", "fields": [ {"type": {"type": "string"}, "name": "id"} ] }')
    first = await client.register(subject, schema("id"))
    assert await client.register(subject, schema("id")) == first
    assert await client.register(subject, spaced) == first
    assert await client.versions(subject) == [1]
    found = await client.lookup(subject, spaced)
    assert found is not None
    assert (found.id, found.version) == (first, 1)


async def test_a_schema_is_had_by_its_id(client: Registry, subject: str) -> None:
    given = schema("id", "total")
    text = await client.schema(await client.register(subject, given))
    assert text is not None
    assert parse(text).fingerprint == given.fingerprint
    assert await client.schema(2_000_000_000) is None


async def test_a_subject_that_is_not_there_is_empty(client: Registry, subject: str) -> None:
    assert await client.versions(subject) == []
    assert await client.lookup(subject, schema("id")) is None
    assert await client.level(subject) is None


async def test_a_level_set_before_the_first_schema_holds_for_the_second(client: Registry, subject: str) -> None:
    await client.set_level(subject, "BACKWARD_TRANSITIVE")
    assert await client.level(subject) == "BACKWARD_TRANSITIVE"
    await client.register(subject, schema("id"))
    with pytest.raises(RegistryRefused, match="incompatible") as caught:
        await client.register(subject, schema("id", "total"))
    assert subject in str(caught.value.where)
    assert await client.versions(subject) == [1]


async def test_a_new_subject_is_listed_or_the_list_says_that_it_is_not_complete(client: Registry, subject: str) -> None:
    await client.register(subject, schema("id"))
    found = await client.subjects()
    assert subject in found.names or not found.complete


async def test_a_registry_that_is_down_is_unreachable() -> None:
    async with Registry(RegistryHttp("http://127.0.0.1:9", patience=Patience(attempts=2, first=0.01))) as client:
        with pytest.raises(RegistryUnreachable, match="2 tries"):
            await client.versions("a-value")
