"""What tells of a person is masked under each name that it ever had."""

from typing import Any

from busline.contract.masking import MASK, mask, masked_fields, recurring
from busline.contract.model import Contract, Version
from busline.contract.schema import parse
from busline.names import ContractName


def version(number: int, *fields: dict[str, Any]) -> Version:
    return Version(number=number, schema=parse({"type": "record", "name": "a.B", "fields": list(fields)}))


def test_a_renamed_field_is_masked_in_old_events_and_in_new_ones() -> None:
    versions = (
        version(1, {"name": "mail", "type": "string"}, {"name": "id", "type": "string"}),
        version(2, {"name": "mail_address", "type": "string", "aliases": ["mail"]}, {"name": "id", "type": "string"}),
        version(
            3, {"name": "contact", "type": "string", "aliases": ["mail_address"]}, {"name": "id", "type": "string"}
        ),
    )
    for marked in ("mail", "contact"):
        contract = Contract(name=ContractName("a.b"), versions=versions, pii=frozenset({marked}))
        assert masked_fields(contract) == {"mail", "mail_address", "contact"}


def test_a_mask_covers_every_type_and_nothing_too() -> None:
    value = {"mail": None, "address": {"city": "x"}, "n": 5, "id": "1"}
    assert mask(value, frozenset({"mail", "address", "n"})) == {"mail": MASK, "address": MASK, "n": MASK, "id": "1"}
    assert value["n"] == 5


def test_a_record_within_its_own_kind_is_masked_too() -> None:
    team = {"type": "record", "name": "Team", "fields": [{"name": "lead", "type": ["null", "B"]}]}
    fields = [
        {"name": "mail", "type": "string"},
        {"name": "team", "type": ["null", team]},
        {"name": "reports", "type": {"type": "array", "items": "B"}},
        {"name": "by_role", "type": {"type": "map", "values": "B"}},
    ]
    contract = Contract(name=ContractName("a.b"), versions=(version(1, *fields),), pii=frozenset({"mail"}))

    def person(**more: Any) -> dict[str, Any]:
        return {"mail": "a@b.example", "team": None, "reports": [], "by_role": {}, **more}

    value = person(team={"lead": person()}, reports=[person(reports=[person()])], by_role={"mail": person()})
    shown = mask(value, masked_fields(contract), recurring(contract))
    assert "example" not in str(shown)
    assert shown["by_role"]["mail"]["mail"] == shown["reports"][0]["reports"][0]["mail"] == MASK
    assert recurring(Contract(name=ContractName("a.b"), versions=(version(1, fields[0]),))) == frozenset()


def test_nothing_marked_is_nothing_masked() -> None:
    assert masked_fields(Contract(name=ContractName("a.b"), versions=(version(1),))) == frozenset()
