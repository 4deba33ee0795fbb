"""The contract log's records: what goes in comes out, in any version of the reader, whatever else is broken."""

import datetime as dt
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from busline.contract.entries import Catalog, entries
from busline.contract.model import (
    Acceptance,
    Audience,
    Contract,
    Deprecation,
    FieldDeprecation,
    FieldUse,
    Grant,
    Kind,
    Publication,
    ServiceSpec,
    Source,
    Storage,
    Subscription,
    TeamSpec,
    Version,
)
from busline.contract.schema import parse
from busline.errors import ContractError
from busline.names import ContractName, Service, Team

WORDS = st.from_regex(r"[a-z][a-z0-9]{0,5}(-[a-z0-9]{1,4}){0,2}", fullmatch=True)
CONTRACTS = st.builds(lambda t, s: ContractName(f"{t}.{s}"), WORDS, WORDS)
SERVICES = st.builds(lambda t, s: Service(f"{t}/{s}"), WORDS, WORDS)
COUNTS = st.integers(1, 2**40)
DATES = st.dates()
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
SOURCES = st.none() | st.builds(Source, file=TEXT, line=COUNTS)
SCHEMAS = st.sampled_from(
    [
        parse('"string"'),
        parse(
            {"type": "record", "name": "a.B", "fields": [{"name": "é_"[1:], "type": ["null", "int"], "default": None}]}
        ),
        parse({"type": "enum", "name": "E", "symbols": ["A"], "doc": "ü"}),
    ]
)


@st.composite
def versions(draw: st.DrawFn) -> tuple[Version, ...]:
    made = draw(st.lists(st.tuples(SCHEMAS, st.none() | st.integers(0, 2**31 - 1), SOURCES), max_size=3))
    return tuple(Version(number=n, schema=s, registry_id=i, source=f) for n, (s, i, f) in enumerate(made, 1))


CONTRACT = st.builds(
    Contract,
    name=CONTRACTS,
    description=TEXT,
    kind=st.sampled_from(Kind),
    audience=st.sampled_from(Audience),
    key=st.lists(WORDS, max_size=2).map(tuple),
    compatibility=st.none() | st.sampled_from(["full", "none"]),
    versions=versions(),
    grants=st.lists(
        st.builds(Grant, to=TEXT, read_only=st.booleans(), pii=st.booleans(), source=SOURCES), max_size=3
    ).map(tuple),
    storage=st.builds(
        Storage, partitions=COUNTS, retention=st.none() | COUNTS, max_record=COUNTS, replicas=st.none() | COUNTS
    ),
    tags=st.lists(WORDS, max_size=2).map(tuple),
    pii=st.frozensets(WORDS, max_size=2),
    deprecated=st.dictionaries(
        WORDS, st.builds(FieldDeprecation, since=st.none() | DATES, use=st.none() | WORDS), max_size=2
    ),
    quota=st.dictionaries(st.sampled_from(["publish", "subscribe"]), COUNTS),
    deprecation=st.none()
    | st.builds(Deprecation, since=DATES, sunset=st.none() | DATES, replacement=st.none() | CONTRACTS),
    retired=st.none() | DATES,
    topic=st.just("") | WORDS,
    subject=st.just("") | WORDS,
    example=st.none() | st.dictionaries(TEXT, st.none() | st.booleans() | st.integers(-(2**60), 2**60) | TEXT),
    source=SOURCES,
)
PUBLICATION = st.builds(Publication, contract=CONTRACTS, version=COUNTS, source=SOURCES)
ACCEPTANCE = st.builds(Acceptance, contract=CONTRACTS, version=COUNTS, why=TEXT, until=DATES)
SERVICE = st.builds(
    ServiceSpec,
    name=SERVICES,
    publishes=st.lists(PUBLICATION, max_size=2).map(tuple),
    subscribes=st.lists(
        st.builds(
            Subscription,
            contract=CONTRACTS,
            version=COUNTS,
            fields=st.lists(st.builds(FieldUse, name=WORDS, optional=st.booleans()), max_size=2).map(tuple),
            start=TEXT,
            source=SOURCES,
        ),
        max_size=2,
    ).map(tuple),
    reads=st.lists(CONTRACTS, max_size=2).map(tuple),
    groups=st.lists(WORDS, max_size=2).map(tuple),
    transactional=st.booleans(),
    accepts=st.lists(ACCEPTANCE, max_size=2).map(tuple),
    source=SOURCES,
)
TEAM = st.builds(
    TeamSpec, name=WORDS.map(Team), description=TEXT, mail=st.none() | TEXT, chat=st.none() | TEXT, source=SOURCES
)
PLAIN = Contract(name=ContractName("a.b"), versions=(Version(number=1, schema=parse('"string"')),))


def taken(records: list[tuple[bytes, bytes]]) -> Catalog:
    catalog = Catalog()
    for key, value in records:
        catalog.apply(key, value)
    return catalog


@settings(deadline=None)
@given(CONTRACT, SERVICE, TEAM)
def test_what_is_written_is_what_is_read(contract: Contract, service: ServiceSpec, team: TeamSpec) -> None:
    catalog = taken(entries([contract], [service], [team], commit="3f2c"))
    assert catalog.contract(contract.name) == contract
    assert catalog.service(service.name) == service
    assert catalog.team(team.name) == team
    assert (catalog.names(), catalog.services(), catalog.teams()) == ([contract.name], [service.name], [team.name])


@settings(deadline=None)
@given(CONTRACT)
def test_equal_values_give_equal_bytes(contract: Contract) -> None:
    assert entries([contract]) == entries([contract])


def test_the_keys_are_those_of_the_log() -> None:
    records = entries([PLAIN], [ServiceSpec(name=Service("a/s"))], [TeamSpec(name=Team("a"))], commit="3f2c")
    assert [key for key, _ in records] == [b"contract/a.b", b"service/a/s", b"team/a", b"version/a.b/1"]
    assert all(json.loads(value)["v"] == 1 and json.loads(value)["commit"] == "3f2c" for _, value in records)


def test_a_newer_writers_fields_are_ignored() -> None:
    catalog = taken([(key, value[:-1] + b',"new":{"a":1}}') for key, value in entries([PLAIN])])
    assert catalog.contract("a.b") == PLAIN


def test_a_format_that_would_be_misunderstood_is_refused() -> None:
    catalog = taken([(key, value.replace(b'"v":1', b'"v":2')) for key, value in entries([PLAIN])])
    with pytest.raises(ContractError, match=r"contract/a\.b.*Upgrade busline"):
        catalog.contract("a.b")


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b"\xff", b'{"v":1,"kind":"odd"}', b"[" * 100_000])
def test_a_broken_record_names_its_key_and_stops_no_other(value: bytes) -> None:
    other = Contract(name=ContractName("a.c"))
    catalog = taken([*entries([PLAIN, other]), (b"contract/a.b", value)])
    with pytest.raises(ContractError, match=r"contract/a\.b"):
        catalog.contract("a.b")
    assert catalog.contract("a.c") == other
    assert catalog.names() == ["a.b", "a.c"]


@pytest.mark.parametrize("value", [b'{"v":1,"schema":"nonsense"}', b'{"v":1}', b"{", None])
def test_a_broken_version_is_named(value: bytes | None) -> None:
    catalog = taken(entries([PLAIN]))
    assert catalog.contract("a.b") == PLAIN
    catalog.apply(b"version/a.b/1", value)
    with pytest.raises(ContractError, match=r"version/a\.b/1"):
        catalog.contract("a.b")


@pytest.mark.parametrize("key", [b"", b"\xff", b"contract/", b"contract/No Name", b"contract/a", b"other/x", b"team/X"])
def test_a_key_that_names_nothing_is_passed_over(key: bytes) -> None:
    catalog = taken([*entries([PLAIN]), (key, b"{}")])
    assert catalog.names() == ["a.b"]
    assert catalog.teams() == []


def test_later_records_replace_earlier_ones_and_tombstones_remove() -> None:
    catalog = taken(entries([PLAIN]))
    assert catalog.contract("a.b") == PLAIN
    retired = Contract(name=PLAIN.name, versions=PLAIN.versions, retired=dt.date(2026, 1, 1))
    for key, value in entries([retired]):
        catalog.apply(key, value)
    assert catalog.contract("a.b") == retired
    catalog.apply(b"contract/a.b", None)
    assert catalog.contract("a.b") is None


def test_what_is_not_there_is_none() -> None:
    catalog = Catalog()
    assert (catalog.contract("a.b"), catalog.service("a/b"), catalog.team("a")) == (None, None, None)
