"""Finding contracts: plural and hyphen blind, every word counts, best first, and hostile text finds nothing."""

import json

import pytest

from busline.contract.search import Raw, search, stem, words
from busline.names import ContractName


def raw(name: str, description: str = "", tags: str = "[]", **fields: str) -> Raw:
    schema = {
        "type": "record",
        "name": "R",
        "fields": [{"name": n, "type": "int", "doc": d} for n, d in fields.items()],
    }
    settings = f"description: {description}\ntags: {tags}\nkey: id\n"
    return Raw(ContractName(name), settings.encode(), json.dumps(schema).encode())


RAWS = [
    raw("growth.user-statistics", "What a user has bought.", "[sales]", user_id="Who.", totalSpent="In euros."),
    raw("orders.order-placed", "An order of a user.", "[sales]", user_id="Who ordered.", categories="Of statistics."),
    raw("billing.addresses", "Where invoices go.", zip_code="Of the city."),
]


def found(query: str) -> list[str]:
    return [hit.page.name for hit in search(query, RAWS)]


@pytest.mark.parametrize(
    "query", ["user statistics", "User-Statistic", "userstatistics", "user_statistics", "STATISTICS users"]
)
def test_plurals_hyphens_and_capitals_make_no_difference(query: str) -> None:
    assert found(query)[0] == "growth.user-statistics"


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("address", "billing.addresses"),
        ("category", "orders.order-placed"),
        ("total spent", "growth.user-statistics"),
        ("invoice", "billing.addresses"),
        ("city", "billing.addresses"),
        ("zipcode", "billing.addresses"),
    ],
)
def test_fields_docs_descriptions_and_names_are_found(query: str, name: str) -> None:
    assert found(query)[0] == name


def test_who_has_every_word_keeps_out_who_has_some() -> None:
    assert found("sales euros") == ["growth.user-statistics"]
    assert set(found("euros invoices")) == {"growth.user-statistics", "billing.addresses"}
    assert found("nothing") == found("...") == []


def test_the_fields_that_were_found_are_shown() -> None:
    assert [field.path for field in search("who ordered", RAWS)[0].fields] == ["user_id"]


def test_what_goes_stands_behind_what_stays() -> None:
    old = Raw(ContractName("a.user-statistics"), b"description: x\nretired: 2026-01-01\n", b"")
    assert search("user statistics", [old, RAWS[0]])[0].page.name == "growth.user-statistics"


@pytest.mark.parametrize("broken", [b"", b"\xff\xfe", b"[" * 5000, b"{" * 50, b"description: [", b"null", b"7"])
def test_a_broken_file_spoils_no_other(broken: bytes) -> None:
    both = [Raw(ContractName("a.user-things"), broken, broken), RAWS[0]]
    assert "growth.user-statistics" in [hit.page.name for hit in search("user", both)]


def test_stems() -> None:
    assert [stem(w) for w in ("statistics", "categories", "addresses", "boxes", "status", "bus", "class")] == [
        *("statistic", "category", "address", "box", "status", "bus", "class"),
    ]
    assert words("userId of an order-line_no") == ["user", "id", "of", "an", "order", "line", "no"]
