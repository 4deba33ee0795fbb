"""What tells of a person is masked under each name that it ever had."""

from typing import Any

from busline.contract.masking import MASK, mask, masked_fields
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


def test_nothing_marked_is_nothing_masked() -> None:
    assert masked_fields(Contract(name=ContractName("a.b"), versions=(version(1),))) == frozenset()
